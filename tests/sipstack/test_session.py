"""The session tables: every pair of state and input is listed, refused or ignored on purpose."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import BOB
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.session import (
    LEFT_TABLE,
    LOCAL_INPUTS,
    UAC_TABLE,
    UAS_TABLE,
    Action,
    Input,
    InviteSession,
    State,
    Table,
)
from voipnode.sipstack.transport import Hop

UAC_STATES = (State.CALLING, State.PROCEEDING, State.CANCEL_WAITING, State.CANCELLING, State.CONFIRMED, State.ENDED)
UAS_STATES = (State.INCOMING, State.RINGING, State.ACCEPTED, State.HANGING, State.CONFIRMED, State.ENDED)
ENDINGS = {action for action in Action if action.name.startswith("END_")}


def session(table: Table, state: State) -> InviteSession:
    return InviteSession("s1", table, state, Hop("UDP", BOB))


TABLES = [pytest.param(UAC_TABLE, UAC_STATES, id="UAC"), pytest.param(UAS_TABLE, UAS_STATES, id="UAS")]


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_a_listed_pair_moves_and_an_unlisted_one_is_refused_or_ignored(table: Table, states: tuple[State, ...]) -> None:
    for state in states:
        for happened in Input:
            call = session(table, state)
            row = table.get((state, happened))
            if row is not None:
                assert call.advance(happened) == row[1]
                assert call.state is row[0]
            elif happened in LOCAL_INPUTS:
                with pytest.raises(LocalError, match=f"{happened.name} is not possible while {state.name}"):
                    call.advance(happened)
                assert call.state is state
            else:
                assert call.advance(happened) == ()
                assert call.state is state


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_a_session_ends_exactly_once(table: Table, states: tuple[State, ...]) -> None:
    for (state, _), (after, actions) in table.items():
        assert state in states
        assert state is not State.ENDED  # nothing leads out of it
        endings = [action for action in actions if action in ENDINGS]
        assert len(endings) == (after is State.ENDED)
        assert not endings or actions[-1] in ENDINGS  # what has to be sent goes first


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_a_call_can_be_hung_up_in_every_state_but_the_last(table: Table, states: tuple[State, ...]) -> None:
    assert {state for state in states if (state, Input.HANG_UP) in table} == set(states) - {State.ENDED}


@pytest.mark.parametrize(("table", "states"), TABLES)
def test_every_state_can_be_left_without_our_doing(table: Table, states: tuple[State, ...]) -> None:
    for state in set(states) - {State.ENDED}:
        remote = [row for (at, happened), row in table.items() if at is state and happened not in LOCAL_INPUTS]
        assert any(after is State.ENDED for after, _ in remote), state


def test_an_unanswered_invite_is_never_left_without_a_final_response() -> None:
    """A server INVITE transaction has no timer before its final response: every way out must send one."""
    finals = {Action.SEND_480, Action.SEND_487, Action.SEND_504}
    for (state, happened), (after, actions) in UAS_TABLE.items():
        if state in (State.INCOMING, State.RINGING) and after is State.ENDED and happened is not Input.REJECT:
            assert finals & set(actions), (state, happened)


def test_bye_is_never_sent_before_our_2xx_is_acknowledged_or_given_up() -> None:
    """RFC 3261 §15."""
    for (state, happened), (_, actions) in UAS_TABLE.items():
        if Action.SEND_BYE in actions and state is not State.CONFIRMED:
            assert happened in (Input.ACK, Input.NO_ACK)


def test_cancel_is_only_sent_once_a_provisional_response_came() -> None:
    """RFC 3261 §9.1."""
    sending = {pair for pair, (_, actions) in UAC_TABLE.items() if Action.SEND_CANCEL in actions}
    assert sending == {
        (State.PROCEEDING, Input.HANG_UP),
        (State.PROCEEDING, Input.EARLY_GONE),
        (State.CANCEL_WAITING, Input.PROVISIONAL),
    }
    leaving = {pair: actions for pair, (_, actions) in UAC_TABLE.items() if pair[1] is Input.HOP_LEFT}
    assert Action.LEAVE_HEARD in leaving.pop((State.PROCEEDING, Input.HOP_LEFT))
    assert all(Action.LEAVE_HEARD not in actions for actions in leaving.values())


def test_a_hop_that_was_left_is_a_call_hung_up_that_nobody_is_told_of() -> None:
    assert {state for state, _ in LEFT_TABLE} == {State.CANCEL_WAITING, State.CANCELLING}
    for (state, happened), (after, actions) in LEFT_TABLE.items():
        hung_up, told = UAC_TABLE[state, happened]
        assert after is hung_up
        assert [*actions] == [action for action in told if action not in ENDINGS]
        assert happened not in LOCAL_INPUTS
