"""At which rate the door's bridge runs: that of the best codec, up to the device's; the door resamples once for all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
from voipnode.calls.clips.player import ClipPlayer
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.hooks import Frame
from voipnode.dsp.tones import Tone


class Device:
    """Says a tone, keeps what it hears."""

    description = "test"

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.heard: list[Frame] = []
        self._tone = Tone(1000, rate_hz=rate_hz)

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.heard.append(loudspeaker.copy())
        return self._tone.next_frame()


class Party:
    """Says a tone at the rate that it is told; its codec has a use for `codec_rate_hz`."""

    shared_encoder = None

    def __init__(self, codec_rate_hz: int) -> None:
        self.codec_rate_hz = codec_rate_hz
        self.rates: list[int] = []
        self.heard: list[Frame] = []

    def run_at(self, rate_hz: int) -> None:
        self.rates.append(rate_hz)
        self._tone = Tone(440, rate_hz=rate_hz)

    def pull(self, now: float) -> Frame:
        return self._tone.next_frame()

    def push(self, frame: Frame, now: float) -> None:
        self.heard.append(frame.copy())

    def push_coded(self, coded: bytes, now: float) -> None:
        raise AssertionError("it shares no encoder")

    def send(self, now: float) -> None:
        return

    flush = send


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def subscribe(self, tick: object) -> object:
        self.tick = tick
        return lambda: None

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.now += 0.01
            self.tick(self.now)  # type: ignore[operator]  # a test's clock


def bridge(device_hz: int) -> tuple[DoorBridge, Device, Clock]:
    device, clock = Device(device_hz), Clock()
    return DoorBridge(device, clock), device, clock  # type: ignore[arg-type]  # as much of a clock as it needs


@pytest.mark.parametrize("device_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("codec_hz", [8000, 16000, 48000])
def test_a_call_runs_at_its_codecs_rate_up_to_the_devices(device_hz: int, codec_hz: int) -> None:
    door, device, clock = bridge(device_hz)
    party = Party(codec_hz)
    door.join(party)
    clock.run(100)
    rate_hz = min(device_hz, codec_hz)
    assert party.rates[-1] == rate_hz
    assert {len(frame) for frame in party.heard} == {rate_hz // 100}
    assert {len(frame) for frame in device.heard} == {device_hz // 100}
    assert find_tone_hz(np.concatenate(party.heard[20:]), rate_hz) == pytest.approx(1000, abs=0.5)
    assert find_tone_hz(np.concatenate(device.heard[20:]), device_hz) == pytest.approx(440, abs=0.5)


def test_a_wide_band_leg_lifts_all_and_takes_it_along_when_it_goes() -> None:
    door, device, clock = bridge(16000)
    narrow, wide = Party(8000), Party(16000)
    door.join(narrow)
    clock.run(10)
    door.join(wide)
    clock.run(10)
    door.leave(wide)
    clock.run(10)
    sizes = [len(frame) for frame in narrow.heard]
    assert sizes == [80] * 10 + [160] * 10 + [80] * 10
    assert {len(frame) for frame in device.heard} == {160}


def test_codecs_agreed_anew_count_from_then_on() -> None:
    """A re-INVITE: the call joins again, as it does after every change."""
    door, _, clock = bridge(16000)
    party = Party(8000)
    door.join(party)
    clock.run(5)
    party.codec_rate_hz = 16000
    door.join(party)
    clock.run(5)
    assert [len(frame) for frame in party.heard] == [80] * 5 + [160] * 5


# ---- what the node itself plays


def tone_clip(hz: float, seconds: float, rate_hz: int, level: float = 0.25) -> ClipPlayer:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return ClipPlayer((level * np.sin(2 * np.pi * hz * at)).astype(np.float32), rate_hz)


def test_a_clip_alone_wakes_the_door_at_its_own_rate_and_lets_it_rest_again() -> None:
    door, device, clock = bridge(48000)
    ends: list[float] = []
    door.play(tone_clip(6000, 0.5, 48000), then=ends.append)
    clock.run(51)
    assert find_tone_hz(np.concatenate(device.heard[5:49]), 48000) == pytest.approx(6000, abs=1)
    assert ends == [pytest.approx(0.51)]
    assert door._unsubscribe is None


def test_a_clip_goes_to_whom_it_is_meant_for() -> None:
    door, device, clock = bridge(8000)
    party = Party(8000)
    door.join(party)
    for here, away in ((True, False), (False, True), (True, True)):
        device.heard.clear()
        party.heard.clear()
        clip = tone_clip(2500, 10, 8000)
        door.play(clip, here=here, away=away)
        clock.run(30)
        door.silence(clip)
        assert bool(has_tone(device.heard[2:], 2500)) is here
        assert bool(has_tone(party.heard[2:], 2500)) is away
        assert has_tone(device.heard[2:], 440)
        assert has_tone(party.heard[2:], 1000)
        clock.run(5)


def has_tone(frames: list[Frame], hz: float) -> bool:
    sound = np.concatenate(frames)
    return abs(np.exp(-2j * np.pi * hz / 8000 * np.arange(len(sound))) @ sound) / len(sound) > 0.05


def test_a_narrow_call_takes_the_clip_along_to_its_own_rate_and_back() -> None:
    door, device, clock = bridge(48000)
    clip = tone_clip(1500, 10, 48000)
    door.play(clip)
    clock.run(10)
    narrow = Party(8000)
    door.join(narrow)
    clock.run(10)
    door.leave(narrow)
    clock.run(10)
    assert {len(frame) for frame in narrow.heard} == {80}
    assert door._bridge.rate_hz == 48000
    assert find_tone_hz(np.concatenate(device.heard[22:]), 48000) == pytest.approx(1500, abs=5)
    door.silence(clip)
    assert door._unsubscribe is None


def test_two_loud_clips_do_not_pass_full_scale() -> None:
    door, device, clock = bridge(8000)
    party = Party(8000)
    door.join(party)
    for hz in (400, 410):
        door.play(tone_clip(hz, 1, 8000, level=0.9), away=True)
    clock.run(50)
    assert max(np.abs(frame).max() for frame in device.heard) <= 1.0
    assert max(np.abs(frame).max() for frame in party.heard) <= 1.0


def test_what_begins_at_the_end_of_a_clip_may_be_the_next_one() -> None:
    door, device, clock = bridge(8000)
    door.play(tone_clip(400, 0.1, 8000), then=lambda now: door.play(tone_clip(700, 0.1, 8000)))
    clock.run(30)
    assert sum(frame.any() for frame in device.heard) == 20
    assert door._unsubscribe is None
