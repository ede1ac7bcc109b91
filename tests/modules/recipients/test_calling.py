"""A recipient who is called: answered, not answered, played something."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import Command, HangUp, PlaceCall, PlayClip, RingRecipients
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState, ClipChanged
from voipnode.calls.hooks import Bus, Commands
from voipnode.modules.recipients.calling import Caller
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.settings import CallRecipient


class Exchange:
    """A line whose calls a test leads; `busy`: it places none."""

    def __init__(self) -> None:
        self.bus, commands = Bus(asyncio.get_running_loop().time), Commands()
        self.caller = Caller(self.bus, commands)
        self.seen: list[Command] = []
        self.busy = ""
        for kind in (PlaceCall, RingRecipients, PlayClip, HangUp):
            commands.register(kind, self._take, who="test")

    def _take(self, command: Command) -> str:
        self.seen.append(command)
        if self.busy:
            raise NotNowError(self.busy)
        return "c1"

    def change(self, state: CallState, reason: CallReason, call: str = "c1") -> None:
        event = CallChanged(
            call=call, state=state, reason=reason, direction="outgoing", remote="sip:a@b", account="", detail=""
        )
        self.bus.publish(event)

    def clip(self, playing: bool, why: str = "") -> None:
        self.bus.publish(ClipChanged(clip="Alarm", playing=playing, to="call", why=why))


def play(story: Callable[[Exchange], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Exchange())

    run_virtual(main())


def guard(**settings: Any) -> CallRecipient:
    return CallRecipient.model_validate({"name": "Guard", "kind": "call", "to": "sip:guard@192.0.2.3", **settings})


async def calling(exchange: Exchange, recipient: CallRecipient) -> asyncio.Task[str]:
    task = asyncio.create_task(exchange.caller.call(recipient))
    await asyncio.sleep(0.1)
    exchange.change(CallState.RINGING, CallReason.INITIATED)
    exchange.change(CallState.ACTIVE, CallReason.ACCEPTED_BY_REMOTE, call="another")
    await asyncio.sleep(0.1)
    return task


def test_it_is_delivered_when_it_is_answered_and_the_call_goes_on() -> None:
    async def story(exchange: Exchange) -> None:
        task = await calling(exchange, guard(account="PBX"))
        exchange.change(CallState.ACTIVE, CallReason.ACCEPTED_BY_REMOTE)
        assert await task == "answered"
        assert exchange.seen == [PlaceCall(to="sip:guard@192.0.2.3", account="PBX", authorised=True)]

    play(story)


def test_who_answers_hears_the_clip_and_is_hung_up() -> None:
    async def story(exchange: Exchange) -> None:
        task = await calling(exchange, guard(to="vms", answered_clip="Alarm", repeat=2))
        exchange.change(CallState.ACTIVE, CallReason.ACCEPTED_BY_REMOTE)
        await asyncio.sleep(200)  # a long clip: a time-out for ringing has no say in it
        exchange.clip(playing=True)
        exchange.clip(playing=False, why="ended")
        assert await task == "answered, and heard the clip"
        ring, clip = RingRecipients(recipients=("vms",)), PlayClip(clip="Alarm", to="call", repeat=2)
        assert exchange.seen == [ring, clip, HangUp(call="c1")]

    play(story)


@pytest.mark.parametrize("state", [CallState.TERMINATING, CallState.TERMINATED])
def test_who_hangs_up_while_it_plays_has_been_told(state: CallState) -> None:
    async def story(exchange: Exchange) -> None:
        task = await calling(exchange, guard(answered_clip="Alarm"))
        exchange.change(CallState.ACTIVE, CallReason.ACCEPTED_BY_REMOTE)
        await asyncio.sleep(1)
        exchange.change(state, CallReason.TERMINATED)
        assert await task == "answered, and hung up"

    play(story)


def test_busy_silent_and_a_line_that_is_taken_are_no_deliveries() -> None:
    async def story(exchange: Exchange) -> None:
        task = await calling(exchange, guard())
        exchange.change(CallState.TERMINATED, CallReason.BUSY)
        with pytest.raises(DeliveryError, match="not answered: Busy"):
            await task
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeliveryError, match="nobody answered within 45 s") as told:
            await exchange.caller.call(guard())
        assert asyncio.get_running_loop().time() - began == pytest.approx(45)
        assert not told.value.final
        assert exchange.seen[-1] == HangUp(call="c1")
        exchange.busy = "a call goes on already"
        with pytest.raises(DeliveryError, match="a call goes on already"):
            await exchange.caller.call(guard())

    play(story)


def test_a_clip_that_cannot_be_played_is_told_and_the_call_ends() -> None:
    async def story(exchange: Exchange) -> None:
        task = await calling(exchange, guard(answered_clip="Alarm"))
        exchange.busy = "there is no such clip"
        exchange.change(CallState.ACTIVE, CallReason.ACCEPTED_BY_REMOTE)
        with pytest.raises(DeliveryError, match="nothing was played: there is no such clip") as told:
            await task
        assert isinstance(told.value.__cause__, CallError)
        assert exchange.seen[-1] == HangUp(call="c1")

    play(story)
