"""The node as a user of a telephone system: registered, called and calling through it, and through the second one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.kamailio import USERS, Kamailio
from tests.support.running import running

pytestmark = pytest.mark.interop

FAILOVER_S = 10.0
HOST = "127.0.0.2"  # Kamailio takes every port of its host for its own, so the phones are on another one


def account(pbx: Kamailio, more: str = "", password: str = USERS["door"]) -> str:
    return f"""
[[accounts]]
name = "pbx"
type = "registered"
default = true
user_id = "door"
domain = "pbx.test"
registrar = "{pbx.host}:{pbx.port}"
password = "{password}"
auto_answer = true
{more}
"""


def test_a_frozen_server_is_left_for_the_second_one_and_returned_to(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "a", host=HOST)) as first,
            running(Kamailio.start(tmp_path / "b", host=HOST)) as second,
        ):
            more = f'failback_s = 3\nsecondary = {{ registrar = "{second.host}:{second.port}" }}'
            async with running(Node.start(tmp_path / "node", more=account(first, more))) as node:
                await node.client.get("/api/v1/accounts")
                while not await first.contacts("door"):
                    pass  # each question goes to it and back
                first.freeze()
                frozen_at = asyncio.get_running_loop().time()
                at_second = f"{second.host}:{second.port}"
                await node.event("registration.changed", state="registered", server=at_second, seconds=FAILOVER_S)
                assert await second.contacts("door")
                assert asyncio.get_running_loop().time() - frozen_at < FAILOVER_S
                first.thaw()
                after = len(node.events)
                at_first = f"{first.host}:{first.port}"
                await node.event("registration.changed", state="registered", server=at_first, after=after)
                async with asyncio.timeout(10):
                    while await second.contacts("door"):
                        pass  # each question goes to it and back
                assert await first.contacts("door")

    run_test(play())
