"""Waits for a file to change through inotify: an observer of the simulated relay that is not the code under test."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

IN_MODIFY, IN_MOVED_TO, IN_CREATE = 0x2, 0x80, 0x100
EVENTS = IN_MODIFY | IN_MOVED_TO | IN_CREATE  # of a folder: those of the files in it


class FileWatch:
    """Watches one file, which need not exist yet; `until` waits for its content. Linux only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(path.parent), EVENTS) < 0:
            raise OSError(ctypes.get_errno(), f"cannot watch {path}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def until(self, content: bytes, within_s: float = 5.0) -> float:
        """Wait until the file is `content`; returns CLOCK_BOOTTIME seconds of noticing it, fails after `within_s`."""
        return self.until_it(lambda present: present == content, within_s)

    def until_it(self, holds: Callable[[bytes], bool], within_s: float = 5.0) -> float:
        """Wait until the file's content passes `holds`, as `until` does."""
        deadline = time.monotonic() + within_s
        while not holds(present := self.present()):
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"after {within_s} s {self._path.name} ends in {present[-200:]!r}"
            if select.select([self._fd], [], [], left_s)[0]:
                os.read(self._fd, 65536)
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def fileno(self) -> int:
        """Readable when something happened in the file's folder; for those who wait for it by themselves."""
        return self._fd

    def present(self) -> bytes:
        """The file's content now; empty when there is no file."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
