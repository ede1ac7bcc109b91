"""An audio stream with each codec: both ways, its timestamps, houses of each rate, codecs that change in the call."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from tests.support.audio import find_tone_hz, fit_tone
from tests.support.fidelity import aligned, mean_opinion
from tests.support.rtp_network import ALICE, BOB, EVENTS, Network, config_towards, run, stream
from tests.support.speech import speech
from voipnode.codecs.registry import codec_names, find_codec
from voipnode.dsp.tones import Tone
from voipnode.media.rtp import RtpPacket
from voipnode.media.stream import AudioStream

NUMBER = 96
# Of a tone of 440 Hz, after it has gone through encoder, jitter buffer and decoder.
SNR_DB = {"opus": 18, "G722": 35, "PCMA": 35, "PCMU": 35, "L16/16000": 55, "L16/8000": 55, "G726-32": 28, "G723": 12}


def pair(name: str, rate_hz: int = 16000, **changes: object) -> tuple[AudioStream, AudioStream]:
    settings = {"codec": name, "payload_type": NUMBER, "receive_codecs": {NUMBER: name}, **changes}
    return stream(1, BOB, rate_hz=rate_hz, **settings), stream(2, ALICE, rate_hz=rate_hz, **settings)


def saying(hz: float, rate_hz: int) -> Callable[[int], np.ndarray]:
    tone = Tone(hz, rate_hz=rate_hz, level_dbfs=-10)
    return lambda _: tone.next_frame()


def sent_by(engine: AudioStream, rate_hz: int, frames: int) -> list[RtpPacket]:
    tone, packets = saying(440, rate_hz), []
    for number in range(frames):
        engine.push(tone(number), number * 0.01)
        packets += [RtpPacket.parse(packet.data) for packet in engine.outbox(number * 0.01) if not packet.rtcp]
    return packets


@pytest.mark.parametrize("name", sorted(SNR_DB))
@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_tone_arrives_clean_in_a_house_of_any_rate(name: str, rate_hz: int) -> None:
    alice, bob = pair(name, rate_hz, ptime_ms=find_codec(name).ptime_within(20))
    heard = run(alice, bob, saying(440, rate_hz), seconds=2).heard[rate_hz // 2 :]
    stats = bob.stats()
    assert find_tone_hz(heard, rate_hz) == pytest.approx(440, abs=0.5)
    assert fit_tone(heard, 440, rate_hz)[1] > SNR_DB[name]
    assert stats.concealed_ms == stats.stretched_ms == stats.squeezed_ms == stats.lost == stats.late == 0
    assert stats.delay_ms <= 55


@pytest.mark.parametrize("name", codec_names())
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60])
def test_timestamps_count_the_codecs_clock(name: str, ptime_ms: int) -> None:
    """G.722: 8000 for its 16 kHz (RFC 3551 §4.5.2). Opus: 48000 whatever it runs at (RFC 7587 §4.1)."""
    codec = find_codec(name)
    alice, _ = pair(name, ptime_ms=ptime_ms)
    packets = sent_by(alice, 16000, 60)
    step = codec.clock_hz * codec.ptime_within(ptime_ms) // 1000
    steps = {(later.timestamp - one.timestamp) & 0xFFFFFFFF for one, later in pairwise(packets)}
    assert len(packets) == 600 // codec.ptime_within(ptime_ms)
    assert steps == {step}


@pytest.mark.parametrize(
    ("name", "rate_hz", "band_hz"), [("G722", 16000, 6000), ("opus", 16000, 6000), ("opus", 48000, 10_000)]
)
def test_wide_band_is_wide(name: str, rate_hz: int, band_hz: float) -> None:
    alice, bob = pair(name, rate_hz)
    heard = run(alice, bob, saying(band_hz, rate_hz), seconds=2).heard[rate_hz:]
    assert find_tone_hz(heard, rate_hz) == pytest.approx(band_hz, abs=1)
    assert np.sqrt(np.mean(heard**2)) > 0.5 * 10 ** (-10 / 20) / np.sqrt(2)


@pytest.mark.parametrize("name", ["G722", "opus"])
def test_a_bad_network_is_bridged(name: str) -> None:
    alice, bob = pair(name)
    network = Network(3, loss=0.05, repeat=0.05, jitter_s=0.030)
    heard = run(alice, bob, saying(440, 16000), seconds=10, network=network).heard[32000:]
    stats = bob.stats()
    assert 5 <= stats.lost <= 45
    assert stats.delay_ms < 90
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(10 ** (-10 / 20) / np.sqrt(2), rel=0.15)


def test_redundancy_in_the_next_packet_is_played_for_one_that_is_lost() -> None:
    """Opus under 10 % of loss: what FEC brings back is the speech itself, so it is rated better than guesses."""

    def score(fmtp: str) -> float:
        alice, bob = pair("opus", fmtp=fmtp)
        said = speech(8.0, 16000)
        frames = said[: len(said) // 160 * 160].reshape(-1, 160)
        result = run(alice, bob, lambda number: frames[number], seconds=8, network=Network(5, loss=0.10))
        assert 20 <= bob.stats().lost <= 60
        return mean_opinion(*aligned(said, result.heard), 16000)

    with_fec, without = score("useinbandfec=1;maxaveragebitrate=24000"), score("maxaveragebitrate=24000")
    assert with_fec > without + 0.15, (with_fec, without)


def test_the_bridges_rate_may_change_at_any_frame() -> None:
    """Wide-band legs come and go: frames of 8 and 16 kHz in turn, the tone goes on."""
    alice, bob = pair("PCMU", 16000)
    rates = [16000, 8000, 48000, 8000]
    tones = {rate: Tone(440, rate_hz=rate) for rate in rates}
    sizes = []
    for number in range(800):
        now, rate_hz = number * 0.01, rates[number // 200]
        if number % 200 == 0:
            alice.run_at(rate_hz)
            bob.run_at(rate_hz)
        for tone in tones.values():
            frame = tone.next_frame()
            if len(frame) == rate_hz // 100:
                alice.push(frame, now)
        for packet in alice.outbox(now):
            bob.receive(packet.data, ALICE, now, rtcp=packet.rtcp)
        heard = bob.pull(now)
        sizes.append(len(heard))
        if number % 200 > 100:
            assert np.abs(heard).max() > 0.2
    assert sizes == [size for size in (160, 80, 480, 80) for _ in range(200)]
    assert bob.stats().concealed_ms == 0


def test_the_far_side_may_change_its_codec_at_any_packet() -> None:
    """RFC 3264 §5.1: all that were answered may come. From 8 kHz to 16 and back, clocks of 8000 and 48000."""
    formats = {0: "PCMU", 9: "G722", 96: "opus"}
    listener = stream(2, ALICE, rate_hz=16000, codec="PCMU", payload_type=0, receive_codecs=formats)
    heard, now, sequence, stamp = [], 0.0, 0, 0
    for number, name in [(0, "PCMU"), (9, "G722"), (96, "opus"), (0, "PCMU")]:
        codec = find_codec(name)
        rate_hz = codec.rate_within(16000)
        encoder, tone = codec.encoder(rate_hz), Tone(440, rate_hz=rate_hz)
        for _ in range(100):
            payload = encoder.encode_frame(np.concatenate([tone.next_frame(), tone.next_frame()]))
            packet = RtpPacket(number, sequence, stamp, 1, payload, marker=False)
            listener.receive(packet.serialize(), ALICE, now)
            heard += [listener.pull(now), listener.pull(now + 0.01)]
            now, sequence, stamp = now + 0.02, sequence + 1, stamp + codec.clock_hz // 50
    sound = np.concatenate(heard)
    assert len(sound) == 16000 * 8
    for second in (0, 2, 4, 6):
        stretch = sound[16000 * second + 16000 : 16000 * second + 32000]
        assert find_tone_hz(stretch, 16000) == pytest.approx(440, abs=0.5), second
    assert listener.stats().malformed == 0
    assert listener.stats().concealed_ms < 200  # a change of clock begins a time of its own


def test_a_codec_agreed_anew_is_sent_from_then_on() -> None:
    """As a re-INVITE has it: another codec, the same numbering, a timeline that goes on."""
    alice, _ = pair("PCMU", payload_type=0, receive_codecs={0: "PCMU", 9: "G722"})
    before = sent_by(alice, 16000, 20)
    agreed = config_towards(BOB, codec="G722", payload_type=9, receive_codecs={0: "PCMU", 9: "G722"})
    alice.configure(agreed, 0.2)
    after = sent_by(alice, 16000, 20)
    assert {packet.payload_type for packet in before} == {0}
    assert {packet.payload_type for packet in after} == {9}
    assert after[0].sequence == (before[-1].sequence + 1) & 0xFFFF
    assert (after[0].timestamp - before[-1].timestamp) & 0xFFFFFFFF == 160


def test_an_agreement_without_a_change_goes_on_with_the_same_encoder() -> None:
    """A refresh (RFC 4028) is not heard: an encoder that begins anew would leave its decoder behind."""
    one, other = pair("G722")
    agreed = config_towards(BOB, codec="G722", payload_type=NUMBER, receive_codecs={NUMBER: "G722"})
    tone = saying(440, 16000)
    payloads: tuple[list[bytes], list[bytes]] = ([], [])
    for number in range(40):
        frame = tone(number)
        for engine, found in zip((one, other), payloads, strict=True):
            engine.push(frame, number * 0.01)
            found += [RtpPacket.parse(packet.data).payload for packet in engine.outbox(number * 0.01)]
        if number == 20:
            one.configure(agreed, number * 0.01)
    assert payloads[0] == payloads[1]


def test_a_talk_spurt_after_silence_has_the_marker() -> None:
    """Opus with usedtx: nothing in silence, and RFC 3551 §4.1's marker on what comes after it."""
    alice, _ = pair("opus", fmtp="usedtx=1")
    silence, loud = np.zeros(160, np.float32), saying(440, 16000)
    packets = []
    for number in range(300):
        alice.push(silence if 50 <= number < 250 else loud(number), number * 0.01)
        packets += [(number, RtpPacket.parse(each.data)) for each in alice.outbox(number * 0.01) if not each.rtcp]
    quiet = [number for number, _ in packets if 100 <= number < 250]
    assert len(quiet) < 12
    first = next(packet for number, packet in packets if number >= 250)
    assert first.marker
    last_before = [packet for number, packet in packets if number < 250][-1]
    assert (first.timestamp - last_before.timestamp) & 0xFFFFFFFF > 960
    assert (first.timestamp - last_before.timestamp) % 120 == 0  # RFC 7587 §3.1.3
    assert first.sequence == (last_before.sequence + 1) & 0xFFFF


def test_digits_travel_on_the_codecs_clock() -> None:
    """RFC 4733 §2.1: the clock of the session: 160 ms are 7680 of Opus' 48000 a second, 1280 of G.722's 8000."""
    for name, duration in (("opus", 7680), ("G722", 1280)):
        alice, _ = pair(name)
        alice.send_digits("5", 0.0)
        events = [packet for packet in sent_by(alice, 16000, 40) if packet.payload_type == EVENTS]
        assert int.from_bytes(events[-1].payload[2:], "big") == duration
        assert len({packet.timestamp for packet in events}) == 1


def test_the_best_rate_is_that_of_the_codecs_within_the_house() -> None:
    def best(rate_hz: int, *names: str) -> int:
        formats = {96 + index: name for index, name in enumerate(names)}
        settings = {"codec": names[0], "payload_type": 96, "receive_codecs": formats}
        return stream(1, BOB, rate_hz=rate_hz, **settings).codec_rate_hz

    assert best(16000, "PCMU", "PCMA") == 8000
    assert best(16000, "PCMU", "G722") == 16000
    assert best(16000, "opus") == 16000
    assert best(48000, "opus", "PCMU") == 48000
    assert best(8000, "opus") == 8000
