"""Reception statistics against a literal translation of RFC 3550's C code (A.1, A.3, A.8)."""

from __future__ import annotations

import random

import pytest

from voipnode.media.reception import Reception

CLOCK = 8000


class Naive:
    """`update_seq` and friends, word for word, after probation; duplicates are counted as the RFC does."""

    def __init__(self, seq: int) -> None:
        self.init(seq)
        self.transit: int | None = None
        self.jitter = 0.0

    def init(self, seq: int) -> None:
        self.base_seq = self.max_seq = seq
        self.bad_seq = 65537
        self.cycles = self.received = 0

    def update(self, seq: int) -> bool:
        udelta = (seq - self.max_seq) & 0xFFFF
        if udelta < 3000:
            if seq < self.max_seq:
                self.cycles += 65536
            self.max_seq = seq
        elif udelta <= 65536 - 100:
            if seq == self.bad_seq:
                self.init(seq)
            else:
                self.bad_seq = (seq + 1) & 65535
                return False
        self.received += 1
        return True

    def arrived(self, timestamp: int, arrival: int) -> None:
        transit = (arrival - timestamp) & 0xFFFFFFFF
        if self.transit is not None:
            d = (transit - self.transit) & 0xFFFFFFFF
            d = d - 2**32 if d >= 2**31 else d
            self.jitter += (abs(d) - self.jitter) / 16
        self.transit = transit


@pytest.mark.parametrize("seed", range(10))
def test_a_lossy_reordering_network_is_counted_as_the_rfc_counts(seed: int) -> None:
    dice = random.Random(seed)
    first = dice.randrange(65536)
    ours, naive = Reception(9, first, CLOCK), Naive(first)
    numbers = [n for n in range(5000) if n == 0 or dice.random() > 0.1]
    for place in range(1, len(numbers) - 1):
        if dice.random() < 0.05:
            numbers[place], numbers[place + 1] = numbers[place + 1], numbers[place]
    for number in numbers:
        sequence, timestamp = (first + number) & 0xFFFF, (4294960000 + 160 * number) & 0xFFFFFFFF
        arrival = 160 * number + dice.randrange(400)
        assert ours.packet(sequence, timestamp, arrival / CLOCK) == naive.update(sequence)
        naive.arrived(timestamp, arrival)
    assert ours.extended_max == naive.cycles + naive.max_seq
    assert ours.received == naive.received
    assert ours.lost == naive.cycles + naive.max_seq - naive.base_seq + 1 - naive.received
    assert ours.jitter_ms == pytest.approx(naive.jitter / 8, rel=1e-3)


def test_repeated_packets_are_counted_apart_and_hide_no_loss() -> None:
    reception = Reception(1, 10, CLOCK)
    assert [reception.packet(n, 0, 0.0) for n in (10, 11, 11, 13, 10, 12, 12)] == [
        True, True, False, True, False, True, False,
    ]  # fmt: skip
    assert (reception.received, reception.duplicates, reception.lost) == (4, 3, 0)


def test_a_wild_sequence_number_is_ignored_once_and_followed_twice() -> None:
    reception = Reception(1, 100, CLOCK)
    reception.packet(100, 0, 0.0)
    assert not reception.packet(30000, 0, 0.0)
    assert reception.packet(101, 0, 0.0)
    assert not reception.packet(40000, 0, 0.0)
    assert reception.packet(40001, 0, 0.0)
    assert (reception.extended_max, reception.lost) == (40001, 0)


def test_the_fraction_lost_counts_from_report_to_report() -> None:
    reception = Reception(1, 0, CLOCK)
    for number in range(0, 100, 2):
        reception.packet(number, 160 * number, number * 0.02)
    block = reception.report(2.0)
    assert (block.fraction_lost, block.lost, block.highest_sequence) == (49 * 256 // 99, 49, 98)
    for number in range(99, 199):
        reception.packet(number, 160 * number, number * 0.02)
    block = reception.report(4.0)
    assert (block.fraction_lost, block.lost) == (0, 49)


def test_the_last_sender_report_is_echoed_with_its_age() -> None:
    reception = Reception(1, 0, CLOCK)
    reception.packet(0, 0, 0.0)
    assert reception.report(1.0).last_sr == reception.report(1.0).delay_since_sr == 0
    reception.sender_report(0x1122334455667788, 10.0)
    block = reception.report(12.5)
    assert block.last_sr == 0x33445566
    assert block.delay_since_sr == int(2.5 * 65536)
