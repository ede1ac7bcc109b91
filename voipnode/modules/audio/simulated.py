"""A door without hardware: a loudspeaker, a room with echo and noise, and somebody at the microphone."""

from __future__ import annotations

import numpy as np

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.room import PartitionedFilter, impulse_response
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.sources import Source, amplitude


class SimulatedRoom:
    """An `AudioDevice`: microphone = echo of the loudspeaker + the near-end `source` + noise, cut at full scale.

    The loudspeaker clips softly: c tanh(x / c), c = `clip_dbfs`. `start` begins the source anew and empties the room.
    The noise is white and the same after every making, so that a run can be repeated.
    """

    def __init__(self, rate_hz: int, room: RoomSettings, source: Source) -> None:
        self.rate_hz = rate_hz
        self.description = (
            f"simulated room: echo {room.echo_db:g} dB after {room.delay_ms:g} ms, reverberation {room.rt60_ms:g} ms,"
            f" noise {room.noise_dbfs:g} dBFS; microphone is {source.description}"
        )
        self._size = rate_hz // 100
        self._source = source
        self._echo = PartitionedFilter(impulse_response(room, rate_hz), self._size)
        self._clip = np.float32(amplitude(room.clip_dbfs))
        self._noise = np.float32(amplitude(room.noise_dbfs) / np.sqrt(2.0))  # a sine's RMS is its amplitude / sqrt 2
        self._random = np.random.default_rng(room.seed)

    def start(self) -> None:
        self._source.rewind()
        self._echo.reset()

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        played = self._clip * np.tanh(self._usable(loudspeaker) / self._clip)
        heard = self._echo.process(played)
        heard += self._source.read()
        heard += self._noise * self._random.standard_normal(self._size, np.float32)
        return np.clip(heard, -1.0, 1.0, out=heard)

    def _usable(self, frame: Frame) -> Frame:
        """The frame itself, or silence for one that would poison the filter's memory or does not fit."""
        if frame.shape == (self._size,) and np.isfinite(np.sum(frame)):
            return frame
        return np.zeros(self._size, np.float32)
