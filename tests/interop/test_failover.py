"""Two telephone systems, the first of which dies: killed, so that its port refuses, or frozen, so that it is silent.

The phone is registered at both, as phones are where there are two. What the node promises with its settings untouched,
the other server within 10 s, is measured while idle; in the calls it waits for a shorter time. Times: `pytest -s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.kamailio import Kamailio
from tests.support.running import running
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.watch_file import FileWatch
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.outage]

DEATHS = pytest.mark.parametrize("die", [Kamailio.kill, Kamailio.freeze], ids=["killed", "frozen"])
Death = Callable[[Kamailio], None]
ACCOUNT = """\
[[accounts]]
name = "PBX"
type = "registered"
auto_answer = true
user_id = "door"
password = "doorpw"
domain = "pbx.test"
registrar = "{primary}"
secondary = {{ registrar = "{secondary}", domain = "{domain}" }}
{more}
"""
QUICK = "response_timeout_s = 1"


def address(pbx: Kamailio) -> str:
    return f"{pbx.host}:{pbx.port}"


@dataclass
class Lab:
    """Two servers, the phone "bob" registered at both, and the node registered at the first."""

    primary: Kamailio
    secondary: Kamailio
    phone: Baresip
    node: Node

    async def at(self, pbx: Kamailio, *, seconds: float, after: int = 0) -> float:
        """Wait until the node is registered there; the time."""
        await self.node.event(
            "registration.changed", state="registered", server=address(pbx), after=after, seconds=seconds
        )
        return time.monotonic()

    async def revive(self, die: Death) -> None:
        if die is Kamailio.freeze:
            self.primary.thaw()
        else:
            await self.primary.again()


@contextlib.asynccontextmanager
async def lab(folder: Path, *, more: str = "", domain: str = "") -> AsyncIterator[Lab]:
    tone = write_tone(folder / "440.wav", 440.0)
    loudspeaker = folder / "loudspeaker.wav"
    audio = f'device = "files"\nmicrophone = "tone:{PCM_TONE_HZ:.0f}"\nloudspeaker_recording = "{loudspeaker}"'
    async with (
        running(Kamailio.start(folder / "primary")) as primary,
        running(Kamailio.start(folder / "secondary")) as secondary,
    ):
        servers = (address(primary), address(secondary))
        bob = Baresip.start(folder / "bob", microphone=tone, user="bob", password="bobpw", servers=servers)
        account = ACCOUNT.format(primary=servers[0], secondary=servers[1], domain=domain, more=more)
        async with running(bob) as phone, running(Node.start(folder / "node", audio=audio, more=account)) as node:
            await phone.registered()
            assert (await node.account("registered"))["server"] == servers[0]
            yield Lab(primary, secondary, phone, node)


async def talked_on(recording: Path, seconds: float) -> None:
    """Wait until so much more has been recorded (16-bit samples at the door's 16 kHz)."""
    with FileWatch(recording) as watch:
        enough = len(watch.present()) + int(seconds * 2 * 16000)
        await asyncio.to_thread(watch.until_it, lambda sound: len(sound) > enough, 10.0)


def told(what: str, seconds: float) -> None:
    print(f"{what}: {seconds:.2f} s")


@DEATHS
def test_while_idle_the_node_is_at_the_other_server_within_10_s_and_returns(tmp_path: Path, die: Death) -> None:
    async def play() -> None:
        async with lab(tmp_path, more="failback_s = 2") as scene:
            dead_at = time.monotonic()
            die(scene.primary)
            there_at = await scene.at(scene.secondary, seconds=15)
            told(f"{die.__name__} while idle, registered at the other server after", there_at - dead_at)
            assert there_at - dead_at < 10.0

            mark = len(scene.node.events)
            await scene.revive(die)
            back_at = time.monotonic()
            returned_at = await scene.at(scene.primary, seconds=30, after=mark)
            told(f"{die.__name__} while idle, back at the first one after its return", returned_at - back_at)
            assert len(await scene.primary.contacts("door")) == 1
            async with within(PATIENCE_S, "end of the registration at the other server"):
                while await scene.secondary.contacts("door"):
                    pass  # each question goes there and back

    run_test(play())


def test_a_connection_that_dies_with_its_server_is_noticed_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with lab(tmp_path, more='transport = "tcp"') as scene:
            dead_at = time.monotonic()
            scene.primary.kill()
            there_at = await scene.at(scene.secondary, seconds=15)
            told("killed while idle, over TCP, registered at the other server after", there_at - dead_at)
            assert there_at - dead_at < 2.0, "long before a keep-alive would tell"

    run_test(play())


@pytest.mark.parametrize("domain", ["", "localhost"], ids=["one domain", "two domains"])
@DEATHS
def test_a_call_being_set_up_goes_by_the_other_server_and_rings_once(tmp_path: Path, die: Death, domain: str) -> None:
    async def play() -> None:
        async with lab(tmp_path, domain=domain) as scene:
            node, phone = scene.node, scene.phone
            die(scene.primary)
            pressed_at = time.monotonic()
            await node.press("bob")
            await phone.event("CALL_INCOMING", seconds=15)
            rang_at = time.monotonic()
            told(f"{die.__name__} before a call, the phone rings after", rang_at - pressed_at)
            assert rang_at - pressed_at < 6.0
            await node.event("call.changed", state="Ringing")
            phone.command("accept")
            await node.event("call.changed", state="Active")
            phone.command("sndcode", "1")
            await node.event("door.opened")
            await scene.revive(die)  # a frozen server finds our INVITE, and whatever else was said to it, only now
            await scene.primary.contacts("bob")
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")
            await phone.event("CALL_CLOSED")
            rings = [line for line in phone.process.lines if "ncoming call" in line]
            assert len(rings) == 1, rings

    run_test(play())


@DEATHS
def test_a_call_goes_on_when_its_server_dies(tmp_path: Path, die: Death) -> None:
    async def play() -> None:
        async with lab(tmp_path, more=QUICK) as scene:
            node, phone = scene.node, scene.phone
            await node.press("bob")
            await phone.event("CALL_INCOMING")
            phone.command("accept")
            call = await node.event("call.changed", state="Active")
            await phone.event("CALL_ESTABLISHED")
            dead_at = time.monotonic()
            die(scene.primary)
            there_at = await scene.at(scene.secondary, seconds=15)
            told(f"{die.__name__} in a call, registered at the other server after", there_at - dead_at)
            await talked_on(tmp_path / "loudspeaker.wav", 2.5)
            assert not [event for event in node.events if event.get("state") in ("Terminating", "Terminated")]
            mark = len(node.events)
            await node.client.delete(f"/api/v1/calls/{call['call']}")
            ended_at = time.monotonic()
            await node.event("call.changed", state="Terminated", after=mark)
            told(f"{die.__name__} in a call, hung up here in", time.monotonic() - ended_at)
            phone.command("hangup")
            await phone.event("CALL_CLOSED")
        assert_tone(tmp_path / "loudspeaker.wav", 440.0)
        assert_tone(phone.heard(), PCM_TONE_HZ)

    run_test(play())


@DEATHS
def test_a_call_that_rings_is_answered_by_the_other_server(tmp_path: Path, die: Death) -> None:
    async def play() -> None:
        async with lab(tmp_path, more=QUICK) as scene:
            node, phone = scene.node, scene.phone
            await node.press("bob")
            await phone.event("CALL_INCOMING")
            await node.event("call.changed", state="Ringing")
            dead_at = time.monotonic()
            die(scene.primary)
            there_at = await scene.at(scene.secondary, seconds=15)
            told(f"{die.__name__} while ringing, registered at the other server after", there_at - dead_at)
            # The first call on the phone has no server any more to carry its answer, so it rings anew by the other.
            await phone.event("CALL_INCOMING")
            told(f"{die.__name__} while ringing, the phone hears of the call again after", time.monotonic() - dead_at)
            phone.command("accept")
            await node.event("call.changed", state="Active")
            await phone.event("CALL_RTPESTAB")
            phone.command("hangup")
            await node.event("call.changed", state="Terminated")

    run_test(play())
