"""What the engine and the guardian say to each other: one JSON object per line, at most `MAX_LINE` bytes.

Times are seconds of CLOCK_BOOTTIME, the same for both processes: it knows no clock changes and counts suspends, so a
message that is delivered late, or a machine that slept, cannot prolong an activation. Standard library only: the
guardian loads this file.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

T = TypeVar("T")

MAX_LINE = 512  # bytes, newline included
MAX_LEASE_S = 10.0  # a lease that ends further away is nonsense: longer activations are renewed
MAX_WHY = 200  # characters of free text


class ProtocolError(Exception):
    """What was received is not a message; the text says why."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Engine: keep `line` active until `until`. `renew`: only if it is active still. `ref` comes back in the answer.

    `why`: who wants it and by what, for the journal.
    """

    line: str
    until: float
    renew: bool
    ref: int
    why: str


@dataclass(frozen=True, slots=True)
class Release:
    """Engine: `line` to its normal state now."""

    line: str
    why: str
    ref: int


@dataclass(frozen=True, slots=True)
class Reset:
    """Engine: every line to its normal state now."""

    why: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Engine: are you there?"""

    count: int


@dataclass(frozen=True, slots=True)
class Bye:
    """Engine: I stop in order; release everything and end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Guardian: every line is held and in its normal state."""

    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class LineState:
    """Guardian: `line` is in this state since `at`; `held_s`: how long it was active, on release. `ref` 0: unasked."""

    line: str
    active: bool
    why: str
    at: float
    until: float
    held_s: float
    ref: int


@dataclass(frozen=True, slots=True)
class Late:
    """Guardian: the lease `ref` changed nothing, as it had ended already (or there was nothing left to renew)."""

    line: str
    ref: int
    at: float


@dataclass(frozen=True, slots=True)
class Trouble:
    """Guardian: the far relay of `line` did not do what was wanted, or (`over`) has done it at last; `why` in words.

    With a `ref` it answers that lease, which has come to nothing; `unsure`: for all that is known.
    """

    line: str
    why: str
    over: bool
    unsure: bool
    ref: int


@dataclass(frozen=True, slots=True)
class Pong:
    """Guardian: I am there."""

    count: int


@dataclass(frozen=True, slots=True)
class Ending:
    """Guardian: everything is released (or nothing could be held) and I end; `why` in words."""

    why: str
    at: float


Request = Lease | Release | Reset | Ping | Bye
Report = Ready | LineState | Late | Trouble | Pong | Ending
REQUESTS: dict[str, type[Request]] = {kind.__name__.lower(): kind for kind in (Lease, Release, Reset, Ping, Bye)}
REPORTS: dict[str, type[Report]] = {
    kind.__name__.lower(): kind for kind in (Ready, LineState, Late, Trouble, Pong, Ending)
}


def boottime() -> float:
    """Seconds since the machine started, suspends included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def encode(message: Request | Report) -> bytes:
    """One line of JSON with its newline; free text is cut so that it never exceeds `MAX_LINE`."""
    data = asdict(message)
    longest = MAX_WHY
    while True:
        if "why" in data:
            data["why"] = data["why"][:longest]
        line = json.dumps({"is": type(message).__name__.lower(), **data}).encode("ascii")
        if len(line) < MAX_LINE or not data.get("why"):
            return line + b"\n"
        longest //= 2  # escapes (\u1234) can make six bytes of one character


def decode_request(line: bytes) -> Request:
    """The engine's message in `line`; raises `ProtocolError`."""
    return _decode(line, REQUESTS)


def decode_report(line: bytes) -> Report:
    """The guardian's message in `line`; raises `ProtocolError`."""
    return _decode(line, REPORTS)


def _decode(line: bytes, kinds: dict[str, type[T]]) -> T:
    if len(line) > MAX_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes")
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise ProtocolError(f"not JSON: {line[:40]!r}") from None
    if not isinstance(data, dict) or not isinstance(data.get("is"), str) or data["is"] not in kinds:
        raise ProtocolError(f"not a message: {line[:40]!r}")
    kind = kinds[data.pop("is")]
    return kind(**_checked(kind, data))


_MEANT = {"str": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}


def _checked(kind: type[Any], data: dict[str, Any]) -> dict[str, Any]:
    """The fields of `data`, exactly those of `kind` and of their types (true is not a number, nor is NaN)."""
    wanted = {field.name: str(field.type) for field in fields(kind)}
    if data.keys() != wanted.keys():
        raise ProtocolError(f"{kind.__name__} with fields {sorted(data)} instead of {sorted(wanted)}")
    for name, value in data.items():
        if not isinstance(value, _MEANT[wanted[name]]) or (isinstance(value, bool) and wanted[name] != "bool"):
            raise ProtocolError(f"{kind.__name__}.{name} is {str(value)[:40]!r}, not {wanted[name]}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ProtocolError(f"{kind.__name__}.{name} is {value}")
        if isinstance(value, int) and not -(2**53) < value < 2**53:
            raise ProtocolError(f"{kind.__name__}.{name} is out of range")
    return data


class LineSplitter:
    """Cuts a stream into lines; keeps at most `MAX_LINE` bytes of an unfinished one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The complete lines so far, without newline; raises `ProtocolError` for one that is too long."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) >= MAX_LINE:
            raise ProtocolError("a line without end")
        return lines
