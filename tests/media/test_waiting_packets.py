from __future__ import annotations

import random

from voipnode.codecs.registry import find_codec
from voipnode.media.waiting_packets import MAX_WAITING, WaitingPacket, WaitingPackets

DECODER = find_codec("PCMU").decoder(8000)


def packet(start: int, payload: bytes = b"x") -> WaitingPacket:
    return start, payload, DECODER


def emptied(waiting: WaitingPackets) -> list[int]:
    starts = []
    while waiting.first_at is not None:
        assert waiting.first[0] == waiting.first_at
        starts.append(waiting.pop()[0])
    return starts


def test_packets_come_out_in_order_whatever_the_order_of_arrival() -> None:
    starts = list(range(0, 16000, 160))
    random.Random(4).shuffle(starts)
    waiting = WaitingPackets()
    for start in starts:
        waiting.add(packet(start % 8000))
    assert emptied(waiting) == list(range(0, 8000, 160))


def test_the_first_of_two_for_one_place_counts() -> None:
    waiting = WaitingPackets()
    waiting.add(packet(160, b"first"))
    waiting.add(packet(320))
    waiting.add(packet(160, b"second"))
    assert waiting.pop()[1] == b"first"
    assert emptied(waiting) == [320]


def test_there_are_never_more_than_so_many() -> None:
    waiting = WaitingPackets()
    for start in range(2 * MAX_WAITING, 0, -1):
        waiting.add(packet(start))
    assert emptied(waiting) == list(range(1, MAX_WAITING + 1))
    for start in range(2 * MAX_WAITING):
        waiting.add(packet(start))
    assert emptied(waiting) == list(range(MAX_WAITING))
