"""Transfers in calls through the node: blind and attended, to others and to the door, refused and abandoned."""

from __future__ import annotations

import pytest

from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    CARL_HOST,
    answer,
    assert_quiet,
    ended,
    heard_from,
    last,
    part,
    passes,
    registered,
    talking,
    told,
)
from tests.support.extensions import Telephone
from tests.support.switchboard import DOOR, Switchboard, answers, busy
from voipnode.calls.events import CallTransfer
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri


def three(**settings: object) -> tuple[Switchboard, Telephone, Telephone, Telephone]:
    """Anna talks with Bert, and Carl is at home."""
    board, anna, bert = talking(**settings)
    carl = registered(board, "103", CARL_HOST)
    return board, anna, bert, carl


def refer(board: Switchboard, phone: Telephone, to: str, session: str = "") -> None:
    phone.endpoint.refer(
        session or phone.session, SipUri(user=to, host=DOOR.host), board.wire.now, referred_by=f"<{phone.uri}>"
    )
    passes(board, 0.5)


def heard(phone: Telephone) -> list[tuple[int, bool]]:
    return [(event.status, event.final) for event in phone.of(sip.TransferProgress)]


@pytest.mark.parametrize("by_caller", [True, False])
def test_either_party_transfers_the_other_to_a_third(by_caller: bool) -> None:
    board, anna, bert, carl = three()
    who, stays = (anna, bert) if by_caller else (bert, anna)
    refer(board, who, "103")
    invite = board.wire.ladder.pick("INVITE", "door")[-1].data
    name = "Bert" if by_caller else "Anna"
    assert f'\r\nFrom: "{name}" <sip:{stays.number}@192.168.1.10>'.encode() in invite, "in the name of who stays"
    assert f"\r\nReferred-By: <sip:{who.number}@192.168.1.10>\r\n".encode() in invite, "whatever it says of itself"
    assert heard(who) == [(100, False), (180, False)]
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5, "they talk on while it rings"
    answer(board, carl)
    passes(board, 1.0)
    assert heard(who)[-1] == (200, True)
    assert ended(who) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert ended(stays) == []
    assert not stays.of(sip.ReinviteReceived), "nothing of this is its affair"
    assert heard_from(board, stays.address.host, to=CARL_HOST) == 5
    assert sorted((last(board).caller, last(board).callee)) == sorted((stays.number, "103"))
    part(board, carl, anna, bert)


def test_a_transfer_to_somebody_busy_leaves_the_call_as_it_was() -> None:
    board, anna, bert, carl = three()
    carl.plan = busy
    refer(board, anna, "103")
    passes(board, 1.0)
    assert heard(anna)[-1] == (486, True)
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    part(board, anna, bert, carl)


def test_who_asked_may_leave_before_the_new_party_answers() -> None:
    board, anna, bert, carl = three()
    refer(board, anna, "103")
    anna.endpoint.hang_up(anna.session, board.wire.now)
    passes(board, 1.0)
    assert told(board)[-1] == "Active"
    answer(board, carl)
    assert heard_from(board, BERT_HOST, to=CARL_HOST) == 5
    part(board, bert, anna, carl)


def test_who_stays_is_let_go_when_nobody_answers_and_who_asked_has_left() -> None:
    board, anna, bert, carl = three()
    refer(board, anna, "103")
    anna.endpoint.hang_up(anna.session, board.wire.now)
    passes(board, 1.0)
    carl.endpoint.reject(carl.session, 603, board.wire.now)
    passes(board, 1.0)
    assert ended(bert) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert_quiet(board, anna, bert, carl)


def test_who_stays_leaves_while_the_new_party_rings() -> None:
    board, anna, bert, carl = three()
    refer(board, anna, "103")
    bert.endpoint.hang_up(bert.session, board.wire.now)
    passes(board, 1.0)
    assert ended(carl) == [(sip.EndCause.CANCELLED, 0)]
    assert ended(anna) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert_quiet(board, anna, bert, carl)


@pytest.mark.parametrize("rule", ["never", "trusted"])
def test_the_settings_say_who_may_transfer(rule: str) -> None:
    board, anna, bert, carl = three(settings=SipSettings(allow_transfer=rule))
    refer(board, anna, "103")
    assert bool(carl.of(sip.IncomingCall)) is (rule == "trusted")
    part(board, anna, bert, carl)


@pytest.mark.parametrize("to", ["999", "0123"])
def test_nobody_is_transferred_to_what_one_could_not_dial(to: str) -> None:
    board, anna, bert, carl = three()
    refer(board, anna, to)
    assert heard(anna)[-1] == (603, True)
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    part(board, anna, bert, carl)


# ---- attended


def consult(board: Switchboard, bert: Telephone, carl: Telephone) -> tuple[str, str]:
    """Bert has Anna in one call, and calls Carl in another; the sessions of both."""
    first = bert.session
    second = bert.call_as("103")
    passes(board, 0.5)
    return first, second


def replacing(phone: Telephone, session: str) -> SipUri:
    """A Refer-To that names a dialog of this telephone, as the node knows it."""
    found = phone.endpoint._core.session(session)
    dialog = found.dialog or next(iter(found.early.values()))
    wanted = f"{dialog.id.call_id}%3Bto-tag%3D{dialog.id.remote_tag}%3Bfrom-tag%3D{dialog.id.local_tag}"
    return SipUri(user="103", host=DOOR.host, headers=(("Replaces", wanted),))


def test_two_calls_of_one_are_joined() -> None:
    board, anna, bert, carl = three()
    first, second = consult(board, bert, carl)
    answer(board, carl)
    bert.endpoint.refer(first, None, board.wire.now, replaces=second)
    passes(board, 1.0)
    assert heard(bert)[-1] == (200, True)
    assert len(ended(bert)) == 2
    assert (ended(anna), ended(carl)) == ([], [])
    assert heard_from(board, ANNA_HOST, to=CARL_HOST) == 5
    assert heard_from(board, CARL_HOST, to=ANNA_HOST) == 5
    assert len(board.switch.exchange.board.calls) == 1
    part(board, anna, bert, carl)


def test_a_call_that_still_rings_is_joined_too() -> None:
    board, anna, bert, carl = three()
    first, second = consult(board, bert, carl)
    bert.endpoint.refer(first, replacing(bert, second), board.wire.now)
    passes(board, 0.5)
    assert ended(carl) == [], "it rings on"
    answer(board, carl)
    passes(board, 1.0)
    assert heard(bert)[-1] == (200, True)
    assert len(ended(bert)) == 2
    assert heard_from(board, ANNA_HOST, to=CARL_HOST) == 5
    part(board, anna, bert, carl)


def test_nobody_joins_the_calls_of_others() -> None:
    board, anna, bert, carl = three()
    dora = registered(board, "104", "192.168.1.24")
    other = dora.call_as("103")
    passes(board, 0.5)
    answer(board, carl)
    # Bert knows the dialog of Dora's call, from wherever, and asks for its place.
    bert.endpoint.refer(bert.session, replacing(dora, other), board.wire.now)
    passes(board, 1.0)
    assert heard(bert)[-1] == (603, True)
    assert ended(dora) == []
    assert heard_from(board, ANNA_HOST, to=BERT_HOST) == 5
    anna.endpoint.hang_up(anna.session, board.wire.now)
    part(board, dora, anna, bert, carl)


# ---- the door


def test_a_party_is_transferred_to_the_door() -> None:
    board, anna, bert, _carl = three()
    refer(board, bert, "door")
    passes(board, 1.0)
    assert heard(bert)[-1] == (200, True)
    assert ended(bert) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert board.states[-1] == "Active"
    anna.endpoint.info(anna.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", board.wire.now)
    passes(board, 0.5)
    assert [(event.digit, event.authorised) for event in board.digits] == [("1", True)]
    part(board, anna, bert)


def test_what_a_transfer_tells() -> None:
    board, anna, bert, carl = three()
    carl.plan = answers
    refer(board, anna, "103")
    passes(board, 1.0)
    events = [
        (event.by, event.to, event.status, event.final) for event in board.events if isinstance(event, CallTransfer)
    ]
    assert events == [("far", "103", 100, False), ("far", "103", 200, True)]
    part(board, bert, anna, carl)
