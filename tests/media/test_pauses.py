"""What is taken for a pause: by its level, after the end of the word, described when there is something new to say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.rtp_network import BOB, stream
from voipnode.codecs.registry import find_codec
from voipnode.media.pauses import Pauses
from voipnode.media.rtp import RtpPacket

SIZE = 160  # 20 ms


def noise(level_dbov: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 10 ** (level_dbov / 20), SIZE).astype(np.float32)


def notes(*stretches: tuple[float, int]) -> list[bytes | None]:
    """What is said of packets of noise of these levels, so many each."""
    pauses = Pauses(8000)
    levels = [level for level, count in stretches for _ in range(count)]
    return [pauses.note(noise(level, seed)) for seed, level in enumerate(levels)]


def test_a_pause_begins_240_ms_after_the_word() -> None:
    said = notes((-55, 50), (-20, 50), (-55, 50))
    assert said[50:100] == [None] * 50
    assert said[100:111] == [None] * 11
    assert said[111] not in (None, b"")
    assert all(each is not None for each in said[111:])


def test_the_noise_is_described_at_the_beginning_and_every_second() -> None:
    said = notes((-20, 25), (-55, 175))
    told = [number for number, each in enumerate(said) if each]
    assert len(told) in (4, 5)
    assert {told[index + 1] - told[index] for index in range(len(told) - 1)} <= {50, 49, 51}
    assert all(abs(said[number][0] - 55) <= 2 for number in told)  # type: ignore[index]  # which are no None


def test_noise_that_changes_is_described_anew() -> None:
    said = notes((-20, 25), (-70, 40), (-63, 10))
    assert any(said[65:])


def test_louder_noise_is_taken_for_noise_after_some_seconds() -> None:
    said = notes((-55, 100), (-38, 400))
    assert said[100:150] == [None] * 50
    assert all(each is not None for each in said[-100:])


def test_soft_speech_over_silence_is_none() -> None:
    """Below -60 dBov is silence, whatever was before."""
    said = notes((-100, 100), (-70, 100))
    assert all(each is not None for each in said[112:])


def test_on_the_wire_a_pause_is_a_description_a_second() -> None:
    """RFC 3389 §4: under its own number, without marker, its time the pause's; the word after it has the marker."""
    engine = stream(1, BOB, noise_payload_type=13)
    sent = []
    for number in range(500):
        level = -20 if number < 100 or number >= 400 else -55
        engine.push(np.random.default_rng(number).normal(0, 10 ** (level / 20), 80).astype(np.float32), number * 0.01)
        sent += [(number, RtpPacket.parse(each.data)) for each in engine.outbox(number * 0.01) if not each.rtcp]
    described = [(number, packet) for number, packet in sent if packet.payload_type == 13]
    assert 3 <= len(described) <= 5
    assert not any(packet.marker for _, packet in described)
    assert all(packet.timestamp == (2**32 - 4000 + (number - 1) * 80) & 0xFFFFFFFF for number, packet in described)
    speech = [packet for number, packet in sent if number >= 400]
    assert speech[0].marker
    assert not any(packet.marker for packet in speech[1:])
    assert [packet.sequence for _, packet in sent] == [(65530 + count) & 0xFFFF for count in range(len(sent))]


@pytest.mark.parametrize("number", [13, 96])
def test_a_description_is_heard_as_its_noise_until_speech_comes_again(number: int) -> None:
    """Under 13 even where nothing was agreed; under another number where it was. One packet, two seconds of noise."""
    codecs = {0: "PCMU"} if number == 13 else {0: "PCMU", 96: "CN/8000"}
    engine = stream(1, BOB, receive_codecs=codecs)
    word = find_codec("PCMU").encoder(8000).encode_frame(noise(-10))
    heard = []
    for count in range(140):
        kind, payload = (number, bytes([30])) if count == 20 else (0, word)
        if count <= 20 or count >= 120:
            sequence = count if count <= 20 else count - 99
            packet = RtpPacket(kind, sequence, count * 160, 5, payload, marker=count == 120)
            engine.receive(packet.serialize(), BOB, count * 0.02)
        heard += [engine.pull(count * 0.02), engine.pull(count * 0.02 + 0.01)]
    levels = [20 * float(np.log10(np.sqrt(np.mean(frame**2)) + 1e-9)) for frame in heard]
    assert levels[20:38] == pytest.approx([-10] * 18, abs=2)
    assert levels[46:238] == pytest.approx([-30] * 192, abs=3)
    assert levels[250:270] == pytest.approx([-10] * 20, abs=2)
    assert engine.stats().malformed == engine.stats().lost == 0


def test_noise_of_another_clock_than_the_speechs_is_passed_over() -> None:
    engine = stream(1, BOB, rate_hz=16000, codec="opus", payload_type=96, receive_codecs={96: "opus", 9: "G722"})
    for count in range(10):
        packet = RtpPacket(13, count, count * 160, 5, bytes([20]), marker=False).serialize()
        engine.receive(packet, BOB, count * 0.02)
        assert not engine.pull(count * 0.02).any()
