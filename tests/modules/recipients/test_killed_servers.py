"""Servers that are killed and come back: what was accepted arrives, in its order, and how late is told."""

from __future__ import annotations

import asyncio
import email
import os
import re
import signal
import sys
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any, Protocol

import aioftp
import asyncssh
import pytest
from aiosmtpd.smtp import SMTP

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.calls.commands import SendTo
from voipnode.calls.events import Event, MessageDelivered, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.recipients.module import RecipientsModule
from voipnode.modules.recipients.outbox import Outbox
from voipnode.modules.recipients.settings import RecipientsSettings

KEY = asyncssh.generate_private_key("ssh-ed25519")


class Server(Protocol):
    """Can be killed in the middle of things; `texts` are what has arrived so far, the same thing twice only once."""

    settings: dict[str, Any]

    async def start(self) -> None: ...

    async def kill(self) -> None: ...

    @property
    def texts(self) -> list[str]: ...


class MailServer:
    """Keeps mail. The first one it is sent kills it before it has said so."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.settings = {
            "kind": "email",
            "to": ["guard@example.com"],
            "sender": "door@example.com",
            "host": "127.0.0.1",
            "port": self.port,
            "security": "none",
        }
        self._kept: dict[str, str] = {}
        self.came_twice = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Transport] = set()
        self._dies = True

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, hostname="127.0.0.1"), "127.0.0.1", self.port)

    async def kill(self) -> None:
        if self._server is not None:
            self._server.close()
        for transport in self._connections:
            transport.abort()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        mail = email.message_from_bytes(envelope.content, policy=policy.default)
        self.came_twice += mail["Message-ID"] in self._kept
        self._kept[mail["Message-ID"]] = mail.get_content().strip()
        if self._dies:
            self._dies = False
            self._connections.add(server.transport)
            await self.kill()
        return "250 kept"

    @property
    def texts(self) -> list[str]:
        return list(self._kept.values())


class FileServer:
    """A folder that a server fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "there"
        self.folder.mkdir()
        self.port = free_port()
        self.settings: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "username": "door", "password": "pw"}

    @property
    def texts(self) -> list[str]:
        names = sorted(file.name for file in self.folder.iterdir() if not file.name.endswith(".part"))
        return [(self.folder / name).read_text().splitlines()[1] for name in names]


class FtpServer(FileServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings |= {"kind": "ftp"}

    async def start(self) -> None:
        self._server = aioftp.Server(users=[aioftp.User("door", "pw", base_path=self.folder)])
        await self._server.start("127.0.0.1", self.port)

    async def kill(self) -> None:
        await self._server.close()


class SftpServer(FileServer):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings |= {"kind": "sftp", "host_key": KEY.get_fingerprint("sha256")}

    async def start(self) -> None:
        folder = self.folder

        class Login(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return password == "pw"

        self._server = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_host_keys=[KEY],
            server_factory=Login,
            sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(folder)),
        )

    async def kill(self) -> None:
        self._server.close()
        await self._server.wait_closed()


class Place:
    def __init__(self, folder: Path, server: Server) -> None:
        self.now_s = 1_000_000.0
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for kind in (MessageDelivered, Problem):
            self.bus.subscribe(kind, self.events.put_nowait, who="test")
        settings = RecipientsSettings.model_validate({"recipients": [{"name": "Guard", **server.settings}]})
        house = House(self.bus, self.commands, folder)
        self.module = RecipientsModule(house, settings, utc_s=lambda: self.now_s, pause_s=0.02)

    async def send(self, text: str) -> None:
        await self.commands.execute(SendTo(recipient="Guard", subject="s", text=text))

    async def next(self, kind: type[Event]) -> Any:
        async with within(PATIENCE_S, kind.__name__):
            while not isinstance(event := await self.events.get(), kind):
                pass
            return event


@pytest.mark.parametrize("kind", [MailServer, FtpServer, SftpServer])
def test_a_server_that_was_killed_has_all_in_its_order_when_it_is_back(
    tmp_path: Path, kind: Callable[[Path], Server]
) -> None:
    async def story(place: Place, server: Server) -> None:
        await place.send("one")
        if isinstance(server, MailServer):  # it dies of the first
            assert "it is tried again" in (await place.next(Problem)).detail
        else:
            assert (await place.next(MessageDelivered)).late_s == 0.0
            await server.kill()
        for text in ("two", "three"):
            await place.send(text)
        if not isinstance(server, MailServer):
            assert "it is tried again" in (await place.next(Problem)).detail
        place.now_s += 600
        await server.start()
        left = 3 if isinstance(server, MailServer) else 2
        late = [(await place.next(MessageDelivered)).late_s for _ in range(left)]
        assert late == [600.0] * left
        assert server.texts == ["one", "two", "three"]
        if isinstance(server, MailServer):
            assert server.came_twice == 1  # what it had not confirmed, by the same Message-ID

    async def main() -> None:
        server = kind(tmp_path)
        await server.start()
        place = Place(tmp_path, server)
        await place.module.start()
        try:
            await story(place, server)
        finally:
            await place.module.stop()
            await server.kill()

    run_test(main())


def test_what_was_accepted_is_on_the_disk_whenever_the_node_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from voipnode.modules.recipients.message import Message
from voipnode.modules.recipients.outbox import Outbox

async def main():
    outbox = Outbox(Path({str(tmp_path)!r}))
    await outbox.open()
    for number in range(1000):
        await outbox.keep("Guard", Message("s", str(number)), 0.0)
        print(number, flush=True)

asyncio.run(main())
"""

    async def main() -> None:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        async with within(PATIENCE_S, "accepted messages"):
            for _ in range(20):
                await child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        rest = (await child.stdout.read()).decode()  # what it had said before
        await child.wait()
        accepted = 20 + len(re.findall(r"\d+\n", rest))
        await check(accepted)

    async def check(accepted: int) -> None:
        outbox = Outbox(tmp_path)
        await outbox.open()
        for number in range(accepted):
            found = await outbox.first("Guard")
            assert found is not None, f"{number} of {accepted}"
            assert found[0].text == str(number)
            await outbox.done(found[0].number)
        await outbox.close()

    run_test(main())
