"""What the endpoint tells the layer above. Plain immutable values; `session` is the id that commands take.

Bodies are bytes as they came; `sdp` parses them. Every INVITE session ends with exactly one `SessionEnded`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.transport import Hop


class EndCause(StrEnum):
    """Why an INVITE session ended."""

    LOCAL_HANGUP = "local-hangup"  # we sent BYE, CANCEL or a rejection
    REMOTE_HANGUP = "remote-hangup"  # BYE received
    CANCELLED = "cancelled"  # the caller sent CANCEL before we answered, or its Expires ran out
    REJECTED = "rejected"  # a final non-2xx response to our INVITE: see status
    TIMEOUT = "timeout"  # no response at all (timer B), or no ACK for our 2xx (RFC 3261 §13.3.1.4)
    TRANSPORT = "transport"  # the network refused our bytes
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


@dataclass(frozen=True, slots=True)
class CallProgress(Event):
    """A 101-199 response to our INVITE; `body` is SDP (early media) or None. `tag` tells forks apart."""

    session: str
    status: int
    reason: str
    tag: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """The first 2xx to our INVITE. ACK has been sent, unless our INVITE carried no offer: then `acknowledge` sends it.

    Later 2xx of other forks get ACK and BYE by themselves. `tag` tells which fork of `CallProgress` won.
    """

    session: str
    body: bytes | None
    tag: str = ""


@dataclass(frozen=True, slots=True)
class CallConfirmed(Event):
    """The caller acknowledged our 2xx. `body` is the SDP answer when our 2xx carried the offer."""

    session: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class SessionEnded(Event):
    """An INVITE session is over, whatever its road; `status` and `reason` are the peer's where it gave one, else 0, "".

    With `EndCause.TRANSPORT` the reason is what the network said ("" where it said nothing).

    `contacts`: the URIs of a 3xx to our INVITE, in its order (RFC 3261 §8.1.3.4); whom to try next is for the caller.
    """

    session: str
    cause: EndCause
    status: int = 0
    reason: str = ""
    contacts: tuple[str, ...] = ()


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
class InfoReceived(Event):
    """An INFO of a type that we accept; 200 has been sent."""

    session: str
    content_type: str  # lower case, without parameters
    body: bytes


@dataclass(frozen=True, slots=True)
class RequestFinished(Event):
    """A request of ours that is no INVITE has its final answer.

    `token` is what the command returned; `session` is "" outside a dialog. `response` None: nobody answered in time
    (status 408), or the network refused the request (503, with what it said for a reason).
    """

    token: str
    method: str
    status: int
    reason: str
    session: str = ""
    response: Response | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """A message was answered with an error, or dropped, before it reached anybody; for logs and counters."""

    source: Hop
    status: int  # 0 = dropped without an answer
    reason: str
