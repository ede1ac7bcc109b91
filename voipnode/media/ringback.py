"""The ringing that a caller hears, made here: where the far side sends none (RFC 3960 §3.2)."""

from __future__ import annotations

from voipnode.dsp.frames import Frame
from voipnode.dsp.tones import Cadence, Tone


class Ringback:
    """A tone in a cadence, 10 ms at a time; raises ValueError for a frequency or cadence that cannot be.

    `rate_hz` is that of its frames until `run_at` changes it.
    """

    def __init__(self, frequency_hz: float, on_ms: int, off_ms: int, level_dbfs: float, *, rate_hz: int = 8000) -> None:
        self._frequency_hz, self._on_ms, self._off_ms, self._level_dbfs = frequency_hz, on_ms, off_ms, level_dbfs
        self.run_at(rate_hz)

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on; the cadence begins again."""
        tone = Tone(self._frequency_hz, rate_hz=rate_hz, level_dbfs=self._level_dbfs)
        self._cadence = Cadence(tone, self._on_ms, self._off_ms)

    def pull(self, now: float) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,), float32."""
        return self._cadence.next_frame()
