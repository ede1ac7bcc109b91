"""What parties of a call through the node hear of each other: early sound, late offers, codecs, hold, digits, glare."""

from __future__ import annotations

import re

import pytest

from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    anna_and_bert,
    answer,
    heard_from,
    invite,
    last,
    part,
    passes,
    talking,
)
from tests.support.extensions import Telephone
from tests.support.switchboard import Phone, Switchboard, sdp
from tests.support.wire import Link
from voipnode.sipstack import events as sip
from voipnode.sipstack.sdp import Direction


def direction(body: bytes | None) -> str:
    found = re.search(rb"a=(sendrecv|sendonly|recvonly|inactive)", body or b"")
    return found[1].decode() if found else ""


def held(host: str, how: str = "sendonly", formats: str = "0 101") -> bytes:
    return sdp(host, formats=formats, more=f"a={how}\r\n")


def agrees(phone: Phone, event: sip.Event) -> None:
    """A plan: answer re-INVITEs as they come, the other way round."""
    _answers_as(phone, event, hears=True)


def agrees_and_holds(phone: Phone, event: sip.Event) -> None:
    """A plan: the same, while holding."""
    _answers_as(phone, event, hears=False)


def _answers_as(phone: Phone, event: sip.Event, *, hears: bool) -> None:
    if isinstance(event, sip.ReinviteReceived):
        offered = Direction(direction(event.offer))
        mine = Direction.of(send=offered.receives, receive=offered.sends and hears)
        phone.endpoint.accept_reinvite(event.session, held(phone.address.host, mine.value), phone.wire.now)


def offers_to(phone: Phone) -> list[str]:
    return [direction(event.offer) for event in phone.of(sip.ReinviteReceived)]


# ---- before the answer


def test_early_sound_reaches_the_caller_with_an_acknowledged_provisional_response() -> None:
    board, anna, bert = anna_and_bert()
    anna.call_as("102")
    passes(board, 0.5)
    bert.endpoint.ring(bert.session, board.wire.now, 183, body=sdp(BERT_HOST))
    passes(board, 0.5)
    progress = [(event.status, event.body is not None, event.reliable) for event in anna.of(sip.CallProgress)]
    assert progress == [(180, False, False), (183, True, True)]
    assert heard_from(board, BERT_HOST, to=ANNA_HOST) == 5
    answer(board, bert)
    assert last(board).state == "Active"
    assert len(anna.of(sip.CallAnswered)) == 1
    part(board, anna, bert)


def test_each_leg_acknowledges_on_its_own() -> None:
    """A called party that wants PRACKs gets them though the caller hears of its ringing without."""
    board, anna, bert = anna_and_bert()
    anna.call_as("102")
    passes(board, 0.5)
    bert.endpoint.ring(bert.session, board.wire.now, 180, body=sdp(BERT_HOST), reliable=True)
    passes(board, 0.5)
    assert board.wire.ladder.pick("PRACK", "door")
    assert not board.wire.ladder.pick("180 INVITE", "door")[0].data.count(b"RSeq")
    part(board, anna, bert)


def test_a_caller_without_an_offer_is_made_one_in_the_codec_of_who_answers() -> None:
    board, anna, bert = anna_and_bert()
    invite(anna, "102", None)
    passes(board, 0.5)
    answer(board, bert, sdp(BERT_HOST, formats="8 101"))
    (answered,) = anna.of(sip.CallAnswered)
    assert re.search(rb"m=audio \d+ RTP/AVP 8 ", answered.body)
    anna.endpoint.acknowledge(anna.session, sdp(ANNA_HOST, formats="8 101"), board.wire.now)
    passes(board, 0.5)
    assert last(board).codec == ("PCMA", "PCMA")
    assert heard_from(board, BERT_HOST, to=ANNA_HOST, payload_type=8) == 5
    part(board, bert, anna)


def test_a_caller_without_an_offer_that_wants_ringing_acknowledged_gets_ours_with_it() -> None:
    board, anna, bert = anna_and_bert()
    invite(anna, "102", None, headers=(("Require", "100rel"),))
    passes(board, 0.5)
    (progress,) = anna.of(sip.CallProgress)
    assert progress.is_offer
    anna.endpoint.acknowledge(anna.session, sdp(ANNA_HOST), board.wire.now, progress.tag)
    passes(board, 0.5)
    answer(board, bert)
    assert last(board).codec == ("PCMU", "PCMU")
    part(board, anna, bert)


def test_the_called_party_is_offered_first_what_the_caller_speaks() -> None:
    board, anna, bert = anna_and_bert()
    invite(anna, "102", sdp(ANNA_HOST, formats="8 0 101"))
    passes(board, 0.5)
    (call,) = bert.of(sip.IncomingCall)
    assert re.search(rb"m=audio \d+ RTP/AVP 8 0 ", call.offer)
    answer(board, bert)  # PCMU
    assert b"RTP/AVP 0 " in anna.of(sip.CallAnswered)[0].body
    assert last(board).codec == ("PCMU", "PCMU")
    part(board, anna, bert)


def test_an_offer_of_nothing_that_is_spoken_here_is_refused_before_anybody_rings() -> None:
    board, anna, bert = anna_and_bert()
    invite(anna, "102", sdp(ANNA_HOST, formats="3"))
    passes(board, 1.0)
    assert [(event.status) for event in anna.of(sip.SessionEnded)] == [488]
    assert not bert.of(sip.IncomingCall)


# ---- within the call


def hold(board: Switchboard, phone: Telephone, how: str = "sendonly") -> None:
    phone.plan = agrees if how == "sendrecv" else agrees_and_holds
    phone.endpoint.reinvite(phone.session, held(phone.address.host, how), board.wire.now)
    passes(board, 0.5)


def test_hold_and_resume_go_across() -> None:
    board, anna, bert = talking()
    bert.plan = agrees
    assert (heard_from(board, ANNA_HOST, to=BERT_HOST), heard_from(board, BERT_HOST, to=ANNA_HOST)) == (5, 5)
    hold(board, anna)
    assert [event.status for event in anna.of(sip.ReinviteAnswered)] == [200]
    assert direction(anna.of(sip.ReinviteAnswered)[0].body) == "recvonly"
    assert offers_to(bert) == ["sendonly"]
    assert heard_from(board, BERT_HOST, to=ANNA_HOST) == 0
    hold(board, anna, "sendrecv")
    assert offers_to(bert) == ["sendonly", "sendrecv"]
    assert heard_from(board, BERT_HOST, to=ANNA_HOST) == 5
    part(board, anna, bert)


def test_a_held_party_that_holds_too_stays_held_when_the_first_one_comes_back() -> None:
    board, anna, bert = talking()
    anna.plan = bert.plan = agrees
    hold(board, anna)
    hold(board, bert)
    assert direction(bert.of(sip.ReinviteAnswered)[0].body) == "inactive"
    hold(board, anna, "sendrecv")
    assert direction(anna.of(sip.ReinviteAnswered)[-1].body) == "sendonly", "Bert still holds"
    hold(board, bert, "sendrecv")
    assert (heard_from(board, ANNA_HOST, to=BERT_HOST), heard_from(board, BERT_HOST, to=ANNA_HOST)) == (5, 5)
    part(board, bert, anna)


def test_who_was_told_nothing_of_sound_is_not_taken_for_one_who_wants_none() -> None:
    board, anna, bert = talking()
    bert.plan = agrees
    hold(board, anna, "inactive")
    assert offers_to(bert) == ["inactive"]
    hold(board, anna, "sendrecv")
    assert direction(anna.of(sip.ReinviteAnswered)[-1].body) == "sendrecv"
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    part(board, anna, bert)


@pytest.mark.parametrize(("by_caller", "least_s", "most_s"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
def test_a_change_that_meets_another_is_told_again_when_its_time_has_come(
    by_caller: bool, least_s: float, most_s: float
) -> None:
    """RFC 3261 §14.1: who owns the Call-ID of a leg waits 2.1 to 4 s after a 491, the other side less than 2."""
    board, anna, bert = talking()
    who, other = (anna, bert) if by_caller else (bert, anna)

    def is_changing_itself(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.ReinviteReceived) and len(phone.of(sip.ReinviteReceived)) == 1:
            phone.endpoint.reject_reinvite(event.session, 491, phone.wire.now)
        else:
            agrees(phone, event)

    other.plan = is_changing_itself
    hold(board, who)
    passes(board, 4.5)
    assert offers_to(other) == ["sendonly", "sendonly"]
    sent = [rung for rung in board.wire.ladder.pick("INVITE", "door") if rung.receiver == other.name]
    assert least_s <= sent[1].at - sent[0].at <= most_s
    part(board, anna, bert)


def test_a_new_address_of_one_party_is_nothing_to_the_other() -> None:
    board, anna, bert = talking()
    anna.endpoint.reinvite(anna.session, sdp(ANNA_HOST, port=7100), board.wire.now)
    passes(board, 1.0)
    assert [event.status for event in anna.of(sip.ReinviteAnswered)] == [200]
    assert bert.of(sip.ReinviteReceived) == []
    part(board, anna, bert)


def test_a_new_codec_of_one_party_is_offered_to_the_other_that_could_speak_it() -> None:
    board, anna, bert = talking()

    def follows(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, sdp(BERT_HOST, formats="8 101"), phone.wire.now)

    bert.plan = follows
    anna.endpoint.reinvite(anna.session, sdp(ANNA_HOST, formats="8 101"), board.wire.now)
    passes(board, 1.0)
    (offered,) = bert.of(sip.ReinviteReceived)
    assert re.search(rb"m=audio \d+ RTP/AVP 8 ", offered.offer)
    assert last(board).codec == ("PCMA", "PCMA")
    part(board, anna, bert)


def test_a_change_without_an_offer_is_answered_with_ours() -> None:
    board, anna, bert = talking()
    anna.endpoint.reinvite(anna.session, None, board.wire.now)
    passes(board, 0.5)
    (answered,) = anna.of(sip.ReinviteAnswered)
    assert direction(answered.body) == "sendrecv"
    anna.endpoint.acknowledge(anna.session, held(ANNA_HOST, "sendonly"), board.wire.now)
    bert.plan = agrees
    passes(board, 0.5)
    assert offers_to(bert) == ["sendonly"], "its answer held"
    part(board, anna, bert)


def test_update_holds_as_well() -> None:
    board, anna, bert = talking()
    bert.plan = agrees
    anna.endpoint.update(anna.session, held(ANNA_HOST), board.wire.now)
    passes(board, 0.5)
    assert direction(anna.of(sip.UpdateAnswered)[0].body) == "recvonly"
    assert offers_to(bert) == ["sendonly"]
    part(board, anna, bert)


@pytest.mark.parametrize("late_s", [0.0, 0.005, 0.030])
def test_both_hold_at_the_same_moment(late_s: float) -> None:
    """Their offers meet ours: 491 on either leg, and each tries again when RFC 3261 §14.1 has it."""
    board, anna, bert = talking()
    for name in (anna.name, bert.name):
        for pair in ((name, "door"), ("door", name)):
            board.wire.set_link(*pair, Link(delay_s=0.020))

    def insists(phone: Phone, event: sip.Event) -> None:
        agrees_and_holds(phone, event)
        if isinstance(event, sip.ReinviteAnswered) and event.status == 491:
            again = phone.wire.now + event.retry_after_s
            phone.wire.at(again, lambda: phone.endpoint.reinvite(phone.session, held(phone.address.host), again))

    anna.plan = bert.plan = insists
    now = board.wire.now
    board.wire.at(now, lambda: anna.endpoint.reinvite(anna.session, held(ANNA_HOST), now))
    board.wire.at(now + late_s, lambda: bert.endpoint.reinvite(bert.session, held(BERT_HOST), now + late_s))
    passes(board, 12.0)
    call = board.switch.exchange.board.calls[0]
    assert [party.wants for party in call.talking] == [(True, False), (True, False)]
    assert [party.told for party in call.talking] == [(True, False), (True, False)]
    part(board, anna, bert)


def test_digits_by_info_reach_the_other_one_once() -> None:
    board, anna, bert = talking()
    anna.endpoint.info(anna.session, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", board.wire.now)
    passes(board, 1.0)
    digits = [event for event in board.paths.all[1].sent if len(event.data) == 16]
    assert digits, "as a telephone event"
    assert {event.data[12] for event in digits} == {5}
    assert board.digits == [], "nobody opens a door with them"
    part(board, anna, bert)


def test_a_refresh_of_one_leg_is_its_own() -> None:
    board, anna, bert = talking()
    anna.endpoint.update(anna.session, None, board.wire.now)
    passes(board, 0.5)
    assert [event.status for event in anna.of(sip.UpdateAnswered)] == [200]
    assert not [rung for rung in board.wire.ladder.pick(sender="door") if rung.receiver == bert.name]
    part(board, anna, bert)
