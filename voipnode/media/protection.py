"""What stands between a leg's RTP and the network: its encryption, both ways, as the transport sees it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, Protocol

from voipnode.media.errors import MediaError

Fault = Literal["replayed", "forged", "malformed", "unkeyed", "expired"]


class ProtectionError(MediaError):
    """A packet that cannot be protected or is not to be believed; `fault` says why, for the counters."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


class Protection(Protocol):
    """One leg's encryption contexts, both ways. Both verbs raise `ProtectionError` and nothing else."""

    def protect(self, packet: bytes, *, rtcp: bool) -> bytes:
        """An RTP or RTCP packet of ours as it goes on the wire."""
        ...

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        """A packet from the wire as RTP or RTCP, once it is proven to be the peer's and new."""
        ...


class Unkeyed:
    """Keys are agreed on but not there yet: nothing passes, neither way."""

    def protect(self, packet: bytes, *, rtcp: bool) -> bytes:
        raise ProtectionError("unkeyed")

    def unprotect(self, packet: bytes, *, rtcp: bool) -> bytes:
        raise ProtectionError("unkeyed")


@dataclass(slots=True)
class ProtectionStats:
    """What was dropped for want of proof, since the leg began."""

    replayed: int = 0  # came a second time, or from before the window
    forged: int = 0  # the authentication tag is not the peer's
    malformed: int = 0  # too short, or of another kind
    unkeyed: int = 0  # before the keys were there
    expired: int = 0  # beyond the lifetime of their key

    def count(self, fault: Fault) -> None:
        setattr(self, fault, getattr(self, fault) + 1)

    def __str__(self) -> str:
        counts = {each.name: getattr(self, each.name) for each in fields(self)}
        return ", ".join(f"{count} {fault}" for fault, count in counts.items() if count) or "none"

    @property
    def suspicious(self) -> int:
        """Those that somebody may have sent on purpose."""
        return self.replayed + self.forged + self.malformed

    @property
    def total(self) -> int:
        return self.replayed + self.forged + self.malformed + self.unkeyed + self.expired
