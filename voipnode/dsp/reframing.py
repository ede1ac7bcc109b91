"""Sound in pieces of any length, made frames of 10 ms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import clean


class Reframer:
    """Collects samples of several sounds that go together, and gives out frames as soon as they are complete: however
    a stretch is cut into pieces, the same frames come of it.

    `channels` sounds at `rate_hz`. What is no sound (no number, not one row) is made some as `hygiene.clean` says.
    """

    def __init__(self, rate_hz: int, channels: int = 1) -> None:
        self._size = rate_hz // FRAMES_PER_S
        self._rest: Frame = np.zeros((channels, 0), dtype=np.float32)

    def reset(self) -> None:
        """Forget what was not complete."""
        self._rest = self._rest[:, :0]

    def push(self, *sounds: Any) -> Iterator[tuple[Frame, ...]]:
        """The frames that these pieces complete, a frame of each sound at a time.

        The last sound counts: others are cut to its length, or followed by silence. Raises ValueError unless there are
        as many as `channels`.
        """
        if len(sounds) != len(self._rest):
            raise ValueError(f"{len(sounds)} sounds for {len(self._rest)} channels")
        pieces = [clean(sound) for sound in sounds]
        count = len(pieces[-1])
        if not self._rest.shape[1] and all(len(piece) == self._size for piece in pieces):
            return iter((tuple(pieces),))
        return self._collect(pieces, count)

    def _collect(self, pieces: list[Frame], count: int) -> Iterator[tuple[Frame, ...]]:
        held = self._rest.shape[1]
        together: Frame = np.zeros((len(pieces), held + count), dtype=np.float32)
        together[:, :held] = self._rest
        for row, piece in zip(together, pieces, strict=True):
            row[held : held + min(count, len(piece))] = piece[:count]
        complete = (held + count) // self._size * self._size
        self._rest = together[:, complete:].copy()
        return iter([tuple(together[:, at : at + self._size]) for at in range(0, complete, self._size)])
