"""Digits through a stream of each codec: as telephone events of its clock, and as sound that still is a key behind."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.support.keypad import DIGITS, Press, dial, frames, heard
from tests.support.rtp_network import ALICE, BOB, Network, run, stream
from voipnode.media.events import DigitEnded, DigitStarted
from voipnode.media.stream import AudioStream

NUMBER = 96
CODECS = ["PCMU", "PCMA", "G722", "opus", "L16/16000", "G726-32"]


def pair(name: str, rate_hz: int) -> tuple[AudioStream, AudioStream]:
    settings = {"codec": name, "payload_type": NUMBER, "receive_codecs": {NUMBER: name}}
    return stream(1, BOB, rate_hz=rate_hz, **settings), stream(2, ALICE, rate_hz=rate_hz, **settings)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("duration_ms", [80, 160, 3000, 9000])
def test_a_key_is_told_once_with_its_length_whatever_the_clock(name: str, duration_ms: int) -> None:
    """3 s are more than one segment of Opus' clock, 9 s of every one (RFC 4733 §2.5.1.3)."""
    alice, bob = pair(name, 16000)
    silence = np.zeros(160, np.float32)

    def press(number: int, now: float) -> None:
        if number == 50:
            alice.send_digits("7", now, duration_ms=duration_ms)

    told = run(alice, bob, lambda _: silence, seconds=1.5 + duration_ms / 1000, at_frame=press).events
    assert [type(event) for event in told] == [DigitStarted, DigitEnded]
    assert isinstance(told[1], DigitEnded)
    assert (told[1].digit, told[1].duration_ms) == ("7", duration_ms)


@pytest.mark.parametrize("seed", range(3))
def test_a_code_arrives_whole_by_the_clock_of_opus_through_a_bad_network(seed: int) -> None:
    dice = random.Random(seed)
    code = "".join(dice.choice("0123456789*#ABCD11") for _ in range(16))
    alice, bob = pair("opus", 48000)
    silence = np.zeros(480, np.float32)

    def press(number: int, now: float) -> None:
        if number == 50:
            alice.send_digits(code, now, duration_ms=120, gap_ms=80)

    network = Network(seed, loss=0.15, repeat=0.1, jitter_s=0.030)
    told = run(alice, bob, lambda _: silence, seconds=6, network=network, at_frame=press).events
    assert "".join(event.digit for event in told if isinstance(event, DigitStarted)) == code
    assert "".join(event.digit for event in told if isinstance(event, DigitEnded)) == code


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_keys_that_sound_are_heard_behind_every_codec(name: str, rate_hz: int) -> None:
    """In a house of each rate, through encoder, network, jitter buffer, decoder and resampling."""
    alice, bob = pair(name, rate_hz)
    press = Press(on_ms=60.0, off_ms=60.0, rate_hz=rate_hz)
    quiet = np.zeros(rate_hz // 2, np.float32)
    sound = np.concatenate((quiet, dial(DIGITS, press, np.random.default_rng(3)), quiet)).astype(np.float32)
    said = list(frames(sound, rate_hz))
    result = run(alice, bob, lambda number: said[number], seconds=len(said) / 100, network=Network(jitter_s=0.005))
    assert heard(result.heard, rate_hz) == DIGITS
