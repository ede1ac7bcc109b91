"""A door without hardware: a loudspeaker, a room with echo and noise, and somebody at the microphone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.drift import DriftingClock
from voipnode.modules.audio.loudspeaker import Loudspeaker
from voipnode.modules.audio.noise import make_noise
from voipnode.modules.audio.room import PartitionedFilter, impulse_response, reverberation
from voipnode.modules.audio.settings import RoomSettings
from voipnode.modules.audio.sources import Source, amplitude

DEAD_MICROPHONE_DBFS = -88.0  # what its amplifier hisses
NOISY_DBFS = -8.0  # a pneumatic drill before the door
UNHEARD_DB = -100.0


class SimulatedRoom:
    """An `AudioDevice`: microphone = echo of the loudspeaker + the near-end `source` + noise, cut at full scale.

    `room.fault` makes one of them as bad as it gets. `start` begins the source anew and empties the room; the noise
    goes on. Everything random comes from `room.seed`, so that a run can be repeated. Raises CallError, naming field and
    value, for a noise that cannot be used.
    """

    def __init__(self, rate_hz: int, room: RoomSettings, source: Source) -> None:
        self.rate_hz = rate_hz
        self.room = room
        self._size = rate_hz // 100
        self._source = source
        self._random = np.random.default_rng((room.seed, 5))
        self._noise = make_noise(room, rate_hz)
        self._clock = DriftingClock(rate_hz, room.drift_ppm) if room.drift_ppm else None
        self._build()
        self._fading: PartitionedFilter | None = None
        self._fade_in = np.linspace(0.0, 1.0, self._size, endpoint=False, dtype=np.float32)
        self.description = (
            f"simulated room: echo {room.echo_db:g} dB after {room.delay_ms:g} ms, reverberation {room.rt60_ms:g} ms,"
            f" {self._noise.description} at {room.noise_dbfs:g} dBFS; microphone is {source.description}"
        )
        if room.fault != "none":
            self.description += f"; fault: {room.fault}"

    def _build(self) -> None:
        room, rate_hz = self.room, self.rate_hz
        elsewhere_ms = self._clock.delay_ms if self._clock is not None else 0.0
        self._loudspeaker = Loudspeaker(room, rate_hz)
        self._echo = PartitionedFilter(impulse_response(room, rate_hz, elsewhere_ms=elsewhere_ms), self._size)
        self._near = PartitionedFilter(response, self._size) if len(response := _visitor(room, rate_hz)) > 1 else None
        noise_dbfs = NOISY_DBFS if room.fault == "noisy" else room.noise_dbfs
        self._noise_level = np.float32(amplitude(noise_dbfs))

    def change(self, room: RoomSettings) -> None:
        """Be that room from the next frame on, without a click: what is in the air is heard through the new path.

        What the noise is, and how the clocks go, stays.
        """
        echo, near = self._echo, self._near
        self.room = room
        self._build()
        self._echo.remember(echo)
        self._fading = echo
        if near is not None and self._near is not None:
            self._near.remember(near)

    def start(self) -> None:
        self._source.rewind()
        self._echo.reset()
        for block in (self._near, self._clock):
            if block is not None:
                block.reset()
        self._fading = None

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        heard = self._echo_of(self._loudspeaker.play(self._usable(loudspeaker)))
        near = self._source.read()
        heard += near if self._near is None else self._near.process(near)
        heard += self._noise_level * self._noise.read()
        if self._clock is not None:
            heard = self._clock.process(heard)
        if self.room.fault == "dead_microphone":
            heard = self._random.standard_normal(self._size, np.float32)
            heard *= np.float32(amplitude(DEAD_MICROPHONE_DBFS))
        return np.clip(heard, -1.0, 1.0, out=heard)

    def _echo_of(self, played: Frame) -> Frame:
        heard = self._echo.process(played)
        if self._fading is not None:
            before, self._fading = self._fading.process(played), None
            heard = before + self._fade_in * (heard - before)
        return heard

    def _usable(self, frame: Frame) -> Frame:
        """The frame itself, or silence for one that would poison the filter's memory or does not fit."""
        if frame.shape == (self._size,) and np.isfinite(np.sum(frame)):
            return frame
        return np.zeros(self._size, np.float32)


def _visitor(room: RoomSettings, rate_hz: int) -> NDArray[np.float32]:
    """From who speaks to the microphone: their direct sound as it is, and what the room adds."""
    tail = reverberation(room.rt60_ms, rate_hz, (room.seed, 6))
    if room.near_reverberation_db <= UNHEARD_DB:
        tail = tail[:0]
    level = 10.0 ** (room.near_reverberation_db / 20.0)
    return np.concatenate([[1.0], level * tail]).astype(np.float32)
