"""Which process has a port, by what the kernel tells in /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_LISTENING = {"udp": "07", "tcp": "0A"}  # states of an unconnected UDP socket, of a TCP one that listens


@dataclass(frozen=True, slots=True)
class Owner:
    """A process; `command` as it was started, cut to 60 characters, "" where that may not be seen."""

    pid: int
    command: str

    @property
    def is_node(self) -> bool:
        """Whether it is a node of ours that runs."""
        return "voipnode" in self.command and " doctor" not in self.command

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})" if self.command else f"process {self.pid}"


def owner_of(transport: str, port: int) -> Owner | None:
    """Who has `port`; None where nobody does, or where it may not be seen (another user's). Linux alone; blocking."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(transport, port)}
    if not inodes:
        return None
    for folder in PROC.glob("[0-9]*"):
        if _has_one_of(folder / "fd", inodes):
            return Owner(int(folder.name), _command(folder))
    return None


def _inodes(transport: str, port: int) -> Iterator[str]:
    for name in (transport, f"{transport}6"):
        try:
            lines = (PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING[transport] and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _has_one_of(folder: Path, links: set[str]) -> bool:
    try:
        return any(os.readlink(folder / name) in links for name in os.listdir(folder))
    except OSError:  # another user's, or gone meanwhile
        return False


def _command(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return words if len(words) <= 60 else f"{words[:59]}…"
