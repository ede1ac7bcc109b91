"""Processes that are not the test's own children: whether they are there, and when they end."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.support.aio import PATIENCE_S, within


async def ended(pid: int, *, seconds: float = PATIENCE_S) -> None:
    """Wait until process `pid` has ended; returns at once when there is none. Linux only."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        async with within(seconds, f"end of process {pid}"):
            await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def with_argument(text: str) -> list[int]:
    """The processes, zombies aside, that were started with `text` somewhere in their command lines."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if text.encode() in command:
            found.append(int(folder.name))
    return found
