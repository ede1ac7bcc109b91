"""Frames in time on the two lines of Wiegand: a pulse on D0 is a 0, one on D1 a 1, and a long silence ends a frame.

Times are whole microseconds of any one clock. SIA AC-01 names pulses of 20 to 100 µs, 200 µs to 20 ms apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from voipnode.credentials.bits import MAX_BITS, CredentialError, checked

PULSE_US = (20, 100)
INTERVAL_US = (200, 20_000)
FRAME_GAP_US = (20_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Timing:
    """How a line is driven: how long a pulse is, how far apart pulses begin, and the silence between two frames.

    CredentialError outside of SIA's limits, or where a frame would end between two of its own pulses.
    """

    pulse_us: int = 40
    interval_us: int = 2000
    frame_gap_us: int = 25_000

    def __post_init__(self) -> None:
        for name, (least, most) in (
            ("pulse_us", PULSE_US),
            ("interval_us", INTERVAL_US),
            ("frame_gap_us", FRAME_GAP_US),
        ):
            if not least <= getattr(self, name) <= most:
                raise CredentialError(f"{name}: {getattr(self, name)}; {least} to {most} µs are right")
        if self.frame_gap_us <= self.interval_us:
            raise CredentialError(f"frame_gap_us: {self.frame_gap_us} is not longer than interval_us")


@dataclass(frozen=True, slots=True)
class Pulse:
    """A pulse on line `line` (0 for D0, 1 for D1) that begins at `at_us`."""

    line: int
    at_us: int
    width_us: int = 40


def pulses(frames: Iterable[str], timing: Timing, at_us: int = 0) -> Iterator[Pulse]:
    """The frames as pulses, the first at `at_us`."""
    for bits in frames:
        for bit in checked(bits):
            yield Pulse(int(bit), at_us, timing.pulse_us)
            at_us += timing.interval_us
        at_us += timing.frame_gap_us


class FrameCollector:
    """Makes frames out of pulses as they come: `receive` each, `on_deadline` when `next_deadline` has passed.

    A frame is over when the lines have been silent for the frame gap. One that is no Wiegand is refused as a whole, in
    words: pulses of a wrong width or too close (noise, two readers on one line), both lines at once (a short), or more
    than 512 bits.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._bits: list[str] = []
        self._wrong = ""
        self._last: Pulse | None = None

    def receive(self, pulse: Pulse) -> str | CredentialError | None:
        """Takes a pulse; returns the frame before it, where it is the first of another one."""
        over = self.on_deadline(pulse.at_us)
        self._wrong = self._wrong or self._trouble(pulse)
        if not self._wrong:
            self._bits.append(str(pulse.line))
        self._last = pulse  # also one that comes before: a clock that was set back must not keep a frame open
        return over

    def next_deadline(self) -> int | None:
        """When the frame is over if nothing more comes, in µs; None between frames."""
        return None if self._last is None else self._last.at_us + self._timing.frame_gap_us

    def on_deadline(self, now_us: int) -> str | CredentialError | None:
        """The frame that is over at `now_us`: its bits, or why it is none; None while there is none."""
        deadline = self.next_deadline()
        if deadline is None or now_us < deadline:
            return None
        bits, wrong = "".join(self._bits), self._wrong
        self._bits, self._wrong, self._last = [], "", None
        return CredentialError(wrong) if wrong else bits

    def _trouble(self, pulse: Pulse) -> str:
        if pulse.line not in (0, 1):
            return f"a pulse on line {pulse.line}; there are D0 and D1"
        if not PULSE_US[0] <= pulse.width_us <= PULSE_US[1]:
            return f"a pulse of {pulse.width_us} µs; {PULSE_US[0]} to {PULSE_US[1]} are right"
        if self._last is not None:
            apart = pulse.at_us - self._last.at_us
            if pulse.line != self._last.line and apart < self._last.width_us:
                return "pulses on D0 and D1 at once"
            if apart < INTERVAL_US[0]:
                return f"pulses {apart} µs apart; {INTERVAL_US[0]} are the least"
        if len(self._bits) >= MAX_BITS:
            return f"more than {MAX_BITS} bits"
        return ""
