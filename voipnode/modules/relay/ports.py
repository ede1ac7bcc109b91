"""One output as the engine sees it: what is wished, until when, and the slices in which that is leased."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.modules.relay.protocol import MAX_LEASE_S
from voipnode.modules.relay.settings import PortSettings

SLICE_S = 8.0  # of one lease; below MAX_LEASE_S, so that a message may be delivered late by the difference
RENEW_BEFORE_S = 4.0  # before a lease ends
assert SLICE_S < MAX_LEASE_S


@dataclass(slots=True)
class Port:
    """`active` is the guardian's word, `end_at` the wish (its clock, 0 = none), `leased_until` what it grants."""

    settings: PortSettings
    active: bool = False
    end_at: float = 0.0
    leased_until: float = 0.0
    who: str = ""
    how: str = ""

    @property
    def name(self) -> str:
        return self.settings.name

    def wish(self, end_at: float, who: str, how: str) -> None:
        """Be active until `end_at`; the later end wins, so a second wish never shortens the first."""
        self.end_at = max(self.end_at, end_at)
        self.who, self.how = who, how

    def forget(self) -> None:
        self.active = False
        self.end_at = self.leased_until = 0.0
        self.who = self.how = ""

    def next_slice(self, now: float) -> float:
        """Where the next lease is to end."""
        return min(self.end_at, now + SLICE_S)

    def renew_at(self) -> float | None:
        """When the lease must be renewed for the wish to come true; None when it reaches to the end."""
        if not self.active or self.leased_until >= self.end_at:
            return None
        return self.leased_until - RENEW_BEFORE_S
