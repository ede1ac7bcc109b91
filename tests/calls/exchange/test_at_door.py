"""Door calls of extensions: sent on to others, blind and attended, and opened by whoever of them may."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.calls.exchange.test_exchange_media import direction
from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    CARL_HOST,
    anna_and_bert,
    answer,
    assert_quiet,
    ended,
    last,
    passes,
    registered,
)
from tests.support.extensions import Telephone
from tests.support.switchboard import DOOR, Switchboard, busy, rings, sdp
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.exchange.ports import GroupsOf
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.settings import GroupSettings, StageSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri


def door_talks_with_anna(**settings: Any) -> tuple[Switchboard, Telephone, Telephone]:
    """A visitor has rung extension 101, and Anna has answered."""
    board, anna, bert = anna_and_bert(**settings)
    anna.plan = rings
    board.switch.ring(board.switch.registrar.ways_to("101"), board.wire.now, authorised=True)
    passes(board, 0.5)
    answer(board, anna)
    assert board.states[-1] == "Active"
    return board, anna, bert


def refer(board: Switchboard, phone: Telephone, to: str) -> None:
    phone.endpoint.refer(phone.session, SipUri(user=to, host=DOOR.host), board.wire.now)
    passes(board, 0.5)


def press(board: Switchboard, phone: Telephone, session: str = "") -> bool:
    """The telephone presses 1: whether that opens."""
    before = len(board.digits)
    phone.endpoint.info(
        session or phone.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", board.wire.now
    )
    passes(board, 0.5)
    (digit,) = board.digits[before:]
    return digit.authorised


def test_an_extension_sends_the_door_to_another_and_either_opens() -> None:
    board, anna, bert = door_talks_with_anna()
    desk = registered(board, "102", CARL_HOST)
    assert press(board, anna)
    refer(board, anna, "102")
    assert len(bert.of(sip.IncomingCall)) == len(desk.of(sip.IncomingCall)) == 1, "all of its telephones ring"
    answer(board, desk)
    passes(board, 0.5)
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (200, True)
    assert ended(anna) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert [[why.cause for why in end.why] for end in bert.of(sip.SessionEnded)] == [[200]]
    assert board.states[-1] == "Active"
    assert press(board, desk)
    desk.endpoint.hang_up(desk.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert, desk)


def test_one_telephone_that_is_busy_does_not_end_the_transfer() -> None:
    board, anna, bert = door_talks_with_anna()
    desk = registered(board, "102", CARL_HOST)
    bert.plan = busy
    refer(board, anna, "102")
    answer(board, desk)
    assert board.last.remote == str(desk.uri).replace(desk.name, "102")
    desk.endpoint.hang_up(desk.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert, desk)


def test_an_extension_sends_the_door_to_a_group_and_all_who_are_there_ring() -> None:
    """All stages at once; the first to answer has it, and opens by its own right."""
    stages = (StageSettings(ring=("102", "104"), for_s=5), StageSettings(ring=("103", "102"), for_s=5))
    directory = Directory(ContactBook(), [GroupSettings(name="family", stages=stages)])
    board, anna, bert = door_talks_with_anna(groups=GroupsOf(directory, lambda: datetime(2026, 11, 22, tzinfo=UTC)))
    carl = registered(board, "103", CARL_HOST)
    refer(board, anna, "family")
    assert [len(phone.of(sip.IncomingCall)) for phone in (bert, carl)] == [1, 1], "104 has no telephone"
    answer(board, carl)
    passes(board, 0.5)
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (200, True)
    assert [[why.cause for why in end.why] for end in bert.of(sip.SessionEnded)] == [[200]]
    assert press(board, carl)
    carl.endpoint.hang_up(carl.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert, carl)


def test_a_group_of_which_nobody_is_there_leaves_the_door_where_it_was() -> None:
    directory = Directory(ContactBook(), [GroupSettings(name="family", members=("103", "104"))])
    board, anna, bert = door_talks_with_anna(groups=GroupsOf(directory, lambda: datetime(2026, 11, 22, tzinfo=UTC)))
    refer(board, anna, "family")
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (404, True)
    assert board.states[-1] == "Active"
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)


def test_nobody_sends_the_door_where_he_could_not_dial() -> None:
    board, anna, bert = door_talks_with_anna()
    refer(board, anna, "0123")
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)] == [(603, True)]
    assert board.states[-1] == "Active"
    anna.endpoint.hang_up(anna.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)


def test_an_extension_asks_another_first_and_joins_it_with_the_door() -> None:
    """Attended: Anna holds the door, calls Bert, and has both talk with each other."""
    board, anna, bert = door_talks_with_anna()
    at_door = anna.session
    between = anna.call_as("102")
    passes(board, 0.5)
    answer(board, bert)
    assert last(board).state == "Active"
    anna.endpoint.reinvite(between, sdp(ANNA_HOST, more="a=sendonly\r\n"), board.wire.now)  # it holds Bert, as it does

    def agrees(phone: Telephone, event: sip.Event) -> None:
        if isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, sdp(BERT_HOST), phone.wire.now)

    bert.plan = agrees  # type: ignore[assignment]  # a plan of a telephone
    passes(board, 0.5)
    anna.endpoint.refer(at_door, None, board.wire.now, replaces=between)
    passes(board, 1.0)
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (200, True)
    assert len(ended(anna)) == 2
    assert ended(bert) == []
    assert last(board).state == "Terminated"
    assert board.states[-1] == "Active"
    assert [direction(event.offer) for event in bert.of(sip.ReinviteReceived)] == ["sendonly", "sendrecv"]
    assert press(board, bert)
    bert.endpoint.hang_up(bert.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, anna, bert)
