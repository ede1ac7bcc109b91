"""Subscriptions of ours: asked for, refreshed, told of, ended (RFC 6665 §4.1).

The NOTIFY makes the subscription and its dialog, not the 2xx, which only promises one (§4.4.1): of the several that a
forked SUBSCRIBE brings the first counts, and the others are answered 481.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from voipnode.sipstack.client import Client
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog, DialogId, DialogState
from voipnode.sipstack.errors import LocalError, ParseError, RemoteError, SipError
from voipnode.sipstack.event_fields import EventField, SubscriptionState
from voipnode.sipstack.events import NotifyReceived, SubscriptionEnded
from voipnode.sipstack.fields import RetryAfter, parse_delta_seconds
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.notifications import Notifications
from voipnode.sipstack.outside import Outside
from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.routing import hop_to, is_literal
from voipnode.sipstack.subscription_table import TABLE, Action, Input, State
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.uri import SipUri, normal_host

SUBSCRIPTION_DUE = "a subscription of ours is due"
MAX_EXPIRES_S = 86_400
EARLY_S = 60.0  # before its end a subscription is refreshed, or at half of its time
AGAIN_S = 300.0  # after refusals that name no time

# RFC 6665 §4.1.2.2: these end a subscription that is refreshed; others leave it until its time is up.
_ENDING = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
# §4.1.3: what to do about the reason of the last NOTIFY. None: not again; a number: after so many seconds, or after
# what retry-after says. A reason that is not listed, or none at all: again at any time.
_AGAIN_S: dict[str, float | None] = {
    "deactivated": 0.0,
    "timeout": 0.0,
    "probation": AGAIN_S,
    "giveup": AGAIN_S,
    "rejected": None,
    "noresource": None,
    "invariant": None,
}


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription of ours; `end` is what `SubscriptionEnded` will tell."""

    name: str
    call: OutsideRequest
    event: EventField
    accept: str
    expires_s: int
    owner: Subscribing
    outgoing: OutgoingRequest | None = None
    state: State = State.ASKING
    dialog: Dialog | None = None
    ends_at: float = 0.0
    refreshing: bool = False
    end: tuple[int, str, float | None] = (0, "", None)

    def matches(self, event: EventField) -> bool:
        return event == self.event

    def notified(self, arrival: ServerArrival, state: SubscriptionState, now: float) -> None:
        self.owner.notified(self, arrival, state, now)


class Subscribing:
    """Keeps subscriptions of ours alive. Each has one deadline: Timer N, its refresh, or its end."""

    def __init__(self, core: Core, client: Client, outside: Outside, notifications: Notifications) -> None:
        self._core = core
        self._client = client
        self._outside = outside
        self._notifications = notifications
        self._subscriptions: dict[str, Subscription] = {}
        self._asked: dict[str, Subscription] = {}  # by the token of the SUBSCRIBE that is under way
        client.hearers[Kind.SUBSCRIBE] = self._answered
        core.due[SUBSCRIPTION_DUE] = self._due

    def __len__(self) -> int:
        """How many subscriptions of ours there are."""
        return len(self._subscriptions)

    # ---- commands

    def subscribe(self, call: OutsideRequest, event: str, accept: str, expires_s: int, now: float) -> str:
        series = call.series or self._outside.series(call.credentials)
        call = replace(call, method="SUBSCRIBE", series=series)
        subscription = Subscription(self._core.number(), call, EventField(event), accept, expires_s, self)
        self._ask(subscription, now)
        self._subscriptions[subscription.name] = subscription
        self._notifications.watch(DialogId(series.call_id, series.tag, ""), subscription)
        return subscription.name

    def unsubscribe(self, name: str, now: float) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            raise LocalError(f"subscription {name!r} is unknown or has ended")
        self._run(subscription, Input.STOP, now)

    # ---- SUBSCRIBE

    def _ask(self, subscription: Subscription, now: float) -> None:
        """Send a SUBSCRIBE outside a dialog, and give the first NOTIFY 64*T1 (Timer N)."""
        fields = self._fields(subscription, subscription.expires_s)
        call = replace(subscription.call, headers=(*subscription.call.headers, *fields))
        sent = self._outside.send(call, now, Kind.SUBSCRIBE)
        subscription.outgoing = self._sent(subscription, sent, now)

    def _fields(self, subscription: Subscription, expires_s: int) -> list[tuple[str, str]]:
        return [
            ("Event", str(subscription.event)),
            ("Expires", str(expires_s)),
            ("Accept", subscription.accept),
        ]

    def _refresh(self, subscription: Subscription, expires_s: int, now: float) -> None:
        dialog, first = subscription.dialog, subscription.outgoing
        assert dialog is not None
        assert first is not None
        request = dialog.make_request("SUBSCRIBE")
        for name, value in (*self._fields(subscription, expires_s), ("Contact", dialog.contact)):
            request.headers.add(name, value)
        digest = first.digest
        if digest is not None:
            self._client.sign(request, digest)
        hop = first.hop if first.hop.remote.host == dialog.next_uri().host else hop_to(dialog.next_uri())
        outgoing = OutgoingRequest(
            Kind.SUBSCRIBE, request, hop, dialog=dialog, token=self._core.number(), digest=digest
        )
        self._client.send(outgoing, now)
        self._sent(subscription, outgoing, now)

    def _sent(self, subscription: Subscription, outgoing: OutgoingRequest, now: float) -> OutgoingRequest:
        self._asked[outgoing.token] = subscription
        subscription.refreshing = True
        self._wait(subscription, now + self._core.config.timers.timeout_s)
        return outgoing

    def _answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        subscription = self._asked.pop(outgoing.token)
        if subscription.state is State.ENDED:
            return
        if response.status < 300:
            granted = response.headers.get("Expires")
            if granted is not None:
                subscription.ends_at = now + min(_seconds(granted), MAX_EXPIRES_S)
            return
        if response.status == 423 and self._ask_longer(subscription, response, now):
            return
        again_s = None if response.status in (403, 489, 603) else _retry_after_s(response)
        subscription.end = (response.status, response.reason, again_s)
        if subscription.state is not State.RUNNING or response.status in _ENDING:
            self._run(subscription, Input.REFUSED, now)
        else:
            self._wait(subscription, max(now, subscription.ends_at))  # valid until then (§4.1.2.2)

    def _ask_longer(self, subscription: Subscription, response: Response, now: float) -> bool:
        """423: the notifier wants fewer refreshes (§4.2.1.1); False where it wants what nobody should promise."""
        wanted_s = _seconds(response.headers.get("Min-Expires") or "0")
        if not subscription.expires_s < wanted_s <= MAX_EXPIRES_S or subscription.state is State.LEAVING:
            return False
        subscription.expires_s = wanted_s
        try:
            if subscription.dialog is None:
                self._ask(subscription, now)
            else:
                self._refresh(subscription, wanted_s, now)
        except LocalError:
            return False
        return True

    # ---- NOTIFY

    def notified(
        self, subscription: Subscription, arrival: ServerArrival, state: SubscriptionState, now: float
    ) -> None:
        """A NOTIFY of this subscription; RemoteError 403 from elsewhere, 481 where another fork made it already."""
        request, first = arrival.request, subscription.outgoing
        assert first is not None
        if not _may_tell(arrival, first, subscription.dialog):
            raise RemoteError(403, "Forbidden")
        if subscription.dialog is None:
            self._confirm(subscription, first, request)
        assert subscription.dialog is not None
        subscription.dialog.check_order(request)
        subscription.dialog.refresh_target(request)
        if request.body:
            media_type = request.content_type
            kind = "" if media_type is None else media_type.essence
            self._core.tell(NotifyReceived(subscription.name, subscription.event.package, kind, request.body))
        if state.terminated:
            again_s = _AGAIN_S.get(state.reason, AGAIN_S)
            if again_s is not None and state.retry_after_s is not None:
                again_s = float(state.retry_after_s)
            subscription.end = (0, state.reason, again_s)
            self._run(subscription, Input.LAST_NOTIFY, now)
            return
        if state.expires_s is not None:
            subscription.ends_at = now + min(state.expires_s, MAX_EXPIRES_S)
        self._run(subscription, Input.NOTIFY, now)
        if subscription.state is State.RUNNING:
            self._wait_for_refresh(subscription, now)

    def _confirm(self, subscription: Subscription, first: OutgoingRequest, notify: Request) -> None:
        """The dialog that the first NOTIFY makes (§4.4.1)."""
        asked = first.request
        target = notify.contacts[0].uri if notify.contacts else None
        if not isinstance(target, SipUri):
            raise ParseError("no SIP URI in Contact")
        dialog_id = DialogId(asked.call_id, asked.from_tag or "", notify.from_tag or "")
        subscription.dialog = Dialog(
            dialog_id,
            DialogState.CONFIRMED,
            printable(asked.headers.get("From") or ""),
            printable(notify.headers.get("From") or ""),
            target.with_(headers=()),
            tuple(notify.record_routes),
            asked.headers.get("Contact") or "",
            asked.cseq.number,
            None,
        )
        self._notifications.forget(DialogId(asked.call_id, asked.from_tag or "", ""), subscription)
        self._notifications.watch(dialog_id, subscription)

    # ---- the table, and time

    def _run(self, subscription: Subscription, happened: Input, now: float) -> None:
        row = TABLE.get((subscription.state, happened))
        if row is None:
            return
        subscription.state, action = row
        if action is Action.END:
            self._end(subscription)
        elif action is not None:
            expires_s = subscription.expires_s if action is Action.REFRESH else 0
            try:
                self._refresh(subscription, expires_s, now)
            except SipError:  # no room, or the notifier's Contact leads nowhere
                self._wait(subscription, subscription.ends_at)

    def _end(self, subscription: Subscription) -> None:
        first, dialog = subscription.outgoing, subscription.dialog
        assert first is not None
        request = first.request
        early = DialogId(request.call_id, request.from_tag or "", "")
        self._notifications.forget(early if dialog is None else dialog.id, subscription)
        self._core.deadlines.cancel((SUBSCRIPTION_DUE, subscription.name))
        del self._subscriptions[subscription.name]
        self._core.tell(SubscriptionEnded(subscription.name, *subscription.end))

    def _wait(self, subscription: Subscription, until: float) -> None:
        self._core.deadlines.set((SUBSCRIPTION_DUE, subscription.name), until)

    def _wait_for_refresh(self, subscription: Subscription, now: float) -> None:
        left_s = max(0.0, subscription.ends_at - now)
        subscription.refreshing = False
        self._wait(subscription, now + max(left_s / 2, left_s - EARLY_S))

    def _due(self, key: object, now: float) -> None:
        subscription = self._subscriptions.get(str(key))
        if subscription is None:
            return
        if subscription.state is State.RUNNING and not subscription.refreshing:
            self._run(subscription, Input.DUE, now)
        else:
            if not subscription.end[0]:
                subscription.end = (408, "No NOTIFY Came", AGAIN_S)
            self._run(subscription, Input.SILENCE, now)


def _may_tell(arrival: ServerArrival, first: OutgoingRequest, dialog: Dialog | None) -> bool:
    """Whether NOTIFYs may come from there: where the SUBSCRIBE went, or goes next.

    As within calls: addresses alone, and where it went to a name, nothing can be compared.
    """
    known = [first.hop.remote.host]
    if dialog is not None:
        known.append(dialog.next_uri().host)
    hosts = [normal_host(host) for host in known]
    return arrival.source.remote.host in hosts or not is_literal(hosts[0])


def _seconds(text: str) -> int:
    try:
        return parse_delta_seconds(text.partition(";")[0].strip())
    except ParseError:
        return 0


def _retry_after_s(response: Response) -> float:
    text = response.headers.get("Retry-After")
    try:
        return AGAIN_S if text is None else float(RetryAfter.parse(text).seconds)
    except ParseError:
        return AGAIN_S
