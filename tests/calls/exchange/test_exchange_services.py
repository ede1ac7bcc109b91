"""What the node itself answers for its extensions: conferences, announcements, looks outside."""

from __future__ import annotations

import pytest

from tests.calls.exchange.test_exchange_media import direction
from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    anna_and_bert,
    assert_quiet,
    ended,
    heard_from,
    last,
    part,
    passes,
    talking,
)
from tests.support.switchboard import DOOR, sdp
from voipnode.calls.exchange.service_settings import ConferenceSettings
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri

PLAN = SwitchSettings(
    dial_plan=("600 -> conference house", "601 -> conference nowhere", "700 -> page", "99 -> look out"),
    conferences=(ConferenceSettings(name="house"),),
)


def test_two_extensions_meet_in_a_conference() -> None:
    board, anna, bert = anna_and_bert(switching=PLAN)
    for phone in (anna, bert):
        phone.call_as("600")
        passes(board, 0.5)
        assert len(phone.of(sip.CallAnswered)) == 1
    assert (last(board).state, last(board).detail) == ("Active", "102 is in conference house")
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    anna.endpoint.hang_up(anna.session, board.wire.now)
    passes(board, 1.0)
    assert ended(bert) == []
    part(board, bert, anna)


def test_a_look_outside_hears_the_door_and_is_no_call_of_it() -> None:
    board, anna, bert = anna_and_bert(switching=PLAN)
    anna.call_as("99")
    passes(board, 0.5)
    assert board.device.running
    assert board.switch.calls == ()
    part(board, anna, bert)


def test_one_announcement_at_a_time() -> None:
    board, anna, bert = anna_and_bert(switching=PLAN)
    anna.call_as("700")
    passes(board, 0.5)
    bert.call_as("700")
    passes(board, 0.5)
    assert ended(bert) == [(sip.EndCause.REJECTED, 486)]
    part(board, anna, bert)


def test_a_conference_that_there_is_not_is_busy() -> None:
    board, anna, bert = anna_and_bert(switching=PLAN)
    anna.call_as("601")
    passes(board, 0.5)
    assert ended(anna) == [(sip.EndCause.REJECTED, 486)]
    assert_quiet(board, anna, bert)


@pytest.mark.parametrize("held", [False, True])
def test_an_extension_sends_the_other_one_to_a_conference(held: bool) -> None:
    board, anna, bert = talking(switching=PLAN)
    if held:
        anna.endpoint.reinvite(anna.session, sdp(ANNA_HOST, more="a=sendonly\r\n"), board.wire.now)
        passes(board, 0.1)
        (offered,) = bert.of(sip.ReinviteReceived)
        bert.endpoint.accept_reinvite(offered.session, sdp(BERT_HOST, more="a=recvonly\r\n"), board.wire.now)
        passes(board, 0.5)
    anna.endpoint.refer(anna.session, SipUri(user="600", host=DOOR.host), board.wire.now)
    passes(board, 0.5)
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (200, True)
    assert len(ended(anna)) == 1
    assert (last(board).state, last(board).caller) == ("Active", "102")
    if held:
        *_, offered = bert.of(sip.ReinviteReceived)
        assert direction(offered.offer) == "sendrecv"
        bert.endpoint.accept_reinvite(offered.session, sdp(BERT_HOST), board.wire.now)
        passes(board, 0.5)
    anna.call_as("600")
    passes(board, 0.5)
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    anna.endpoint.hang_up(anna.session, board.wire.now)
    passes(board, 0.5)
    part(board, bert, anna)


def test_a_room_that_cannot_be_had_leaves_the_call_as_it_was() -> None:
    board, anna, bert = talking(switching=PLAN)
    anna.endpoint.refer(anna.session, SipUri(user="601", host=DOOR.host), board.wire.now)
    passes(board, 0.5)
    assert [(event.status, event.final) for event in anna.of(sip.TransferProgress)][-1] == (486, True)
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    part(board, bert, anna)
