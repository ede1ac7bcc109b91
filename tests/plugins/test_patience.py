"""A stranger's coroutine is waited for, but not for ever, and it ends nothing but itself."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.plugins.installed import PluginError
from voipnode.plugins.patience import GRACE_S, patiently


async def _stubborn() -> None:
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            continue


async def _answer() -> str:
    await asyncio.sleep(1)
    return "42"


async def _exit() -> None:
    raise SystemExit(1)


def test_what_comes_in_time_is_returned_and_what_does_not_is_ended() -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        assert await patiently(_answer(), 2) == "42"
        with pytest.raises(TimeoutError):
            await patiently(asyncio.sleep(10), 2)
        assert loop.time() == 3.0, "ended by being cancelled"
        with pytest.raises(TimeoutError):
            await patiently(_stubborn(), 2)
        assert loop.time() == 5.0 + GRACE_S
        with pytest.raises(PluginError, match="exit"):
            await patiently(_exit(), 2)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1, "the stubborn one, too, is gone"

    run_virtual(story())


def test_who_waits_may_be_cancelled() -> None:
    async def story() -> None:
        for after_s in (0.0, 1.0):
            waiting = asyncio.get_running_loop().create_task(patiently(_stubborn(), 50))
            await asyncio.sleep(after_s)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.sleep(GRACE_S)
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1

    run_virtual(story())
