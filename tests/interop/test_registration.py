"""The node as a user of a telephone system: registered, called and calling through it, and through the second one."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.kamailio import USERS, Kamailio
from tests.support.running import running
from tests.support.wav_files import write_tone

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


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_it_registers_calls_and_is_called_through_the_telephone_system(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        microphone = write_tone(tmp_path / "440.wav", 440.0)
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx,
            running(
                Baresip.start(tmp_path / "phone", microphone=microphone, user="alice", password=USERS["alice"])
            ) as phone,
            running(Node.start(tmp_path / "node", more=account(pbx, f'transport = "{transport}"'))) as node,
        ):
            (entry,) = (await node.client.get("/api/v1/accounts")).json()
            if entry["state"] != "registered":
                await node.event("registration.changed", state="registered")
            (contact,) = await pbx.contacts("door")
            assert f":{node.sip_port}" in contact

            await pbx.rpc("ul.add", "location", "alice", phone.uri, "3600", "1.0", "", "0", "0", "0")
            await node.press("alice")
            await phone.event("CALL_INCOMING")
            phone.command("accept")
            call = await node.event("call.changed", state="Active", direction="outgoing")
            assert call["remote"] == "sip:alice@pbx.test"
            phone.command("sndcode", "1")
            await node.event("door.opened")
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")

            after = len(node.events)
            phone.command("dial", f"sip:door@{pbx.host}:{pbx.port}")
            call = await node.event("call.changed", state="Active", direction="incoming", after=after)
            assert call["account"] == "pbx"
            phone.command("hangup")
            await node.event("call.changed", state="Terminated", after=after)
            node.kill(signal.SIGTERM)
            async with asyncio.timeout(10):
                while await pbx.contacts("door"):
                    pass  # each question goes to it and back

    run_test(play())


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


def test_a_wrong_password_is_told_in_words(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx,
            running(Node.start(tmp_path / "node", more=account(pbx, password="no"))) as node,
        ):
            (entry,) = (await node.client.get("/api/v1/accounts")).json()
            if entry["state"] != "problem":
                await node.event("registration.changed", state="problem")
            (entry,) = (await node.client.get("/api/v1/accounts")).json()
            assert entry["status"] == 401
            assert "wrong password" in entry["reason"]

    run_test(play())
