"""baresip as a phone: steered over its control port, plays a file, records what it hears."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.support.aio import PATIENCE_S, at_end, within
from tests.support.free_ports import free_port, rtp_range
from tests.support.namespaces import Namespace
from tests.support.peers.process import PeerProcess, need
from tests.support.watch_file import FileWatch

CONFIG = """\
poll_method epoll
call_local_timeout 120
call_max_calls 10
sip_listen {host}:{sip_port}
audio_path /usr/share/baresip
audio_source {source}
audio_player aubridge,sink
audio_alert aubridge,sink
ausrc_srate 48000
auplay_srate 48000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_ports {rtp_start}-{rtp_end}
rtcp_mux no
jitter_buffer_delay 5-10
net_interface {interface}
module_path /usr/lib/baresip/modules
module g711.so
{codec_modules}module aufile.so
module aubridge.so
module sndfile.so
snd_path {folder}
{modules}module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
"""
CODEC_MODULES = ("opus", "g722", "g726", "l16")
RECORDING_BYTES_PER_S = 2 * 8000  # of a G.711 call


class Baresip:
    """One baresip. `uri` is where it is called, by TLS at `tls_port`."""

    def __init__(self, folder: Path, process: PeerProcess, host: str, sip_port: int, user: str) -> None:
        self.folder = folder
        self.process = process
        self.uri = f"sip:{user}@{host}:{sip_port}"
        self.tls_port = sip_port + 1
        self._servers = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.times: dict[str, float] = {}  # when an event of that type came last, by the loop's clock
        self._came = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        microphone: Path | None,
        answer: str = "manual",
        user: str = "anna",
        password: str = "",
        certificate: Path | None = None,
        servers: tuple[str, ...] = (),
        modules: tuple[str, ...] = (),
        media: str = "",
        codecs: str = "PCMU,PCMA",
        inside: Namespace | None = None,
    ) -> Baresip:
        """Start it; `answer` is "manual" or "auto"; with `password` it can answer a challenge.

        Without a `microphone` it says what it hears: loudspeaker and microphone are bridged.
        `certificate` is a PEM file with its key, for TLS. It registers at each of `servers`, "127.0.0.1:5070" or
        "127.0.0.1:5071;transport=tls"; `registered` waits for that.
        `codecs` are those that it speaks, as its accounts name them ("opus/48000/2,G722/16000/1").
        `modules` are more of its modules ("ice"), `media` more parameters of its accounts ("medianat=ice"). It runs on
        the machine `inside` where one is given.
        """
        need("baresip")
        folder.mkdir(parents=True, exist_ok=True)
        sip_port, control_port, rtp_start = free_port(), free_port(), rtp_range()
        host, interface = ("127.0.0.1", "127.0.0.1") if inside is None else (inside.address, "eth0")
        tls = f"sip_certificate {certificate}\n" if certificate is not None else ""
        (folder / "config").write_text(
            tls
            + CONFIG.format(
                host=host,
                interface=interface,
                modules="".join(f"module {module}.so\n" for module in modules),
                codec_modules="".join(f"module {name}.so\n" for name in CODEC_MODULES if name in codecs.lower()),
                sip_port=sip_port,
                control_port=control_port,
                source="aubridge,sink" if microphone is None else f"aufile,{microphone}",
                rtp_start=rtp_start,
                rtp_end=rtp_start + 100,
                folder=folder,
            )
        )
        account = f"<sip:{user}@{host}:{sip_port}>;regint=0;answermode={answer};audio_codecs={codecs}"
        account += f";{media}\n" if media else "\n"
        for server in servers:
            account += account.splitlines()[0].replace(f"{host}:{sip_port}", server).replace("regint=0", "regint=60")
            account += "\n"
        if password:
            account = account.replace(";regint", f";auth_user={user};auth_pass={password};regint")
        (folder / "accounts").write_text(account)
        (folder / "contacts").write_text("")
        process = await PeerProcess.start("baresip", "-4", "-f", folder, inside=inside)
        phone = cls(folder, process, host, sip_port, user)
        at_end(phone.stop)
        phone._servers = len(servers)
        try:
            await process.line_with("baresip is ready")
        except AssertionError:
            await process.stop()
            raise
        if inside is not None:
            control_port = await inside.forward(control_port)
        phone._reader, phone._writer = await asyncio.open_connection("127.0.0.1", control_port)
        phone._task = asyncio.create_task(phone._listen())
        return phone

    async def _listen(self) -> None:
        assert self._reader is not None
        try:
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                payload = await self._reader.readexactly(length + 1)
                event = json.loads(payload[:-1])
                self._events.put_nowait(event)
                async with self._came:
                    self.times[event.get("type", "")] = asyncio.get_running_loop().time()
                    self._came.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def command(self, command: str, params: str = "") -> None:
        """Give a command: dial, accept, hangup, sndcode, quit, ..."""
        assert self._writer is not None
        text = json.dumps({"command": command, "params": params, "token": "t"})
        self._writer.write(f"{len(text)}:{text},".encode())

    async def event(self, *types: str, seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The next event of one of these types; others before it are passed over."""
        async with within(seconds, f"{types} from baresip", self.process.account):
            while True:
                event = await self._events.get()
                if event.get("event") and event.get("type") in types:
                    return event

    async def happened(self, kind: str, *, seconds: float = PATIENCE_S) -> float:
        """When an event of that type came, now or soon, whatever came before or after it."""
        async with within(seconds, f"{kind} from baresip", self.process.account), self._came:
            await self._came.wait_for(lambda: kind in self.times)
            return self.times[kind]

    async def registered(self) -> None:
        """Wait until it has registered at all its servers."""
        await self.process.line_with("} 200 OK", count=self._servers)

    def heard(self) -> Path:
        """The recording of what it heard in its last call; complete once the call is closed."""
        return max(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)

    def said(self) -> Path:
        """The recording of what it said in its last call, at its codec's rate."""
        return max(self.folder.glob("dump-*-enc.wav"), key=lambda path: path.stat().st_mtime)

    async def hear(self, seconds: float) -> None:
        """Wait until it has recorded so much of the call that is up; what comes of concealment counts as heard."""

        def enough(_: bytes) -> bool:
            began = any(self.folder.glob("dump-*-dec.wav"))
            return began and self.heard().stat().st_size >= RECORDING_BYTES_PER_S * seconds

        with FileWatch(self.folder / "dump") as watch:  # by the folder: the recording may not have begun
            await asyncio.to_thread(watch.until_it, enough, PATIENCE_S)

    async def stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._task is not None:
            self._task.cancel()
        await self.process.stop(seconds=1.0)  # it waits for its servers to let it go, and they may be dead
