"""Digits: one event each, whatever road; they act only where they may."""

from __future__ import annotations

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, sdp
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.media.stream import AudioStream
from voipnode.media.values import StreamConfig, StreamIdentity
from voipnode.sipstack import events as sip

RELAY = "application/dtmf-relay"


def in_call(board: Switchboard) -> Phone:
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    return phone


def send_events(board: Switchboard, digits: str) -> None:
    """The phone presses keys: RFC 4733 events from its stream into the door's."""
    path = board.paths.all[-1]
    far = AudioStream(StreamIdentity(ssrc=99, first_sequence=1, first_timestamp=1, cname="anna"))
    far.configure(
        StreamConfig(remote_rtp=(DOOR.host, path.rtp_port), event_payload_type=101, event_receive_payload_type=101),
        board.wire.now,
    )
    far.send_digits(digits, board.wire.now)
    silence = board.device.exchange(board.device.heard[-1]) * 0
    for _ in range(60 * len(digits)):
        board.wire.run(board.wire.now + 0.01)
        far.push(silence, board.wire.now)
        for packet in far.outbox(board.wire.now):
            if not packet.rtcp:
                path.receive(packet.data, ("192.168.1.20", 7000), board.wire.now)


def test_a_digit_by_info_is_one_event() -> None:
    board = Switchboard()
    phone = in_call(board)
    phone.endpoint.info(phone.session, RELAY, b"Signal = 5 \r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    assert [(event.digit, event.road, event.authorised) for event in board.digits] == [("5", "info", True)]


def test_a_digit_by_rtp_and_info_together_is_one_event() -> None:
    board = Switchboard()
    phone = in_call(board)
    board.wire.at(
        1.1, lambda: phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\nDuration=160\r\n", board.wire.now)
    )
    send_events(board, "1")
    board.wire.run(8.0)
    assert [event.digit for event in board.digits] == ["1"]


def test_the_same_key_twice_on_both_roads_is_two_events() -> None:
    board = Switchboard()
    phone = in_call(board)
    for at in (1.2, 1.5):
        board.wire.at(at, lambda: phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now))
    send_events(board, "11")
    board.wire.run(8.0)
    assert [event.digit for event in board.digits] == ["1", "1"]


def test_digits_of_callers_that_nobody_named_open_nothing() -> None:
    board = Switchboard(account=AccountSettings(auto_answer=True))
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(1.0)
    phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    assert [event.authorised for event in board.digits] == [False]


@pytest.mark.parametrize(
    ("caller", "authorised"),
    [
        ("anna@192.168.1.20", True),
        ("192.168.1.0/24", True),
        ("ben@192.168.1.20", False),
        ("anna@192.168.1.21", False),
    ],
)
def test_a_caller_that_the_settings_name_may_act(caller: str, authorised: bool) -> None:
    board = Switchboard(settings=SipSettings(trusted_callers=(caller,)), account=AccountSettings(auto_answer=True))
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR)
    board.wire.run(1.0)
    phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    assert [event.authorised for event in board.digits] == [authorised]


def test_roads_that_the_account_has_off_are_not_heard() -> None:
    board = Switchboard(account=AccountSettings(dtmf_info=False))
    phone = in_call(board)
    phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    assert board.digits == []


def test_we_send_digits_by_rtp_where_the_phone_takes_them_and_else_by_info() -> None:
    board = Switchboard()
    phone = in_call(board)
    call = board.switch.calls[0].id
    board.switch.send_digits(call, "5", board.wire.now)
    board.wire.run(2.0)
    assert not phone.of(sip.InfoReceived)
    event_packets = [packet for packet in board.paths.all[0].sent if not packet.rtcp and packet.data[1] & 0x7F == 101]
    assert event_packets

    board = Switchboard()

    def deaf_to_events(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp(phone.address.host, formats="0"), phone.wire.now)

    phone = board.phone("anna", "192.168.1.20", plan=deaf_to_events)
    board.ring(phone)
    board.wire.run(1.0)
    board.switch.send_digits(board.switch.calls[0].id, "5", board.wire.now)
    board.wire.run(2.0)
    assert [event.content_type for event in phone.of(sip.InfoReceived)] == [RELAY]


def test_wrong_digits_and_wrong_moments_are_refused_in_words() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20")
    call = board.ring(phone)
    with pytest.raises(NotNowError, match="Calling"):
        board.switch.send_digits(call, "1", board.wire.now)
    with pytest.raises(CallError, match="0-9 A-D"):
        board.switch.send_digits(call, "E", board.wire.now)
