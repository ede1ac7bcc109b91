"""SoundCard: on a fake sound system for what a plug may do, and on PulseAudio, through PortAudio, for the sound."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.pulse_audio import pulse_audio
from tests.support.sound import measure_tone
from voipnode.calls.errors import CallError
from voipnode.calls.events import Problem
from voipnode.calls.hooks import AudioDevice, Bus, Frame
from voipnode.modules.audio.module import make_device, recorded
from voipnode.modules.audio.portaudio import CardInfo, PortAudioCards
from voipnode.modules.audio.settings import AudioSettings
from voipnode.modules.audio.sound_card import RETRY_S, STALLED_EXCHANGES, SoundCard
from voipnode.modules.audio.sources import Tone
from voipnode.net.clock import MediaClock

GUARD_S = 10.0


class FakeStream:
    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


class FakeCards:
    """A sound system with one 48 kHz headset, whose plug the test pulls."""

    def __init__(self) -> None:
        self.plugged = True
        self.tries = 0
        self.opened = threading.Semaphore(0)
        self.refused = threading.Semaphore(0)
        self.streams: list[FakeStream] = []
        self.heard: Callable[[Frame], None] = lambda samples: None
        self.fill: Callable[[Frame], None] = lambda out: None

    def refresh(self) -> None:
        return

    def devices(self) -> list[CardInfo]:
        return [CardInfo("USB Headset", 1, 2), CardInfo("HDMI", 0, 8)] if self.plugged else []

    def _stream(self) -> FakeStream:
        self.tries += 1
        if not self.plugged:
            self.refused.release()
            raise OSError("No such device")
        self.streams.append(FakeStream(48000.0))
        return self.streams[-1]

    def open_input(self, name: str, rate_hz: int, heard: Callable[[Frame], None]) -> FakeStream:
        self.heard = heard
        return self._stream()

    def open_output(self, name: str, rate_hz: int, fill: Callable[[Frame], None]) -> FakeStream:
        self.fill = fill
        stream = self._stream()
        self.opened.release()
        return stream


@pytest.fixture
def problems() -> list[Problem]:
    return []


@pytest.fixture
def bus(problems: list[Problem]) -> Bus:
    made = Bus(lambda: 0.0)
    made.subscribe(Problem, problems.append, who="test")
    return made


def wait_until(device: SoundCard, is_open: bool) -> None:
    """Until the card is open, or closed; its own thread does both."""
    for _ in range(5000):
        if device.is_open is is_open:
            return
        threading.Event().wait(0.002)
    raise AssertionError(f"the card is {'not ' * is_open}open")


def ticks(device: AudioDevice, cards: FakeCards, count: int, rate_hz: int = 8000) -> np.ndarray:
    """`count` times 10 ms in which a card with a clock like ours plays back what it hears."""
    heard = []
    out = np.zeros(480, np.float32)
    tone = Tone(48000, 1000, -12)
    for _ in range(count):
        cards.heard(tone.read())
        cards.fill(out)
        heard.append(device.exchange(np.full(rate_hz // 100, 0.25, np.float32)))
    return np.concatenate([*heard, out])


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_48_khz_card_is_heard_and_played_at_the_houses_rate(bus: Bus, problems: list[Problem], rate_hz: int) -> None:
    cards = FakeCards()
    device = SoundCard(AudioSettings(input_device="headset"), rate_hz, bus, cards)
    assert not device.exchange(np.zeros(rate_hz // 100, np.float32)).any()  # before the start: silence
    device.start()
    assert cards.opened.acquire(timeout=GUARD_S)
    wait_until(device, is_open=True)
    sound = ticks(device, cards, 200, rate_hz)
    tone = measure_tone(sound[-rate_hz - 480 : -480], rate_hz)
    assert tone.frequency_hz == pytest.approx(1000, abs=0.5)
    assert tone.level_dbfs == pytest.approx(-12, abs=0.1)
    assert tone.snr_db > 50
    assert np.allclose(sound[-480:], 0.25, atol=0.01)
    device.stop()
    assert all(stream.closed.wait(GUARD_S) for stream in cards.streams)
    assert problems == []


def poll(attempt: Callable[[], np.ndarray], good: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The keeper's thread hands over a moment after the card is open: try until it has."""
    for _ in range(1000):
        result = attempt()
        if good(result):
            return result
        threading.Event().wait(0.001)
    raise AssertionError("the card was never heard")


def test_a_pulled_plug_is_a_problem_and_silence_and_the_card_is_tried_again(
    bus: Bus, problems: list[Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voipnode.modules.audio.sound_card.RETRY_S", 0.001)
    assert RETRY_S == 5.0
    cards = FakeCards()
    device = SoundCard(AudioSettings(), 8000, bus, cards)
    device.start()
    poll(lambda: ticks(device, cards, 20), lambda sound: sound[:-480].any())
    cards.plugged = False
    silence = np.zeros(80, np.float32)
    for _ in range(STALLED_EXCHANGES + 1):
        device.exchange(silence)
    assert cards.refused.acquire(timeout=GUARD_S)
    assert cards.refused.acquire(timeout=GUARD_S)  # and again
    assert not device.exchange(silence).any()
    assert problems
    assert problems[-1].where == "audio.device"
    told = len(problems)
    for _ in range(50):
        device.exchange(silence)
    assert len(problems) <= told + 1  # not once per frame
    cards.plugged = True
    poll(lambda: ticks(device, cards, 20), lambda sound: sound[:-480].any())
    device.stop()


def test_a_card_that_cannot_be_opened_says_which_devices_exist(bus: Bus, problems: list[Problem]) -> None:
    cards = FakeCards()
    device = SoundCard(AudioSettings(), 8000, bus, cards)
    cards.open_output = refuse  # type: ignore[method-assign] -- the loudspeaker is in use by another program
    device.start()
    for _ in range(1000):
        device.exchange(np.zeros(80, np.float32))
        if problems:
            break
        threading.Event().wait(0.001)
    assert "busy" in problems[0].detail
    assert '"USB Headset" (1 in, 2 out), "HDMI" (0 in, 8 out)' in problems[0].detail
    assert cards.streams[0].closed.is_set()  # the microphone, which did open
    device.stop()


def refuse(name: str, rate_hz: int, fill: Callable[[Frame], None]) -> FakeStream:
    raise OSError("Device is busy")


@pytest.mark.parametrize(("field", "value"), [("input_device", "hdmi"), ("output_device", "nothing")])
def test_a_device_name_that_does_not_exist_is_refused_with_those_that_do(bus: Bus, field: str, value: str) -> None:
    with pytest.raises(CallError, match=f'audio.{field} = "{value}".*"USB Headset"'):
        SoundCard(AudioSettings.model_validate({field: value}), 8000, bus, FakeCards())


def test_start_and_stop_in_quick_succession_leave_the_card_as_it_was_wanted_last(bus: Bus) -> None:
    cards = FakeCards()
    device = SoundCard(AudioSettings(), 8000, bus, cards)
    for _ in range(200):
        device.start()
        device.stop()
    device.start()
    device.start()
    poll(lambda: ticks(device, cards, 20), lambda sound: sound[:-480].any())
    device.stop()
    assert all(stream.closed.wait(GUARD_S) for stream in cards.streams)


def test_auto_falls_back_to_the_simulated_room_and_says_why(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(self: PortAudioCards) -> list[CardInfo]:
        return []

    monkeypatch.setattr(PortAudioCards, "devices", none_here)
    device = make_device(AudioSettings(microphone="tone:1000"), 8000, bus)
    assert device.description.startswith("simulated room")
    assert "no sound device at all" in device.description
    device.start()
    assert device.exchange(np.zeros(80, np.float32)).any()
    with pytest.raises(CallError, match="no sound device at all"):
        make_device(AudioSettings(device="sound_card"), 8000, bus)


def test_a_recording_in_a_folder_that_does_not_exist_is_refused(bus: Bus) -> None:
    device = make_device(AudioSettings(device="files"), 8000, bus)
    with pytest.raises(CallError, match=r"audio\.loudspeaker_recording"):
        recorded(device, AudioSettings(loudspeaker_recording="/nowhere/out.wav"), bus)


@pytest.fixture
def pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with pulse_audio(tmp_path, monkeypatch):
        yield


@pytest.mark.interop
def test_a_tone_played_on_pulseaudio_comes_back_through_portaudio(
    pulse: None, bus: Bus, problems: list[Problem]
) -> None:
    cards = PortAudioCards()
    cards.refresh()
    if not any(info.name == "pulse" for info in cards.devices()):
        pytest.skip("ALSA has no pulse device here (Debian: libasound2-plugins)")
    device = SoundCard(AudioSettings(input_device="pulse", output_device="pulse"), 8000, bus, cards)
    tone = Tone(8000, 440, -12)
    heard: list[Frame] = []

    async def main() -> None:
        enough = asyncio.get_running_loop().create_future()

        def tick(now: float) -> None:
            heard.append(device.exchange(tone.read()))
            if len(heard) == 400 and not enough.done():
                enough.set_result(None)

        cancel = MediaClock().subscribe(tick)
        async with asyncio.timeout(4 * GUARD_S):
            await enough
        cancel()

    device.start()
    wait_until(device, is_open=True)
    try:
        asyncio.run(main())
    finally:
        device.stop()
        wait_until(device, is_open=False)
    measured = [measure_tone(np.concatenate(heard[at : at + 20]), 8000) for at in range(200, 400, 20)]
    best = max(measured, key=lambda each: each.snr_db)
    assert best.frequency_hz == pytest.approx(440, abs=1.0)
    assert best.level_dbfs == pytest.approx(-12, abs=0.5)
    assert best.snr_db > 40
    assert problems == []
