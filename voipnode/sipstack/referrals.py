"""REFER to us: the far side of a call asks us to call somebody else (RFC 3515 §2.4.2, RFC 5589).

Whether we do is for the layer above: it accepts or rejects at once, and tells how the new call goes. The far side hears
it by NOTIFY, unless it does not want to (RFC 4488).
"""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.errors import LocalError, ParseError, RemoteError
from voipnode.sipstack.event_fields import SIPFRAG_TYPE, EventField, sipfrag
from voipnode.sipstack.events import ReferralEnded, ReferReceived
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request
from voipnode.sipstack.notifier import Notice, Notifier, Subscription
from voipnode.sipstack.replaces import replaces_in
from voipnode.sipstack.server import Server, no_dialog
from voipnode.sipstack.session import InviteSession, State
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.uri import SipUri

REFER_UNANSWERED = "a REFER to us is unanswered"
ANSWER_WITHIN_S = 16.0  # its client gives up after 32 (timer F)
SUBSCRIPTION_S = 180.0  # longer than a call rings (RFC 3515 §3.4)
MAX_PER_CALL = 4
MAX_REFERRED_BY_CHARS = 1024


@dataclass(slots=True, eq=False)
class Referral:
    """A REFER to us that is not done with. `subscription` is None before it is accepted, and where none is wanted."""

    token: str
    session: InviteSession
    dialog: Dialog
    arrival: ServerArrival
    quiet: bool
    event: EventField
    answered: bool = False
    subscription: Subscription | None = None


class Referrals:
    """Takes REFERs within calls and reports what comes of them."""

    def __init__(self, core: Core, server: Server, notifier: Notifier) -> None:
        self._core = core
        self._server = server
        self._notifier = notifier
        self._referrals: dict[str, Referral] = {}
        server.methods["REFER"] = self._refer
        core.due[REFER_UNANSWERED] = self._unanswered

    def __len__(self) -> int:
        """How many REFERs are not done with."""
        return len(self._referrals)

    # ---- commands

    def accept(self, token: str, now: float) -> None:
        referral = self._take(token)
        fields = [("Contact", referral.dialog.contact)]
        if referral.quiet:
            fields.append(("Refer-Sub", "false"))  # RFC 4488 §4
        self._server.respond(referral.arrival, 202, now, headers=fields)
        if referral.quiet:
            return
        referral.subscription = Subscription(
            referral.session,
            referral.dialog,
            referral.event,
            now + SUBSCRIPTION_S,
            lambda: self._ended(referral),
            _notice(100, "Trying"),
        )
        self._notifier.open(referral.subscription, now)

    def reject(self, token: str, status: int, now: float, reason: str | None) -> None:
        if not 300 <= status <= 699:
            raise LocalError(f"{status} refuses nothing (300 to 699)")
        referral = self._take(token)
        del self._referrals[token]
        self._server.respond(referral.arrival, status, now, reason)

    def progress(self, token: str, status: int, reason: str, now: float) -> bool:
        """Tell how the new call goes; False where nobody wants to hear it (any more)."""
        referral = self._referrals.get(token)
        if referral is None or not referral.answered:
            return False
        if referral.subscription is not None:
            # RFC 3515 §2.4.7: the last NOTIFY says that there is no more to tell.
            self._notifier.notify(referral.subscription, _notice(status, reason), now)
            return True
        if status >= 200:
            del self._referrals[token]
        return False

    # ---- inside

    def _take(self, token: str) -> Referral:
        referral = self._referrals.get(token)
        if referral is None or referral.answered:
            raise LocalError(f"no REFER {token!r} waits for an answer")
        referral.answered = True
        self._core.deadlines.cancel((REFER_UNANSWERED, token))
        return referral

    def _refer(self, arrival: ServerArrival, now: float) -> None:
        request = arrival.request
        if request.to_tag is None:
            # Whoever is in no call with us has nothing to transfer.
            raise RemoteError(403, "REFER Within A Call Only")
        session, dialog = self._server.dialog(arrival)
        if session.closing:
            raise no_dialog()
        if session.state not in (State.CONFIRMED, State.ACCEPTED):  # it may overtake the ACK
            raise RemoteError(403, "REFER Within An Answered Call Only")
        here = [one for one in self._referrals.values() if one.session is session]
        if len(here) >= MAX_PER_CALL or any(not one.answered for one in here):
            raise RemoteError(503, "Service Unavailable", (("Retry-After", "10"),))
        target = _refer_to(request)
        replaces, referred_by = replaces_in(target), _referred_by(request)
        first = self._notifier.of_dialog(dialog.id) == 0
        referral = Referral(
            self._core.number(),
            session,
            dialog,
            arrival,
            quiet=(request.headers.get("Refer-Sub") or "").lower() == "false",
            # RFC 3515 §2.4.6: an id MUST tell the second and later ones apart; some peers know none for the first.
            event=EventField("refer", "" if first else str(request.cseq.number)),
        )
        self._referrals[referral.token] = referral
        self._core.deadlines.set((REFER_UNANSWERED, referral.token), now + ANSWER_WITHIN_S)
        self._core.tell(ReferReceived(session.id, referral.token, target.with_(headers=()), replaces, referred_by))

    def _unanswered(self, key: object, now: float) -> None:
        if str(key) in self._referrals:
            self.reject(str(key), 480, now, None)

    def _ended(self, referral: Referral) -> None:
        if self._referrals.pop(referral.token, None) is not None:
            self._core.tell(ReferralEnded(referral.session.id, referral.token))


def _notice(status: int, reason: str) -> Notice:
    return Notice(sipfrag(status, reason), SIPFRAG_TYPE, "noresource" if status >= 200 else "")


def _refer_to(request: Request) -> SipUri:
    """Where a REFER points: 400 for no or several Refer-To (RFC 3515 §2.4.2), 416 where it is no SIP URI."""
    values = request.headers.get_all("Refer-To")
    if len(values) != 1:
        raise ParseError("REFER has exactly one Refer-To")
    uri = NameAddr.parse(values[0]).uri
    if not isinstance(uri, SipUri):
        raise RemoteError(416, "Unsupported URI Scheme")
    if (uri.params.get("method") or "INVITE").upper() != "INVITE":
        raise RemoteError(603, "Only Calls Can Be Referred To")
    return uri.with_(params=uri.params.without("method"))


def _referred_by(request: Request) -> str:
    """The Referred-By to pass on in the new INVITE (RFC 3892 §3), "" where there is none that could be.

    Its cid names a body that is not passed on, so it is left out.
    """
    text = request.headers.get("Referred-By")
    if text is None or len(text) > MAX_REFERRED_BY_CHARS:
        return ""
    referrer = NameAddr.parse(text)
    return str(NameAddr(referrer.display_name, referrer.uri, referrer.params.without("cid")))
