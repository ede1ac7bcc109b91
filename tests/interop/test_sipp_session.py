"""sipp and the node agree on PRACK, UPDATE and session timers, each side in both roles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.sipp import Sipp
from tests.support.running import running

pytestmark = pytest.mark.interop

TRANSPORTS = pytest.mark.parametrize("transport", ["u1", "t1"], ids=["udp", "tcp"])


@TRANSPORTS
def test_a_phone_s_reliable_183_and_its_update_are_taken(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        parts = ("phone/ring_reliably", "phone/answer_bare", "phone/update", "phone/bye")
        async with (
            running(Node.start(tmp_path / "node")) as node,
            running(Sipp.phone(tmp_path / "sipp", *parts, transport=transport)) as phone,
        ):
            await node.press(phone.uri)
            ringing = await node.event("call.changed", state="Ringing")
            assert ringing["status"] == 183
            await node.event("call.changed", state="Active")
            assert (await phone.end()).retransmissions == 0
            last = await node.event("call.changed", state="Terminated")
            assert last["detail"] == "hung up by the far side"

    run_test(play())


@TRANSPORTS
def test_a_caller_acknowledges_the_ringing_and_refreshes_by_update(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        async with running(Node.start(tmp_path / "node")) as node:
            parts = ("caller/invite_short_timer", "caller/invite_reliably", "caller/refresh_by_update")
            call = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, transport=transport)
            async with running(call) as caller:
                ringing = await node.event("call.changed", state="Ringing")
                await caller.said("PRACK")
                await node.client.post(f"/api/v1/calls/{ringing['call']}/answer")
                await node.event("call.changed", state="Active")
                assert (await caller.end()).retransmissions == 0
                last = await node.event("call.changed", state="Terminated")
                assert last["detail"] == "hung up by the far side"

    run_test(play())
