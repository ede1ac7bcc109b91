"""What an ICE agent is told, as plain values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from voipnode.media.ice.candidate import Candidate
from voipnode.media.ice.checklist import MAX_PAIRS
from voipnode.media.values import Addr

RandomBits: TypeAlias = Callable[[int], int]
"""So many random bits as a number; unguessable: transaction ids stand against forged answers (RFC 7675 §5.1)."""

_ICE_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # RFC 8839 §5.1, 6 bits each
UFRAG_CHARS, PASSWORD_CHARS = 4, 24  # RFC 8445 §5.3: at least 24 and 128 random bits
CREDENTIAL_BITS = 6 * (UFRAG_CHARS + PASSWORD_CHARS)
CHECK_BITS = 96  # of a transaction id (RFC 8489 §5)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Username fragment and password of one side (RFC 8445 §5.3)."""

    ufrag: str
    password: str = field(repr=False)

    @classmethod
    def draw(cls, random_bits: RandomBits) -> Credentials:
        """Fresh ones."""
        drawn = random_bits(CREDENTIAL_BITS)
        text = "".join(_ICE_CHARS[drawn >> 6 * place & 63] for place in range(UFRAG_CHARS + PASSWORD_CHARS))
        return cls(text[:UFRAG_CHARS], text[UFRAG_CHARS:])


def credential_bits(text: str) -> int | None:
    """The number of which `Credentials.draw` makes this fragment and password, one behind the other; None: none."""
    if len(text) != UFRAG_CHARS + PASSWORD_CHARS or not set(text) <= set(_ICE_CHARS):
        return None
    return sum(_ICE_CHARS.index(char) << 6 * place for place, char in enumerate(text))


@dataclass(frozen=True, slots=True)
class Peer:
    """What the far side's description says: its credentials and candidates.

    `lite`: it checks nothing itself (RFC 8445 §2.5). `pace_s`: how often it wants to check (§14.2).
    """

    credentials: Credentials
    candidates: tuple[Candidate, ...]
    lite: bool = False
    pace_s: float = 0.05


@dataclass(frozen=True, slots=True)
class Times:
    """The paces and patiences of an agent, in seconds.

    `pace_s` is Ta (RFC 8445 §14.2), `first_repeat_s` the least RTO (§14.3); `sends`: how often a check goes out before
    its pair has failed, 15.5 s after the first. `settle_s`: how long a better pair than the first valid one may still
    prove itself before that is nominated; `relay_settle_s` where packets would go by a relay. `patience_s`: how long
    nothing may work before the path has failed; the far side may yet show itself (RFC 8863), but who hears nothing
    for so long hangs up. `consent_s` and `consent_ends_s`: RFC 7675 §5.1.
    """

    pace_s: float = 0.05
    first_repeat_s: float = 0.5
    sends: int = 5
    settle_s: float = 0.2
    relay_settle_s: float = 0.8
    patience_s: float = 20.0
    consent_s: float = 5.0
    consent_ends_s: float = 30.0
    max_pairs: int = MAX_PAIRS


class Sent(NamedTuple):
    """One STUN message on its way out, from a candidate's base."""

    data: bytes
    remote: Addr
    component: int
    base: Addr


class Pacer:
    """The pace of all agents of the node together: no two checks within 5 ms (RFC 8445 §14.2)."""

    SPACING_S = 0.005

    def __init__(self) -> None:
        self._next_at = float("-inf")

    def take(self, now: float) -> float:
        """When the next check may go out: `now`, and it has been taken, or later."""
        if now < self._next_at:
            return self._next_at
        self._next_at = now + self.SPACING_S
        return now


@dataclass(slots=True)
class Role:
    """Who decides which pair is used (RFC 8445 §6.1.1); it outlasts restarts. `tie_breaker` has 64 random bits."""

    controlling: bool
    tie_breaker: int
