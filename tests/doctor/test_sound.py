"""The sound card plays a tone, and the microphone hears it, or does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from tests.support.pulse_audio import pulse_audio
from voipnode.doctor.sound import Trial, check_sound
from voipnode.modules.audio.portaudio import CardInfo, PortAudioCards, Samples
from voipnode.modules.audio.settings import AudioSettings


class DeafCards:
    """A card that opens and then never calls."""

    def refresh(self) -> None: ...

    def devices(self) -> list[CardInfo]:
        return [CardInfo("card", 1, 1)]

    def open_input(self, name: str, rate_hz: int, heard: Callable[[Samples], None]) -> DeafStream:
        heard(np.zeros(160, np.float32))
        return DeafStream()

    def open_output(self, name: str, rate_hz: int, fill: Callable[[Samples], None]) -> DeafStream:
        return DeafStream()


class DeafStream:
    rate_hz = 16000.0

    def close(self) -> None: ...


def test_a_card_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipnode.doctor.sound.TONE_S", 0.1)
    findings = Trial(DeafCards(), AudioSettings()).findings()
    assert [finding.level for finding in findings] == ["problem", "problem"]
    assert "takes no sound" in findings[0].words
    assert "gives no sound" in findings[1].words


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    settings = {"audio": {"device": "files", "microphone": str(tmp_path / "no.wav")}}
    assert [one.level for one in run_test(found_by(check_sound, settings, tmp_path))] == ["problem"]


@pytest.mark.interop
@pytest.mark.parametrize(
    ("source", "levels", "words"),
    [
        ("spk.monitor", ["good", "good"], "hears the tone of the loudspeaker ("),
        ("mute.monitor", ["good", "problem"], "gives perfect silence"),
    ],
)
def test_pulseaudio_s_null_sink_is_heard_or_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, levels: list[str], words: str
) -> None:
    with pulse_audio(tmp_path, monkeypatch, source=source):
        cards = PortAudioCards()
        cards.refresh()
        if not any(info.name == "pulse" for info in cards.devices()):
            pytest.skip("ALSA has no pulse device here (Debian: libasound2-plugins)")
        audio = {"device": "sound_card", "input_device": "pulse", "output_device": "pulse"}
        findings = run_test(found_by(check_sound, {"audio": audio}, tmp_path))
    assert [finding.level for finding in findings] == levels, findings
    assert words in findings[1].words
