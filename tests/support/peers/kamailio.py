"""Kamailio as the telephone system: a registrar and proxy that a test can kill, freeze and bring back."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import httpx

from tests.support.aio import at_end, within
from tests.support.free_ports import free_port
from tests.support.namespaces import Namespace
from tests.support.peers.process import PeerProcess, need

TEMPLATE = Path(__file__).with_suffix(".cfg.in")
USERS = {"door": "doorpw", "alice": "alicepw", "bob": "bobpw", "anna": "annapw", "200": "200pw"}
TLS = """\
[server:default]
method = {method}
verify_certificate = no
require_certificate = no
private_key = {certificate}
certificate = {certificate}
[client:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
"""


class Kamailio:
    """One Kamailio on `host`; `port` is UDP and TCP, `tls_port` TLS and secure WebSocket, `ws_port` WebSocket."""

    def __init__(
        self,
        folder: Path,
        host: str,
        process: PeerProcess,
        ports: tuple[int, int, int],
        *,
        inside: Namespace | None,
        management: str,
    ) -> None:
        self.folder = folder
        self.host = host
        self.process = process
        self.port, self.ws_port, self.tls_port = ports
        self._inside = inside
        self._management = management

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        host: str = "127.0.0.1",
        certificate: Path | None = None,
        tls_method: str = "TLSv1.2+",
        algorithm: str = "MD5",
        nonce_expire_s: int = 300,
        min_expires_s: int = 2,
        max_expires_s: int = 3600,
        flow_timer_s: int = 0,
        inside: Namespace | None = None,
    ) -> Kamailio:
        """Start it, on the machine `inside` where one is given; with `certificate` (a PEM file with its key) with TLS.

        `flow_timer_s`: it tells those who register that it answers pings over connections, which it always does.
        """
        need("kamailio")
        folder.mkdir(parents=True, exist_ok=True)
        ports = (free_port(), free_port(), free_port())
        users = "\n".join(f'  $sht(pw=>{user}) = "{password}";' for user, password in USERS.items())
        text = TEMPLATE.read_text()
        for name, value in {
            "HOST": host,
            "PORT": ports[0],
            "WEB": ports[1],
            "SECURE": ports[2],
            "RUN": folder,
            "ALGORITHM": "" if algorithm == "MD5" else algorithm,
            "NONCE_EXPIRE": nonce_expire_s,
            "MIN_EXPIRES": min_expires_s,
            "MAX_EXPIRES": max_expires_s,
            "USERS": users,
            "REGISTERED": f'    append_to_reply("Flow-Timer: {flow_timer_s}\\r\\n");' if flow_timer_s else "",
        }.items():
            text = text.replace(f"@{name}@", str(value))
        if certificate is not None:
            text = text.replace("#!KAMAILIO\n", "#!KAMAILIO\n#!define TLS\n", 1)
            (folder / "tls.cfg").write_text(TLS.format(certificate=certificate, method=tls_method))
        (folder / "kamailio.cfg").write_text(text)
        process = await cls._launch(folder, inside)
        web = (host, ports[1]) if inside is None else ("127.0.0.1", await inside.forward(ports[1], host))
        management = f"http://{web[0]}:{web[1]}/RPC"
        pbx = cls(folder, host, process, ports, inside=inside, management=management)
        at_end(pbx.stop)
        return pbx

    @staticmethod
    async def _launch(folder: Path, inside: Namespace | None) -> PeerProcess:
        run = str(folder)
        (folder / "pid").unlink(missing_ok=True)
        # In the foreground, one process group: what it forks ends with it, however the test ends.
        command = ("kamailio", "-f", folder / "kamailio.cfg", "-DD", "-E", "-w", run, "-Y", run, "-P", folder / "pid")
        process = await PeerProcess.start(*command, "-m", "64", "-M", "8", inside=inside)
        try:
            await process.line_with("this registrar is ready")
        except BaseException:
            _signal(process, signal.SIGKILL)
            await process.stop()
            raise
        return process

    @property
    def uri(self) -> str:
        return f"sip:{self.host}:{self.port}"

    async def rpc(self, method: str, *params: str) -> Any:
        """Ask its management interface; raises AssertionError with its words."""
        request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
        async with httpx.AsyncClient() as client:
            answer = (await client.post(self._management, json=request)).json()
        assert "result" in answer, answer
        return answer["result"]

    async def contacts(self, user: str) -> list[str]:
        """Where `user` is registered."""
        with contextlib.suppress(AssertionError):  # "AOR not found"
            found = await self.rpc("ul.lookup", "location", user)
            return [each["Contact"]["Address"] for each in found["Contacts"]]
        return []

    async def registered(self, user: str, *, seconds: float = 15.0) -> list[str]:
        """Wait until `user` is registered; where."""
        async with within(seconds, f"registration of {user}", self.process.account):
            while not (contacts := await self.contacts(user)):
                pass  # each question goes there and back
        return contacts

    def kill(self) -> None:
        """kill -9, all of it: its ports are closed at once."""
        _signal(self.process, signal.SIGKILL)

    def freeze(self) -> None:
        """All of it stops where it is: its ports are open, and nobody answers."""
        _signal(self.process, signal.SIGSTOP)

    def thaw(self) -> None:
        _signal(self.process, signal.SIGCONT)

    async def again(self) -> None:
        """Start it anew on its old ports, with no memory of who was registered."""
        await self.stop()
        self.process = await self._launch(self.folder, self._inside)

    async def stop(self) -> None:
        self.thaw()
        _signal(self.process, signal.SIGKILL)
        await self.process.stop()


def _family(pid: int) -> list[int]:
    """A process and those that it forked, parents first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(int(child)))]


def _signal(process: PeerProcess, number: signal.Signals) -> None:
    for pid in _family(process.process.pid) if process.process.returncode is None else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
