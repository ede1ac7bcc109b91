"""A candidate pair and its state (RFC 8445 §6.1.2.6, figure 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from voipnode.media.ice.candidate import Candidate


class PairState(Enum):
    FROZEN = auto()
    WAITING = auto()
    IN_PROGRESS = auto()
    SUCCEEDED = auto()
    FAILED = auto()


class PairEvent(Enum):
    UNFREEZE = auto()  # its turn has come
    TRIGGER = (
        auto()
    )  # the far side's check came by this very pair (§7.3.1.4), or a role conflict is repaired (§7.2.5.1)
    SEND = auto()  # a check goes out; of a pair that succeeded, the one that nominates it (§8.1.1)
    SUCCESS = auto()
    FAILURE = auto()


_F, _W, _I, _S, _X = PairState
_ON = PairEvent

# Figure 6, with the triggered checks of §7.3.1.4 and the late answers to checks that these had cancelled. Unlisted: the
# pair stays as it is.
TRANSITIONS: dict[tuple[PairState, PairEvent], PairState] = {
    (_F, _ON.UNFREEZE): _W,
    (_F, _ON.TRIGGER): _W,
    (_W, _ON.SEND): _I,
    (_W, _ON.SUCCESS): _S,
    (_I, _ON.TRIGGER): _W,
    (_I, _ON.SUCCESS): _S,
    (_I, _ON.FAILURE): _X,
    (_S, _ON.SEND): _I,
    (_X, _ON.TRIGGER): _W,
    (_X, _ON.SUCCESS): _S,
}


@dataclass(slots=True, eq=False)
class Pair:
    """A candidate of ours, always one that packets can leave from, with one of the far side.

    `mapped` is our candidate as the far side sees it, once an answer has told it: the pair is valid then (§7.2.5.3.2).
    `wanted`: the far side has nominated it, and our own check has yet to succeed (§7.3.1.5).
    """

    local: Candidate
    remote: Candidate
    priority: int
    state: PairState = PairState.FROZEN
    mapped: Candidate | None = None
    valid_priority: int = 0
    nominated: bool = False
    wanted: bool = False
    answered_at: float = 0.0
    round_trip_s: float = 0.0

    @property
    def component(self) -> int:
        return self.local.component

    @property
    def foundation(self) -> tuple[str, str]:
        return self.local.foundation, self.remote.foundation

    @property
    def valid(self) -> bool:
        return self.mapped is not None

    @property
    def relayed(self) -> bool:
        return self.local.relayed or self.remote.relayed

    @property
    def over(self) -> bool:
        """Nothing more is to be expected of it."""
        return self.state in (PairState.SUCCEEDED, PairState.FAILED)

    def on(self, event: PairEvent) -> None:
        """Enter the next state."""
        self.state = TRANSITIONS.get((self.state, event), self.state)

    def __str__(self) -> str:
        ours = self.mapped or self.local
        return f"{ours.kind} {shown(ours)} with {self.remote.kind} {shown(self.remote)}"


def shown(candidate: Candidate) -> str:
    """Its address, for people."""
    host, port = candidate.address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def pair_priority(ours: int, theirs: int, *, controlling: bool) -> int:
    """§6.1.2.3: the same on both sides."""
    g, d = (ours, theirs) if controlling else (theirs, ours)
    return (min(g, d) << 32) + 2 * max(g, d) + (1 if g > d else 0)
