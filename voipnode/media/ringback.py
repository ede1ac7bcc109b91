"""The ringing that a caller hears, made here: where the far side sends none (RFC 3960 §3.2)."""

from __future__ import annotations

from voipnode.dsp.frames import Frame
from voipnode.dsp.tones import Cadence, Tone


class Ringback:
    """A tone in a cadence, 10 ms at a time; raises ValueError for a frequency or cadence that cannot be."""

    def __init__(self, rate_hz: int, frequency_hz: float, on_ms: int, off_ms: int, level_dbfs: float) -> None:
        self._cadence = Cadence(Tone(frequency_hz, rate_hz=rate_hz, level_dbfs=level_dbfs), on_ms, off_ms)

    def pull(self, now: float) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,), float32."""
        return self._cadence.next_frame()
