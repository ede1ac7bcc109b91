"""At which rate the door's bridge runs: that of the best codec, up to the device's; the door resamples once for all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
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
