"""Several phones send sound before they answer: whose the visitor hears, and who hears the visitor."""

from __future__ import annotations

import struct
from functools import partial

import numpy as np
import pytest

from tests.support.switchboard import Phone, Switchboard, sdp
from voipnode.calls.clips.settings import EarlyMediaSettings
from voipnode.calls.events import CallReason
from voipnode.calls.session_settings import RingbackSettings
from voipnode.calls.settings import SipSettings
from voipnode.codecs.g711 import G711, mu_law
from voipnode.sipstack import events as sip

ANNA, BERTA, CARLA = "192.168.1.20", "192.168.1.21", "192.168.1.22"
LOUD = {ANNA: 0x80, BERTA: 0x90, CARLA: 0xA0}  # µ-law: each phone's sound is a constant of its own
LEVELS = {host: round(float(mu_law().decode_frame(bytes([code]))[0]), 2) for host, code in LOUD.items()}
TONE = 0.16  # of the ringing made here


def board(policy: str = "first", *, microphone: bool = False, **more: object) -> Switchboard:
    early = EarlyMediaSettings(policy=policy, microphone=microphone)  # type: ignore[arg-type]  # parametrised
    return Switchboard(settings=SipSettings(early_media=early, **more))  # type: ignore[arg-type]  # of this test


def progress(phone: Phone, event: sip.Event) -> None:
    """183 with SDP."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.ring(event.session, phone.wire.now, 183, None, sdp(phone.address.host))


def progress_and_ring(phone: Phone, event: sip.Event) -> None:
    """183 with SDP, and then 180."""
    progress(phone, event)
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.ring(event.session, phone.wire.now)


def sounds(at: Switchboard, host: str, begin: float, end: float) -> None:
    """RTP of the phone at `host`, 20 ms packets, to where its own INVITE said."""
    path = at.paths.all[[ANNA, BERTA, CARLA].index(host)]

    def packet(number: int) -> None:
        head = struct.pack(">BBHII", 0x80, 0, number, number * 160, 1234)
        path.receive(head + bytes([LOUD[host]]) * 160, (host, 7000), at.wire.now)

    for number in range(round((end - begin) / 0.020)):
        at.wire.at(begin + 0.020 * number, partial(packet, number))


def heard(at: Switchboard, until: float, tail_s: float = 0.1) -> float:
    """How loud the last of what the visitor heard was."""
    at.wire.run(until)
    frames = at.device.heard[-round(tail_s * 100) :]
    return round(float(np.median([np.abs(frame).max() for frame in frames])), 2)


def three_phones(at: Switchboard) -> list[Phone]:
    phones = [
        at.phone(name, host, plan=progress) for name, host in (("anna", ANNA), ("berta", BERTA), ("carla", CARLA))
    ]
    at.ring(*phones)
    at.wire.run(0.2)
    return phones


@pytest.mark.parametrize(("policy", "whose"), [("first", ANNA), ("last", CARLA), ("heard", BERTA)])
def test_of_three_that_send_the_one_is_heard_that_the_settings_say(policy: str, whose: str) -> None:
    at = board(policy)
    three_phones(at)
    sounds(at, ANNA, 0.5, 3.0)
    sounds(at, BERTA, 0.3, 3.0)
    sounds(at, CARLA, 0.5, 3.0)
    assert heard(at, 2.0) == LEVELS[whose]


def test_ringback_alone_is_a_policy_and_the_phones_get_no_packets_by_it() -> None:
    at = board("ringback", ringback=RingbackSettings(off_ms=0))
    three_phones(at)
    sounds(at, ANNA, 0.3, 3.0)
    assert heard(at, 2.0) == pytest.approx(TONE, abs=0.01)
    assert [len(path.sent) for path in at.paths.all] == [0, 0, 0]


def test_who_fails_gives_way_to_the_next_with_its_busy_tone_and_all() -> None:
    at = board("first", ringback=RingbackSettings(off_ms=0))
    anna, berta, carla = three_phones(at)
    sounds(at, ANNA, 0.3, 1.0)
    sounds(at, CARLA, 0.3, 3.0)
    assert heard(at, 0.9) == LEVELS[ANNA]  # in-band: it cannot be told from any other sound
    anna.endpoint.reject(anna.session, 486, at.wire.now)
    assert heard(at, 1.2) == 0.0, "berta is next, and silent; nobody has said 180"
    berta.endpoint.ring(berta.session, at.wire.now)
    assert heard(at, 1.5) == pytest.approx(TONE, abs=0.01)
    berta.endpoint.reject(berta.session, 486, at.wire.now)
    assert heard(at, 2.0) == LEVELS[CARLA]
    carla.endpoint.reject(carla.session, 486, at.wire.now)
    at.wire.run(60.0)
    assert at.last.reason is CallReason.BUSY
    at.assert_quiet()


def test_sound_that_stops_gives_way_and_comes_back() -> None:
    """RFC 3960 §3.2: the ringing made here comes back when there is no sound any more."""
    at = board("first", ringback=RingbackSettings(off_ms=0))
    at.ring(at.phone("anna", ANNA, plan=progress_and_ring))
    sounds(at, ANNA, 0.5, 2.0)
    assert heard(at, 0.4) == pytest.approx(TONE, abs=0.01)
    assert heard(at, 1.5) == LEVELS[ANNA], "a 180 after the 183 changes nothing while sound comes"
    assert heard(at, 5.0) == 0.0
    assert heard(at, 7.2) == pytest.approx(TONE, abs=0.01)
    path = at.paths.all[0]
    head = struct.pack(">BBHII", 0x80, 0, 75, 75 * 160, 1234)
    path.receive(head + bytes([LOUD[ANNA]]) * 160, (ANNA, 7000), at.wire.now)
    assert heard(at, 7.3, 0.05) != pytest.approx(TONE, abs=0.01)


def test_one_that_promised_sound_and_sends_none_gives_way_to_one_that_does() -> None:
    at = board("first")
    three_phones(at)
    sounds(at, BERTA, 0.3, 8.0)
    assert heard(at, 2.0) == 0.0
    assert heard(at, 5.5) == LEVELS[BERTA]


# ---- the microphone


def last_payloads(at: Switchboard) -> list[set[bytes]]:
    """What each phone was sent in its last ten packets."""
    return [{bytes(p.data[12:]) for p in path.sent if not p.rtcp} for path in at.paths.all]


VISITOR = mu_law().encode_frame(np.full(160, 0.25, np.float32))  # what the microphone of the switchboard says
SILENCE = b"\xff" * 160


def test_the_microphone_is_closed_to_all_that_ring() -> None:
    at = board()
    three_phones(at)
    at.wire.run(2.0)
    assert last_payloads(at) == [{SILENCE}] * 3


@pytest.mark.parametrize("policy", ["first", "ringback"])
def test_where_wanted_every_phone_that_rings_hears_the_visitor_coded_once(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = board(policy, microphone=True)
    coded: list[int] = []
    encode = G711.encode_frame
    monkeypatch.setattr(G711, "encode_frame", lambda codec, frame: coded.append(1) or encode(codec, frame))
    phones = three_phones(at)
    before = len(coded)
    at.wire.run(at.wire.now + 1.0)
    assert len(coded) - before == pytest.approx(100, abs=2)  # 10 ms each, for all three together
    assert all(VISITOR in payloads for payloads in last_payloads(at))
    phones[1].endpoint.accept(phones[1].session, sdp(BERTA), at.wire.now)
    at.wire.run(at.wire.now + 1.0)
    sent = [len(path.sent) for path in at.paths.all]
    at.wire.run(at.wire.now + 1.0)
    assert [len(path.sent) > count for path, count in zip(at.paths.all, sent, strict=True)] == [False, True, False]


def test_a_183_from_somebody_whom_the_node_did_not_call_opens_nothing() -> None:
    at = board(microphone=True)
    anna = at.phone("anna", ANNA)
    at.ring(anna)
    at.wire.run(0.1)
    body = sdp(CARLA)
    head = (
        "SIP/2.0 183 Progress\r\nVia: SIP/2.0/UDP 192.168.1.10:5060;branch=z9hG4bKguessed\r\n"
        f"From: <sip:door@192.168.1.10>;tag=guessed\r\nTo: <sip:anna@{ANNA}>;tag=x\r\nCall-ID: guessed\r\n"
        "CSeq: 1 INVITE\r\nContact: <sip:x@192.168.1.22>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    at.switch.receive(head.encode() + body, anna.hop, at.wire.now)
    at.wire.run(2.0)
    assert not any(path.sent for path in at.paths.all)
    assert not at.device.running
