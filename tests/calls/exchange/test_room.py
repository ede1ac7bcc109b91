"""A room: who of one codec exchanges packets, who does not hears frames, and who is not proven hears nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.audio import find_tone_hz
from tests.support.room_rig import Far, RoomRig
from voipnode.calls.exchange.room import Exchange
from voipnode.dsp.tones import Tone
from voipnode.media.rtp import RtpPacket

G722 = {"codec": "G722", "payload_type": 9, "receive_codecs": {9: "G722"}}
LAW = {"codec": "PCMA", "payload_type": 8, "receive_codecs": {8: "PCMA"}}


def speaking(*fars: Far) -> None:
    for number, far in enumerate(fars):
        far.tone = Tone(500.0 + 250 * number)


def hears(far: Far, tone_hz: float, last_s: float = 0.5) -> None:
    assert find_tone_hz(far.sound(last_s)) == pytest.approx(tone_hz, abs=1)


def test_two_of_one_codec_exchange_packets_without_a_clock() -> None:
    rig = RoomRig()
    anna, bert = rig.party(), rig.party()
    speaking(anna, bert)
    rig.run(1.5)
    assert rig.room.exchange is Exchange.PACKETS
    assert rig.clock.tick is None
    hears(anna, 750)
    hears(bert, 500)


def test_payloads_are_bit_exact_and_the_numbering_is_ours() -> None:
    rig = RoomRig()
    anna, bert = rig.party(), rig.party()
    payloads = [bytes([number] * 160) for number in range(200)]
    for number, payload in enumerate(payloads):
        anna.send(RtpPacket(0, 65500 + number & 0xFFFF, 160 * number, 77, payload, marker=number == 0), rig.now)
        rig.now += 0.02
    bert.fetch(rig.now)
    assert [packet.payload for packet in bert.got] == payloads
    assert {packet.ssrc for packet in bert.got} != {77}
    assert len({packet.ssrc for packet in bert.got}) == 1
    first = bert.got[0]
    assert [(packet.sequence - first.sequence) & 0xFFFF for packet in bert.got] == list(range(200))
    assert [(packet.timestamp - first.timestamp) & 0xFFFFFFFF for packet in bert.got] == list(range(0, 32000, 160))
    assert [packet.marker for packet in bert.got] == [True] + [False] * 199


def test_two_of_different_codecs_hear_each_other_by_frames() -> None:
    rig = RoomRig()
    anna, bert = rig.party(), rig.party("8 101", **LAW)
    speaking(anna, bert)
    rig.run(1.5)
    assert rig.room.exchange is Exchange.FRAMES
    hears(anna, 750)
    hears(bert, 500)


def test_who_is_not_proven_neither_hears_nor_is_heard() -> None:
    rig = RoomRig()
    anna, bert = rig.party(), rig.party(proven=False)
    speaking(anna, bert)
    rig.run(0.5)
    assert bert.got == []
    assert float(np.abs(anna.sound(0.4)).max()) < 0.01
    bert.leg.proven = True
    rig.room.fit(rig.now)
    rig.run(1.0)
    assert rig.room.exchange is Exchange.PACKETS
    hears(anna, 750)
    hears(bert, 500)
