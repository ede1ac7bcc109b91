"""Each codec with real phones: speech both ways, rated by PESQ on what arrived."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.aio import run_test
from tests.support.fidelity import at_rate, best_stretch
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.peers.process import PeerProcess
from tests.support.speech import prompts, speech, voices
from tests.support.wav_files import read_wav, write_wav

pytestmark = pytest.mark.interop

CALL_S, SPEECH_S = 5.0, 4.0
PHONE_HZ = 48000  # baresip's files; it resamples
# Not G.726: baresip 1.0.0 packs "G726-32" in the order of AAL2, whose name is another (RFC 3551 §4.5.4), and we do not.
# Codec as we offer it, as baresip's account has it, the rate to rate at, the least score that each way must have.
WITH_BARESIP = [
    ("opus", "opus/48000/2", 16000, 3.4),
    ("G722", "G722/16000/1", 16000, 3.4),
    ("L16/16000", "L16/16000/1", 16000, 3.4),
]


def voice(number: int) -> np.ndarray:
    """One of the voices at 16 kHz: a sentence for each side."""
    if len(voices()) <= number:
        return speech(SPEECH_S, 16000)
    sentences = sorted(prompts(voices()[number], 16000), key=len, reverse=True)
    return np.concatenate(sentences[:3])[: round(SPEECH_S * 16000)]


async def call(uri: str, codec: str, said: Path, heard: Path) -> str:
    """`voipnode call`; what it printed."""
    command = ("-m", "voipnode", "call", uri, "--codec", codec, "--play", said, "--record", heard)
    process = await PeerProcess.start(sys.executable, *command, "--duration", str(CALL_S), env={"COLUMNS": "200"})
    await asyncio.wait_for(process.process.wait(), 60)
    assert process.process.returncode == 0, process.account()
    return process.account()


def rated(said: np.ndarray, path: Path, rate_hz: int) -> float:
    sound, recorded_hz = read_wav(path)
    return best_stretch(at_rate(said, 16000, rate_hz), at_rate(sound, recorded_hz, rate_hz), rate_hz)


@pytest.mark.parametrize(("codec", "theirs", "rate_hz", "least"), WITH_BARESIP, ids=[row[0] for row in WITH_BARESIP])
def test_speech_with_baresip(tmp_path: Path, codec: str, theirs: str, rate_hz: int, least: float) -> None:
    ours, their_voice = voice(0), voice(1)

    async def play() -> None:
        said = write_wav(tmp_path / "phone.wav", at_rate(their_voice, 16000, PHONE_HZ), PHONE_HZ)
        phone = await Baresip.start(tmp_path / "phone", microphone=said, answer="auto", codecs=theirs)
        try:
            await call(phone.uri, codec, write_wav(tmp_path / "door.wav", ours, 16000), tmp_path / "heard.wav")
            await phone.event("CALL_CLOSED")
        finally:
            await phone.stop()
        spoken, spoken_hz = read_wav(phone.said())  # its resampling from its file is not ours to rate
        here = rated(at_rate(spoken, spoken_hz, 16000), tmp_path / "heard.wav", rate_hz)
        there = rated(ours, phone.heard(), rate_hz)
        print(f"{codec}: PESQ {here:.2f} here, {there:.2f} at baresip")
        assert min(here, there) > least, (here, there)

    run_test(play())


@pytest.mark.parametrize("codec", ["opus", "G722"])
def test_speech_with_linphone(tmp_path: Path, codec: str) -> None:
    ours, their_voice = voice(0), voice(1)

    async def play() -> None:
        said = write_wav(tmp_path / "phone.wav", at_rate(their_voice, 16000, PHONE_HZ), PHONE_HZ)
        phone = await Linphone.start(tmp_path / "phone", microphone=said, auto_answer=True)
        phone.say("codec enable 6")  # G.722, which it has switched off
        try:
            await call(phone.uri, codec, write_wav(tmp_path / "door.wav", ours, 16000), tmp_path / "heard.wav")
            await phone.process.line_with("ended", "Call terminated")
        finally:
            await phone.stop()
        here, there = rated(their_voice, tmp_path / "heard.wav", 16000), rated(ours, phone.heard(), 16000)
        print(f"{codec}: PESQ {here:.2f} here, {there:.2f} at linphone")
        assert min(here, there) > 3.3, (here, there)

    run_test(play())
