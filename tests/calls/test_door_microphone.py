"""Who only listens at the door hears calls and the time between, and is never in the way."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from voipnode.calls.door_microphone import DoorMicrophone
from voipnode.calls.hooks import Frame

SILENCE = np.zeros(80, np.float32)


class Device:
    """Hears what it plays, and keeps a diary."""

    rate_hz = 8000
    description = "test"

    def __init__(self) -> None:
        self.diary: list[str] = []

    def start(self) -> None:
        self.diary.append("start")

    def stop(self) -> None:
        self.diary.append("stop")

    def exchange(self, loudspeaker: Frame) -> Frame:
        assert self.diary[-1] == "start", "a device at rest was asked for sound"
        return loudspeaker + np.float32(0.25)


class Clock:
    def __init__(self) -> None:
        self.listeners: list[Callable[[float], None]] = []

    def subscribe(
        self, tick: Callable[[float], None], send: Callable[[float], None] | None = None
    ) -> Callable[[], None]:
        self.listeners.append(tick)
        return lambda: self.listeners.remove(tick)

    def tick(self) -> None:
        for tick in list(self.listeners):
            tick(0.0)


class Scene:
    def __init__(self) -> None:
        self.device, self.clock = Device(), Clock()
        self.microphone = DoorMicrophone(self.device, self.clock)
        self.heard: list[tuple[float, float]] = []

    def hear(self, heard: Frame, played: Frame) -> None:
        self.heard.append((float(heard[0]), float(played[0])))


def test_without_listeners_it_is_the_device_itself() -> None:
    scene = Scene()
    scene.microphone.start()
    assert scene.microphone.exchange(SILENCE)[0] == 0.25
    scene.microphone.stop()
    assert scene.device.diary == ["start", "stop"]
    assert not scene.clock.listeners


def test_a_listener_hears_before_in_and_after_a_call_and_the_device_runs_all_the_time() -> None:
    scene = Scene()
    place = scene.microphone.listen(scene.hear, who="test")
    scene.clock.tick()
    scene.microphone.start()
    scene.clock.tick()  # the call's clock is another one
    scene.microphone.exchange(SILENCE + np.float32(0.5))
    scene.microphone.stop()
    scene.clock.tick()
    assert scene.heard == [(0.25, 0.0), (0.75, 0.5), (0.25, 0.0)]
    assert scene.device.diary == ["start"]
    place.cancel()
    place.cancel()
    assert scene.device.diary == ["start", "stop"]
    assert not scene.clock.listeners


def test_who_stops_to_listen_in_a_call_leaves_the_call_its_device() -> None:
    scene = Scene()
    scene.microphone.start()
    scene.microphone.listen(scene.hear, who="test").cancel()
    assert scene.microphone.exchange(SILENCE)[0] == 0.25
    assert scene.device.diary == ["start"]
    assert scene.heard == []


def test_a_listener_that_fails_is_told_of_once_and_the_others_hear_on(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()

    def fail(heard: Frame, played: Frame) -> None:
        raise ZeroDivisionError

    scene.microphone.listen(fail, who="clumsy")
    scene.microphone.listen(scene.hear, who="test")
    with caplog.at_level(logging.ERROR):
        scene.clock.tick()
        scene.clock.tick()
    assert len(scene.heard) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "'clumsy' failed to listen at the door, and hears no more"
    ]


def test_the_device_rests_when_its_only_listener_has_failed() -> None:
    scene = Scene()

    def fail(heard: Frame, played: Frame) -> None:
        raise ZeroDivisionError

    scene.microphone.listen(fail, who="clumsy")
    scene.clock.tick()
    assert scene.device.diary == ["start", "stop"]
    assert not scene.clock.listeners
