"""INVITE with Replaces at the door, texts, and the words for how calls end."""

from __future__ import annotations

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, rings, sdp
from voipnode.calls.events import TextReceived
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutgoingInvite, OutsideRequest
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri


def take_over(phone: Phone, of: Phone, *, offer: bytes | None = None, swap: str = "") -> str:
    """The phone calls the door, to have the place of the other phone's call."""
    session = of.endpoint._core.session(of.session)
    dialog = session.dialog
    assert dialog is not None
    value = f"{dialog.id.call_id};to-tag={dialog.id.remote_tag};from-tag={dialog.id.local_tag}{swap}"
    assert isinstance(phone.uri, SipUri)
    phone.session = phone.endpoint.invite(
        OutgoingInvite(
            target=SipUri(user="door", host=DOOR.host),
            from_=NameAddr(None, phone.uri),
            contact_user=phone.name,
            offer=sdp(phone.address.host) if offer is None else offer,
            hop=Hop("UDP", DOOR),
            headers=(("Replaces", value), ("Require", "replaces")),
        ),
        phone.wire.now,
    )
    phone.wire.flush()
    return phone.session


def press_1(phone: Phone) -> None:
    phone.endpoint.info(phone.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", phone.wire.now)
    phone.wire.run(phone.wire.now + 1.0)


def up(trusted: tuple[str, ...]) -> tuple[Switchboard, Phone, Phone]:
    board = Switchboard(settings=SipSettings(trusted_callers=trusted))
    anna = board.phone("anna", "192.168.1.20", plan=answers)
    bert = board.phone("bert", "192.168.1.21")
    board.ring(anna)
    board.wire.run(1.0)
    return board, anna, bert


def test_a_trusted_caller_takes_the_place_of_the_far_side() -> None:
    board, anna, bert = up(("192.168.1.21",))
    take_over(bert, anna)
    board.wire.run(2.0)
    assert [event.cause for event in anna.of(sip.SessionEnded)] == [sip.EndCause.REMOTE_HANGUP]
    assert board.last.detail == "taken over by sip:bert@192.168.1.21"
    assert len(board.switch.calls) == 1
    assert board.device.running
    press_1(bert)
    assert [event.authorised for event in board.digits] == [True]
    bert.endpoint.hang_up(bert.session, board.wire.now)
    board.wire.run(100.0)
    board.assert_quiet()
    assert not any(board.endpoint.counts().values())


def test_a_stranger_may_not() -> None:
    board, anna, bert = up(())
    take_over(bert, anna)
    board.wire.run(10.0)
    assert [event.status for event in bert.of(sip.SessionEnded)] == [403]
    assert anna.of(sip.SessionEnded) == []
    assert len(board.paths.open_now) == 1


def test_from_the_same_address_it_may_but_its_digits_do_not_act() -> None:
    board, anna, _ = up(())
    first = anna.session
    take_over(anna, anna)
    board.wire.run(2.0)
    assert [event.session for event in anna.of(sip.SessionEnded)] == [first]
    press_1(anna)
    assert [event.authorised for event in board.digits] == [False]


def test_a_call_with_unusable_media_leaves_all_as_it_was() -> None:
    board, anna, bert = up(("192.168.1.21",))
    take_over(bert, anna, offer=sdp("192.168.1.21", formats="18"))
    board.wire.run(10.0)
    assert [event.status for event in bert.of(sip.SessionEnded)] == [488]
    assert anna.of(sip.SessionEnded) == []
    assert len(board.paths.open_now) == 1


def test_a_call_that_rings_is_picked_up() -> None:
    board = Switchboard(settings=SipSettings(trusted_callers=("192.168.1.21",)))
    anna = board.phone("anna", "192.168.1.20", plan=rings)
    dora = board.phone("dora", "192.168.1.23", plan=rings)
    bert = board.phone("bert", "192.168.1.21")
    board.ring(anna, dora)
    board.wire.run(1.0)
    take_over(bert, anna, swap=";early-only")
    board.wire.run(2.0)
    assert board.states == ["Calling", "Ringing", "Active"]
    assert board.last.remote == "sip:bert@192.168.1.21"
    for phone in (anna, dora):
        assert [event.why[0].text for event in phone.of(sip.SessionEnded)] == ["Call completed elsewhere"]
    bert.endpoint.hang_up(bert.session, 2.0)
    board.wire.run(100.0)
    board.assert_quiet()


def test_a_caller_that_was_answered_elsewhere_is_said_to_be() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20")
    anna.call(DOOR)
    board.wire.run(1.0)
    anna.endpoint.hang_up(anna.session, 1.0, (("Reason", 'SIP;cause=200;text="Call completed elsewhere"'),))
    board.wire.run(2.0)
    assert board.last.detail == "answered elsewhere"


def test_what_the_far_side_gives_as_its_reason_is_told() -> None:
    board = Switchboard(account=AccountSettings(auto_answer=True))
    anna = board.phone("anna", "192.168.1.20")
    anna.call(DOOR)
    board.wire.run(1.0)
    anna.endpoint.hang_up(anna.session, 1.0, (("Reason", 'Q.850;cause=38;text="Network out of order"'),))
    board.wire.run(2.0)
    assert board.last.detail == "hung up by the far side (Network out of order)"


def test_the_far_side_is_told_why_it_ends() -> None:
    for rings_here, reason in ((False, "Q.850;cause=19"), (True, "Q.850;cause=16")):
        board = Switchboard(settings=SipSettings(calling_timeout_s=5))
        anna = board.phone("anna", "192.168.1.20", plan=rings)
        if rings_here:
            anna.call(DOOR)
            board.wire.run(1.0)
            board.switch.hang_up(board.switch.calls[0].id, 1.0)
        else:
            board.ring(anna)
        board.wire.run(10.0)
        assert [str(event.why[0]).partition(";text")[0] for event in anna.of(sip.SessionEnded)] == [reason]


def text_from(phone: Phone, text: bytes) -> None:
    assert isinstance(phone.uri, SipUri)
    target = SipUri(user="door", host=DOOR.host)
    request = OutsideRequest(
        "MESSAGE", target, NameAddr(None, phone.uri), hop=Hop("UDP", DOOR), body=text, content_type="text/plain"
    )
    phone.endpoint.request(request, phone.wire.now)
    phone.wire.flush()


def test_texts_reach_the_house_at_a_bounded_pace_and_strangers_do_not() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20")
    mallory = board.phone("mallory", "8.8.8.8")
    text_from(mallory, b"let me in")
    for number in range(30):
        text_from(anna, f"line {number}\r\nand\x1b another".encode())
    board.wire.run(1.0)
    texts = [event for event in board.events if isinstance(event, TextReceived)]
    assert len(texts) == 10
    assert texts[0].text == "line 0\nand\ufffd another"
    assert (texts[0].call, texts[0].sender, texts[0].source) == ("", "sip:anna@192.168.1.20", "192.168.1.20")
    assert {event.source for event in texts} == {"192.168.1.20"}
