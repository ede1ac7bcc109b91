"""Which packets hold nothing but noise, so that a description of it can stand for them (RFC 3389 §5)."""

from __future__ import annotations

from collections import deque

import numpy as np

from voipnode.codecs.comfort_noise import describe
from voipnode.dsp.frames import Frame

MARGIN_DB = 6.0  # speech is so much louder than the noise
LEAST_DBOV = -60.0  # what is softer is silence, however quiet it was before
RISE_DB_S = 3.0  # how fast louder noise is taken for noise
HANGOVER_S = 0.24  # soft ends of words belong to them
REPEAT_S = 1.0  # a description is sent again, for NATs and latecomers
CHANGE_DB = 3.0  # or when the noise has changed so much
REMEMBERED_S = 0.2  # of noise that a description is made of


class Pauses:
    """One stream's pauses: the level of a packet against the lowest of late, which may rise slowly.

    Sound is float32, full scale 1.0, of `rate_hz`.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._floor_dbov = LEAST_DBOV  # who begins with a loud room sends it, until it is known for noise
        self._quiet = 0  # samples since the last word
        self._noise: deque[Frame] = deque()
        self._told_dbov: float | None = None
        self._told = 0  # samples ago

    def note(self, sound: Frame) -> bytes | None:
        """One packet time. None: it is speech; else the description to send, b"" where the last one still holds."""
        size = len(sound)
        level_dbov = 10 * float(np.log10(float(np.dot(sound, sound)) / size + 1e-13))
        self._floor_dbov = min(level_dbov, self._floor_dbov + RISE_DB_S * size / self._rate_hz)
        if level_dbov > max(self._floor_dbov + MARGIN_DB, LEAST_DBOV):
            self._quiet, self._told_dbov = 0, None
            self._noise.clear()
            return None
        self._quiet += size
        self._remember(sound)
        if self._quiet < HANGOVER_S * self._rate_hz:
            return None
        self._told += size
        holds = self._told_dbov is not None and abs(level_dbov - self._told_dbov) < CHANGE_DB
        if holds and self._told < REPEAT_S * self._rate_hz:
            return b""
        self._told_dbov, self._told = level_dbov, 0
        return describe(np.concatenate(self._noise))

    def _remember(self, sound: Frame) -> None:
        self._noise.append(sound.copy())
        while len(self._noise) > 1 and (len(self._noise) - 1) * len(sound) >= REMEMBERED_S * self._rate_hz:
            self._noise.popleft()
