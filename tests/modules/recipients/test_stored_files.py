"""Files on servers and in folders: whole or not at all, under names that are never given twice."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioftp
import asyncssh
import pytest
from pydantic import TypeAdapter

from tests.support.aio import run_test
from tests.support.free_ports import free_port
from voipnode.calls.hooks import Bus, Commands
from voipnode.modules.recipients.calling import Caller
from voipnode.modules.recipients.delivery import Courier
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.folder import Folder
from voipnode.modules.recipients.message import Attachment, Message
from voipnode.modules.recipients.settings import Recipient, host_key_fingerprint
from voipnode.modules.recipients.sftp import pinned_words
from voipnode.modules.recipients.stored_file import stored_file

PICTURE = Attachment("last.svg", b"<svg/>" * 1000, "image/svg+xml")
TEXT = Message("Door", "Anna was let in", {"rule": "Night shift"}, "2026-06-01T22:00:05Z", 7)
SENT = Message("Door", "Anna was let in", {"rule": "Night shift"}, "2026-06-01T22:00:05Z", 8, PICTURE)
RECIPIENT: TypeAdapter[Any] = TypeAdapter(Recipient)


def recipient(**values: Any) -> Any:
    return RECIPIENT.validate_python({"name": "r", **values})


async def deliver(to: Any, message: Message = SENT) -> str:
    return await Courier(Caller(Bus(lambda: 0.0), Commands())).deliver(to, message, 0.0)


async def refused(to: Any) -> str:
    with pytest.raises(DeliveryError) as told:
        await deliver(to)
    assert not told.value.final
    return str(told.value)


@pytest.mark.parametrize(
    ("template", "message", "name"),
    [
        ("%Y%m%d_{number}", TEXT, r"2026060[12]_000007\.txt"),
        ("{rule}/../{number}", SENT, r"Night_shift_.._000008\.svg"),
        ("..", TEXT, r"message\.txt"),
        ("{subject}%%%q", TEXT, r"Door_q\.txt"),
        ("x" * 128, TEXT, rf"{'x' * 120}\.txt"),
    ],
)
def test_names_have_date_and_number_and_stay_in_their_folder(template: str, message: Message, name: str) -> None:
    file = stored_file(template, message)
    assert re.fullmatch(name, file.name)
    assert file.temporary == f"{file.name}.part"
    assert stored_file(template, message) == file  # a try again makes no second one


def test_without_an_attachment_the_text_is_the_file() -> None:
    assert stored_file("{number}", TEXT).content == b"Door\nAnna was let in\n"
    assert stored_file("{number}", SENT).content == PICTURE.content


# -- FTP


@asynccontextmanager
async def ftp_server(folder: Path) -> AsyncIterator[int]:
    user = aioftp.User("door", "pw", base_path=folder, home_path="/")
    server, port = aioftp.Server(users=[user]), free_port()
    await server.start("127.0.0.1", port)
    try:
        yield port
    finally:
        await server.close()


def test_a_file_is_put_on_an_ftp_server_and_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    async def main() -> None:
        async with ftp_server(tmp_path) as port:
            at = {"kind": "ftp", "host": "127.0.0.1", "port": port, "username": "door", "password": "pw"}
            to = recipient(**at, folder="in", file_name="{number}")
            assert await deliver(to) == "stored as 000008.svg"
            await deliver(to)  # once more, as after a kill: it takes its own place
            await deliver(recipient(**at, folder="in", file_name="{number}", use_temporary_name=False), TEXT)
            assert "550" in await refused(recipient(**at, folder="nowhere"))
            assert "530" in await refused(recipient(**{**at, "password": "no"}))
        found = {file.name: file.read_bytes() for file in (tmp_path / "in").iterdir()}
        assert found == {"000008.svg": PICTURE.content, "000007.txt": b"Door\nAnna was let in\n"}
        assert "refused" in (await refused(recipient(**at))).lower()

    run_test(main())


# -- SFTP


class Login(asyncssh.SSHServer):
    """Takes the password "pw" of anybody."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == "pw"


@asynccontextmanager
async def sftp_server(folder: Path, keys: list[asyncssh.SSHKey], **more: Any) -> AsyncIterator[int]:
    def files(channel: Any) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(folder))

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=keys, server_factory=Login, sftp_factory=files, **more
    )
    async with server:
        yield server.get_port()


def test_a_file_is_put_on_a_server_whose_key_is_pinned(tmp_path: Path) -> None:
    keys = [asyncssh.generate_private_key(kind) for kind in ("ecdsa-sha2-nistp256", "ssh-ed25519")]
    ours = asyncssh.generate_private_key("ssh-ed25519")
    ours.write_private_key(tmp_path / "ours", "pkcs8-pem", "phrase")
    allowed = asyncssh.import_authorized_keys(ours.export_public_key().decode())
    there = tmp_path / "there"
    there.mkdir()

    async def main() -> None:
        async with sftp_server(there, keys, authorized_client_keys=allowed) as port:
            at = {"kind": "sftp", "host": "127.0.0.1", "port": port, "username": "door", "file_name": "{number}"}
            by_key = {"key_file": str(tmp_path / "ours"), "key_passphrase": "phrase"}
            sha256, md5 = keys[0].get_fingerprint("sha256"), keys[1].get_fingerprint("md5")
            assert await deliver(recipient(**at, host_key=sha256, password="pw")) == "stored as 000008.svg"
            assert await deliver(recipient(**at, host_key=md5, **by_key)) == "stored as 000008.svg"
            bare = recipient(**at, host_key=sha256, password="pw", use_temporary_name=False)
            await deliver(bare, TEXT)
            assert "login" in await refused(recipient(**at, host_key=sha256, password="no"))
            words = await refused(recipient(**at, host_key=sha256, password="pw", folder="nowhere"))
            assert words.startswith("nowhere/000008.svg: the server said")
            locked = await refused(recipient(**at, host_key=sha256, key_file=str(tmp_path / "ours")))
            assert "passphrase" in locked.lower()
        found = {file.name: file.read_bytes() for file in there.iterdir()}
        assert found == {"000008.svg": PICTURE.content, "000007.txt": b"Door\nAnna was let in\n"}

    run_test(main())


def test_another_host_key_is_refused_in_words_that_show_both_and_hears_no_password(tmp_path: Path) -> None:
    old, new = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    tried: list[str] = []

    class Curious(Login):
        def validate_password(self, username: str, password: str) -> bool:
            tried.append(password)
            return True

    async def main() -> None:
        async with await asyncssh.listen("127.0.0.1", 0, server_host_keys=[new], server_factory=Curious) as server:
            at = {"kind": "sftp", "host": "127.0.0.1", "port": server.get_port(), "username": "door", "password": "pw"}
            words = await refused(recipient(**at, host_key=old.get_fingerprint("sha256")))
            assert new.get_fingerprint("sha256") in words
            assert old.get_fingerprint("sha256") in words
            by_md5 = await refused(recipient(**at, host_key=old.get_fingerprint("md5")))
            assert new.get_fingerprint("md5") in by_md5
            assert old.get_fingerprint("md5") in by_md5
        assert tried == []

    run_test(main())


def test_fingerprints_are_taken_as_openssh_writes_them() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    md5, sha256 = key.get_fingerprint("md5"), key.get_fingerprint("sha256")
    assert [pinned_words(host_key_fingerprint(each)) for each in (md5, sha256)] == [md5, sha256]
    assert host_key_fingerprint(sha256.removeprefix("SHA256:") + "=") == sha256.removeprefix("SHA256:")
    assert host_key_fingerprint(md5.removeprefix("MD5:").replace(":", "").upper()) == host_key_fingerprint(md5)


# -- a folder


def folder_at(path: Path, **more: Any) -> Any:
    return recipient(kind="folder", path=str(path), file_name="{number}", must_be_mounted=False, keep_free_mb=0, **more)


def test_a_file_is_put_in_a_folder_whole_or_not_at_all(tmp_path: Path) -> None:
    async def main() -> None:
        to = folder_at(tmp_path)
        assert await deliver(to) == f"stored as {tmp_path / '000008.svg'}"
        await deliver(to)
        assert [file.name for file in tmp_path.iterdir()] == ["000008.svg"]
        (tmp_path / "000007.txt").mkdir()  # its name is taken by something that cannot be replaced
        with pytest.raises(DeliveryError, match="directory"):
            await deliver(to, TEXT)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["000007.txt", "000008.svg"]

    run_test(main())


def test_a_folder_is_never_filled_and_never_beside_its_share(tmp_path: Path) -> None:
    async def main() -> None:
        (tmp_path / "old").write_bytes(bytes(999_000))
        assert "make room there" in await refused(folder_at(tmp_path, max_mb=1))
        words = await refused(folder_at(tmp_path).model_copy(update={"keep_free_mb": 1_000_000}))
        assert "must stay so" in words
        assert "no such folder" in await refused(folder_at(tmp_path / "gone"))
        if not any(os.path.ismount(each) for each in (tmp_path, *tmp_path.parents) if each != each.parent):
            to = folder_at(tmp_path).model_copy(update={"must_be_mounted": True})
            assert "nothing is mounted there" in await refused(to)
        assert [file.name for file in tmp_path.iterdir()] == ["old"]

    run_test(main())


def test_a_share_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    """A FIFO in the place of the file: opening it waits for a reader, as a dead share would."""
    os.mkfifo(tmp_path / "000008.svg.part")

    async def main() -> None:
        folder, to = Folder(), folder_at(tmp_path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await folder.store(to, stored_file("{number}", SENT))
        with pytest.raises(DeliveryError, match="still does not answer"):
            await folder.store(to, stored_file("{number}", SENT))
        reader = os.open(tmp_path / "000008.svg.part", os.O_RDONLY | os.O_NONBLOCK)  # and the share is back
        try:
            await asyncio.to_thread(folder.join)
        finally:
            os.close(reader)

    run_test(main())
