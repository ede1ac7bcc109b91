"""One call of the past, as it is kept, filtered and exported."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

OUTCOMES = ("answered", "no answer", "busy", "refused", "failed", "given up", "node stopped")
MAX_OPENINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A door that was opened during a call: which, by whom, how, when."""

    port: str
    who: str
    how: str
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a call sounded: what we received of the far side, and `remote_*`, what it says of us; None: not known.

    `mos` is by the E-model (`media.quality`), with delay: 1.0 bad to 4.5 best.
    """

    remote: str = ""
    codec: str = ""
    loss_percent: float = 0.0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    mos: float | None = None
    remote_mos: float | None = None
    packets_received: int = 0
    packets_sent: int = 0


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """A call from its beginning to its end. Times are ISO 8601 in UTC, "" where there is none (yet).

    `kind`: "door", with the door as one side, or "exchange", between two others. `caller` and `callee` are URIs, the
    door's own side ""; `answered_by` who of those that rang. `ring_s` until it was answered or given up, `talk_s` from
    then on. `outcome` is one of `OUTCOMES`, "" while it goes on; `reason`, `status` and `detail` are why it ended.
    """

    id: str
    kind: str
    direction: str  # "incoming", "outgoing", or "internal"
    caller: str
    callee: str
    account: str
    began_utc: str
    answered_utc: str = ""
    ended_utc: str = ""
    answered_by: str = ""
    ring_s: float = 0.0
    talk_s: float = 0.0
    outcome: str = ""
    reason: str = ""
    status: int = 0
    detail: str = ""
    codec: str = ""
    encryption: str = ""
    cipher: str = ""
    openings: list[Opening] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)  # of each party that had the call, one after the other

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)
