"""Is somebody tampering with the camera? From grey pictures alone, one or a few a second.

What a covered, sprayed, turned or defocused camera has in common: the edges of the scene are no longer where they were.
So the scene is known by its edges, each pixel's gradient as a share of the brightness around it, which another light
leaves as it is. They are learnt while the camera stands still for 10 s, and followed slowly as long as all is well.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Edges = NDArray[np.float32]

ROWS, COLUMNS = 60, 80  # what is looked at, whatever the camera's size
STILL_S = 10.0
MOVED = 0.35  # share of the edges that are elsewhere than in the picture before: the camera moves
KEPT_LITTLE = 0.35  # share of the scene's edges that are left: below this it is another scene
KEPT_ENOUGH = 0.55  # and above this the old one is back
CONTOURS = 0.015  # mean edge of the least scene that can be known; a blank wall has less
DARK = 12.0  # mean brightness, of 255
FOLLOW_S = 60.0  # time constant by which the known scene follows what slowly changes
ACCEPT_S = 600.0  # after so long in alarm a scene with contours is the new one


class Look(Enum):
    """What a picture looks like."""

    LEARNING = "the camera has to stand still for 10 s"
    NO_CONTOURS = "the scene has too few contours to be known again"
    WELL = ""
    DARK = "dark"
    OTHER = "covered, turned, or out of focus"


@dataclass(slots=True)
class TamperingDetector:
    """`alarm` is whether there is one; times are seconds of any steady clock."""

    delay_s: float
    on_dark: bool
    alarm: bool = False
    look: Look = Look.LEARNING
    _scene: Edges | None = None
    _before: Edges | None = None
    _sum: Edges | None = None
    _pictures: int = 0
    _still_since: float = 0.0
    _suspect_since: float | None = None
    _seen_at: float = 0.0

    def see(self, picture: Picture, now: float) -> bool:
        """Look at a grey picture, at least 60 x 80 (rows, columns); True when `alarm` has changed.

        Raises ValueError where it is no such picture.
        """
        small = _small(picture)
        edges = _edges(small)
        is_dark = float(small.mean()) < DARK
        moved = self._before is None or _has_moved(self._before, edges)
        self._before = edges
        if self._scene is None:
            self._learn(edges, now, moved=moved, is_dark=is_dark)
        else:
            self._compare(edges, now, is_dark=is_dark)
        self._seen_at = now
        return self._judge(now, moved=moved)

    def _learn(self, edges: Edges, now: float, *, moved: bool, is_dark: bool) -> None:
        """Take the mean of the edges in 10 s of stillness for the scene."""
        if moved or self._sum is None or is_dark:
            self._sum, self._pictures, self._still_since = np.zeros_like(edges), 0, now
        self._sum = self._sum + edges
        self._pictures += 1
        if is_dark:
            self.look = Look.DARK
        elif moved or self.look is not Look.NO_CONTOURS:
            self.look = Look.LEARNING
        if is_dark or now - self._still_since < STILL_S:
            return
        mean: Edges = self._sum / np.float32(self._pictures)
        self._sum = None
        if float(mean.mean()) < CONTOURS:
            self.look = Look.NO_CONTOURS
        else:
            self._scene, self.look = mean, Look.WELL

    def _compare(self, edges: Edges, now: float, *, is_dark: bool) -> None:
        assert self._scene is not None
        kept = 1.0 - _missing(self._scene, edges)
        well = kept >= (KEPT_ENOUGH if self._suspect_since is not None else KEPT_LITTLE)
        if is_dark:
            self.look = Look.DARK  # of a dark scene nothing can be said: it is neither the old one nor another
        elif not well:
            self.look = Look.OTHER
        else:
            self.look = Look.WELL
            share = min(1.0, (now - self._seen_at) / FOLLOW_S)
            self._scene = self._scene + np.float32(share) * (edges - self._scene)

    def _judge(self, now: float, *, moved: bool) -> bool:
        suspect = self.look is Look.OTHER or (self.look is Look.DARK and self.on_dark and self._scene is not None)
        if not suspect:
            self._suspect_since = None
        elif self._suspect_since is None:
            self._suspect_since = now
        before, self.alarm = self.alarm, suspect and now - (self._suspect_since or 0.0) >= self.delay_s
        if self.alarm and not moved and now - (self._suspect_since or 0.0) >= ACCEPT_S + self.delay_s:
            self._begin_anew()
        return self.alarm != before

    def _begin_anew(self) -> None:
        """It has been so for long: learn this scene. One without contours is never accepted: the alarm goes on."""
        if self._before is not None and float(self._before.mean()) >= CONTOURS:
            self._scene, self._sum, self._suspect_since = None, None, None
            self.alarm, self.look = False, Look.LEARNING


def _small(picture: Picture) -> NDArray[np.float32]:
    if picture.ndim != 2 or picture.shape[0] < ROWS or picture.shape[1] < COLUMNS:
        raise ValueError(f"a picture of shape {picture.shape}; at least {ROWS} x {COLUMNS}, grey, is right")
    high, wide = picture.shape[0] // ROWS, picture.shape[1] // COLUMNS
    cut = picture[: high * ROWS, : wide * COLUMNS].reshape(ROWS, high, COLUMNS, wide)
    mean: NDArray[np.float32] = cut.mean(axis=(1, 3), dtype=np.float32)
    return mean


def _edges(small: NDArray[np.float32]) -> Edges:
    """The gradient's size at each pixel, as a share of the brightness around it; what is noise is no edge."""
    down = np.abs(np.diff(small, axis=0))[:, :-1]
    across = np.abs(np.diff(small, axis=1))[:-1, :]
    around = 0.25 * (small[:-1, :-1] + small[1:, :-1] + small[:-1, 1:] + small[1:, 1:]) + 8.0
    edges: Edges = np.maximum((down + across) / around - 0.04, 0.0).astype(np.float32)
    return np.minimum(edges, 1.0)


def _has_moved(before: Edges, now: Edges) -> bool:
    """Whether the edges of the picture before are elsewhere; where there are hardly any, nobody can tell."""
    return float(before.mean()) >= CONTOURS and _missing(before, now) > MOVED


def _missing(of: Edges, now: Edges) -> float:
    """Which share of the edges `of` a picture is not in another one; 0 where it has none."""
    total = float(of.sum())
    return 0.0 if total <= 0.0 else 1.0 - float(np.minimum(of, now).sum()) / total
