"""What somebody gets who writes other people's addresses on his datagrams: nothing to hear, and nobody locked out."""

from __future__ import annotations

import pytest

from tests.calls.test_switch_hostile import ANNA, in_dialog, invite, say, tag_in, trusting
from tests.calls.test_switch_registered import board_and_server
from tests.calls.test_switch_registered import invite as from_server
from tests.support.switchboard import Switchboard, answers, sdp
from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallState
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.transport import Address, Hop

SERVER = Hop("UDP", Address("192.0.2.11", 5060))
EAVESDROPPER = "192.168.1.66"


def sound(board: Switchboard) -> list[tuple[str, int]]:
    """Where RTP was sent to."""
    return [packet.remote for path in board.paths.all for packet in path.sent if not packet.rtcp]


def test_the_microphone_is_closed_until_the_handshake_shows_that_the_caller_is_there() -> None:
    board = trusting()
    answered = say(board, invite(body=sdp(EAVESDROPPER)), ANNA)
    assert board.states == ["Ringing", "Active"]
    board.wire.run(40.0)
    assert sound(board) == []
    assert not board.device.running
    assert board.last.state == CallState.TERMINATED, "nobody acknowledged"
    tag_in(answered)
    board.assert_quiet()


def test_it_opens_with_the_ack() -> None:
    board = trusting()
    tag = tag_in(say(board, invite(), ANNA))
    board.wire.run(1.0)
    say(board, in_dialog("ACK", tag, 1), ANNA)
    board.wire.run(2.0)
    assert len(sound(board)) >= 45
    assert set(sound(board)) == {("192.168.1.20", 7000)}


def test_nobody_pages_the_door_in_the_name_of_its_server_to_listen_elsewhere() -> None:
    board, _ = board_and_server()
    paging = from_server(SERVER.remote, "100", "Call-Info: <sip:pbx>;answer-after=0")
    say(board, paging.replace(b"c=IN IP4 192.0.2.11", b"c=IN IP4 192.168.1.66"), SERVER)
    assert board.last.state == CallState.ACTIVE
    board.wire.run(30.0)
    assert sound(board) == []
    assert not board.device.running


def test_a_visitor_does_not_wait_for_a_caller_who_may_not_be_there() -> None:
    board = trusting()
    say(board, invite(), ANNA)
    assert board.last.state == CallState.ACTIVE
    phone = board.phone("ben", "192.168.1.30", plan=answers)
    call = board.ring(phone, button="button")
    board.wire.run(1.0)
    assert (board.last.call, board.last.state) == (call, CallState.ACTIVE)
    board.wire.run(100.0)


def test_a_caller_who_is_there_is_not_sent_away() -> None:
    board = trusting()
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    with pytest.raises(NotNowError, match="in a call already"):
        board.ring(board.phone("ben", "192.168.1.30", plan=answers), button="button")


def test_an_extension_that_calls_itself_like_a_trusted_one_is_who_the_server_says() -> None:
    trusted = SipSettings(trusted_callers=("1001@192.0.2.11",))
    for asserted, authorised in (("1001", True), ("1666", False), ("", True)):
        board, _ = board_and_server(settings=trusted)
        fields = [f"P-Asserted-Identity: <sip:{asserted}@pbx.example>"] if asserted else []
        data = from_server(SERVER.remote, "100", *fields).replace(b"<sip:claims@anything", b"<sip:1001@anything")
        say(board, data, SERVER)
        assert [call.authorised for call in board.switch.calls] == [authorised]


def test_forged_floods_from_the_house_do_not_cut_off_the_server() -> None:
    access = AccessSettings(total_burst=20, total_per_s=1)
    board, _ = board_and_server(settings=SipSettings(access=access, incoming_networks=("192.168.0.0/16",)))
    for number in range(100):
        board.switch.receive(b"garbage", Hop("UDP", Address(f"192.168.1.{number}", 5060)), board.wire.now)
        options = in_dialog("OPTIONS", "x", number, Hop("UDP", Address(f"192.168.1.{number}", 5060)))
        board.switch.receive(options.replace(b";tag=x", b""), Hop("UDP", Address(f"192.168.1.{number}", 5060)), 1.0)
    say(board, from_server(SERVER.remote, "100"), SERVER)
    assert board.last.state == CallState.RINGING
