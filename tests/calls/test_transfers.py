"""Transfers: asked for by us and by far sides, blind and attended; who may not; what is left when it fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, busy, rings, sdp
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallTransfer
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.uri import SipUri

Plan = Callable[[Phone, sip.Event], None]


def uri(phone: Phone) -> SipUri:
    assert isinstance(phone.uri, SipUri)
    return phone.uri


def board_with(anna: Plan, bert: Plan, **settings: object) -> tuple[Switchboard, Phone, Phone, str]:
    """Anna's phone, which the door rang and which answered, and Bert's, which nobody called yet."""
    board = Switchboard(settings=SipSettings(**settings))  # type: ignore[arg-type]  # a test names the fields it wants
    first, second = board.phone("anna", "192.168.1.20", plan=anna), board.phone("bert", "192.168.1.21", plan=bert)
    call = board.ring(first)
    board.wire.run(1.0)
    assert board.states[-1] == "Active"
    return board, first, second, call


def refer(board: Switchboard, phone: Phone, target: Phone) -> str:
    """The phone asks the door to call the other one."""
    token = phone.endpoint.refer(phone.session, uri(target), board.wire.now, referred_by=f"<{phone.uri}>")
    board.wire.flush()
    return token


def told(board: Switchboard) -> list[tuple[str, int, bool]]:
    return [(event.by, event.status, event.final) for event in board.events if isinstance(event, CallTransfer)]


def heard(phone: Phone) -> list[tuple[int, bool]]:
    return [(event.status, event.final) for event in phone.of(sip.TransferProgress)]


def transferee(phone: Phone, event: sip.Event) -> None:
    """A plan: answer, and call whoever one is referred to."""
    answers(phone, event)
    if isinstance(event, sip.ReferReceived):
        phone.endpoint.accept_refer(event.token, phone.wire.now)
        phone.endpoint.refer_progress(event.token, 200, "OK", phone.wire.now)


# ---- the far side asks


def test_the_party_that_was_called_transfers_the_door_to_another() -> None:
    board, anna, bert, _ = board_with(answers, rings)
    refer(board, anna, bert)
    board.wire.run(3.0)
    invite = board.wire.ladder.pick("INVITE", "door")[-1].data
    assert b"\r\nReferred-By: <sip:anna@192.168.1.20>\r\n" in invite
    assert heard(anna) == [(100, False), (180, False)]
    bert.endpoint.accept(bert.session, sdp("192.168.1.21"), board.wire.now)
    board.wire.run(4.0)
    assert heard(anna)[-1] == (200, True)
    assert [event.cause for event in anna.of(sip.SessionEnded)] == [sip.EndCause.REMOTE_HANGUP]
    assert board.wire.ladder.times("BYE", "door") == [3.0]
    assert board.states[-1] == "Active"
    assert (board.last.remote, board.last.detail) == (str(bert.uri), f"transferred to {bert.uri}")
    assert told(board) == [("far", 100, False), ("far", 200, True)]
    assert board.device.running
    bert.endpoint.hang_up(bert.session, board.wire.now)
    board.wire.run(100.0)
    assert board.last.detail == "hung up by the far side"
    board.assert_quiet()
    assert not any(board.endpoint.counts().values()), board.endpoint.counts()


def test_a_new_party_that_leaves_at_once_leaves_nobody_behind() -> None:
    # The one who asked does not take the news of success, and would have been let go with its answer.
    board, anna, bert, _ = board_with(answers, rings)
    board.wire.drop = lambda rung: rung.what in ("NOTIFY", "200 NOTIFY")
    refer(board, anna, bert)
    board.wire.run(3.0)
    bert.endpoint.accept(bert.session, sdp("192.168.1.21"), board.wire.now)
    board.wire.run(3.1)
    bert.endpoint.hang_up(bert.session, board.wire.now)
    board.wire.run(4.0)
    assert [event.cause for event in anna.of(sip.SessionEnded)] == [sip.EndCause.REMOTE_HANGUP]
    assert board.last.state == "Terminated"
    board.assert_quiet()
    board.wire.run(300.0)
    assert not any(board.endpoint.counts().values()), board.endpoint.counts()


def test_digits_of_the_new_party_open_nothing() -> None:
    board, anna, bert, _ = board_with(answers, answers)
    refer(board, anna, bert)
    board.wire.run(3.0)
    bert.endpoint.info(bert.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", 3.0)
    board.wire.run(4.0)
    assert [(event.digit, event.authorised) for event in board.digits] == [("1", False)]


def test_digits_of_a_recipient_that_the_door_had_rung_still_open() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=answers)
    bert = board.phone("bert", "192.168.1.21", plan=rings)
    board.ring(anna, bert)
    board.wire.run(1.0)
    bert.plan = answers
    refer(board, anna, bert)
    board.wire.run(3.0)
    bert.endpoint.info(bert.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", 3.0)
    board.wire.run(4.0)
    assert [(event.digit, event.authorised) for event in board.digits] == [("1", True)]


def test_a_busy_target_leaves_the_call_as_it_was() -> None:
    board, anna, bert, call = board_with(answers, busy)
    refer(board, anna, bert)
    board.wire.run(3.0)
    assert heard(anna)[-1] == (486, True)
    assert [one.id for one in board.switch.calls] == [call]
    anna.endpoint.info(anna.session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", 3.0)
    board.wire.run(4.0)
    assert [event.authorised for event in board.digits] == [True]
    refer(board, anna, bert)  # and it may be tried again
    board.wire.run(5.0)
    assert heard(anna)[-1] == (486, True)
    assert len(board.paths.open_now) == 1


def test_a_target_that_nobody_answers_is_given_up() -> None:
    board, anna, bert, call = board_with(answers, rings, calling_timeout_s=10)
    refer(board, anna, bert)
    board.wire.run(15.0)
    assert board.wire.ladder.times("CANCEL", "door") == [11.0]
    assert heard(anna)[-1] == (487, True)
    assert [one.id for one in board.switch.calls] == [call]


def test_who_asks_and_hangs_up_leaves_the_door_ringing_the_target() -> None:
    board, anna, bert, _ = board_with(answers, rings)
    refer(board, anna, bert)
    board.wire.run(2.0)
    anna.endpoint.hang_up(anna.session, 2.0)
    board.wire.run(3.0)
    assert not board.device.running
    bert.endpoint.accept(bert.session, sdp("192.168.1.21"), 3.0)
    board.wire.run(4.0)
    assert board.device.running
    assert heard(anna)[-1] == (200, True)
    bert.endpoint.hang_up(bert.session, 4.0)
    board.wire.run(100.0)
    board.assert_quiet()
    assert not any(board.endpoint.counts().values())


def test_who_asks_and_hangs_up_for_a_busy_target_ends_the_call() -> None:
    board, anna, bert, _ = board_with(answers, rings)
    refer(board, anna, bert)
    board.wire.run(2.0)
    anna.endpoint.hang_up(anna.session, 2.0)
    board.wire.run(3.0)
    bert.endpoint.reject(bert.session, 486, 3.0)
    board.wire.run(100.0)
    assert (board.states[-1], board.last.reason) == ("Terminated", CallReason.BUSY)
    board.assert_quiet()


def test_hanging_up_here_ends_both_parties() -> None:
    board, anna, bert, call = board_with(answers, rings)
    refer(board, anna, bert)
    board.wire.run(2.0)
    board.switch.hang_up(call, 2.0)
    board.wire.run(100.0)
    assert [event.cause for event in bert.of(sip.SessionEnded)] == [sip.EndCause.CANCELLED]
    assert heard(anna)[-1] == (487, True)
    board.assert_quiet()
    assert not any(board.endpoint.counts().values())


def test_a_target_whose_name_is_unknown_is_404_and_a_late_look_up_finds_a_call_that_is_over() -> None:
    board, anna, bert, call = board_with(answers, rings)
    later: list[Callable[[], None]] = []
    board.switch.reach_by(lambda uri, account, done: done((), board.wire.now))
    refer(board, anna, bert)
    board.wire.run(2.0)
    assert heard(anna)[-1] == (404, True)
    board.switch.reach_by(
        lambda uri, account, done: later.append(lambda: done([board.way(bert, bert.hop)], board.wire.now))
    )
    refer(board, anna, bert)
    board.wire.run(3.0)
    board.switch.hang_up(call, 3.0)
    board.wire.run(50.0)
    later[0]()
    board.wire.run(100.0)
    assert bert.events == []
    board.assert_quiet()
    assert not any(board.endpoint.counts().values())


@pytest.mark.parametrize(
    ("rule", "trusted", "status"),
    [("trusted", (), 603), ("trusted", ("192.168.1.20",), 200), ("always", (), 200), ("never", ("192.168.1.20",), 603)],
)
def test_a_caller_may_transfer_only_where_the_settings_say(rule: str, trusted: tuple[str, ...], status: int) -> None:
    settings = SipSettings(allow_transfer=rule, trusted_callers=trusted)  # type: ignore[arg-type]  # from a table
    board = Switchboard(settings=settings, account=AccountSettings(auto_answer=True))
    anna = board.phone("anna", "192.168.1.20")
    bert = board.phone("bert", "192.168.1.21", plan=answers)
    anna.call(DOOR)
    board.wire.run(1.0)
    refer(board, anna, bert)
    board.wire.run(3.0)
    assert heard(anna)[-1] == (status, True)
    assert bool(bert.events) == (status == 200)


def test_a_party_that_came_by_transfer_may_not_send_us_on() -> None:
    board, anna, bert, _ = board_with(answers, answers)
    carol = board.phone("carol", "192.168.1.22", plan=answers)
    refer(board, anna, bert)
    board.wire.run(3.0)
    refer(board, bert, carol)
    board.wire.run(4.0)
    assert heard(bert) == [(603, True)]
    assert carol.events == []


def test_a_second_wish_while_one_is_under_way_is_declined() -> None:
    board, anna, bert, _ = board_with(answers, rings)
    anna.endpoint.refer(anna.session, uri(bert), board.wire.now)
    board.wire.run(2.0)
    request = board.wire.ladder.pick("REFER")[0].data
    again = request.replace(b" REFER\r\n", b"9 REFER\r\n").replace(b"branch=", b"branch=z9hG4bKagain-")
    board.wire.inject(again, anna.hop, DOOR)
    board.wire.run(3.0)
    assert len(board.wire.ladder.pick("603 REFER")) == 1
    assert len(bert.of(sip.IncomingCall)) == 1


# ---- we ask


def test_a_blind_transfer_ends_our_call_when_the_far_side_has_arrived() -> None:
    board, anna, bert, call = board_with(transferee, answers)
    board.switch.transfer(call, 1.0, to=uri(bert))
    board.wire.run(100.0)
    (asked,) = anna.of(sip.ReferReceived)
    assert (asked.refer_to, asked.replaces, asked.referred_by) == (bert.uri, None, "<sip:door@192.168.1.10>")
    assert told(board) == [("here", 100, False), ("here", 100, False), ("here", 200, True)]
    assert board.last.detail == f"transferred to {bert.uri}"
    assert board.wire.ladder.times("BYE", "door") == [1.0]
    board.assert_quiet()
    assert not any(board.endpoint.counts().values())


def test_a_refused_transfer_leaves_the_call() -> None:
    def declines(phone: Phone, event: sip.Event) -> None:
        answers(phone, event)
        if isinstance(event, sip.ReferReceived):
            phone.endpoint.reject_refer(event.token, 603, phone.wire.now)

    board, _, bert, call = board_with(declines, answers)
    board.switch.transfer(call, 1.0, to=uri(bert))
    board.wire.run(10.0)
    assert told(board)[-1] == ("here", 603, True)
    assert [one.id for one in board.switch.calls] == [call]


def test_an_attended_transfer_joins_two_calls_and_leaves_both() -> None:
    board, anna, bert, call = board_with(transferee, answers, max_calls=2)
    other = board.ring(bert)
    board.wire.run(2.0)
    board.switch.transfer(call, 2.0, with_call=other)
    board.wire.run(100.0)
    (asked,) = anna.of(sip.ReferReceived)
    (invited,) = bert.of(sip.IncomingCall)
    assert asked.replaces.call_id == invited.request.call_id
    assert asked.replaces.from_tag == invited.request.from_tag
    assert (asked.refer_to.user, asked.refer_to.host) == ("bert", "192.168.1.21")
    board.assert_quiet()


def test_transfers_that_cannot_be() -> None:
    board, _, bert, call = board_with(answers, rings, max_calls=2)
    ringing = board.ring(bert)
    board.wire.run(2.0)
    with pytest.raises(CallError, match="itself"):
        board.switch.transfer(call, 2.0, with_call=call)
    with pytest.raises(NotNowError, match="Ringing"):
        board.switch.transfer(call, 2.0, with_call=ringing)
    with pytest.raises(NotNowError, match="Ringing"):
        board.switch.transfer(ringing, 2.0, to=uri(bert))
    with pytest.raises(CallError, match="no such call"):
        board.switch.transfer("c99", 2.0, to=uri(bert))
    board.switch.transfer(call, 2.0, to=uri(bert))
    with pytest.raises(NotNowError, match="another REFER"):
        board.switch.transfer(call, 2.0, to=uri(bert))
