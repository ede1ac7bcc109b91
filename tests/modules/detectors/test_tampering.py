"""Tampering with a camera, seen in pictures alone: what is an alarm, what is none, and when."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voipnode.modules.detectors.pictures import SimulatedCamera, scene
from voipnode.modules.detectors.tampering import ACCEPT_S, Look, Picture, TamperingDetector


class Watch:
    """A camera, a picture a second, and when the alarm changed."""

    def __init__(self, seed: int = 1, *, delay_s: float = 5.0, on_dark: bool = False) -> None:
        self.detector = TamperingDetector(delay_s, on_dark)
        self.camera = SimulatedCamera(lambda picture, now: None, lambda: 0.0, seed)
        self.camera._scene, self.camera._elsewhere = scene(seed), scene(seed + 100)
        self.now, self.period_s = 0.0, 1.0
        self.changes: list[tuple[float, bool]] = []

    def go(self, seconds: int, done: str = "", picture: Callable[[Picture], Picture] = lambda seen: seen) -> None:
        self.camera.done_to_it = done
        for _ in range(seconds):
            if self.detector.see(picture(self.camera.picture()), self.now):
                self.changes.append((self.now, self.detector.alarm))
            self.now += self.period_s


@pytest.mark.parametrize("done", ["covered", "defocused", "turned"])
@pytest.mark.parametrize("seed", [1, 5, 8])
def test_what_lasts_longer_than_the_delay_is_an_alarm_until_the_scene_is_back(seed: int, done: str) -> None:
    watch = Watch(seed)
    watch.go(20)
    assert watch.detector.look is Look.WELL
    watch.go(5, done)
    watch.go(5)
    assert watch.changes == [], "over before the delay of 5 s"
    watch.go(10, done)
    assert watch.detector.look is Look.OTHER
    watch.go(3)
    assert watch.changes == [(35.0, True), (40.0, False)]


def test_a_scene_is_known_only_after_ten_seconds_of_stillness() -> None:
    watch = Watch(delay_s=0)
    watch.go(9)
    watch.go(1, "turned")
    watch.go(10)
    assert (watch.detector.look, watch.changes) == (Look.LEARNING, [])
    watch.go(1)
    assert watch.detector.look is Look.WELL
    watch.go(1, "covered")
    assert watch.changes == [(21.0, True)]


def _half_light(seen: Picture) -> Picture:
    return (seen * 0.5).astype(np.uint8)


def _passer_by(seen: Picture) -> Picture:
    shown = seen.copy()
    shown[40:, 60:95] = 60
    return shown


@pytest.mark.parametrize("harmless", [_half_light, _passer_by])
@pytest.mark.parametrize("seed", [1, 5, 8])
def test_another_light_and_a_visitor_are_no_tampering(seed: int, harmless: Callable[[Picture], Picture]) -> None:
    watch = Watch(seed, delay_s=0)
    watch.go(20)
    watch.go(10, picture=harmless)
    assert watch.changes == []


@pytest.mark.parametrize(("on_dark", "alarm_at"), [(False, []), (True, [(25.0, True), (40.0, False)])])
def test_the_dark_is_an_alarm_only_where_it_is_set_to_be(on_dark: bool, alarm_at: list[tuple[float, bool]]) -> None:
    watch = Watch(on_dark=on_dark)
    watch.go(20)
    watch.go(20, "dark")
    assert watch.detector.look is Look.DARK
    watch.go(5)
    assert watch.changes == alarm_at
    assert watch.detector.look is Look.WELL, "the scene is still known"


def test_a_blank_wall_and_a_night_cannot_be_known_again() -> None:
    watch = Watch(delay_s=0, on_dark=True)
    watch.go(30, "covered")
    assert watch.detector.look is Look.NO_CONTOURS
    watch.go(30, "dark")
    assert watch.detector.look is Look.DARK
    watch.go(30, "turned")
    assert (watch.detector.look, watch.changes) == (Look.WELL, []), "what was never known was not tampered with"


def test_a_scene_that_stays_is_the_new_one_after_ten_minutes_but_a_cover_never() -> None:
    watch = Watch()
    watch.go(20)
    watch.go(10, "turned")
    watch.period_s = 10.0
    watch.go(int(ACCEPT_S / 10) + 3, "turned")
    assert watch.changes == [(25.0, True), (30.0 + ACCEPT_S, False)]
    assert watch.detector.look is Look.WELL
    watch.go(int(ACCEPT_S / 10) + 3, "covered")
    assert watch.detector.alarm


def test_a_scene_that_changes_slowly_stays_known() -> None:
    watch = Watch(delay_s=0)
    watch.go(20)
    watch.period_s = 20.0
    for shift in range(1, 31):
        watch.go(5, picture=lambda seen, shift=shift: np.roll(seen, shift, axis=0))  # type: ignore[misc]
    assert watch.changes == [], "a quarter of the picture's height, in 50 minutes"


@pytest.mark.parametrize("shape", [(59, 80), (60, 79), (60, 80, 3)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 60 x 80, grey"):
        TamperingDetector(5, False).see(np.zeros(shape, np.uint8), 0.0)
