"""Addresses that come and go: the kernel's own word for it, in a network namespace, and what is told of it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import threading

import pytest

from tests.support.aio import PATIENCE_S, within
from tests.support.virtual_loop import run_virtual
from voipnode.net.network_watch import SETTLE_S, NetworkWatch

CLONE_NEWNET = 0x40000000


def test_what_is_new_and_what_is_gone_is_told_once_it_has_settled() -> None:
    async def story() -> None:
        there = ("192.0.2.1", "192.0.2.2")
        told: list[tuple[float, tuple[str, ...], str]] = []
        loop = asyncio.get_running_loop()
        watch = NetworkWatch(lambda now, words: told.append((loop.time(), now, words)), lambda: there)
        watch.start()
        await asyncio.sleep(1)
        there = ("192.0.2.2", "192.0.2.3")
        watch._said()  # nothing to read: as after a message that was taken already
        watch._said()
        await asyncio.sleep(10)
        watch._said()
        await asyncio.sleep(10)  # nothing has changed: nothing is told
        await watch.stop()
        await watch.stop()
        assert told == [
            (0.0, ("192.0.2.1", "192.0.2.2"), ""),
            (1 + SETTLE_S, ("192.0.2.2", "192.0.2.3"), "new: 192.0.2.3, gone: 192.0.2.1"),
        ]

    run_virtual(story())


def test_the_kernel_says_that_an_address_came() -> None:
    """A thread with a network of its own: the change is real, and nobody else's."""
    told: list[tuple[str, ...]] = []
    refused: list[str] = []

    async def story() -> None:
        came = asyncio.Event()

        def changed(now: tuple[str, ...], words: str) -> None:
            told.append(now)
            if "192.0.2.77" in now:
                came.set()

        watch = NetworkWatch(changed)
        watch.start()
        subprocess.run(["ip", "addr", "add", "192.0.2.77/32", "dev", "lo"], check=True)
        async with within(PATIENCE_S, "word of the new address", lambda: told):
            await came.wait()
        await watch.stop()

    def inside() -> None:
        if libc.unshare(CLONE_NEWNET) != 0:  # of this thread alone
            refused.append(os.strerror(ctypes.get_errno()))
        else:
            asyncio.run(story())

    libc = ctypes.CDLL(None, use_errno=True)
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    if refused:
        pytest.skip(f"a network of its own is not allowed here: {refused[0]}")
    assert told == [(), ("192.0.2.77",)]
