"""RFC 4733 events: real senders' captures first, then a network that does its worst."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest

from tests.support.corpora import corpora
from voipnode.media.dtmf import (
    CEASED_S,
    DIGITS,
    EventBlock,
    EventReceiver,
    EventSender,
    OutgoingEvent,
    Press,
    parse_events,
)
from voipnode.media.errors import LocalError, ParseError
from voipnode.media.rtp import RtpPacket

SIPP = Path("/usr/share/sip-tester")
CLOCKS = pytest.mark.parametrize("clock_hz", [8000, 48_000])  # G.711 and G.722, Opus


def captured(path: Path) -> Iterator[tuple[float, RtpPacket]]:
    with path.open("rb") as file:
        for at, frame in dpkt.pcap.Reader(file):
            udp = dpkt.ethernet.Ethernet(frame).data.data
            yield at, RtpPacket.parse(bytes(udp.data))


def told_by(packets: list[tuple[float, RtpPacket]]) -> list[Press]:
    receiver = EventReceiver()
    told = []
    for at, packet in packets:
        told += receiver.packet(packet.timestamp, packet.marker, packet.payload, at)
    return told


def check_capture(path: Path) -> None:
    name = path.stem.removeprefix("dtmf_2833_")
    digit = {"star": "*", "pound": "#"}.get(name, name)
    packets = list(captured(path))
    told = told_by(packets)
    assert [(press.digit, press.ended) for press in told] == [(digit, False), (digit, True)]
    longest = max(parse_events(packet.payload)[0].duration for _, packet in packets)
    assert told[1].duration_ms == longest / 8


@pytest.mark.parametrize("name", ["1", "5", "9", "star", "pound"])
def test_a_captured_digit_is_one_press(name: str) -> None:
    check_capture(corpora("captures", f"dtmf_2833_{name}.pcap"))


@pytest.mark.parametrize("name", [*"0123456789", "star", "pound"])
def test_sipps_digits_are_one_press_each(name: str) -> None:
    path = SIPP / f"dtmf_2833_{name}.pcap"
    if not path.exists():
        pytest.skip("sipp's captures (Debian: sip-tester) are not installed")
    check_capture(path)


def test_rfc_4733_table_5_is_three_digits_of_the_right_length() -> None:
    receiver = EventReceiver()
    told = []
    for code, start, lengths in [
        (9, 0, [400, 800, 1200, 1600]),
        (1, 7040, [400, 800, 1200, 1600, 2000]),
        (1, 11200, [400, 800, 1200, 1600, 1760]),
    ]:
        blocks = [EventBlock(code, False, 7, length) for length in lengths]
        if code == 1 and start == 11200:
            blocks.pop()  # "first 1" repeats its end; the last digit sets E at once
        blocks += [EventBlock(code, True, 7, lengths[-1])] * 3
        for number, block in enumerate(blocks):
            told += receiver.packet(start, number == 0, block.pack(), start / 8000 + number * 0.05)
    assert [(press.digit, press.duration_ms) for press in told if press.ended] == [("9", 200), ("1", 250), ("1", 220)]
    assert [press.digit for press in told if not press.ended] == ["9", "1", "1"]


Sent = tuple[float, OutgoingEvent]


def pressed(
    digits: str, *, duration_ms: int = 160, gap_ms: int = 80, start: int = 0, clock_hz: int = 8000
) -> list[Sent]:
    """What a sender of 20 ms packets puts on the wire for these digits."""
    sent: list[Sent] = []
    at, per_ms = 0, clock_hz // 1000
    for digit in digits:
        sender = EventSender(digit, (start + at) & 0xFFFFFFFF, duration_ms * per_ms, 20 * per_ms)
        moment = at
        while not sender.done:
            moment += 20 * per_ms
            sent += [(moment / clock_hz, event) for event in sender.next_packets()]
        at += (duration_ms + gap_ms) * per_ms
    return sorted(sent, key=lambda item: item[0])


def receive(sent: list[Sent], clock_hz: int = 8000) -> tuple[list[str], list[Press]]:
    """The digits that began, in order, and the presses that ended, with timers run."""
    receiver = EventReceiver(clock_hz)
    told = []
    for at, event in sent:
        told += receiver.on_deadline(at)
        told += receiver.packet(event.timestamp, event.marker, event.payload, at)
    deadline = receiver.next_deadline()
    if deadline is not None:
        told += receiver.on_deadline(deadline)
    assert receiver.next_deadline() is None
    return [press.digit for press in told if not press.ended], [press for press in told if press.ended]


@CLOCKS
def test_every_digit_there_and_back(clock_hz: int) -> None:
    began, ended = receive(pressed(DIGITS, clock_hz=clock_hz), clock_hz)
    assert "".join(began) == DIGITS
    assert [(press.digit, press.duration_ms) for press in ended] == [(digit, 160.0) for digit in DIGITS]


def test_the_sender_follows_rfc_4733() -> None:
    sent = [event for _, event in pressed("5", duration_ms=100, start=777)]
    blocks = [parse_events(event.payload)[0] for event in sent]
    assert [event.marker for event in sent] == [True] + [False] * 6
    assert {event.timestamp for event in sent} == {777}
    assert [block.duration for block in blocks] == [160, 320, 480, 640, 800, 800, 800]
    assert [block.end for block in blocks] == [False] * 4 + [True] * 3


@pytest.mark.parametrize("kept", range(10))
def test_one_packet_of_a_digit_is_enough(kept: int) -> None:
    sent = pressed("7")
    began, ended = receive([sent[kept]])
    assert began == ["7"]
    assert [press.digit for press in ended] == ["7"]


def test_a_lost_end_ends_after_a_while_and_its_late_repeat_is_nothing_new() -> None:
    sent = pressed("3")
    receiver = EventReceiver()
    for at, event in sent[:4]:
        receiver.packet(event.timestamp, event.marker, event.payload, at)
    last = sent[3][0]
    assert receiver.next_deadline() == pytest.approx(last + CEASED_S)
    assert receiver.on_deadline(last + CEASED_S - 0.01) == []
    assert receiver.on_deadline(last + CEASED_S + 0.01) == [Press("3", ended=True, duration_ms=80.0)]
    assert receiver.packet(*sent[-1][1], 0.6) == []


def test_the_same_key_twice_is_two_even_when_all_ends_are_lost() -> None:
    sent = [item for item in pressed("55", gap_ms=40) if not parse_events(item[1].payload)[0].end]
    began, ended = receive(sent)
    assert began == ["5", "5"]
    assert len(ended) == 2


def test_the_same_key_twice_is_two_even_when_ends_and_second_marker_are_lost() -> None:
    sent = [item for item in pressed("55", gap_ms=40) if not parse_events(item[1].payload)[0].end]
    began, _ = receive([item for number, item in enumerate(sent) if number == 0 or not item[1].marker])
    assert began == ["5", "5"]


@CLOCKS
@pytest.mark.parametrize("duration_ms", [1365, 1366, 8191, 8192, 20_000, 50_000])
def test_a_very_long_tone_is_one_press_of_its_length(duration_ms: int, clock_hz: int) -> None:
    sent = pressed("9", duration_ms=duration_ms, start=2**32 - 100, clock_hz=clock_hz)
    assert max(parse_events(event.payload)[0].duration for _, event in sent) <= 0xFFFF
    assert sum(event.marker for _, event in sent) == 1
    began, ended = receive(sent, clock_hz)
    assert began == ["9"]
    assert [press.duration_ms for press in ended] == [duration_ms]


@CLOCKS
@pytest.mark.parametrize("seed", range(10))
def test_a_very_long_tone_through_loss_is_one_press(seed: int, clock_hz: int) -> None:
    dice = random.Random(seed)
    sent = pressed("9", duration_ms=30_000, clock_hz=clock_hz)
    began, _ = receive([item for item in sent if dice.random() > 0.3], clock_hz)
    assert began == ["9"]


@CLOCKS
@pytest.mark.parametrize("seed", range(60))
def test_codes_through_loss_repetition_and_reordering_arrive_whole(seed: int, clock_hz: int) -> None:
    dice = random.Random(seed)
    code = "".join(dice.choice("0011223355*#") for _ in range(20))
    start = dice.randrange(2**32)
    arrivals = []
    duration_ms, gap_ms = dice.choice([80, 160, 300]), dice.choice([60, 80])
    for at, event in pressed(code, duration_ms=duration_ms, gap_ms=gap_ms, start=start, clock_hz=clock_hz):
        if dice.random() < 0.1:
            continue
        copies = 2 if dice.random() < 0.2 else 1
        arrivals += [(at + dice.random() * 0.045, event) for _ in range(copies)]
    began, ended = receive(sorted(arrivals, key=lambda item: item[0]), clock_hz)
    assert "".join(began) == code
    assert "".join(press.digit for press in ended) == code


def test_a_sender_whose_timestamp_runs_on_is_still_one_press() -> None:
    receiver = EventReceiver()
    told = []
    for step in range(8):
        block = EventBlock(5, False, 10, 160 * (step + 1))
        told += receiver.packet(1000 + 160 * step, step == 0, block.pack(), step * 0.02)
    for step in range(3):
        told += receiver.packet(
            1000 + 160 * (8 + step), False, EventBlock(5, True, 10, 1280).pack(), 0.16 + step * 0.02
        )
    assert [press.ended for press in told] == [False, True]


def test_another_time_base_after_a_pause_is_heard() -> None:
    receiver = EventReceiver()
    block = EventBlock(5, True, 10, 800).pack()
    assert len(receiver.packet(1_000_000, True, block, 0.0)) == 2
    assert receiver.packet(999_000, True, block, 1.0) == []
    assert len(receiver.packet(999_000, True, block, 10.0)) == 2
    assert len(receiver.packet(1_000_000 - 500_000, True, block, 10.1)) == 2


def test_two_events_in_one_packet_are_two_digits() -> None:
    receiver = EventReceiver()
    payload = EventBlock(1, True, 10, 800).pack() + EventBlock(2, True, 10, 400).pack()
    told = receiver.packet(0, True, payload, 0.0) + receiver.packet(0, False, payload, 0.02)
    assert [(press.digit, press.ended) for press in told] == [("1", False), ("1", True), ("2", False), ("2", True)]


def test_events_that_are_no_digits_are_passed_over() -> None:
    assert EventReceiver().packet(0, True, EventBlock(16, True, 10, 800).pack(), 0.0) == []


@pytest.mark.parametrize("payload", [b"", b"\x05\x0a\x00", bytes(5), bytes(36)])
def test_payloads_of_a_wrong_size_are_refused(payload: bytes) -> None:
    with pytest.raises(ParseError):
        EventReceiver().packet(0, True, payload, 0.0)


def test_another_clock_ends_what_runs_and_measures_by_itself() -> None:
    receiver = EventReceiver()
    receiver.packet(0, True, EventBlock(5, False, 10, 800).pack(), 0.0)
    assert receiver.run_at(8000) == []
    assert receiver.run_at(48_000) == [Press("5", ended=True, duration_ms=100.0)]
    receiver.packet(0, True, EventBlock(6, False, 10, 4800).pack(), 1.0)
    assert receiver.packet(0, False, EventBlock(6, True, 10, 9600).pack(), 1.1) == [Press("6", True, 200.0)]


def test_another_source_ends_what_runs() -> None:
    receiver = EventReceiver()
    receiver.packet(0, True, EventBlock(5, False, 10, 160).pack(), 0.0)
    assert [press.ended for press in receiver.reset()] == [True]
    assert receiver.reset() == []
    assert len(receiver.packet(0, True, EventBlock(5, False, 10, 160).pack(), 0.1)) == 1


@pytest.mark.parametrize("digit", ["", "E", "55", "?", "\N{DEVANAGARI DIGIT FIVE}"])
def test_what_is_no_digit_is_not_sent(digit: str) -> None:
    with pytest.raises(LocalError):
        EventSender(digit, 0, 800, 160)


def test_the_captures_are_ipv4() -> None:
    """The helper above takes Ethernet, IP and UDP for granted."""
    with corpora("captures", "dtmf_2833_1.pcap").open("rb") as file:
        _, frame = next(iter(dpkt.pcap.Reader(file)))
    assert len(socket.inet_ntoa(dpkt.ethernet.Ethernet(frame).data.src)) > 6
