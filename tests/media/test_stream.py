"""An audio stream as a whole: tones, digits, directions, strangers, reports, in virtual time."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path

import dpkt
import numpy as np
import pytest

from tests.support.audio import find_tone_hz, fit_tone
from tests.support.corpora import corpora
from tests.support.rtp_network import ALICE, BOB, EVENTS, Network, beside, config_towards, events, run, stream
from voipnode.dsp.tones import Tone
from voipnode.media.dtmf import EventBlock
from voipnode.media.errors import LocalError
from voipnode.media.events import DigitEnded, DigitStarted, RemoteAddressLearnt, RemoteByeReceived, RemoteSilent
from voipnode.media.rtcp import Goodbye, ReceiverReport, SenderReport, SourceDescription, build, parse
from voipnode.media.rtcp_xr import ExtendedReport, VoipMetrics
from voipnode.media.rtp import RtpPacket
from voipnode.media.stream import AudioStream, StreamIdentity

SIPP = Path("/usr/share/sip-tester")
NAT = ("198.51.100.7", 31000)
STRANGER = ("203.0.113.66", 5555)
QUIET = np.zeros(80, dtype=np.float32)


def pair(**changes: object) -> tuple[AudioStream, AudioStream]:
    return stream(1, BOB, **changes), stream(2, ALICE, **changes)


def frames_of(tone: Tone) -> Callable[[int], np.ndarray]:
    return lambda _: tone.next_frame()


def rtp(number: int, *, payload: bytes = b"\xff" * 160, kind: int = 0, ssrc: int = 1, marker: bool = False) -> bytes:
    return RtpPacket(kind, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc, payload, marker).serialize()


def sent_rtp(engine: AudioStream, now: float) -> list[tuple[RtpPacket, tuple[str, int]]]:
    return [(RtpPacket.parse(packet.data), packet.remote) for packet in engine.outbox(now) if not packet.rtcp]


# -- sound


@pytest.mark.parametrize("codec", [("PCMU", 0), ("PCMA", 8)])
@pytest.mark.parametrize("frequency_hz", [440.0, 1000.0])
@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60])
def test_a_tone_arrives_clean(codec: tuple[str, int], frequency_hz: float, ptime_ms: int) -> None:
    alice, bob = pair(codec=codec[0], payload_type=codec[1], ptime_ms=ptime_ms)
    heard = run(alice, bob, frames_of(Tone(frequency_hz)), seconds=5).heard[1600:]
    stats = bob.stats()
    assert fit_tone(heard, frequency_hz)[1] > 35
    assert find_tone_hz(heard) == pytest.approx(frequency_hz, abs=0.1)
    assert stats.concealed_ms == stats.stretched_ms == stats.squeezed_ms == stats.lost == stats.late == 0
    assert stats.delay_ms <= 40


def test_the_delay_of_a_clean_network_is_at_most_40_ms_after_arrival() -> None:
    alice, bob = pair()
    click = np.full(80, 0.5, dtype=np.float32)
    heard = run(alice, bob, lambda n: click if n >= 200 else QUIET, seconds=3).heard
    begin = int(np.flatnonzero(np.abs(heard) > 0.4)[0]) / 8000 + 0.0033
    # Frame 200 leaves with the packet that frame 201 completes, and is 10 ms on its way.
    assert 0 <= begin - (2.01 + 0.010) <= 0.040


@pytest.mark.parametrize("ppm", [-100, 100])
def test_a_sender_with_another_clock_is_followed(ppm: int) -> None:
    alice, bob = pair()
    heard = run(alice, bob, frames_of(Tone(440)), seconds=150, clock=1 + ppm / 1e6).heard
    stats = bob.stats()
    assert stats.concealed_ms == stats.late == 0
    assert stats.delay_ms < 45
    assert find_tone_hz(heard[-16000:]) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("seed", range(8))
def test_a_bad_network_is_counted_and_bridged(seed: int) -> None:
    network = Network(seed, loss=0.05, repeat=0.05, jitter_s=0.040)
    alice, bob = pair()
    result = run(alice, bob, frames_of(Tone(440, level_dbfs=-6)), seconds=20, network=network)
    stats = bob.stats()
    assert stats.packets_received + stats.lost - stats.duplicates == alice.stats().packets_sent
    assert 20 <= stats.lost <= 85
    assert stats.duplicates >= 20
    assert stats.concealed_ms < 20 * (stats.lost + 25)
    assert stats.delay_ms < 90
    level = np.sqrt(np.mean(np.square(result.heard[-80_000:])))
    assert level == pytest.approx(10 ** (-6 / 20) / np.sqrt(2), rel=0.1)


def test_a_milliwatt_captured_from_a_real_exchange_is_a_clean_1004_hz_tone() -> None:
    heard, engine = replay(corpora("captures", "milliwatt.pcmu.rtp.pcap"))
    stats = engine.stats()
    assert stats.packets_received > 200
    assert stats.malformed == stats.strangers == stats.lost == stats.late == 0
    assert stats.concealed_ms <= 45  # its sender left out 20 ms after the fourth packet, and set the marker
    # That packet came late, so the lead turned out 10 ms too long and 3 ms are left out after four calm seconds.
    assert stats.squeezed_ms < 10
    frequency_hz = find_tone_hz(heard[4000:28000])
    assert frequency_hz == pytest.approx(1004, abs=0.1)
    assert fit_tone(heard[4000:28000], frequency_hz)[1] > 30
    assert fit_tone(heard[28000:36000], frequency_hz)[1] > 25


@pytest.mark.parametrize("name", [*"0123456789", "star", "pound"])
def test_sipps_digits_come_out_of_the_stream(name: str) -> None:
    path = SIPP / f"dtmf_2833_{name}.pcap"
    if not path.exists():
        pytest.skip("sipp's captures (Debian: sip-tester) are not installed")
    _, engine = replay(path)
    digit = {"star": "*", "pound": "#"}.get(name, name)
    told = events(engine)
    assert [event.digit for event in told if isinstance(event, DigitStarted)] == [digit]
    assert [event.digit for event in told if isinstance(event, DigitEnded)] == [digit]


def replay(path: Path) -> tuple[np.ndarray, AudioStream]:
    """Feed the RTP of a capture to a stream at its own times; what it plays."""
    with path.open("rb") as file:
        packets = [(at, dpkt.ethernet.Ethernet(frame).data) for at, frame in dpkt.pcap.Reader(file)]
    begin, ip = packets[0]
    source = (socket.inet_ntoa(ip.src), ip.data.sport)
    engine = stream(9, source)
    heard, pulled = [], 0
    for at, ip in packets:
        while pulled * 0.01 < at - begin:
            heard.append(engine.pull(pulled * 0.01))
            pulled += 1
        engine.receive(bytes(ip.data.data), source, at - begin)
    engine.on_deadline(packets[-1][0] - begin + 1.0)
    return np.concatenate([*heard, QUIET]), engine


def test_the_far_side_may_change_its_codec_at_any_packet() -> None:
    alice, bob = pair()

    def change(number: int, now: float) -> None:
        if number == 200:
            alice.configure(config_towards(BOB, codec="PCMA", payload_type=8), now)

    heard = run(alice, bob, frames_of(Tone(1000)), seconds=4, at_frame=change).heard
    assert fit_tone(heard[1600:], 1000)[1] > 33
    assert bob.stats().concealed_ms == 0


# -- packets out


def test_packets_are_numbered_stamped_and_marked() -> None:
    engine = stream(7, BOB)
    for number in range(12):
        engine.push(QUIET, number * 0.01)
    packets = [packet for packet, _ in sent_rtp(engine, 0.12)]
    assert [packet.sequence for packet in packets] == [65530, 65531, 65532, 65533, 65534, 65535]
    assert [packet.timestamp - (2**32 - 4000) for packet in packets] == [0, 160, 320, 480, 640, 800]
    assert [packet.marker for packet in packets] == [True] + [False] * 5
    assert {(packet.ssrc, packet.payload_type, packet.payload) for packet in packets} == {(7, 0, b"\xff" * 160)}
    assert engine.outbox(0.12) == []


def test_timestamps_go_on_while_nothing_may_be_sent() -> None:
    engine = stream(7, BOB)
    for number in range(300):
        now = number * 0.01
        if number in (100, 200):
            engine.configure(config_towards(BOB, send=number == 200), now)
        engine.push(QUIET, now)
    packets = [packet for packet, _ in sent_rtp(engine, 3.0)]
    assert len(packets) == 100
    assert [packets[50].sequence - packets[49].sequence & 0xFFFF, packets[50].marker] == [1, True]
    assert (packets[50].timestamp - packets[49].timestamp) & 0xFFFFFFFF == 160 * 51


def test_a_pause_without_frames_shows_in_the_timestamp() -> None:
    engine = stream(7, BOB)
    for now in (0.0, 0.01, 5.0, 5.01):
        engine.push(QUIET, now)
    first, second = [packet for packet, _ in sent_rtp(engine, 5.01)]
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 8000 * 5
    assert second.marker


@pytest.mark.parametrize("remote", [None, ("0.0.0.0", 4000), ("192.0.2.1", 0)])
def test_nothing_is_sent_to_nowhere(remote: tuple[str, int] | None) -> None:
    engine = stream(7, BOB)
    engine.configure(config_towards(BOB, remote_rtp=remote, remote_rtcp=None), 0.0)
    for number in range(4):
        engine.push(QUIET, number * 0.01)
    engine.on_deadline(100.0)
    assert engine.outbox(100.0) == []


# -- digits


@pytest.mark.parametrize("seed", range(10))
def test_digits_arrive_once_each_through_a_bad_network(seed: int) -> None:
    dice = random.Random(seed)
    code = "".join(dice.choice("0123456789*#ABCD11") for _ in range(16))
    alice, bob = pair()

    def dial(number: int, now: float) -> None:
        if number == 50:
            alice.send_digits(code, now, duration_ms=120, gap_ms=80)

    network = Network(seed, loss=0.15, repeat=0.1, jitter_s=0.030)
    told = run(alice, bob, lambda _: QUIET, seconds=6, network=network, at_frame=dial).events
    assert "".join(event.digit for event in told if isinstance(event, DigitStarted)) == code
    assert "".join(event.digit for event in told if isinstance(event, DigitEnded)) == code


def test_a_digit_is_told_at_its_first_packet() -> None:
    alice, bob = pair()

    def dial(number: int, now: float) -> None:
        if number == 100:
            alice.send_digits("5", now, duration_ms=400)

    told = run(alice, bob, lambda _: QUIET, seconds=3, at_frame=dial).events
    assert [type(event) for event in told] == [DigitStarted, DigitEnded]
    assert told[0].at == pytest.approx(1.01 + 0.010)
    assert told[1].at == pytest.approx(1.01 + 0.38 + 0.010)
    assert isinstance(told[1], DigitEnded)
    assert told[1].duration_ms == 400


def test_a_digit_during_which_its_payload_type_changes_is_one() -> None:
    alice, bob = pair()

    def renumber(number: int, now: float) -> None:
        if number == 100:
            alice.send_digits("5", now, duration_ms=400)
        if number == 120:  # a re-INVITE of either side
            for engine, far in ((alice, BOB), (bob, ALICE)):
                changed = config_towards(far, event_payload_type=110, event_receive_payload_type=110)
                engine.configure(changed, now)

    told = run(alice, bob, lambda _: QUIET, seconds=3, at_frame=renumber).events
    assert [type(event) for event in told] == [DigitStarted, DigitEnded]
    assert isinstance(told[1], DigitEnded)
    assert told[1].duration_ms == 400


def test_no_sound_is_heard_during_a_digit_and_the_talk_goes_on_after_it() -> None:
    alice, bob = pair()

    def dial(number: int, now: float) -> None:
        if number == 100:
            alice.send_digits("55", now, duration_ms=200, gap_ms=100)

    heard = run(alice, bob, frames_of(Tone(697, 1209)), seconds=4, at_frame=dial).heard
    lead = int(np.flatnonzero(heard)[0])
    digits = heard[lead + 100 * 80 + 20 : lead + 160 * 80 - 20]
    assert np.abs(digits[: 200 * 8]).max() == 0
    assert np.abs(digits[300 * 8 : 500 * 8]).max() == 0
    assert np.abs(heard[lead + 160 * 80 : lead + 170 * 80]).max() > 0.1
    assert bob.stats().stretched_ms == bob.stats().squeezed_ms == 0


def test_a_tone_sent_beside_its_event_does_not_leak() -> None:
    """Some gateways send the audio too (RFC 4733 §2.5.2.2): the event wins, in whatever order the two come."""
    engine, gateway = stream(2, ALICE), stream(3, BOB)
    tone = Tone(770, 1336, level_dbfs=-6)
    sequence, heard = 0, []
    for number in range(200):
        now = number * 0.02
        gateway.push(tone.next_frame(), now)
        gateway.push(tone.next_frame(), now + 0.01)
        packets = [(0, number * 160, sent_rtp(gateway, now)[0][0].payload)]
        if 100 <= number < 120:
            packets.append((EVENTS, 100 * 160, EventBlock(5, number == 119, 10, (number - 99) * 160).pack()))
        for kind, timestamp, payload in packets if number % 2 else packets[::-1]:
            engine.receive(RtpPacket(kind, sequence, timestamp, 1, payload).serialize(), ALICE, now)
            sequence += 1
        heard += [engine.pull(now + 0.003), engine.pull(now + 0.013)]
    sound = np.concatenate(heard)
    lead = int(np.flatnonzero(sound)[0])
    assert [type(event) for event in events(engine)] == [DigitStarted, DigitEnded]
    assert not sound[lead + 100 * 160 + 10 : lead + 120 * 160 - 10].any()
    assert np.abs(sound[lead + 121 * 160 : lead + 122 * 160]).max() > 0.3


def test_digits_that_cannot_be_sent_are_refused() -> None:
    engine = stream(1, BOB)
    with pytest.raises(LocalError, match="'x' is no digit"):
        engine.send_digits("1x", 0.0)
    with pytest.raises(LocalError, match="more than 64"):
        engine.send_digits("1" * 65, 0.0)
    with pytest.raises(LocalError, match="40 to 60000"):
        engine.send_digits("1", 0.0, duration_ms=10)
    for changes in ({"event_payload_type": None}, {"send": False}):
        engine.configure(config_towards(BOB, **changes), 0.0)
        assert not engine.can_send_digits
        with pytest.raises(LocalError, match="not negotiated"):
            engine.send_digits("1", 0.0)


# -- directions and sources


def test_while_we_do_not_receive_there_is_silence_and_no_digit() -> None:
    engine = stream(2, ALICE, receive=False)
    for number in range(50):
        engine.receive(rtp(2 * number, payload=b"\x80" * 160), ALICE, number * 0.02)
        engine.receive(rtp(2 * number + 1, payload=b"\x05\x0a\x01\x40", kind=EVENTS), ALICE, number * 0.02)
        assert not engine.pull(number * 0.02).any()
    assert events(engine) == []
    assert engine.stats().packets_received == 100


def test_a_peer_behind_nat_is_answered_where_it_comes_from() -> None:
    engine = stream(2, ALICE)
    engine.push(QUIET, 0.0)
    engine.push(QUIET, 0.01)
    for number in range(6):
        engine.receive(rtp(number), NAT, number * 0.02)
    engine.push(QUIET, 0.12)
    engine.push(QUIET, 0.13)
    assert [remote for _, remote in sent_rtp(engine, 0.13)] == [ALICE, NAT]
    assert events(engine) == [RemoteAddressLearnt(pytest.approx(0.06), NAT)]
    engine.on_deadline(10.0)
    assert [packet.remote for packet in engine.outbox(10.0)] == [(NAT[0], NAT[1] + 1)]
    engine.receive(build([ReceiverReport(1)]), (NAT[0], 40000), 10.1, rtcp=True)
    engine.on_deadline(20.0)
    assert [packet.remote for packet in engine.outbox(20.0)] == [(NAT[0], 40000)]


def test_without_symmetry_packets_go_where_signalling_said() -> None:
    engine = AudioStream(StreamIdentity(2, 0, 0, "t@test"), symmetric=False)
    engine.configure(config_towards(ALICE), 0.0)
    for number in range(6):
        engine.receive(rtp(number), (ALICE[0], 9999), number * 0.02)
    engine.push(QUIET, 0.12)
    engine.push(QUIET, 0.13)
    assert [remote for _, remote in sent_rtp(engine, 0.13)] == [ALICE]
    assert events(engine) == []
    assert engine.stats().packets_received == 6


def test_a_stranger_changes_nothing() -> None:
    engine = stream(2, ALICE)
    for number in range(100):
        now = number * 0.02
        engine.receive(rtp(number), ALICE, now)
        if number < 2:
            continue
        engine.receive(rtp(number, ssrc=66, payload=b"\x00" * 160), STRANGER, now)
        engine.receive(rtp(number, payload=b"\x05\x8a\x01\x40", kind=EVENTS), STRANGER, now)
        engine.receive(build([ReceiverReport(66), Goodbye((1,))]), STRANGER, now, rtcp=True)
        frames = np.concatenate([engine.pull(now), engine.pull(now + 0.01)])
        assert np.abs(frames).max() < 0.01
    assert events(engine) == []
    assert (engine.stats().strangers, engine.stats().packets_received) == (294, 100)


def test_what_was_not_negotiated_and_what_is_broken_is_counted() -> None:
    engine = stream(2, ALICE)
    for data in (rtp(0, kind=18), b"", b"\x80", bytes(3000), rtp(0)[:11], b"\x80\xc9\x00\x09"):
        engine.receive(data, ALICE, 0.0)
    for number in range(2):
        engine.receive(rtp(number, kind=EVENTS, payload=b"abc"), ALICE, 0.0)
    engine.receive(b"\x80\xcb\x00\x00", ALICE, 0.0, rtcp=True)
    assert engine.stats().malformed == 9


def test_our_own_packets_returned_by_an_echo_are_heard() -> None:
    """Test peers send every packet back as it came, with our own SSRC (no loop in the sense of RFC 3550 §8.2)."""
    engine, tone = stream(2, ALICE), Tone(440)
    heard = []
    for number in range(300):
        engine.push(tone.next_frame(), number * 0.01)
        for packet in engine.outbox(number * 0.01):
            engine.receive(packet.data, ALICE, number * 0.01 + 0.001)
        heard.append(engine.pull(number * 0.01 + 0.002))
    assert fit_tone(np.concatenate(heard)[1600:], 440)[1] > 33


def test_a_peer_that_drew_our_own_ssrc_makes_us_take_another() -> None:
    engine = stream(2, ALICE)
    for number in range(4):
        engine.push(QUIET, number * 0.01)
    engine.outbox(0.04)
    for number in range(3):
        engine.receive(rtp(number + 20_000, ssrc=2), ALICE, 0.05 + number * 0.02)
    (goodbye,) = engine.outbox(0.1)
    assert parse(goodbye.data)[-1] == Goodbye((2,))  # RFC 3550 §8.2
    engine.push(QUIET, 0.11)
    engine.push(QUIET, 0.12)
    (packet,) = engine.outbox(0.12)
    taken = RtpPacket.parse(packet.data)
    assert taken.ssrc != 2
    assert taken.marker
    assert engine.stats().packets_received == 3  # and none of the peer's words was lost
    engine.on_deadline(20.0)
    assert {report.ssrc for report in parse(engine.outbox(20.0)[0].data) if isinstance(report, ReceiverReport)} == {
        taken.ssrc
    }


def test_a_peer_that_follows_us_from_ssrc_to_ssrc_is_given_way_to_a_few_times_only() -> None:
    engine = stream(2, ALICE)
    left, ssrc = 0, 2
    for turn in range(40):
        at = turn * 1.0
        for number in range(4):
            engine.push(QUIET, at + number * 0.01)
        for number in range(2):
            engine.receive(rtp(number + 500 * turn, ssrc=ssrc), ALICE, at + 0.1 + number * 0.02)
        for number in range(4):
            engine.push(QUIET, at + 0.15 + number * 0.01)
        for packet in engine.outbox(at + 0.2):
            if packet.rtcp:
                left += 1
            else:
                ssrc = RtpPacket.parse(packet.data).ssrc
    assert left == 8


def test_a_new_source_at_the_same_address_is_heard_without_a_word_lost() -> None:
    engine = stream(2, ALICE)
    heard = []
    for number in range(200):
        ssrc, code = (1, b"\xa0") if number < 100 else (5, b"\x20")
        start = 0 if number < 100 else 1_000_000
        data = RtpPacket(0, (number + start) & 0xFFFF, number * 160 + start, ssrc, code * 160).serialize()
        engine.receive(data, ALICE, number * 0.02)
        heard += [engine.pull(number * 0.02 + 0.001), engine.pull(number * 0.02 + 0.011)]
    sound = np.concatenate(heard)
    assert np.count_nonzero(sound < -0.05) >= 98 * 160
    assert engine.stats().packets_received == 200


# -- reports and time


def test_reports_go_out_at_the_pace_of_rfc_3550_and_close_the_circle() -> None:
    alice, bob = pair()
    now, reported = 0.0, []
    flying: list[tuple[float, AudioStream, bytes, tuple[str, int], bool]] = []
    for number in range(6000):
        now = number * 0.01
        for engine, other, source in ((alice, bob, ALICE), (bob, alice, BOB)):
            engine.push(QUIET, now)
            deadline = engine.next_deadline()
            if deadline is not None and deadline <= now:
                engine.on_deadline(now)
            for packet in engine.outbox(now):
                if packet.rtcp:
                    reported.append((now, source, parse(packet.data)))
                    assert packet.remote == beside(BOB if engine is alice else ALICE)
                flying.append((now + 0.025, other, packet.data, beside(source) if packet.rtcp else source, packet.rtcp))
        while flying and flying[0][0] <= now:
            _, other, data, source, rtcp = flying.pop(0)
            other.receive(data, source, now, rtcp=rtcp)
    for source in (ALICE, BOB):
        times = [at for at, who, _ in reported if who == source]
        assert 0.5 * 2.5 / 1.22 - 0.02 <= times[0] <= 1.5 * 2.5 / 1.21
        gaps = np.diff(times)
        assert gaps.min() >= 0.5 * 5 / 1.22
        assert gaps.max() <= 2 * 1.5 * 5 / 1.21
        assert 4.0 <= gaps.mean() <= 8.5  # about 5 s, a little over with reconsideration
    _, _, packets = reported[-1]
    assert [type(packet) for packet in packets] == [SenderReport, SourceDescription]
    stats = alice.stats()
    assert stats.round_trip_ms == pytest.approx(60, abs=10)
    assert stats.remote_lost == 0
    assert stats.remote_jitter_ms == pytest.approx(0, abs=1)


def test_a_stream_that_only_hears_sends_receiver_reports() -> None:
    engine = stream(2, ALICE, send=False)
    engine.receive(rtp(0), ALICE, 0.0)
    engine.receive(rtp(1), ALICE, 0.02)
    engine.on_deadline(10.0)
    (packet,) = engine.outbox(10.0)
    report = parse(packet.data)[0]
    assert isinstance(report, ReceiverReport)
    assert [(block.ssrc, block.highest_sequence) for block in report.reports] == [(1, 1)]
    engine.on_deadline(30.0)
    report = parse(engine.outbox(30.0)[0].data)[0]
    assert isinstance(report, ReceiverReport)
    assert report.reports == ()  # nothing new since


def test_reports_share_the_rtp_port_where_signalling_says_so() -> None:
    engine = stream(2, ALICE)
    engine.configure(config_towards(ALICE, remote_rtcp=ALICE), 0.0)
    engine.on_deadline(10.0)
    (packet,) = engine.outbox(10.0)
    assert (packet.remote, packet.rtcp) == (ALICE, False)
    engine.receive(rtp(0), ALICE, 10.0)
    engine.receive(rtp(1), ALICE, 10.0)
    engine.receive(build([ReceiverReport(1), Goodbye((1,), "bye")]), ALICE, 10.1)
    assert events(engine) == [RemoteByeReceived(10.1, "bye")]


def test_how_the_call_is_heard_is_told_where_the_peer_wants_to_know() -> None:
    engine = stream(2, ALICE)
    engine.configure(config_towards(ALICE, voip_metrics=True), 0.0)
    for number in range(300):
        if number % 20 or number == 0:
            engine.receive(rtp(number), ALICE, number * 0.02)
        engine.pull(number * 0.02)
        engine.pull(number * 0.02 + 0.01)
    engine.on_deadline(20.0)
    report = parse(engine.outbox(20.0)[0].data)[-1]
    assert isinstance(report, ExtendedReport)
    (metrics,) = report.metrics
    assert (report.ssrc, metrics.ssrc) == (2, 1)
    assert metrics.loss_rate == pytest.approx(256 / 20, abs=3)
    assert (metrics.burst_density, metrics.gap_density) == (0, pytest.approx(256 / 20, abs=3))  # 19 come between two
    assert 32 <= metrics.mos_listening <= 40
    engine.receive(
        build([ReceiverReport(1), ExtendedReport(1, (VoipMetrics(ssrc=2, mos_conversation=35),))]), ALICE, 21
    )
    assert engine.stats().remote_mos == 3.5
    assert engine.stats().mos == pytest.approx(metrics.mos_conversation / 10, abs=0.06)


def test_nothing_is_told_unasked() -> None:
    engine = stream(2, ALICE)
    engine.receive(rtp(0), ALICE, 0.0)
    engine.receive(rtp(1), ALICE, 0.02)
    engine.on_deadline(20.0)
    assert not any(isinstance(packet, ExtendedReport) for packet in parse(engine.outbox(20.0)[0].data))


def test_single_packets_are_taken_only_as_agreed() -> None:
    for agreed in (False, True):
        engine = stream(2, ALICE)
        engine.configure(config_towards(ALICE, rtcp_reduced_size=agreed), 0.0)
        engine.receive(build([Goodbye((1,), "alone")]), beside(ALICE), 0.1, rtcp=True)
        assert events(engine) == ([RemoteByeReceived(0.1, "alone")] if agreed else [])
        assert engine.stats().malformed == (0 if agreed else 1)


def test_a_goodbye_for_another_source_is_not_ours() -> None:
    engine = stream(2, ALICE)
    engine.receive(rtp(0), ALICE, 0.0)
    engine.receive(rtp(1), ALICE, 0.02)
    engine.receive(build([ReceiverReport(1), Goodbye((77,))]), beside(ALICE), 0.1, rtcp=True)
    assert events(engine) == []


def test_stopping_says_goodbye_once_and_ends_everything() -> None:
    engine = stream(2, ALICE)
    engine.push(QUIET, 0.0)
    engine.push(QUIET, 0.01)
    engine.outbox(0.01)
    engine.stop(1.0)
    engine.stop(1.0)
    (packet,) = engine.outbox(1.0)
    assert parse(packet.data)[-1] == Goodbye((2,))
    engine.push(QUIET, 1.0)
    engine.push(QUIET, 1.01)
    engine.receive(rtp(0), ALICE, 1.0)
    assert (engine.outbox(1.1), engine.next_deadline(), events(engine)) == ([], None, [])
    assert not engine.can_send_digits


def test_who_never_sent_anything_says_no_goodbye() -> None:
    engine = stream(2, ALICE)
    engine.stop(1.0)
    assert engine.outbox(1.0) == []


def test_a_silent_peer_is_told_of_once_and_again_after_it_spoke() -> None:
    engine = stream(2, ALICE, silence_timeout_s=5.0)
    engine.on_deadline(4.9)
    assert events(engine) == []
    engine.on_deadline(5.0)
    engine.on_deadline(6.0)
    assert events(engine) == [RemoteSilent(5.0, 5.0)]
    engine.receive(build([ReceiverReport(1)]), beside(ALICE), 7.0, rtcp=True)
    engine.on_deadline(11.9)
    assert events(engine) == []
    engine.on_deadline(12.0)
    assert events(engine) == [RemoteSilent(12.0, 5.0)]


def test_silence_counts_only_while_we_expect_to_receive() -> None:
    engine = stream(2, ALICE, silence_timeout_s=5.0, receive=False)
    engine.on_deadline(60.0)
    assert events(engine) == []
    engine.configure(config_towards(ALICE), 60.0)
    engine.on_deadline(64.9)
    assert events(engine) == []
    engine.on_deadline(65.0)
    assert events(engine) == [RemoteSilent(65.0, 5.0)]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"codec": "G729"}, "'G729' is not built in"),
        ({"receive_codecs": {18: "G729"}}, "'G729' is not built in"),
        ({"ptime_ms": 25}, "ptime_ms is 25"),
        ({"ptime_ms": 210}, "ptime_ms is 210"),
        ({"payload_type": 72}, "payload type 72"),
        ({"event_payload_type": 128}, "payload type 128"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(LocalError, match=why):
        stream(1, BOB, **changes)


def test_a_rate_that_no_house_has_is_refused() -> None:
    with pytest.raises(LocalError, match="11025 Hz; 8000, 16000, 48000 are right"):
        AudioStream(StreamIdentity(1, 0, 0, "t@test"), rate_hz=11025)


def test_what_nobody_fetches_is_bounded() -> None:
    engine = stream(2, ALICE)
    for number in range(2000):
        engine.push(QUIET, number * 0.01)
        data = RtpPacket(EVENTS, number & 0xFFFF, number * 8000 & 0xFFFFFFFF, 1, b"\x05\x8a\x01\x40", True).serialize()
        engine.receive(data, ALICE, number * 0.01)
    assert len(engine.outbox(20.0)) <= 256
    assert len(events(engine)) <= 256


def padded(packet: RtpPacket) -> bytes:
    """The same packet in other words (RFC 3550 §5.1), which `AudioStream` reads the long way."""
    data = packet.serialize()
    return bytes([data[0] | 0x20]) + data[1:] + b"\0\0\0\4"


@pytest.mark.parametrize("seed", range(2))
def test_packets_that_are_read_the_short_way_come_to_the_same(seed: int) -> None:
    dice = random.Random(seed)
    short, long = stream(2, ALICE, silence_timeout_s=1.0), stream(2, ALICE, silence_timeout_s=1.0)
    number, quickly = 65_400, 0
    for step in range(900):
        now = step * 0.01
        number += dice.choice([0, 1, 1, 1, 1, 1, 1, 2, -1, dice.choice([-3, 40, 4000])])
        kind = 8 if 500 < step < 600 else EVENTS if dice.random() < 0.02 else 0
        payload = b"\x05\x8a\x01\x40" if kind == EVENTS else dice.randbytes(160)
        ssrc = 1 if step < 700 else 77
        packet = RtpPacket(kind, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc, payload, dice.random() < 0.02)
        if not 300 < step < 450 and step % 2:  # silence in between
            quickly += short.receive(packet.serialize(), ALICE, now)
            assert not long.receive(padded(packet), ALICE, now)
        assert np.array_equal(short.pull(now), long.pull(now))
        for engine in (short, long):
            engine.on_deadline(now)
        assert events(short) == events(long)
        assert short.outbox(now) == long.outbox(now)
        assert short.next_deadline() == long.next_deadline()
        assert step % 50 or short.stats() == long.stats()
    assert short.stats() == long.stats()
    assert quickly > 100


def test_only_more_of_the_same_sound_is_said_to_change_nothing() -> None:
    engine = stream(2, ALICE, silence_timeout_s=5.0)
    # Two packets prove the source.
    assert [engine.receive(rtp(number), ALICE, 0.02 * number) for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert not engine.receive(rtp(5, kind=EVENTS, payload=b"\x05\x0a\x01\x40"), ALICE, 0.1)
    assert not engine.receive(rtp(6), STRANGER, 0.12)
    assert not engine.receive(build([ReceiverReport(1)]), beside(ALICE), 0.12, rtcp=True)
    engine.on_deadline(6.0)
    assert not engine.receive(rtp(6), ALICE, 6.1)  # the silence is over: it is watched anew
    assert engine.receive(rtp(7), ALICE, 6.12)


@pytest.mark.parametrize("seed", range(20))
def test_hostile_datagrams_never_escape(seed: int) -> None:
    dice = random.Random(seed)
    engine = stream(2, ALICE, silence_timeout_s=5.0)
    seeds = [
        rtp(1),
        rtp(2, kind=EVENTS, payload=b"\x05\x0a\x01\x40"),
        build([SenderReport(1, 2, 3, 4, 5), Goodbye((1,), "x")]),
    ]
    for step in range(1500):
        data = bytearray(dice.choice(seeds) if dice.random() < 0.8 else dice.randbytes(dice.randrange(80)))
        for _ in range(dice.randrange(4)):
            if data:
                data[dice.randrange(min(len(data), 20))] = dice.randrange(256)
        now = step * 0.01
        engine.receive(bytes(data), dice.choice([ALICE, beside(ALICE), NAT, STRANGER]), now, rtcp=dice.random() < 0.3)
        frame = engine.pull(now)
        assert frame.shape == (80,)
        assert np.isfinite(frame).all()
        engine.on_deadline(now)
        engine.outbox(now)
        events(engine)
    engine.stats()
