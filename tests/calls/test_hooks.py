"""The bus, the decisions and the commands."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import Command, HangUp, ReleasePort
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event, LightChanged, NodeStopping, Problem
from voipnode.calls.hooks import Bus, Commands, MayOpen, Tasks, Verdict

QUESTION = MayOpen(port="door", who="anna", how="dtmf", authorised=True)
YES, NO = Verdict(allowed=True, why="yes"), Verdict(allowed=False, why="no")


def test_every_listener_of_an_event_runs_although_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    bus, seen = Bus(lambda: 0.0), []

    def fails(event: Event) -> None:
        raise RuntimeError("broken module")

    bus.subscribe(Problem, fails, who="broken")
    bus.subscribe(Problem, seen.append, who="log")
    bus.subscribe(Event, seen.append, who="all")
    bus.subscribe(LightChanged, seen.append, who="light")
    bus.publish(Problem(where="x", detail="y"))
    assert len(seen) == 2
    assert "'broken'" in caplog.text


def test_a_cancelled_listener_hears_nothing_more() -> None:
    bus, seen = Bus(lambda: 0.0), []
    subscription = bus.subscribe(NodeStopping, seen.append, who="test")
    subscription.cancel()
    subscription.cancel()
    bus.publish(NodeStopping())
    assert seen == []


def test_a_listener_may_leave_while_it_is_told() -> None:
    bus, seen = Bus(lambda: 0.0), []

    def once(event: Event) -> None:
        seen.append(event)
        subscription.cancel()

    subscription = bus.subscribe(NodeStopping, once, who="once")
    bus.subscribe(NodeStopping, seen.append, who="after")
    bus.publish(NodeStopping())
    bus.publish(NodeStopping())
    assert len(seen) == 3


def test_the_first_answer_by_priority_decides() -> None:
    async def ask() -> Verdict:
        bus = Bus(lambda: 0.0)
        bus.on_decide(MayOpen, lambda question: YES, who="last", priority=-10)
        bus.on_decide(MayOpen, lambda question: NO, who="middle")
        bus.on_decide(MayOpen, lambda question: None, who="first", priority=10)
        return await bus.decide(QUESTION)

    assert run_virtual(ask()) == NO


def test_nobody_answering_is_a_denial() -> None:
    async def ask() -> Verdict:
        return await Bus(lambda: 0.0).decide(QUESTION)

    assert not run_virtual(ask()).allowed


def test_an_exception_is_a_denial_even_when_a_later_decider_would_allow() -> None:
    async def ask() -> Verdict:
        bus = Bus(lambda: 0.0)

        def fails(question: MayOpen) -> Verdict:
            raise ValueError("database gone")

        bus.on_decide(MayOpen, fails, who="entry list", priority=10)
        bus.on_decide(MayOpen, lambda question: YES, who="default")
        return await bus.decide(QUESTION)

    verdict = run_virtual(ask())
    assert not verdict.allowed
    assert "entry list" in verdict.why


def test_a_decider_that_does_not_answer_in_two_seconds_is_a_denial() -> None:
    async def ask() -> tuple[Verdict, float]:
        bus = Bus(lambda: 0.0)

        async def hangs(question: MayOpen) -> Verdict:
            await asyncio.Event().wait()
            return YES

        bus.on_decide(MayOpen, hangs, who="controller")
        begun_at = asyncio.get_running_loop().time()
        return await bus.decide(QUESTION), asyncio.get_running_loop().time() - begun_at

    verdict, took_s = run_virtual(ask())
    assert not verdict.allowed
    assert took_s == pytest.approx(2.0)


def test_a_command_has_one_handler_and_an_unhandled_one_says_so() -> None:
    async def play() -> None:
        commands = Commands()
        subscription = commands.register(HangUp, lambda command: command.call, who="calls")
        assert await commands.execute(HangUp(call="c1")) == "c1"
        with pytest.raises(CallError, match="already handled by calls"):
            commands.register(HangUp, lambda command: "", who="other")
        with pytest.raises(CallError, match="ReleasePort"):
            await commands.execute(ReleasePort(port="door", who="test"))
        subscription.cancel()
        with pytest.raises(CallError, match="HangUp"):
            await commands.execute(HangUp(call="c1"))

    run_virtual(play())


def test_a_handler_may_be_a_coroutine() -> None:
    async def play() -> str:
        async def handle(command: Command) -> str:
            return "done"

        commands = Commands()
        commands.register(HangUp, handle, who="calls")
        return await commands.execute(HangUp(call="c1"))

    assert run_virtual(play()) == "done"


def test_background_work_that_fails_is_logged_with_its_owner_and_the_rest_is_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def play() -> None:
        tasks = Tasks("mail")

        async def fails() -> None:
            raise OSError("no route")

        tasks.start(fails())
        endless = tasks.start(asyncio.Event().wait())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await tasks.close()
        assert endless.cancelled()

    run_virtual(play())
    assert "'mail'" in caplog.text
