"""Wide band through the switch: what is answered, at which rate the door runs, a codec that changes in the call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from tests.support import switchboard
from tests.support.audio import find_tone_hz
from tests.support.switchboard import DOOR, Device, Phone, Switchboard, answers
from voipnode.calls.hooks import Frame
from voipnode.calls.settings import AccountSettings
from voipnode.codecs.registry import find_codec
from voipnode.dsp.tones import Tone
from voipnode.media.rtp import RtpPacket
from voipnode.sipstack import events as sip
from voipnode.sipstack.sdp import parse

WIDE_HZ = 16000


class WideDevice(Device):
    rate_hz = WIDE_HZ

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.heard.append(loudspeaker.copy())
        return np.full(WIDE_HZ // 100, 0.25, np.float32)


def sdp(formats: str, *rtpmaps: str) -> bytes:
    more = "".join(f"a=rtpmap:{rtpmap}\r\n" for rtpmap in rtpmaps)
    return switchboard.sdp("192.168.1.20", formats=formats, more=more)


def board(**settings: object) -> Switchboard:
    return Switchboard(device=WideDevice(), rate_hz=WIDE_HZ, account=AccountSettings.model_validate(settings))


def answering(answer: bytes) -> Callable[[Phone, sip.Event], None]:
    def plan(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, answer, phone.wire.now)

    return plan


def payloads(switch: Switchboard) -> list[RtpPacket]:
    return [RtpPacket.parse(packet.data) for packet in switch.paths.all[0].sent if not packet.rtcp]


def test_the_recipients_answer_decides_about_the_codec() -> None:
    """1.14: we would like Opus, it takes G.722."""
    house = board()
    phone = house.phone("anna", "192.168.1.20", plan=answering(sdp("9 0")))
    house.ring(phone)
    house.wire.run(1.0)
    offer = phone.of(sip.IncomingCall)[0].offer
    assert [each.name for each in parse(offer).media[0].rtpmaps().values()][:4] == ["opus", "G722", "PCMU", "PCMA"]
    sent = payloads(house)
    assert {packet.payload_type for packet in sent} == {9}
    assert {len(packet.payload) for packet in sent} == {160}
    assert {later.timestamp - one.timestamp for one, later in pairwise(sent)} == {160}
    assert {len(frame) for frame in house.device.heard} == {160}


def test_a_call_of_g711_alone_runs_at_8_khz_in_a_house_of_16() -> None:
    house = board()
    house.ring(house.phone("anna", "192.168.1.20", plan=answers))
    house.wire.run(1.0)
    assert {(packet.payload_type, len(packet.payload)) for packet in payloads(house)} == {(0, 160)}
    assert {len(frame) for frame in house.device.heard} == {160}


def test_a_re_invite_changes_the_codec_in_the_call() -> None:
    house = board()
    phone = house.phone("anna", "192.168.1.20", plan=answering(sdp("0")))
    house.ring(phone)
    house.wire.run(1.0)
    phone.endpoint.reinvite(phone.session, sdp("111", "111 opus/48000/2"), phone.wire.now)
    house.wire.run(2.0)
    kinds = [packet.payload_type for packet in payloads(house)]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 111}
    first = kinds.index(111)
    sent = payloads(house)
    assert sent[first].sequence == (sent[first - 1].sequence + 1) & 0xFFFF
    assert {later.timestamp - one.timestamp for one, later in pairwise(sent[first:])} == {960}


def test_a_caller_gets_the_first_of_our_list_that_he_has() -> None:
    house = board(auto_answer=True, audio_codecs=["G722", "opus"])
    phone = house.phone("anna", "192.168.1.20")
    phone.call(DOOR, offer=sdp("0 111 9", "111 opus/48000/2"))
    house.wire.run(1.0)
    answer = phone.of(sip.CallAnswered)[0].body
    assert parse(answer).media[0].formats == ("9",)


def test_a_caller_with_nothing_that_we_take_is_refused_in_words() -> None:
    house = board(auto_answer=True, audio_codecs=["G722", "opus"])
    phone = house.phone("anna", "192.168.1.20")
    phone.call(DOOR, offer=sdp("0 8"))
    house.wire.run(1.0)
    assert phone.of(sip.SessionEnded)[0].status == 488


def test_early_sound_and_ringback_have_the_doors_rate() -> None:
    """183 with G.722 after a ringback tone: each at its own rate, neither without a frame."""

    def early(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.ring(event.session, phone.wire.now)
            phone.wire.at(1.0, lambda: phone.endpoint.ring(event.session, phone.wire.now, 183, None, sdp("9")))

    house = board()
    phone = house.phone("anna", "192.168.1.20", plan=early)
    house.ring(phone)
    encoder = find_codec("G722").encoder(WIDE_HZ)
    tone = Tone(3000, rate_hz=WIDE_HZ)

    def packet(number: int) -> None:
        payload = encoder.encode_frame(np.concatenate([tone.next_frame(), tone.next_frame()]))
        data = RtpPacket(9, number, number * 160, 5, payload, marker=False).serialize()
        house.paths.all[0].receive(data, ("192.168.1.20", 7000), house.wire.now)

    for number in range(100):
        house.wire.at(1.1 + 0.02 * number, partial(packet, number))
    house.wire.run(3.0)
    heard = np.concatenate(house.device.heard)
    assert {len(frame) for frame in house.device.heard} == {160}
    assert find_tone_hz(heard[WIDE_HZ // 4 : WIDE_HZ // 2], WIDE_HZ) == pytest.approx(425, abs=3)
    assert find_tone_hz(heard[2 * WIDE_HZ : 2 * WIDE_HZ + 8000], WIDE_HZ) == pytest.approx(3000, abs=3)
