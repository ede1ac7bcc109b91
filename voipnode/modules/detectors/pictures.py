"""Where pictures come from. There is no camera module yet: the one source is a simulated scene, and what is done to it.

A camera's module would call `TamperingDetector.see` in the same way, with the grey plane (Y) of a decoded frame, about
once a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voipnode.modules.detectors.tampering import Picture

Plane = NDArray[np.float64]
PERIOD_S = 1.0
HIGH, WIDE = 120, 160
KINDS = ("", "covered", "defocused", "turned", "dark")


class SimulatedCamera:
    """Gives `see` a picture a second between `start` and `stop`; `done_to_it` is one of KINDS, "" = left alone."""

    def __init__(self, see: Callable[[Picture, float], None], clock: Callable[[], float], seed: int = 1) -> None:
        self._see = see
        self._clock = clock
        self._noise = np.random.default_rng(seed)
        self._scene = scene(1)
        self._elsewhere = scene(2)
        self._timer: asyncio.TimerHandle | None = None
        self.done_to_it = ""

    def start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD_S, self._next)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        self.start()
        self._see(self.picture(), self._clock())

    def picture(self) -> Picture:
        """What the camera sees now, with a sensor's noise."""
        plane = self._elsewhere if self.done_to_it == "turned" else self._scene
        if self.done_to_it == "covered":
            plane = np.full_like(plane, 90.0)
        elif self.done_to_it == "defocused":
            plane = _blurred(plane)
        elif self.done_to_it == "dark":
            plane = plane * 0.02
        noisy = plane + self._noise.normal(0.0, 2.0, plane.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)


def scene(seed: int) -> Plane:
    """A wall with boxes of different greys on it, always the same for a seed."""
    drawn = np.random.default_rng(seed)
    plane = np.full((HIGH, WIDE), 120.0)
    for _ in range(30):
        top, left = int(drawn.integers(0, HIGH - 10)), int(drawn.integers(0, WIDE - 10))
        high, wide = int(drawn.integers(8, 50)), int(drawn.integers(8, 50))
        plane[top : top + high, left : left + wide] = drawn.uniform(20, 230)
    return plane


def _blurred(
    plane: Plane,
) -> Plane:
    """Out of focus by far: each pixel the mean of 41 x 41."""
    kernel = np.ones(41) / 41
    for axis in (0, 1):
        padded = np.pad(plane, [(20, 20) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        plane = np.apply_along_axis(lambda line: np.convolve(line, kernel, mode="valid"), axis, padded)
    return plane
