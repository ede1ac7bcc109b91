"""Subscriptions of others to what goes on here: kept, refreshed, told, ended (RFC 6665 §4.2).

What is watched is for others: REFER makes such a subscription without being asked (`referrals`), and a package that
serves SUBSCRIBE puts itself into `Notifier.packages`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from voipnode.sipstack.client import Client
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.event_fields import EventField, SubscriptionState
from voipnode.sipstack.message import Response
from voipnode.sipstack.requests import Kind, OutgoingRequest
from voipnode.sipstack.server import Server, is_peer, no_dialog
from voipnode.sipstack.session import InviteSession
from voipnode.sipstack.transaction.events import ServerArrival

SUBSCRIPTION_ENDS = "a subscription of theirs ends"
MIN_EXPIRES_S = 1
MAX_EXPIRES_S = 600

Serve = Callable[[ServerArrival, float], None]


class Notice(NamedTuple):
    """The state to tell: a body, and "" or why it is the last one (RFC 6665 §4.1.3 lists the reasons)."""

    body: bytes
    content_type: str
    last: str = ""


class Picture(Protocol):
    """What one subscriber sees of something that changes; drawn when it is sent, so that it is never out of date."""

    def draw(self, *, whole: bool) -> bytes:
        """The body of the next NOTIFY: all there is, or what has changed since the one before."""
        ...


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription of theirs, in a dialog of ours.

    One NOTIFY is under way at a time, so that they cannot overtake each other; of the states that come meanwhile the
    newest waits. `on_end` is called once, when the last one was answered or nobody listens any more. `session` is None
    where the dialog has no other use. With a `picture` the body of `notice` is drawn when it is sent.
    """

    session: InviteSession | None
    dialog: Dialog
    event: EventField
    ends_at: float
    on_end: Callable[[], None]
    notice: Notice
    picture: Picture | None = None
    max_expires_s: int = MAX_EXPIRES_S
    whole: bool = True  # the next picture shows all there is
    waiting: bool = False  # `notice` was not sent yet
    busy: bool = False
    over: bool = False


class Notifier:
    """Keeps the subscriptions of others. Each ends by itself: at its time, or at the first NOTIFY that nobody takes."""

    def __init__(self, core: Core, client: Client, server: Server) -> None:
        self._core = core
        self._client = client
        self._server = server
        self._subscriptions: dict[DialogId, list[Subscription]] = {}
        self._asked: dict[str, Subscription] = {}  # by the token of the NOTIFY that is under way
        self.packages: dict[str, Serve] = {}
        server.methods["SUBSCRIBE"] = self._subscribe
        client.hearers[Kind.NOTIFY] = self._answered
        core.due[SUBSCRIPTION_ENDS] = self._expired

    def __len__(self) -> int:
        """How many subscriptions of others there are."""
        return sum(map(len, self._subscriptions.values()))

    def of_dialog(self, dialog: DialogId) -> int:
        """How many there are in one dialog."""
        return len(self._subscriptions.get(dialog, ()))

    # ---- commands

    def open(self, subscription: Subscription, now: float) -> None:
        """Begin: tell the first state at once (RFC 6665 §4.2.1.2)."""
        self._subscriptions.setdefault(subscription.dialog.id, []).append(subscription)
        self._core.deadlines.set((SUBSCRIPTION_ENDS, subscription), subscription.ends_at)
        self.notify(subscription, subscription.notice, now)

    def notify(self, subscription: Subscription, notice: Notice, now: float) -> None:
        """Tell a new state, now or as soon as the one before has arrived; ignored after the last one."""
        if subscription.over:
            return
        subscription.notice, subscription.waiting = notice, True
        subscription.over = bool(notice.last)
        if not subscription.busy:
            self._send(subscription, now)

    # ---- inside

    def _send(self, subscription: Subscription, now: float) -> None:
        notice, dialog = subscription.notice, subscription.dialog
        body = notice.body
        if subscription.picture is not None:
            body = subscription.picture.draw(whole=subscription.whole)
            subscription.whole = False
        if notice.last:
            state = SubscriptionState("terminated", reason=notice.last)
        else:
            state = SubscriptionState("active", expires_s=max(0, round(subscription.ends_at - now)))
        request = dialog.make_request("NOTIFY")
        request.headers.add("Event", str(subscription.event))
        request.headers.add("Subscription-State", str(state))
        request.headers.add("Contact", dialog.contact)
        try:
            sent = self._client.in_dialog(
                Kind.NOTIFY, request, subscription.session, dialog, body, notice.content_type, now
            )
        except LocalError:
            self._forget(subscription)  # no room for a transaction: they will find out by its end
            return
        subscription.waiting, subscription.busy = False, True
        self._asked[sent.token] = subscription

    def _answered(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        subscription = self._asked.pop(outgoing.token)
        subscription.busy = False
        if response.status >= 300:
            # Nobody takes it (481), or nobody is there (408): the subscription is gone, and no other part of the
            # dialog with it (RFC 6665 §4.2.2, RFC 5057 §5.1).
            self._forget(subscription)
        elif subscription.waiting:
            self._send(subscription, now)
        elif subscription.over:
            self._forget(subscription)

    def _expired(self, key: object, now: float) -> None:
        assert isinstance(key, Subscription)
        self.notify(key, replace_last(key.notice, "timeout"), now)

    def _forget(self, subscription: Subscription) -> None:
        here = self._subscriptions.get(subscription.dialog.id, [])
        if subscription not in here:
            return
        here.remove(subscription)
        if not here:
            del self._subscriptions[subscription.dialog.id]
        subscription.over = True
        self._core.deadlines.cancel((SUBSCRIPTION_ENDS, subscription))
        subscription.on_end()

    # ---- SUBSCRIBE

    def _subscribe(self, arrival: ServerArrival, now: float) -> None:
        event = EventField.of(arrival.request)
        if arrival.request.to_tag is not None:
            self._refresh(arrival, event, now)
        elif event.package in self.packages:
            self.packages[event.package](arrival, now)
        elif event.package == "refer":
            raise RemoteError(403, "Forbidden")  # REFER alone makes such a subscription (RFC 3515 §2.4.4)
        else:
            # RFC 6665 §4.2.1.1
            raise RemoteError(489, "Bad Event", (("Allow-Events", ", ".join(("refer", *self.packages))),))

    def _refresh(self, arrival: ServerArrival, event: EventField, now: float) -> None:
        """Prolong a subscription, or end it with Expires 0 (§4.2.1.4); both are followed by a NOTIFY."""
        request = arrival.request
        dialog_id = DialogId(request.call_id, request.to_tag or "", request.from_tag or "")
        here = self._subscriptions.get(dialog_id, [])
        found = next((one for one in here if not one.over and one.event.package == event.package
                      and event.id in ("", one.event.id)), None)  # fmt: skip
        if found is None:
            raise no_dialog()
        if not is_peer(arrival.source, found.session, found.dialog):
            raise RemoteError(403, "Forbidden")
        found.dialog.check_order(request)
        if found.session is None:
            found.dialog.refresh_target(request)  # RFC 6665 §4.4.1: SUBSCRIBE is a target refresh request
        asked_s = found.max_expires_s if request.expires is None else request.expires
        expires_s = min(asked_s, found.max_expires_s)
        fields = (("Expires", str(expires_s)), ("Contact", found.dialog.contact))
        self._server.respond(arrival, 200, now, headers=fields)
        if expires_s < MIN_EXPIRES_S:
            found.whole = True
            self.notify(found, replace_last(found.notice, "timeout"), now)
            return
        found.ends_at = now + expires_s
        found.whole = True  # RFC 6665 §4.2.1.4: a refresh is answered with all there is
        self._core.deadlines.set((SUBSCRIPTION_ENDS, found), found.ends_at)
        self.notify(found, found.notice, now)


def replace_last(notice: Notice, why: str) -> Notice:
    """The same state, as the last word."""
    return notice._replace(last=why)
