"""Real telephones call each other through the node, with no telephone system, and with one beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.test_extensions import telephone
from tests.interop.test_kamailio import HOST, account
from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.kamailio import Kamailio
from tests.support.running import running
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

PLAN = '[switch]\ndial_plan = ["0. -> account PBX, strip 1"]\n'
EXTENSIONS = "".join(
    f'[[extensions]]\nnumber = "{number}"\nname = "{name}"\npassword = "correct-horse"\n'
    'may_call = ["door", "extensions", "trunks"]\n'
    for number, name in (("101", "Anna"), ("102", "Bert"))
)


async def opens(node: Node, phone: Baresip, call: str) -> None:
    """The telephone presses 1, and the door opens for it."""
    mark = len(node.events)
    phone.command("sndcode", "1")
    digit = await node.event("dtmf.received", after=mark, call=call)
    assert digit["authorised"]
    await node.event("door.opened", after=mark)


def test_two_telephones_without_a_telephone_system(tmp_path: Path) -> None:
    """They call each other; the door rings one, which opens it and hands it to the other, which opens it too."""

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=EXTENSIONS)) as node:
            server = f"127.0.0.1:{node.sip_port}"
            phones = [telephone(tmp_path / number, node, number, server=server) for number in ("101", "102")]
            async with running(phones[0]) as anna, running(phones[1]) as bert:
                await asyncio.gather(anna.registered(), bert.registered())
                anna.command("uafind", f"sip:101@{server}")
                anna.command("dial", f"sip:102@{server}")
                await bert.event("CALL_INCOMING")
                bert.command("accept")
                told = await node.event("exchange_call.changed", state="Active")
                assert (told["caller"], told["callee"], told["codec"]) == ("101", "102", ["PCMU", "PCMU"])
                await asyncio.gather(anna.hear(0.3), bert.hear(0.3))
                bert.command("hangup")
                await node.event("exchange_call.changed", state="Terminated")
                await anna.event("CALL_CLOSED")

                await node.press("101")
                await anna.event("CALL_INCOMING")
                anna.command("accept")
                call = (await node.event("call.changed", state="Active", account="extension 101"))["call"]
                await opens(node, anna, call)
                anna.command("transfer", f"sip:102@{server}")
                await bert.event("CALL_INCOMING")
                bert.command("accept")
                moved = await node.event("call.changed", state="Active", account="extension 102")
                assert moved["call"] == call
                await anna.event("CALL_CLOSED")
                await opens(node, bert, call)
                bert.command("hangup")
                await node.event("call.changed", state="Terminated")

    run_test(play())


def test_calls_cross_between_own_telephones_and_a_telephone_system(tmp_path: Path) -> None:
    """The node is Kamailio's extension and a registrar at once: Bob's telephone is Kamailio's, Anna's the node's."""

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx:
            server = f"{HOST}:{pbx.port}"
            tone = write_tone(tmp_path / "440.wav", 440.0)
            more = account(pbx, more='incoming = "101"\n') + PLAN + EXTENSIONS
            phone = Baresip.start(tmp_path / "bob", microphone=tone, user="200", password="200pw", servers=(server,))
            async with running(phone) as bob, running(Node.start(tmp_path / "node", more=more)) as node:
                home = f"127.0.0.1:{node.sip_port}"
                async with running(telephone(tmp_path / "anna", node, "101", server=home)) as anna:
                    await asyncio.gather(bob.registered(), anna.registered(), node.account("registered"))
                    bob.command("uafind", f"sip:200@{server}")
                    bob.command("dial", f"sip:door@{server}")
                    await anna.event("CALL_INCOMING")
                    anna.command("accept")
                    told = await node.event("exchange_call.changed", state="Active")
                    assert (told["caller"], told["callee"], told["account"]) == ("200", "101", "PBX")
                    await asyncio.gather(anna.hear(0.3), bob.hear(0.3))
                    bob.command("hangup")
                    await anna.event("CALL_CLOSED")

                    mark = len(node.events)
                    anna.command("uafind", f"sip:101@{home}")
                    anna.command("dial", f"sip:0200@{home}")
                    await bob.event("CALL_INCOMING")
                    bob.command("accept")
                    told = await node.event("exchange_call.changed", after=mark, state="Active")
                    assert (told["caller"], told["callee"], told["account"]) == ("101", "200", "PBX")
                    await asyncio.gather(anna.hear(0.3), bob.hear(0.3))
                    anna.command("hangup")
                    await bob.event("CALL_CLOSED")

    run_test(play())
