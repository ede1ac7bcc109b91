"""What an audio stream tells the layer above, as immutable values; `at` is the engine's monotonic time in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.media.values import Addr


@dataclass(frozen=True, slots=True)
class MediaEvent:
    """Base of all media events."""

    at: float


@dataclass(frozen=True, slots=True)
class DigitStarted(MediaEvent):
    """The far side pressed a key (0-9 A-D # *): at the first packet that tells of it, once per press (RFC 4733),
    or when its tone was heard (`road` "inband")."""

    digit: str
    road: str = "rtp"


@dataclass(frozen=True, slots=True)
class DigitEchoed(MediaEvent):
    """A key was heard that was in our own sound before, or that we sent: nobody pressed it."""

    digit: str


@dataclass(frozen=True, slots=True)
class DigitEnded(MediaEvent):
    """The key of the last `DigitStarted` was let go, or its packets ceased; `duration_ms` as far as it is known."""

    digit: str
    duration_ms: float
    road: str = "rtp"


@dataclass(frozen=True, slots=True)
class RemoteSilent(MediaEvent):
    """Neither RTP nor RTCP came for `since_s` although we expect to receive; said once per silence."""

    since_s: float


@dataclass(frozen=True, slots=True)
class RemoteByeReceived(MediaEvent):
    """The far side's RTCP said BYE (RFC 3550 §6.6); signalling decides what becomes of the call."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeysMade(MediaEvent):
    """A handshake on the media path has made keys of this suite: from now on packets pass."""

    suite: str


@dataclass(frozen=True, slots=True)
class HandshakeFailed(MediaEvent):
    """No keys will come; `why` says in words what went wrong. The leg stays silent, and is to be ended."""

    why: str


@dataclass(frozen=True, slots=True)
class RemoteAddressLearnt(MediaEvent):
    """Valid RTP comes from another address than the SDP named: we now send there (symmetric RTP, RFC 4961)."""

    remote: Addr


@dataclass(frozen=True, slots=True)
class PathFound(MediaEvent):
    """ICE has found a pair by which sound can go, or another one: `pair` in words, `after_s` since checks began.

    `chosen`: both sides keep to it from now on. Without ICE, a pair whose address STUN or TURN gave was agreed on.
    """

    pair: str
    after_s: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class PathFailed(MediaEvent):
    """ICE has found no way to the far side, or the way has gone; `detail` in words. No packet is sent any more."""

    detail: str


@dataclass(frozen=True, slots=True)
class RelayLost(MediaEvent):
    """The TURN server has died, or no longer knows our relay; `words` say why. Another one is being sought."""

    words: str


@dataclass(frozen=True, slots=True)
class RelayFound(MediaEvent):
    """After a loss there are relays again, of which the far side is to be told; `server` lends them, in words."""

    server: str


@dataclass(frozen=True, slots=True)
class AddressesGathered(MediaEvent):
    """The STUN and TURN servers have answered, or taken too long: it is known at which addresses we can be reached."""


@dataclass(frozen=True, slots=True)
class PeerNotRelayed(MediaEvent):
    """The TURN server does not let that host and us speak; `words` say why."""

    host: str
    words: str


@dataclass(frozen=True, slots=True)
class AddressMoved(MediaEvent):
    """The router has given us another address outside, of which the far side is to be told."""

    address: str
