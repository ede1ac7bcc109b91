"""Who may act, and what a peer may cost: dialogs overheard, packets forged, messages that overtake each other."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

from tests.support.switchboard import DOOR, Path, Phone, Switchboard, answers, rings, sdp
from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.errors import NotNowError
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.ways import straight
from voipnode.media.dtmf import EventBlock
from voipnode.media.rtp import RtpPacket
from voipnode.sipstack import events as sip
from voipnode.sipstack.routing import hop_to
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

AUTO = AccountSettings(auto_answer=True)
RELAY = "application/dtmf-relay"
ANNA = Hop("UDP", Address("192.168.1.20", 5060))
MALLORY = Hop("UDP", Address("192.168.1.66", 5060))
STRANGER = Hop("UDP", Address("203.0.113.66", 5060))
STREAM = Hop("TCP", Address("192.168.1.20", 40000), 1)


def text(first_line: str, *fields: str, body: bytes = b"") -> bytes:
    """A message from its lines; a body is SDP."""
    kind = ["Content-Type: application/sdp"] if body else []
    return "\r\n".join([first_line, *fields, *kind, f"Content-Length: {len(body)}", "", ""]).encode() + body


def invite(hop: Hop = ANNA, *extra: str, number: int = 1, body: bytes | None = None, to_tag: str = "") -> bytes:
    """An INVITE of anna's, or within her dialog where `to_tag` is given."""
    return text(
        "INVITE sip:door@192.168.1.10 SIP/2.0",
        f"Via: SIP/2.0/{hop.transport} {hop.remote};branch=z9hG4bKinvite{number}",
        *extra,
        "Max-Forwards: 70",
        "From: <sip:anna@192.168.1.20>;tag=anna-tag",
        f"To: <sip:door@192.168.1.10>{to_tag and ';tag=' + to_tag}",
        "Call-ID: overheard",
        f"CSeq: {number} INVITE",
        f"Contact: <sip:anna@{hop.remote}>",
        body=sdp(hop.remote.host) if body is None else body,
    )


def in_dialog(method: str, to_tag: str, number: int, hop: Hop = ANNA, *extra: str, body: bytes = b"") -> bytes:
    """A request in the dialog that `invite` began."""
    kind = [f"Content-Type: {RELAY}"] if body else []
    lines = [
        f"{method} sip:door@192.168.1.10 SIP/2.0",
        f"Via: SIP/2.0/{hop.transport} {hop.remote};branch=z9hG4bK{method}{number}",
        "Max-Forwards: 70",
        "From: <sip:anna@192.168.1.20>;tag=anna-tag",
        f"To: <sip:door@192.168.1.10>;tag={to_tag}",
        "Call-ID: overheard",
        f"CSeq: {number} {method}",
        *extra,
        *kind,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def say(board: Switchboard, data: bytes, source: Hop) -> list[bytes]:
    """Bytes arrive from `source`; what the door sends at once."""
    before = len(board.wire.ladder)
    board.wire.inject(data, source, DOOR)
    return [rung.data for rung in board.wire.ladder[before:]]


def tag_in(answers: list[bytes]) -> str:
    """The door's tag."""
    found = re.search(rb"(?im)^To:.*;tag=([^;\r]+)", answers[-1])
    assert found, answers
    return found[1].decode()


def first_lines(answers: list[bytes]) -> list[str]:
    return [answer.partition(b"\r\n")[0].decode() for answer in answers]


def press(board: Switchboard, path: Path, source: tuple[str, int], digit: int, *, ssrc: int, count: int = 8) -> None:
    """A key pressed in RTP from `source`, one packet every 20 ms."""
    for number in range(count):
        payload = EventBlock(digit, number >= count - 3, 10, 160 * (number + 1)).pack()
        packet = RtpPacket(101, number, 8000, ssrc, payload, number == 0)
        board.wire.run(board.wire.now + 0.02)
        path.receive(packet.serialize(), source, board.wire.now)


def called(board: Switchboard) -> Phone:
    """The button was pressed and anna answered: her digits open the door."""
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    return phone


def trusting() -> Switchboard:
    return Switchboard(settings=SipSettings(trusted_callers=("anna@192.168.1.20",)), account=AUTO)


# ---- digits that act


def test_an_info_from_another_address_is_refused_although_it_knows_the_dialog() -> None:
    board = trusting()
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    refused = say(board, in_dialog("INFO", tag, 900, MALLORY, body=b"Signal=1\r\n"), MALLORY)
    assert first_lines(refused) == ["SIP/2.0 403 Forbidden"]
    assert board.digits == []
    # It has not spoilt the numbering of the one who may.
    assert first_lines(say(board, in_dialog("INFO", tag, 2, body=b"Signal=1\r\n"), ANNA)) == ["SIP/2.0 200 OK"]
    assert [event.authorised for event in board.digits] == [True]


def test_a_reinvite_from_another_address_leads_the_sound_nowhere() -> None:
    board = trusting()
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    refused = say(board, invite(MALLORY, number=2, to_tag=tag), MALLORY)
    assert first_lines(refused) == ["SIP/2.0 403 Forbidden"]
    leg = board.switch.calls[0].winner
    assert leg is not None
    assert leg.agreed is not None
    assert leg.agreed.remote_host == "192.168.1.20"


def test_who_may_end_a_call_is_whoever_knows_it() -> None:
    # A phone that moved to another network can say BYE only from there, and a call less opens no door.
    board = trusting()
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    assert first_lines(say(board, in_dialog("BYE", tag, 2, MALLORY), MALLORY)) == ["SIP/2.0 200 OK"]
    board.wire.run(70.0)
    board.assert_quiet()


def test_requests_from_the_contact_that_the_caller_gave_are_its_own() -> None:
    board = trusting()
    elsewhere = Hop("UDP", Address("192.168.1.21", 5060))
    data = invite().replace(b"Contact: <sip:anna@192.168.1.20:5060>", b"Contact: <sip:anna@192.168.1.21>")
    tag = tag_in(say(board, data, ANNA))
    say(board, in_dialog("ACK", tag, 1), elsewhere)
    assert first_lines(say(board, in_dialog("INFO", tag, 2, elsewhere, body=b"Signal=1\r\n"), elsewhere)) == [
        "SIP/2.0 200 OK"
    ]
    assert [event.authorised for event in board.digits] == [True]


def test_a_trusted_address_that_never_acknowledged_has_proved_nothing() -> None:
    # Anybody on the network can write anna's address on an INVITE; only anna gets our 200, and knows its tag.
    board = trusting()
    body = sdp("192.168.1.66")
    answered = say(board, invite(body=body), ANNA)
    press(board, board.paths.open_now[0], ("192.168.1.66", 7000), 1, ssrc=66)
    assert [event.authorised for event in board.digits] == [False]
    say(board, in_dialog("ACK", tag_in(answered), 1), ANNA)
    press(board, board.paths.open_now[0], ("192.168.1.66", 7000), 2, ssrc=67)
    assert [event.authorised for event in board.digits] == [False, True]


def test_an_answer_is_not_sent_where_maddr_says() -> None:
    # RFC 3261 §26.1.5: a Via that names a victim, or a confederate who is to learn the tag of our 200.
    board = trusting()
    data = invite().replace(b";branch", b";maddr=192.168.1.66;branch")
    say(board, data, ANNA)
    assert board.wire.ladder
    assert {rung.receiver for rung in board.wire.ladder} == {"192.168.1.20:5060"}


def test_rtp_of_a_third_party_is_neither_a_digit_nor_given_our_sound() -> None:
    board = Switchboard()
    called(board)  # the phone says nothing yet
    path = board.paths.open_now[0]
    press(board, path, ("192.168.1.66", 7000), 1, ssrc=66)
    board.wire.run(board.wire.now + 4.0)  # nor has the phone said anything for more than the latch waits
    press(board, path, ("192.168.1.66", 7002), 1, ssrc=67)
    board.wire.run(board.wire.now + 1.0)
    assert board.digits == []
    assert {packet.remote[0] for packet in path.sent} == {"192.168.1.20"}
    press(board, path, ("192.168.1.20", 7000), 1, ssrc=1)
    assert [event.authorised for event in board.digits] == [True]


def test_a_phone_behind_nat_is_heard_from_where_its_sip_comes() -> None:
    board = Switchboard()

    def behind_nat(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp("10.99.0.9"), phone.wire.now)

    phone = board.phone("anna", "192.168.1.20", plan=behind_nat)
    board.ring(phone)
    board.wire.run(1.0)
    path = board.paths.open_now[0]
    press(board, path, ("192.168.1.20", 31000), 1, ssrc=1)
    board.wire.run(board.wire.now + 0.1)
    assert [event.digit for event in board.digits] == ["1"]
    assert path.sent[-1].remote == ("192.168.1.20", 31000)


def test_keys_pressed_while_it_still_rings_are_not_kept_for_later() -> None:
    board = Switchboard(settings=SipSettings(trusted_callers=("192.168.1.20",)))
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("INFO", tag, 2, body=b"Signal=1\r\n"), ANNA)
    press(board, board.paths.open_now[0], ("192.168.1.20", 7000), 1, ssrc=1)
    board.switch.answer(board.switch.calls[0].id, board.wire.now)
    say(board, in_dialog("ACK", tag, 1), ANNA)
    board.wire.run(board.wire.now + 1.0)
    assert board.digits == []


# ---- strangers


def test_a_stranger_is_answered_once_and_leaves_nothing_behind() -> None:
    # RFC 3261 §26.3.2.4: no retransmissions to an address that a forger may have written on the packet.
    board = Switchboard(settings=SipSettings(access=AccessSettings(strangers="refuse", source_per_s=0)), account=AUTO)
    for number in range(1, 51):
        say(board, invite(STRANGER, number=number), STRANGER)
        say(board, in_dialog("OPTIONS", "unknown", number, STRANGER), STRANGER)
        say(board, in_dialog("BYE", "unknown", number, STRANGER), STRANGER)
        say(board, in_dialog("CANCEL", "unknown", number, STRANGER), STRANGER)
        say(board, in_dialog("ACK", "unknown", number, STRANGER), STRANGER)
    assert not any(board.endpoint.counts().values())
    ladder = board.wire.run(60.0)
    assert len(ladder) == 4 * 50
    assert {rung.data[:11] for rung in ladder} == {b"SIP/2.0 403", b"SIP/2.0 481"}
    assert all(len(rung.data) < 400 for rung in ladder)


def test_a_stranger_hears_nothing_and_leaves_nothing_behind() -> None:
    board = Switchboard(account=AUTO)
    say(board, invite(STRANGER), STRANGER)
    for method in ("OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER", "NOTIFY", "NONSENSE"):
        say(board, in_dialog(method, "unknown", 1, STRANGER), STRANGER)
    say(board, invite(STRANGER).replace(b"CSeq: 1", b"CSeq: one"), STRANGER)  # nor the 400 that a friend would get
    say(board, b"BYE sip:door\r\n\r\n", STRANGER)
    assert board.wire.run(60.0) == []
    assert not any(board.endpoint.counts().values())


def test_a_phone_of_ours_on_a_public_network_may_speak_in_its_call() -> None:
    board = Switchboard()
    phone = board.phone("anna", "203.0.113.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(2.0)
    assert [event.authorised for event in board.digits] == [True]
    phone.endpoint.hang_up(phone.session, board.wire.now)
    board.wire.run(70.0)
    board.assert_quiet()


@pytest.mark.parametrize("source", [ANNA, STRANGER])
def test_a_flood_of_bad_requests_does_not_fill_the_log(source: Hop, caplog: pytest.LogCaptureFixture) -> None:
    board = Switchboard()
    with caplog.at_level(logging.INFO):
        for number in range(2000):
            board.wire.at(number * 0.01, lambda: board.switch.receive(b"BYE sip:door", source, board.wire.now))
            data = invite(source, number=number + 1).replace(b"INVITE", b"NOTIFY")
            board.wire.at(number * 0.01, lambda data=data: board.switch.receive(data, source, board.wire.now))  # type: ignore[misc]
        board.wire.run(30.0)
        first = len(caplog.records)
        board.wire.run(200.0)
        board.switch.receive(b"BYE sip:door", source, board.wire.now)
    assert 0 < first < 100
    assert any("more" in record.getMessage() for record in caplog.records[first - 1 :])


def test_calls_that_come_faster_than_anybody_calls_are_refused_untold() -> None:
    board = Switchboard(settings=SipSettings(access=AccessSettings(source_per_s=0)), account=AUTO)
    for number in range(1, 2001):
        board.wire.at(number * 0.01, lambda number=number: say_invite_and_cancel(board, number))  # type: ignore[misc]
    board.wire.run(60.0)
    told = board.states.count("Terminated")
    assert 30 < told < 60  # in 20 s, of 2000
    assert board.states.count("Ringing") == told
    phone = board.phone("ben", "192.168.1.21")
    phone.call(DOOR)
    board.wire.run(61.0)
    assert phone.of(sip.CallAnswered)


def say_invite_and_cancel(board: Switchboard, number: int) -> None:
    """A call that is hung up as soon as it is answered: it never holds the door."""
    data = invite(number=number).replace(b"Call-ID: overheard", b"Call-ID: call%d" % number)
    board.switch.receive(data, ANNA, board.wire.now)
    sent = [packet.data for packet in board.switch.outbox(board.wire.now)]
    if not sent[-1].startswith(b"SIP/2.0 200"):
        return
    for method in ("ACK", "BYE"):
        request = in_dialog(method, tag_in(sent), number + (method == "BYE"))
        board.switch.receive(request.replace(b"overheard", b"call%d" % number), ANNA, board.wire.now)


def test_digits_without_end_are_not_all_told() -> None:
    board = Switchboard()
    phone = called(board)
    path = board.paths.open_now[0]
    for number in range(3000):
        payload = EventBlock(number % 12, True, 10, 160).pack()
        packet = RtpPacket(101, number, 8000 + 1600 * number, 1, payload, True)
        path.receive(packet.serialize(), ("192.168.1.20", 7000), board.wire.now)
        if number % 10 == 9:
            board.wire.run(board.wire.now + 0.01)
    assert 50 < len(board.digits) < 100  # in 3 s
    board.wire.run(board.wire.now + 3.0)
    count = len(board.digits)
    phone.endpoint.info(phone.session, RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.flush()
    board.wire.run(board.wire.now + 1.0)
    assert len(board.digits) == count + 1


def test_words_of_the_far_side_cannot_steer_the_terminal_that_reads_the_log() -> None:
    board = Switchboard()
    phone = board.phone("anna", "192.168.1.20")
    phone.plan = lambda phone, event: (
        phone.endpoint.reject(event.session, 486, phone.wire.now, reason="\x1b[2J\x9b2J busy")
        if isinstance(event, sip.IncomingCall)
        else None
    )
    board.ring(phone)
    board.wire.run(1.0)
    assert "busy" in board.last.detail
    assert board.last.detail.isprintable()


# ---- what comes in one piece of a stream


def test_an_invite_and_its_cancel_in_one_piece_are_no_call() -> None:
    for account in (AUTO, AccountSettings()):
        board = Switchboard(account=account)
        cancel = (
            in_dialog("CANCEL", "", 1, STREAM).replace(b";tag=\r", b"\r").replace(b"z9hG4bKCANCEL1", b"z9hG4bKinvite1")
        )
        sent = first_lines(say(board, invite(STREAM) + cancel, STREAM))
        assert sent == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]
        board.wire.run(40.0)
        board.assert_quiet()


def test_an_answer_and_the_end_of_another_leg_in_one_piece_leave_a_call() -> None:
    board = Switchboard()
    first = board.phone("anna", "192.168.1.20", plan=rings)
    second = board.phone("ben", "192.168.1.21", plan=rings)
    board.ring(first, second)
    board.wire.run(1.0)
    # Both answers arrive before the switch looks: a proxy's connection carries them in one segment.
    invites = [rung.data for rung in board.wire.ladder.pick("INVITE", "door")]
    pieces = []
    for number, (data, line) in enumerate(zip(invites, ("200 OK", "486 Busy Here"), strict=True)):
        fields = re.findall(rb"(?im)^(?:Via|From|Call-ID|CSeq): .*?\r\n", data)
        to = re.findall(rb"(?im)^To: .*?(?=\r\n)", data)[0]
        body = sdp("192.168.1.20") if number == 0 else b""
        lines = b"".join(fields) + to + b";tag=far\r\nContact: <sip:anna@192.168.1.20>\r\n"
        kind = b"Content-Type: application/sdp\r\n" if body else b""
        pieces.append(
            f"SIP/2.0 {line}\r\n".encode() + lines + kind + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
    board.wire.inject(b"".join(pieces), STREAM, DOOR)
    assert board.last.state == "Active"
    board.wire.run(5.0)
    assert board.switch.calls[0].winner is not None
    board.switch.hang_up_all(board.wire.now)
    board.wire.run(80.0)
    board.assert_quiet()


def test_a_reinvite_and_a_bye_in_one_piece_end_the_call() -> None:
    board = Switchboard(account=AUTO)
    tag = tag_in(say(board, invite(STREAM), STREAM))
    say(board, in_dialog("ACK", tag, 1, STREAM), STREAM)
    both = invite(STREAM, number=2, to_tag=tag) + in_dialog("BYE", tag, 3, STREAM)
    sent = first_lines(say(board, both, STREAM))
    assert "SIP/2.0 487 Request Terminated" in sent
    assert "SIP/2.0 200 OK" in sent
    board.wire.run(40.0)
    board.assert_quiet()


def test_a_reinvite_and_its_cancel_in_one_piece_change_nothing() -> None:
    board = Switchboard(account=AUTO)
    tag = tag_in(say(board, invite(STREAM), STREAM))
    say(board, in_dialog("ACK", tag, 1, STREAM), STREAM)
    cancel = in_dialog("CANCEL", tag, 2, STREAM).replace(b"z9hG4bKCANCEL2", b"z9hG4bKinvite2")
    say(board, invite(STREAM, number=2, to_tag=tag) + cancel, STREAM)
    assert board.last.state == "Active"
    offer = sdp("192.168.1.20", more="a=sendonly\r\n")
    assert first_lines(say(board, invite(STREAM, number=3, to_tag=tag, body=offer), STREAM)) == [
        "SIP/2.0 100 Trying",
        "SIP/2.0 200 OK",
    ]


# ---- hold, and offers the other way round


def test_a_reinvite_without_offer_takes_its_answer_from_the_ack_and_more_may_follow() -> None:
    board = Switchboard(account=AUTO)
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    leg = board.switch.calls[0].winner
    assert leg is not None
    for number, direction in ((2, "sendonly"), (3, "sendrecv")):
        assert first_lines(say(board, invite(number=number, to_tag=tag, body=b""), ANNA))[-1] == "SIP/2.0 200 OK"
        answer = sdp("192.168.1.20", port=7100 + number, more=f"a={direction}\r\n")
        ack = in_dialog("ACK", tag, number, body=answer).replace(RELAY.encode(), b"application/sdp")
        say(board, ack, ANNA)
        assert leg.agreed is not None
        assert (leg.agreed.remote_rtp_port, leg.agreed.send) == (7100 + number, direction == "sendrecv")
    assert first_lines(say(board, invite(number=4, to_tag=tag), ANNA))[-1] == "SIP/2.0 200 OK"


def test_a_reinvite_without_offer_whose_ack_brings_no_answer_leaves_the_session_as_it_was() -> None:
    board = Switchboard(account=AUTO)
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    say(board, invite(number=2, to_tag=tag, body=b""), ANNA)
    say(board, in_dialog("ACK", tag, 2), ANNA)
    leg = board.switch.calls[0].winner
    assert leg is not None
    assert leg.agreed is not None
    assert leg.agreed.remote_rtp_port == 7000
    assert first_lines(say(board, invite(number=3, to_tag=tag, body=b""), ANNA))[-1] == "SIP/2.0 200 OK"


@pytest.mark.parametrize("hold", ["a=sendonly\r\n", "a=inactive\r\n", "c=IN IP4 0.0.0.0\r\n"])
def test_a_phone_that_holds_in_silence_is_not_taken_for_dead(hold: str) -> None:
    board = Switchboard(account=AUTO)
    tag = tag_in(say(board, invite(), ANNA))
    say(board, in_dialog("ACK", tag, 1), ANNA)
    say(board, invite(number=2, to_tag=tag, body=sdp("192.168.1.20", more=hold)), ANNA)
    say(board, in_dialog("ACK", tag, 2), ANNA)
    board.wire.run(board.wire.now + 120.0)
    assert board.last.state == "Active"
    say(board, invite(number=3, to_tag=tag), ANNA)
    say(board, in_dialog("ACK", tag, 3), ANNA)
    board.wire.run(board.wire.now + 19.0)
    assert board.last.state == "Active"
    board.wire.run(board.wire.now + 40.0)
    assert board.last.detail.startswith("the far side has been silent")


# ---- room


def test_a_press_that_finds_no_room_for_its_sessions_is_refused_and_keeps_nothing() -> None:
    board = Switchboard(rtp_ports=2000)
    phones = [board.phone(f"p{number}", f"192.168.1.{20 + number}") for number in range(6)]
    for phone in phones:
        board.wire.detach(phone.address)
    refused = 0
    for _ in range(400):  # somebody presses and gives up, again and again, and every phone is off
        try:
            board.switch.hang_up(board.ring(*phones), board.wire.now)
        except NotNowError:
            refused += 1
    assert refused
    board.wire.run(40.0)
    board.assert_quiet()
    assert board.ring(*phones)


def test_forks_without_end_are_not_all_answered() -> None:
    board = Switchboard()
    phone = called(board)
    (data,) = [rung.data for rung in board.wire.ladder.pick("INVITE", "door")]
    fields = b"".join(re.findall(rb"(?im)^(?:Via|From|Call-ID|CSeq): .*?\r\n", data))
    to = re.findall(rb"(?im)^To: .*?(?=\r\n)", data)[0]
    for number in range(500):
        answer = b"SIP/2.0 200 OK\r\n" + fields + to + b";tag=%d\r\nContact: <sip:x@192.168.1.77>\r\n\r\n" % number
        board.switch.receive(answer, ANNA, board.wire.now)
    sent = board.switch.outbox(board.wire.now)
    assert 0 < len(sent) <= 2 * 16
    assert board.endpoint.counts()["acks"] <= 17
    assert phone.session
    assert board.last.state == "Active"


def test_an_info_answered_481_before_the_ack_does_not_leave_the_caller_alone_in_the_call() -> None:
    # It overtook our 200, so that the phone did not know the call yet; the 200 goes on being repeated.
    board = Switchboard(account=AUTO)
    board.wire.drop = lambda rung: rung.what == "200 INVITE" and rung.at < 2.0
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR, offer=sdp("192.168.1.20", formats="0"))
    board.wire.run(0.1)
    call = board.switch.calls[0]
    with pytest.raises(NotNowError, match="acknowledged"):
        board.switch.send_digits(call.id, "1", board.wire.now)
    board.endpoint.info(next(iter(call.legs)), RELAY, b"Signal=1\r\n", board.wire.now)
    board.wire.run(1.0)
    assert board.wire.ladder.pick("481 INFO", "anna")
    board.wire.run(6.0)
    assert phone.of(sip.CallAnswered)
    assert board.last.state == "Active"
    phone.endpoint.hang_up(phone.session, board.wire.now)
    board.wire.run(60.0)
    board.assert_quiet()


def test_more_digits_than_can_wait_are_refused_in_words() -> None:
    board = Switchboard()
    called(board)
    call = board.switch.calls[0].id
    board.switch.send_digits(call, "1" * 32, board.wire.now)
    board.switch.send_digits(call, "1" * 32, board.wire.now)
    with pytest.raises(NotNowError, match="64 digits"):
        board.switch.send_digits(call, "1", board.wire.now)


def test_silence_is_what_the_door_hears_of_frames_that_are_none() -> None:
    board = Switchboard()
    called(board)
    path = board.paths.open_now[0]
    for number in range(20):
        path.receive(RtpPacket(0, number, 160 * number, 1, b"").serialize(), ("192.168.1.20", 7000), board.wire.now)
        board.wire.run(board.wire.now + 0.02)
    assert float(np.abs(board.device.heard[-1]).max()) < 0.001


def test_the_door_does_not_call_itself() -> None:
    """A recipient that leads back here, through whatever servers: the loudspeaker would have its own microphone, and
    a visitor's tones would be those of who was called."""
    board = Switchboard(account=AUTO, settings=SipSettings(max_calls=2))
    uri = SipUri(user="door", host=DOOR.host)
    board.switch.ring([straight(uri, [hop_to(uri)], board.switch.account(""), DOOR.host)], 0.0, authorised=True)
    board.wire.run(2.0)
    assert board.wire.ladder.pick("482 INVITE", "door")
    assert board.states == ["Calling", "Terminating", "Terminated"]
    board.wire.run(100.0)
    board.assert_quiet()
