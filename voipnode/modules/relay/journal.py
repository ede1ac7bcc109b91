"""The guardian's journal, written by a child process so that no disk, full or hung, ever delays a release.

The guardian hands entries over through a pipe without ever waiting; what the pipe cannot take is lost. The child
appends them to `guardian.jsonl`, keeps one older file, and notes when the guardian vanished without a last word.
Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from pathlib import Path
from typing import Any

from voipnode.modules.relay.protocol import boottime

NAME = "guardian.jsonl"
MAX_BYTES = 256 * 1024  # per file; two files are kept
MAX_ENTRY = 4000  # bytes; below PIPE_BUF (4096), so that an entry is written to the pipe whole or not at all (pipe(7))
CLOSE_WITHIN_S = 0.5


def older(path: Path) -> Path:
    """The file before the present one."""
    return path.with_name(path.name + ".1")


def boot_id() -> str:
    """Tells one start of the machine from another; "" where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


class Journal:
    """Entries on their way to the file. `start` forks the writer: call it before any line is opened."""

    def __init__(self, pipe: int, writer: int) -> None:
        self._pipe = pipe
        self._writer = writer

    @classmethod
    def start(cls, state_dir: Path, *, keep_out_of: tuple[int, ...]) -> Journal:
        """Start the writer; it closes the descriptors `keep_out_of`, so that their other ends see the guardian end."""
        reading, writing = os.pipe()
        writer = os.fork()
        if writer == 0:
            try:
                for fd in (writing, *keep_out_of):
                    os.close(fd)
                _write_all(reading, state_dir / NAME)
            finally:
                os._exit(0)
        os.close(reading)
        os.set_blocking(writing, False)
        return cls(writing, writer)

    def write(self, what: str, **fields: Any) -> None:
        """Note that `what` happened now. Never waits, never raises."""
        entry = _entry(what, fields)
        with contextlib.suppress(OSError):  # full pipe or no writer: an entry is lost, the door is not
            if len(entry) <= MAX_ENTRY:
                os.write(self._pipe, entry)

    def close(self) -> None:
        """Let the writer finish, for at most `CLOSE_WITHIN_S`."""
        os.close(self._pipe)
        with contextlib.suppress(OSError):
            done = os.pidfd_open(self._writer)
            select.select([done], [], [], CLOSE_WITHIN_S)
            os.close(done)
            os.waitpid(self._writer, os.WNOHANG)


def _entry(what: str, fields: dict[str, Any]) -> bytes:
    stamps = {"what": what, "at": round(boottime(), 6), "wall": round(time.time(), 3)}
    return json.dumps({**stamps, **fields}).encode("ascii") + b"\n"


def _write_all(pipe: int, path: Path) -> None:
    """The writer's life: until the guardian closes its end of the pipe, or vanishes."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the guardian, not before
    signal.set_wakeup_fd(-1)
    last = b""
    while data := os.read(pipe, 65536):  # entries come whole: see MAX_ENTRY
        last = data
        _append(path, data)
    if b'"what": "end"' not in last:
        _append(path, _entry("lost", {}))


def _append(path: Path, data: bytes) -> None:
    """Best effort; a file that ends in half an entry (full disk) gets a line break first."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)  # it says who opened
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data
            os.write(fd, data)
            os.fsync(fd)  # a power cut is when the journal is read
        finally:
            os.close(fd)
        if size + len(data) > MAX_BYTES:
            os.replace(path, older(path))
