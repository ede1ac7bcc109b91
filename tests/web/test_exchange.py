"""Calls through the node over HTTP, and what is not to be disturbed."""

from __future__ import annotations

import asyncio

import httpx

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import web_rig
from tests.web.test_api import problem
from voipnode.calls.commands import SetDoNotDisturb
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.events import CallReason, CallState, ExchangeCallChanged
from voipnode.web.exchange import MAX_ENDED, ThroughCalls


def changed(call: str, state: CallState) -> ExchangeCallChanged:
    return ExchangeCallChanged(
        call=call,
        state=state,
        reason=CallReason.INITIATED,
        caller="101",
        callee="102",
        codec=("opus", "PCMU"),
        encryption=("dtls", "none"),
    )


def test_calls_through_the_node_are_listed_and_those_of_the_door_are_not() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig() as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        ):
            rig.bus.publish(changed("x1", CallState.ACTIVE))
            (call,) = (await client.get("/api/v1/exchange/calls")).json()
            assert (call["id"], call["state"], call["caller"], call["callee"]) == ("x1", "Active", "101", "102")
            assert (call["codec"], call["encryption"]) == (["opus", "PCMU"], ["dtls", "none"])
            assert (await client.get("/api/v1/calls")).json() == []

    asyncio.run(main())


def test_what_goes_on_comes_first_and_only_the_last_ended_are_kept() -> None:
    calls = ThroughCalls(lambda: "2026-11-22T08:00:00.000Z")
    for number in range(MAX_ENDED + 5):
        calls.on_event(changed(f"x{number}", CallState.TERMINATED))
    calls.on_event(changed("x100", CallState.RINGING))
    shown = [call["id"] for call in calls.shown()]
    assert shown[:2] == ["x100", f"x{MAX_ENDED + 4}"]
    assert len(shown) == MAX_ENDED + 1


def test_door_and_extensions_are_not_to_be_disturbed() -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig() as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        ):
            wishes: list[SetDoNotDisturb] = []

            def take(command: SetDoNotDisturb) -> str:
                if command.extension == "999":
                    raise UnknownNameError("there is none")
                wishes.append(command)
                return ""

            rig.commands.register(SetDoNotDisturb, take, who="calls")
            assert (await client.put("/api/v1/do-not-disturb", json={"on": True})).status_code == 204
            assert (await client.put("/api/v1/extensions/101/do-not-disturb", json={"on": False})).status_code == 204
            assert wishes == [SetDoNotDisturb(on=True), SetDoNotDisturb(extension="101", on=False)]
            problem(await client.put("/api/v1/extensions/999/do-not-disturb", json={"on": True}), 404)
            problem(await client.put("/api/v1/do-not-disturb", json={"on": "maybe"}), 422)

    asyncio.run(main())
