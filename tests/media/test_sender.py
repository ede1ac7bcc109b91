"""RtpSender: frames that come coded leave as those do that it codes itself."""

from __future__ import annotations

import random

import numpy as np
import pytest

from voipnode.codecs.registry import find_codec
from voipnode.media.sender import RtpSender
from voipnode.media.values import StreamIdentity

FRAMES = np.random.default_rng(3).normal(0, 0.1, (120, 80)).astype(np.float32)


def sender(codec: str = "PCMU", ptime_ms: int = 20, rate_hz: int = 8000) -> RtpSender:
    made = RtpSender(StreamIdentity(7, 65530, 2**32 - 800, "s@test"), rate_hz)
    made.configure(find_codec(codec), 8000, 0, 101, ptime_ms)
    made.sending = True
    return made


def push(to: RtpSender, number: int, *, coded: bool, now: float | None = None) -> list[bytes]:
    at = number * 0.01 if now is None else now
    if not coded:
        return list(to.push(FRAMES[number], at))
    assert to.shared_encoder is not None
    return list(to.push_coded(to.shared_encoder.encode_frame(FRAMES[number]), at))


@pytest.mark.parametrize("ptime_ms", [10, 20, 60])
@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_it_does_not_matter_who_codes_a_frame(codec: str, ptime_ms: int) -> None:
    dice = random.Random(ptime_ms)
    whole, mixed = sender(codec, ptime_ms), sender(codec, ptime_ms)
    expected = [packet for number in range(len(FRAMES)) for packet in push(whole, number, coded=False)]
    found = [packet for number in range(len(FRAMES)) for packet in push(mixed, number, coded=dice.random() < 0.5)]
    assert found == expected
    assert len(found) == 1200 // ptime_ms
    assert mixed.sent == whole.sent


def test_a_pause_begins_a_packet_anew_whoever_codes() -> None:
    found = []
    for coded in (True, False):
        one = sender()
        packets = push(one, 0, coded=coded)
        for number in range(1, 8):  # the first frame stands alone before the pause
            packets += push(one, number, coded=coded, now=2.0 + number * 0.01)
        found.append(packets)
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_digits_take_the_place_of_coded_sound() -> None:
    found = []
    for coded in (True, False):
        one = sender()
        one.queue("5", 80, 40)
        found.append([packet for number in range(40) for packet in push(one, number, coded=coded)])
    assert found[0] == found[1]
    assert {packet[1] & 0x7F for packet in found[0]} == {0, 101}


def test_sound_of_another_rate_is_not_shared_and_what_was_begun_coded_is_dropped() -> None:
    one = sender()
    assert push(one, 0, coded=True) == []
    one.run_at(16000)
    assert one.shared_encoder is None
    frame = np.zeros(160, dtype=np.float32)
    packets = [packet for number in range(4) for packet in one.push(frame, 0.01 + number * 0.01)]
    assert [len(packet) for packet in packets] == [172, 172]
    assert int.from_bytes(packets[0][4:8], "big") == (2**32 - 800 + 80) & 0xFFFFFFFF
    one.run_at(8000)
    assert one.shared_encoder is not None


def test_while_nothing_may_be_sent_time_goes_on() -> None:
    one = sender()
    one.sending = False
    for number in range(10):
        assert push(one, number, coded=number % 3 == 0) == []
    one.sending = True
    packets = [packet for number in range(10, 12) for packet in push(one, number, coded=True)]
    assert [int.from_bytes(packet[2:4], "big") for packet in packets] == [65530]
    assert int.from_bytes(packets[0][4:8], "big") == (2**32 - 800 + 800) & 0xFFFFFFFF
