"""Telephones of three makes behind routers, steered and measured alike: the node, baresip, Chromium."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tests.support.aio import PATIENCE_S, at_end
from tests.support.nat_lab import PBX, RELAY, Site
from tests.support.nat_stage import Stage
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.browser import RATE_HZ, BrowserPhone
from tests.support.peers.coturn import PASSWORD, PORT, TLS_PORT, USER
from tests.support.peers.kamailio import USERS
from tests.support.sound import AUDIBLE
from tests.support.watch_file import FileWatch
from tests.support.wav_files import read_wav, write_tone


class Sound(NamedTuple):
    """What one side heard of a call, and by which way. `first_ms`: its first sound after the answer, below 0 before."""

    samples: NDArray[np.float64]
    rate_hz: int
    first_ms: float
    way: str = ""


class Telephone(Protocol):
    """A registered user of the stage's telephone system, which speaks a tone. Who is called answers by itself."""

    hz: float

    async def call(self, user: str) -> None:
        """Call another user; returns once the call is answered."""

    async def hear(self, seconds: float) -> None:
        """Wait until so much sound has been heard."""

    async def way(self) -> str:
        """In words, by which candidates it speaks; "" where it does not tell."""

    async def hang_up(self) -> None: ...

    async def over(self) -> None:
        """Wait until the call is over."""

    async def sound(self) -> Sound:
        """What it heard, once the call is over."""

    async def log(self) -> str:
        """What it said of itself so far, to find out what went wrong."""


class BaresipTelephone:
    """baresip; `media` is ICE or TURN of nat_stage, or more of its parameters."""

    def __init__(self, phone: Baresip, server: str, hz: float) -> None:
        self.phone = phone
        self.hz = hz
        self._server = server

    @classmethod
    async def start(
        cls, folder: Path, stage: Stage, site: Site, *, user: str, hz: float, media: str = "", transport: str = "udp"
    ) -> BaresipTelephone:
        server = f"{PBX}:{stage.pbx.port}" + (f";transport={transport}" if transport != "udp" else "")
        phone = await Baresip.start(
            folder / user,
            microphone=write_tone(folder / f"{user}.wav", hz),
            answer="auto",
            user=user,
            password=USERS[user],
            servers=(server,),
            modules=("stun", "turn", "ice", "srtp", "dtls_srtp"),
            media=media,
            inside=await site.host(),
        )
        await phone.registered()
        phone.command("uafind", f"sip:{user}@{PBX}:{stage.pbx.port}")
        return cls(phone, f"{PBX}:{stage.pbx.port}", hz)

    async def call(self, user: str) -> None:
        self.phone.command("dial", f"sip:{user}@{self._server}")
        await self.phone.happened("CALL_ESTABLISHED")

    async def hear(self, seconds: float) -> None:
        await self.phone.happened("CALL_RTPESTAB")
        await self.phone.hear(seconds)

    async def way(self) -> str:
        lines = [line for line in self.phone.process.lines if "mnat 'ice' connected: raddr" in line]
        return f"to {lines[-1].split('raddr ')[1].split()[0]}" if lines else ""

    async def hang_up(self) -> None:
        self.phone.command("hangup")
        await self.over()

    async def over(self) -> None:
        await self.phone.happened("CALL_CLOSED")

    async def sound(self) -> Sound:
        samples, rate_hz = read_wav(self.phone.heard())
        answered_at, heard_at = self.phone.times["CALL_ESTABLISHED"], self.phone.times["CALL_RTPESTAB"]
        return Sound(samples, rate_hz, 1000 * (heard_at - answered_at))

    async def log(self) -> str:
        return "\n".join(self.phone.process.lines)


class ChromiumTelephone:
    """Chromium; `relay` is how it reaches its TURN server: "udp", "tcp", "tls"; "" for none."""

    def __init__(self, phone: BrowserPhone, hz: float) -> None:
        self.phone = phone
        self.hz = hz

    @classmethod
    async def start(
        cls, folder: Path, stage: Stage, site: Site, *, user: str, hz: float, relay: str = "", relay_only: bool = False
    ) -> ChromiumTelephone:
        phone = await BrowserPhone.start(
            folder / user,
            microphone=write_tone(folder / f"{user}.wav", hz),
            url=f"ws://{PBX}:{stage.pbx.ws_port}",
            user=user,
            password=USERS[user],
            auto_answer=True,
            ice_servers=stage.ice_servers(relay),
            relay_only=relay_only,
            inside=await site.host(),
        )
        return cls(phone, hz)

    async def call(self, user: str) -> None:
        await self.phone.dial(f"sip:{user}@pbx.test")
        assert "200" in await self.phone.event("final")

    async def hear(self, seconds: float) -> None:
        await self.phone.hear(seconds)

    async def way(self) -> str:
        pair = (await self.phone.ask("phone.statistics()"))["pair"]
        if pair is None:
            return ""
        here, there = pair["local"], pair["remote"]
        relay = f" over {here['relayProtocol']}" if here["relayProtocol"] else ""
        return f"{here['type']}{relay} to {there['type']}"

    async def hang_up(self) -> None:
        await self.phone.ask("phone.hangUp()")

    async def over(self) -> None:
        await self.phone.event("over")

    async def sound(self) -> Sound:
        return Sound(await self.phone.heard(), RATE_HZ, await self.phone.first_sound_ms())

    async def log(self) -> str:
        return "\n".join([*map(str, self.phone.events), await self.phone.ladder()])


class NodeTelephone:
    """The node. `help_through` are lines of its settings, such as `node_traversal` gives."""

    def __init__(self, node: Node, recording: Path, hz: float) -> None:
        self.node = node
        self.hz = hz
        self._recording = recording

    @classmethod
    async def start(
        cls,
        folder: Path,
        stage: Stage,
        site: Site,
        *,
        hz: float,
        help_through: str = "",
        account: str = "",
        transport: str = "udp",
    ) -> NodeTelephone:
        recording = folder / "loudspeaker.wav"
        node = await Node.start(
            folder / "door",
            hosts='["0.0.0.0"]',
            audio=f'device = "files"\nmicrophone = "tone:{hz:.0f}"\nloudspeaker_recording = "{recording}"',
            more="[sip.ringback]\nenabled = false\n"
            + help_through
            + '[[accounts]]\nname = "PBX"\ntype = "registered"\nuser_id = "door"\ndomain = "pbx.test"\n'
            + f'registrar = "{PBX}:{stage.pbx.port}"\npassword = "{USERS["door"]}"\ntransport = "{transport}"\n'
            # A speech codec such as Opus takes a second to be sure of a tone: its purity would say nothing of the way.
            + f'auto_answer = true\naudio_codecs = ["PCMU"]\n{account}',
            inside=await site.host(),
        )
        at_end(node.stop)
        await node.account("registered")
        return cls(node, recording, hz)

    async def call(self, user: str) -> None:
        await self.node.press(user)
        await self.node.event("call.changed", state="Active")

    async def hear(self, seconds: float) -> None:
        def enough(_: bytes) -> bool:
            return len(self._from_first_sound()) >= seconds * self._rate_hz

        with FileWatch(self._recording) as watch:
            await asyncio.to_thread(watch.until_it, enough, PATIENCE_S)

    def _from_first_sound(self) -> NDArray[np.float64]:
        try:
            samples, self._rate_hz = read_wav(self._recording)
        except (FileNotFoundError, ValueError):  # not begun yet
            return np.zeros(0)
        loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
        return samples[loud[0] :] if len(loud) else samples[:0]

    _rate_hz = 8000

    async def way(self) -> str:
        pairs = [event["pair"] for event in self.node.events if event["event"] == "call.path"]
        return pairs[-1] if pairs else ""

    async def hang_up(self) -> None:
        call = (await self.node.event("call.changed", state="Active"))["call"]
        await self.node.client.delete(f"/api/v1/calls/{call}")
        await self.over()

    async def over(self) -> None:
        await self.node.event("call.changed", state="Terminated")

    async def sound(self) -> Sound:
        """The recording ends with the call, and goes on without a gap: so it tells when its first sound was."""
        answered = await self.node.event("call.changed", state="Active")
        ended = await self.node.event("call.changed", state="Terminated")
        await self.node.stop()
        samples = self._from_first_sound()
        first_ms = 1000 * (ended["at"] - answered["at"] - len(samples) / self._rate_hz)
        return Sound(samples, self._rate_hz, first_ms)

    async def log(self) -> str:
        return "\n".join([*self.node.process.lines, *map(str, self.node.events)])


async def converse(a: Telephone, b: Telephone, b_user: str, *, seconds: float = 2.5) -> tuple[Sound, Sound]:
    """A calls B; each listens that long, and A hangs up. What A heard, and what B heard."""
    await a.call(b_user)
    for one in (a, b):
        await one.hear(seconds)
    ways = await a.way(), await b.way()
    await a.hang_up()
    await b.over()
    return (await a.sound())._replace(way=ways[0]), (await b.sound())._replace(way=ways[1])


def node_traversal(relay: str = "", ca: Path | None = None, *, ice: bool = True) -> str:
    """Lines of the node's settings: ICE with STUN, and with a TURN server over "udp", "tcp" or "tls" if wanted."""
    lines = f'[sip.ice]\nenabled = {str(ice).lower()}\n[sip.stun]\nservers = ["{RELAY}:{PORT}"]\n'
    if relay:
        port = TLS_PORT if relay == "tls" else PORT
        lines += f'[[sip.turn]]\nserver = "{RELAY}:{port}"\ntransport = "{relay}"\n'
        lines += f'username = "{USER}"\npassword = "{PASSWORD}"\n'
        lines += f'ca = "{ca}"\n' if relay == "tls" else ""
    return lines
