"""Real telephones registered at the node, without any other telephone system."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.sipp import Sipp
from tests.support.running import running
from tests.support.watch_file import FileWatch
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

PASSWORD = "correct-horse"
EXTENSIONS = "".join(f'[[extensions]]\nnumber = "{number}"\npassword = "{PASSWORD}"\n' for number in ("101", "102"))


async def telephone(folder: Path, node: Node, number: str, *, server: str, media: str = "") -> Baresip:
    """A baresip that registers as this extension."""
    folder.mkdir()
    tone = write_tone(folder / "440.wav", 440.0)
    return await Baresip.start(
        folder / "phone",
        microphone=tone,
        user=number,
        password=PASSWORD,
        servers=(server,),
        modules=("uuid",) if media else (),  # what a flow is named by
        media=media,
    )


async def on_the_disk(node: Node) -> None:
    """Wait until a binding is in the database."""
    with FileWatch(node.state_dir / "state.db-wal") as watch:
        await asyncio.to_thread(watch.until_it, lambda data: b'"expires_utc_s"' in data, PATIENCE_S)


def test_telephones_register_survive_the_node_and_are_rung(tmp_path: Path) -> None:
    """One by UDP, one by TLS with a flow of its own (RFC 5626); the node is killed, and only the first stays known."""

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=EXTENSIONS)) as node:
            by_udp = telephone(tmp_path / "udp", node, "101", server=f"127.0.0.1:{node.sip_port}")
            flow = f'sipnat=outbound;outbound="sip:127.0.0.1:{node.tls_port};transport=tls"'
            by_tls = telephone(
                tmp_path / "tls", node, "102", server=f"127.0.0.1:{node.tls_port};transport=tls", media=flow
            )
            async with running(by_udp) as anna, running(by_tls) as ben:
                await asyncio.gather(anna.registered(), ben.registered())
                one = await node.event("extension.changed", number="101")
                two = await node.event("extension.changed", number="102")
                assert [device["transport"] for device in (*one["devices"], *two["devices"])] == ["UDP", "TLS"]
                await node.press("101", "102")
                await asyncio.gather(anna.event("CALL_INCOMING"), ben.event("CALL_INCOMING"))
                ben.command("accept")
                await node.event("call.changed", state="Active", account="extension 102")
                await anna.event("CALL_CLOSED")
                ben.command("hangup")
                await node.event("call.changed", state="Terminated")
                await on_the_disk(node)
                node.kill(signal.SIGKILL)
                await node.process.wait()
                async with running(node.again()) as second:
                    await second.press("101")
                    await anna.event("CALL_INCOMING")
                    anna.command("accept")
                    await second.event("call.changed", state="Active", account="extension 101")

    run_test(play())


def test_a_telephone_sees_a_visitor_ring_at_its_neighbour_and_takes_him_by_the_key_of_the_lamp(tmp_path: Path) -> None:
    """A telephone with busy lamp keys (RFC 4235), as sipp plays one; the neighbour's is a baresip."""
    fill = {"caller": "102", "watched": "101", "password": PASSWORD}

    async def play() -> None:
        async with running(Node.start(tmp_path / "node", more=EXTENSIONS)) as node:
            neighbour = telephone(tmp_path / "udp", node, "101", server=f"127.0.0.1:{node.sip_port}")
            async with running(neighbour) as anna:
                await anna.registered()
                parts = ("lamp/watch", "lamp/take", "wait_for_bye")
                watching = Sipp.caller(tmp_path / "sipp", *parts, to_port=node.sip_port, fill=fill, options=["-aa"])
                async with running(watching) as ben:
                    await ben.said("NOTIFY")
                    await node.press("101")
                    await anna.event("CALL_INCOMING")
                    call = await node.event("call.changed", state="Active")
                    assert call["remote"] == "sip:102@127.0.0.1"
                    await anna.event("CALL_CLOSED")
                    await node.client.delete(f"/api/v1/calls/{call['call']}")
                    await ben.end()

    run_test(play())
