"""Automatic gain control: whoever speaks, near or far from the door, is heard equally loud."""

from __future__ import annotations

from voipnode.dsp.fader import Fader, factor
from voipnode.dsp.frames import Frame
from voipnode.dsp.hygiene import usable
from voipnode.dsp.level import SILENCE_DBFS, dbfs, mean_square

TARGET_DBFS = -20.0
MAX_GAIN_DB, MIN_GAIN_DB = 20.0, -12.0
_UP_DB, _DOWN_DB = 0.06, 0.15  # per frame of speech: 6 and 15 dB a second
_EASE_DB = 0.01  # the same where only the noise is too loud: a long sentence looks like some for a while
_ABOVE_NOISE_DB = 9.0
_SOFTEST_DBFS = -60.0  # of what may be speech
_LOUDEST_NOISE_DBFS = -48.0  # what is left of the noise is not lifted above
_MEMORY = 150  # frames of speech that its level is the mean of: 1.5 s
_FIRST = 20  # frames of speech before the gain moves
_LOUDEST = 8.0  # times the mean power: what a frame may count for
_DEAD_ZONE_DB = 1.0
_NOISE_UP_DB, _NOISE_DOWN = 0.04, 0.1  # per frame: 4 dB a second up; towards softer frames by a tenth
_FINDING, _FINDING_UP_DB = 100, 0.4  # in the first second of sound, ten times as fast


class GainControl:
    """Brings speech to `target_dbfs`, slowly: the gain moves only while somebody speaks, by at most 6 dB a second up
    and 15 down, within `MIN_GAIN_DB` and `max_gain_db`, so that it does not pump in pauses.

    Speech is what stands 9 dB above the noise (followed at its soft end, by at most 4 dB a second upwards), where
    `process` is not told that nobody speaks. Its level is the mean power of its loud frames (as ITU-T P.56 means it),
    of the last 1.5 s of them; a door that slams counts for no more than a loud vowel. Frames of 10 ms at `rate_hz`,
    float32; no delay. Levels in dBFS of a sine.
    """

    latency_samples = 0

    def __init__(self, rate_hz: int, *, target_dbfs: float = TARGET_DBFS, max_gain_db: float = MAX_GAIN_DB) -> None:
        self.target_dbfs = target_dbfs
        self._max_gain_db = max_gain_db
        self._size = rate_hz // 100
        self._fader = Fader(rate_hz)
        self.reset()

    def reset(self) -> None:
        """Nobody has spoken yet; no gain."""
        self.gain_db = 0.0
        self._noise_dbfs = _SOFTEST_DBFS
        self._finding = _FINDING
        self._power = 0.0
        self._heard = 0
        self._fader.gain = 1.0

    def process(self, frame: Frame, *, may_be_speech: bool = True) -> Frame:
        """The frame at its gain: the same array, or a new one. `may_be_speech` False: somebody knows that it is none
        (the far end's echo, noise)."""
        return self.run(usable(frame, self._size), may_be_speech=may_be_speech)

    def run(self, frame: Frame, *, may_be_speech: bool = True) -> Frame:
        """As `process`, where the frame is known to be usable."""
        power = mean_square(frame)
        level_dbfs = dbfs(power)
        self._follow_noise(level_dbfs)
        if may_be_speech and level_dbfs > max(self._noise_dbfs + _ABOVE_NOISE_DB, _SOFTEST_DBFS):
            self._hear(power)
        return self._fader.process(frame, factor(self.gain_db))

    def fade_out(self, frame: Frame) -> Frame:
        """The last frame that goes through here: its gain ends at 1."""
        self.gain_db = 0.0
        return self._fader.process(frame, 1.0)

    def _follow_noise(self, level_dbfs: float) -> None:
        above = level_dbfs - self._noise_dbfs
        most = _FINDING_UP_DB if self._finding else _NOISE_UP_DB
        self._noise_dbfs += min(most, above) if above > 0 else above * _NOISE_DOWN
        if self._finding and level_dbfs > SILENCE_DBFS:
            self._finding -= 1

    def _hear(self, power: float) -> None:
        self._heard = min(self._heard + 1, _MEMORY)
        loudest = power if self._heard < _FIRST else _LOUDEST * self._power
        self._power += (min(power, loudest) - self._power) / self._heard
        if self._heard < _FIRST:
            return
        self._move(
            min(self._max_gain_db, max(MIN_GAIN_DB, self.target_dbfs - dbfs(self._power))),
            max(0.0, _LOUDEST_NOISE_DBFS - self._noise_dbfs),
        )

    def _move(self, level_db: float, noise_db: float) -> None:
        """Towards the gain that the level asks for, and no higher than what the noise allows."""
        if level_db < self.gain_db - _DEAD_ZONE_DB:
            self.gain_db -= min(_DOWN_DB, self.gain_db - level_db)
        elif noise_db < self.gain_db:
            self.gain_db -= min(_EASE_DB, self.gain_db - noise_db)
        elif min(level_db, noise_db) > self.gain_db + _DEAD_ZONE_DB:
            self.gain_db += min(_UP_DB, min(level_db, noise_db) - self.gain_db)
