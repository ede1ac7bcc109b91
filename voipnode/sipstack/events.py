"""What the endpoint tells the layer above. Plain immutable values; `session` is the id that commands take.

Bodies are bytes as they came; `sdp` parses them. Every INVITE session ends with exactly one `SessionEnded`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.reason_field import Reason
from voipnode.sipstack.replaces import Replacement, Replaces
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri


class EndCause(StrEnum):
    """Why an INVITE session ended."""

    LOCAL_HANGUP = "local-hangup"  # we sent BYE, CANCEL or a rejection
    REMOTE_HANGUP = "remote-hangup"  # BYE received
    CANCELLED = "cancelled"  # the caller sent CANCEL before we answered, or its Expires ran out
    REJECTED = "rejected"  # a final non-2xx response to our INVITE: see status
    TIMEOUT = "timeout"  # no response at all (timer B), or no ACK for our 2xx (RFC 3261 §13.3.1.4)
    TRANSPORT = "transport"  # the network refused our bytes
    EXPIRED = "expired"  # the session was not refreshed in time (RFC 4028 §10)
    GONE = "gone"  # an in-dialog request was answered 481 or 408 (RFC 3261 §12.2.1.2)


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all endpoint events."""


@dataclass(frozen=True, slots=True)
class IncomingCall(Event):
    """A new INVITE that passed all checks; 100 Trying has been sent, nothing else."""

    session: str
    request: Request
    source: Hop
    offer: bytes | None  # None: no SDP, we must offer in our 2xx
    replaces: Replacement | None = None  # it wants the place of a call that there is (RFC 3891)


@dataclass(frozen=True, slots=True)
class CallProgress(Event):
    """A 101-199 response to our INVITE; `body` is SDP (early media) or None. `tag` tells forks apart.

    `reliable`: it came in order and has been acknowledged, so that its SDP is the answer; else the SDP is a preview of
    it (RFC 6337 §3.1.1). `is_offer`: our INVITE had no offer and this one is it; `acknowledge` gives our answer.
    """

    session: str
    status: int
    reason: str
    tag: str
    body: bytes | None
    reliable: bool = False
    is_offer: bool = False


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """The first 2xx to our INVITE. ACK has been sent, unless our INVITE carried no offer: then `acknowledge` sends it.

    Later 2xx of other forks get ACK and BYE by themselves. `tag` tells which fork of `CallProgress` won.
    """

    session: str
    body: bytes | None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class EarlyAnswer(Event):
    """The caller answered, in a PRACK, the offer of our reliable provisional response; None where it did not."""

    session: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class CallConfirmed(Event):
    """The caller acknowledged our 2xx. `body` is the SDP answer when our 2xx carried the offer."""

    session: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """An INVITE session is over, whatever its road; `status` and `reason` are the peer's where it gave one, else 0, "".

    With `EndCause.TRANSPORT` the reason is what the network said ("" where it said nothing).

    `contacts`: the URIs of a 3xx to our INVITE, those of the highest q first (RFC 3261 §8.1.3.4); whom to try next is
    for the caller. `why`: what the BYE, CANCEL or response gave as its Reason (RFC 3326).
    """

    session: str
    cause: EndCause
    status: int = 0
    reason: str = ""
    contacts: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class HopFailed(Event):
    """A hop did not serve the call: silent, unreachable, or 503. The next one is being tried, or the call ends.

    `cause` says it in words. `retry_after_s`: how long the hop wants to be left alone, where it said so.
    """

    session: str
    hop: Hop
    cause: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class ReinviteReceived(Event):
    """The far side wants to change the session: answer with `accept_reinvite` or `reject_reinvite`.

    `offer` is None when it asks us for an offer.
    """

    session: str
    offer: bytes | None


@dataclass(frozen=True, slots=True)
class ReinviteCancelled(Event):
    """The far side withdrew its re-INVITE before it was answered; 487 has been sent, the session stays as it was."""

    session: str


@dataclass(frozen=True, slots=True)
class ReinviteConfirmed(Event):
    """The far side acknowledged our 2xx to its re-INVITE; `body` is its SDP answer when our 2xx carried the offer."""

    session: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class ReinviteAnswered(Event):
    """Our re-INVITE has its final answer: 2xx with SDP, or the session stays as it was.

    status 491: both sides wanted a change at once; where it is still wanted, try again after `retry_after_s`, which is
    chosen as RFC 3261 §14.1 says.
    """

    session: str
    token: str
    status: int
    reason: str
    body: bytes | None
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class UpdateReceived(Event):
    """The far side wants to change the session and must be answered at once: `accept_update` or `reject_update`.

    An UPDATE with an offer, or an offer in a PRACK. `tag` is that of the fork of `CallProgress` while a call of ours
    rings. UPDATEs without an offer have been answered and are not told.
    """

    session: str
    offer: bytes
    tag: str = ""


@dataclass(frozen=True, slots=True)
class UpdateAnswered(Event):
    """Our UPDATE has its final answer: 2xx with SDP where it carried an offer, or the session stays as it was.

    status 491: as in `ReinviteAnswered`. 405 and 501: the far side knows no UPDATE.
    """

    session: str
    token: str
    status: int
    reason: str
    body: bytes | None
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionRefreshed(Event):
    """A refresh of ours that offered what was agreed got another answer than last time: `body` is in force now."""

    session: str
    body: bytes


@dataclass(frozen=True, slots=True)
class InfoReceived(Event):
    """An INFO of a type that we accept; 200 has been sent."""

    session: str
    content_type: str  # lower case, without parameters
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A request of ours that is no INVITE has its final answer.

    `token` is what the command returned; `session` is "" outside a dialog. `response` None: nobody answered in time
    (status 408), or the network refused the request (503, with what it said for a reason). `hop`: where a request
    outside a dialog went, with the connection that its answer came over.
    """

    token: str
    method: str
    status: int
    reason: str
    session: str = ""
    response: Response | None = field(default=None, compare=False)
    hop: Hop | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotifyReceived(Event):
    """News of a subscription of ours (`subscription` is what `subscribe` returned): a body of its event package."""

    subscription: str
    package: str
    content_type: str  # lower case, without parameters
    body: bytes


@dataclass(frozen=True, slots=True)
class SubscriptionEnded(Event):
    """A subscription of ours is over. `status` and `reason`: of the refusal, or 0 and the last NOTIFY's reason.

    `again_after_s`: when a new one may be asked for; None: it would be refused again.
    """

    subscription: str
    status: int
    reason: str
    again_after_s: float | None


@dataclass(frozen=True, slots=True)
class NoticeReceived(Event):
    """A NOTIFY that belongs to no subscription, from a source that was said to be welcome; 200 has been sent."""

    request: Request
    source: Hop
    package: str
    body: bytes


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A text came by MESSAGE (RFC 3428), in a call or outside (`session` ""); 200 has been sent."""

    session: str
    request: Request
    source: Hop
    text: str


@dataclass(frozen=True, slots=True)
class ReferReceived(Event):
    """The far side of a call asks us to call `refer_to`: answer at once with `accept_refer` or `reject_refer`.

    `replaces`: the call that ours is to take the place of there (attended transfer), to go into the new INVITE with
    `Require: replaces`; `referred_by` goes into its Referred-By where it is not "" (RFC 3892 §3).
    """

    session: str
    token: str
    refer_to: SipUri
    replaces: Replaces | None
    referred_by: str


@dataclass(frozen=True, slots=True)
class ReferralEnded(Event):
    """The far side has heard the last of its REFER, or does not listen any more; may come after `SessionEnded`."""

    session: str
    token: str


@dataclass(frozen=True, slots=True)
class TransferProgress(Event):
    """How our REFER goes: `status` and `reason` of the new call as the far side tells them, or of the REFER's refusal.

    `final` ends it: 2xx is success, 408 also that nothing was heard in time; a status below 200 that the far side will
    tell no more. With `Refer-Sub: false` success says only that the REFER was accepted (RFC 4488). May come after
    `SessionEnded`: the call may end before its transfer does.
    """

    session: str
    token: str
    status: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class AddressLearnt(Event):
    """The peer behind `hop` sees us elsewhere than our Contact there said: from now on it says `address`.

    Where we are registered there, the registration leads nowhere until it is renewed. At most once a minute and hop.
    """

    hop: Hop
    address: Address


@dataclass(frozen=True, slots=True)
class PingFinished(Event):
    """The answer to `Endpoint.ping`, or that there was none: then the flow has failed, and `why` says how."""

    token: str
    hop: Hop
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionClosed(Event):
    """A stream connection is gone, whoever closed it."""

    hop: Hop


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A message was answered with an error, or dropped, before it reached anybody; for logs and counters."""

    source: Hop
    status: int  # 0 = dropped without an answer
    reason: str
