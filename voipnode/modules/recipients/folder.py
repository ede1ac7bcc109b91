"""Files put in a folder of this machine: a share of the network that is mounted there, or a disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import threading
from pathlib import Path

from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.settings import FolderRecipient
from voipnode.modules.recipients.stored_file import TEMPORARY, StoredFile

MB = 1_000_000


class Folder:
    """The folder of one recipient. A share whose server is gone may hold a write up for ever: it is left alone then."""

    def __init__(self) -> None:
        self._hangs: threading.Thread | None = None

    def join(self) -> None:
        """Wait until nothing is held up. Blocks."""
        if self._hangs is not None:
            self._hangs.join()

    async def store(self, recipient: FolderRecipient, file: StoredFile) -> str:
        """Put the file there: whole and on the disk under its name, or not at all. Raises DeliveryError, OSError."""
        if self._hangs is not None and self._hangs.is_alive():
            raise DeliveryError(f"{recipient.path} still does not answer")
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        failed: list[Exception] = []

        def work() -> None:
            try:
                _store(recipient, file)
            except (DeliveryError, OSError) as error:
                failed.append(error)
            with contextlib.suppress(RuntimeError):  # the node has ended meanwhile
                loop.call_soon_threadsafe(done.set)

        # A thread of its own, and a daemon: a dead share must neither block other work nor the node's end.
        self._hangs = threading.Thread(target=work, name="recipient-folder", daemon=True)
        self._hangs.start()
        await done.wait()
        self._hangs = None
        if failed:
            raise failed[0]
        return f"stored as {Path(recipient.path) / file.name}"


def _store(recipient: FolderRecipient, file: StoredFile) -> None:
    folder = Path(recipient.path)
    if not folder.is_dir():
        raise DeliveryError(f"{folder}: there is no such folder")
    if recipient.must_be_mounted and not _is_mounted(folder):
        raise DeliveryError(f"{folder}: nothing is mounted there")
    _check_room(recipient, folder, len(file.content))
    part, path = folder / file.temporary, folder / file.name
    try:
        with part.open("wb") as written:
            written.write(file.content)
            written.flush()
            os.fsync(written.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _sync(folder)


def _is_mounted(folder: Path) -> bool:
    """Whether the folder is on something mounted, which is not the system's own disk."""
    return any(os.path.ismount(each) for each in (folder, *folder.parents) if each != each.parent)


def _check_room(recipient: FolderRecipient, folder: Path, size: int) -> None:
    used = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file() and not _is_part(entry.name))
    if used + size > recipient.max_mb * MB:
        raise DeliveryError(f"{folder} has {used // MB} MB, and may have {recipient.max_mb}: make room there")
    free = shutil.disk_usage(folder).free
    if free - size < recipient.keep_free_mb * MB:
        raise DeliveryError(f"{folder}: {free // MB} MB are free, and {recipient.keep_free_mb} must stay so")


def _is_part(name: str) -> bool:
    return name.endswith(TEMPORARY)


def _sync(folder: Path) -> None:
    """The new name is on the disk, too, where the file system knows such a thing."""
    try:
        place = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every share lets itself be opened so; the file's own content is there
    try:
        os.fsync(place)
    except OSError:
        return
    finally:
        os.close(place)
