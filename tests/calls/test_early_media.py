"""What the visitor hears before the answer, and what the far side may change at any time."""

from __future__ import annotations

import struct
from functools import partial

import numpy as np
import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, rings, sdp
from voipnode.calls.events import CallReason
from voipnode.calls.session_settings import RingbackSettings
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack import events as sip

ANNA, BERTA = "192.168.1.20", "192.168.1.21"


def progress(phone: Phone, event: sip.Event) -> None:
    """183 with SDP, reliably, at once."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.ring(event.session, phone.wire.now, 183, None, sdp(phone.address.host), reliable=True)


def progress_and_ring(phone: Phone, event: sip.Event) -> None:
    """183 with SDP, then 180."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.ring(event.session, phone.wire.now, 183, None, sdp(phone.address.host))
        phone.endpoint.ring(event.session, phone.wire.now)


def send_sound(board: Switchboard, host: str, count: int = 100) -> None:
    """RTP from a phone to our first port: 20 ms packets of a loud constant, beginning now."""

    def packet(number: int) -> None:
        head = struct.pack(">BBHII", 0x80, 0, number, number * 160, 1234)
        board.paths.all[0].receive(head + bytes([0x80]) * 160, (host, 7000), board.wire.now)

    for number in range(count):
        board.wire.at(board.wire.now + 0.020 * number, partial(packet, number))


def loudness(board: Switchboard, since: int = 0) -> np.ndarray:
    """The peak of each 10 ms that the loudspeaker played."""
    return np.array([float(np.abs(frame).max()) for frame in board.device.heard[since:]])


def test_a_phone_that_rings_without_sound_is_heard_ringing() -> None:
    board = Switchboard()
    phone = board.phone("anna", ANNA, plan=rings)
    board.ring(phone)
    board.wire.run(10.5)
    loud = loudness(board) > 0.05
    assert loud[2:99].all()
    assert not loud[103:498].any()
    assert loud[505:595].all()
    board.wire.at(10.6, lambda: phone.endpoint.accept(phone.session, sdp(ANNA), board.wire.now))
    board.wire.run(10.7)
    heard = len(board.device.heard)
    board.wire.run(20.0)
    assert loudness(board, heard).max() == 0.0  # the tone ended with the answer
    phone.endpoint.hang_up(phone.session, board.wire.now)
    board.wire.run(60.0)
    board.assert_quiet()


def test_no_microphone_is_open_and_nothing_is_sent_while_a_phone_only_rings() -> None:
    board = Switchboard()
    board.ring(board.phone("anna", ANNA, plan=rings))
    board.wire.run(5.0)
    assert [packet for packet in board.paths.all[0].sent if not packet.rtcp] == []


def test_switched_off_there_is_no_tone() -> None:
    board = Switchboard(settings=SipSettings(ringback=RingbackSettings(enabled=False)))
    board.ring(board.phone("anna", ANNA, plan=rings))
    board.wire.run(5.0)
    assert not board.device.running


def test_a_183_without_sdp_is_no_ringing() -> None:
    board = Switchboard()
    board.ring(
        board.phone(
            "anna",
            ANNA,
            plan=lambda phone, event: (
                phone.endpoint.ring(event.session, phone.wire.now, 183) if isinstance(event, sip.IncomingCall) else None
            ),
        )
    )
    board.wire.run(5.0)
    assert not board.device.running  # RFC 3960 §3.2: local ringing only after a 180


def test_early_media_is_heard_and_the_microphone_stays_closed_until_the_answer() -> None:
    board = Switchboard()
    phone = board.phone("anna", ANNA, plan=progress)
    board.ring(phone)
    board.wire.run(0.5)
    send_sound(board, ANNA)
    board.wire.run(2.0)
    assert loudness(board).max() > 0.5
    early = [packet for packet in board.paths.all[0].sent if not packet.rtcp]
    assert early, "packets open the way back"
    assert {bytes(packet.data[12:]) for packet in early} == {b"\xff" * 160}, "and hold silence"
    board.wire.at(2.0, lambda: phone.endpoint.accept(phone.session, sdp(ANNA), board.wire.now))
    board.wire.run(3.0)
    late = [packet for packet in board.paths.all[0].sent if not packet.rtcp][-10:]
    assert b"\xff" * 160 not in {bytes(packet.data[12:]) for packet in late}
    assert board.states == ["Calling", "Ringing", "Active"]


def test_until_early_media_comes_the_tone_is_heard() -> None:
    """RFC 3960 §3.2: many promise sound and send none."""
    board = Switchboard()
    board.ring(board.phone("anna", ANNA, plan=progress_and_ring))
    board.wire.run(0.5)
    assert loudness(board)[2:].min() > 0.05
    send_sound(board, ANNA, count=10)
    board.wire.run(0.95)  # what breaks off is carried on for 0.2 s
    heard = len(board.device.heard)
    board.wire.run(1.0)
    assert loudness(board, heard).max() < 0.05, "what came last was sound of the phone, and no tone any more"


def test_the_other_phone_may_answer_all_the_same() -> None:
    board = Switchboard()
    anna, berta = board.phone("anna", ANNA, plan=progress), board.phone("berta", BERTA, plan=rings)
    board.ring(anna, berta)
    board.wire.run(0.5)
    berta.endpoint.accept(berta.session, sdp(BERTA), board.wire.now)
    board.wire.run(2.0)
    assert board.last.remote == f"sip:berta@{BERTA}"
    assert len([packet for packet in board.paths.all[1].sent if not packet.rtcp]) > 50
    berta.endpoint.hang_up(berta.session, board.wire.now)
    board.wire.run(60.0)
    board.assert_quiet()


def test_a_call_given_up_while_early_media_plays_leaves_nothing() -> None:
    board = Switchboard()
    call = board.ring(board.phone("anna", ANNA, plan=progress))
    board.wire.run(1.0)
    board.switch.hang_up(call, board.wire.now)
    board.wire.run(60.0)
    board.assert_quiet()


# ---- changes by UPDATE, before and after the answer


def test_an_update_moves_the_sound_while_it_rings_and_the_answer_keeps_it() -> None:
    board = Switchboard()
    phone = board.phone("anna", ANNA, plan=progress)
    board.ring(phone)
    board.wire.run(0.5)
    phone.endpoint.update(phone.session, sdp(ANNA, port=7100), board.wire.now)
    board.wire.run(1.0)
    assert [event.status for event in phone.of(sip.UpdateAnswered)] == [200]
    phone.endpoint.accept(phone.session, sdp(ANNA), board.wire.now)
    board.wire.run(2.0)
    assert last_rtp(board)[0] == (ANNA, 7100)


def in_a_call(account: AccountSettings | None = None) -> tuple[Switchboard, Phone]:
    board = Switchboard(account=account)
    phone = board.phone("anna", ANNA, plan=rings)
    board.ring(phone)
    board.wire.run(0.5)
    phone.endpoint.accept(phone.session, sdp(ANNA, formats="0 8 101"), board.wire.now)
    board.wire.run(1.0)
    return board, phone


def last_rtp(board: Switchboard) -> tuple[tuple[str, int], int]:
    packet = [packet for packet in board.paths.all[0].sent if not packet.rtcp][-1]
    return packet.remote, packet.data[1] & 0x7F


@pytest.mark.parametrize("by", ["update", "reinvite"])
def test_codec_and_address_may_change_in_a_call(by: str) -> None:
    board, phone = in_a_call()
    assert last_rtp(board) == ((ANNA, 7000), 0)
    getattr(phone.endpoint, by)(phone.session, sdp(ANNA, port=7200, formats="8"), board.wire.now)
    board.wire.run(2.0)
    assert last_rtp(board) == ((ANNA, 7200), 8)


@pytest.mark.parametrize("by", ["update", "reinvite"])
def test_directions_change_both_ways(by: str) -> None:
    board, phone = in_a_call()
    change = getattr(phone.endpoint, by)
    for direction, sends, runs in (
        ("sendonly", False, True),
        ("inactive", False, False),
        ("recvonly", True, True),
        ("sendrecv", True, True),
    ):
        change(phone.session, sdp(ANNA, more=f"a={direction}\r\n"), board.wire.now)
        board.wire.run(board.wire.now + 0.5)
        before = len([packet for packet in board.paths.all[0].sent if not packet.rtcp])
        board.wire.run(board.wire.now + 1.0)
        after = len([packet for packet in board.paths.all[0].sent if not packet.rtcp])
        assert (after - before > 40) is sends, direction
        assert board.device.running is runs, direction


def test_an_update_that_cannot_be_talked_is_488_and_changes_nothing() -> None:
    board, phone = in_a_call()
    phone.endpoint.update(phone.session, sdp(ANNA, formats="18"), board.wire.now)
    board.wire.run(2.0)
    assert [event.status for event in phone.of(sip.UpdateAnswered)] == [488]
    assert last_rtp(board) == ((ANNA, 7000), 0)


# ---- session timer, and ringing that must be acknowledged


def test_a_call_that_is_not_refreshed_ends_and_says_so() -> None:
    board = Switchboard(settings=SipSettings(max_call_duration_s="infinite", dead_call_timeout_s=600))
    phone = board.phone("anna", ANNA, plan=rings)
    board.ring(phone)
    board.wire.run(0.5)
    phone.endpoint.accept(phone.session, sdp(ANNA, more="a=recvonly\r\n"), board.wire.now)
    board.wire.run(1.0)
    phone.plan = None
    board.wire.detach(phone.address)  # it vanishes; the door is the refresher
    board.wire.run(1100.0)
    assert board.last.reason is CallReason.FAILED
    assert board.last.detail == "the far side does not know the call any more"
    board.wire.run(1300.0)
    board.assert_quiet()


def test_a_caller_that_does_not_refresh_is_hung_up_on() -> None:
    board = Switchboard(
        settings=SipSettings(max_call_duration_s="infinite", dead_call_timeout_s=600),
        account=AccountSettings(auto_answer=True),
    )
    phone = board.phone("anna", ANNA)
    phone.call(DOOR, offer=sdp(ANNA, more="a=inactive\r\n"))  # no sound whose absence would be noticed
    board.wire.run(1.0)
    assert board.states[-1] == "Active"
    board.wire.detach(phone.address)
    board.wire.run(2000.0)
    assert board.last.detail == "the far side did not refresh the session (session timer)"
    board.assert_quiet()
