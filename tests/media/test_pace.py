from __future__ import annotations

import numpy as np
import pytest

from voipnode.media.bridge import Bridge
from voipnode.media.pace import Pace
from voipnode.media.rtp import RtpPacket
from voipnode.media.stream import AudioStream, StreamConfig, StreamIdentity

FAR = ("192.0.2.1", 4000)
CATCH_UP = 10  # frames that a media clock makes up for at once


def missed(*calls: float) -> int:
    pace = Pace()
    return sum(pace.missed(at) for at in calls)


def steady(begin: float, count: int) -> list[float]:
    return [begin + 0.010 * n for n in range(count)]


def test_a_punctual_clock_misses_nothing() -> None:
    assert missed(*steady(12.345, 1000)) == 0
    assert missed(*[at + 0.009 * (n % 2) for n, at in enumerate(steady(12.345, 1000))]) == 0


@pytest.mark.parametrize("late_s", [0.03, 0.06, 0.09])
def test_what_is_made_up_for_is_not_missed(late_s: float) -> None:
    halted = [1.99 + late_s] * round(late_s * 100)
    assert missed(*steady(1.0, 100), *halted, *steady(2.0 + late_s, 100)) == 0


@pytest.mark.parametrize("late_s", [0.15, 0.25, 0.4])
def test_what_is_not_made_up_for_is_counted_once(late_s: float) -> None:
    halted = [1.99 + late_s] * CATCH_UP
    assert missed(*steady(1.0, 100), *halted, *steady(2.0 + late_s, 200)) == round(late_s * 100) - CATCH_UP


def test_a_pause_in_which_nobody_listened_is_none_of_the_clocks() -> None:
    assert missed(*steady(1.0, 100), *steady(30.0, 100)) == 0


def test_halts_of_the_node_are_no_delay_of_the_network() -> None:
    """A clean network, a quarter of a second's halt of ours every 3 s: half of it is made up for, the rest is lost."""
    stream = AudioStream(StreamIdentity(1, 0, 0, "listener@test"))
    stream.configure(StreamConfig(codec="PCMU", payload_type=0, remote_rtp=FAR), 0.0)
    bridge = Bridge()
    bridge.join(stream)
    delays, number, halt = [], 0, 0
    for tick in range(3000):
        now = tick * 0.010 + 0.003
        if tick % 300 >= 275:
            halt += 1
            continue
        while (number + 1) * 0.020 <= now:  # what has come meanwhile is read before the first frame
            packet = RtpPacket(0, number, number * 160, 7, bytes(np.full(160, 0xA5, np.uint8)))
            stream.receive(packet.serialize(), FAR, (number + 1) * 0.020)
            number += 1
        for _ in range(min(1 + halt, CATCH_UP)):
            bridge.tick(now)
        halt = 0
        if tick % 300 == 274:
            delays.append(stream.stats().delay_ms)
    assert max(delays) < 40
    assert stream.stats().concealed_ms < 100


@pytest.mark.parametrize("halt", [5, 25, 70])
def test_what_is_said_keeps_to_the_clock_over_halts(halt: int) -> None:
    """The timestamps of what leaves count the time in which nothing was made: else the far side's delay would grow."""
    stream = AudioStream(StreamIdentity(1, 0, 0, "speaker@test"))
    stream.configure(StreamConfig(codec="PCMU", payload_type=0, remote_rtp=FAR), 0.0)
    bridge = Bridge()
    bridge.join(stream)
    late, missed = [], 0
    for tick in range(2000):
        now = 5.0 + tick * 0.010
        if tick % 400 >= 400 - halt:
            missed += 1
            continue
        for _ in range(min(1 + missed, CATCH_UP)):
            bridge.tick(now)
        missed = 0
        stamps = [RtpPacket.parse(packet.data).timestamp for packet in stream.outbox(now) if not packet.rtcp]
        if stamps and tick % 400 > 10:
            late.append(now - stamps[-1] / 8000)
    assert max(late) - min(late) <= 0.021
