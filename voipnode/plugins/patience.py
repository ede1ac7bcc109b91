"""Waits for a stranger's coroutine, for a limited time, and lets nothing pass that would end more than itself."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable
from typing import Any

from voipnode.plugins.installed import PluginError

GRACE_S = 0.25  # to end after being cancelled


async def patiently(work: Awaitable[Any], limit_s: float) -> Any:
    """What `work` returns. Raises what it raises, but PluginError where that would end the task or the process, and
    TimeoutError after `limit_s`: it is cancelled then, and closed where it does not mind that."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(_tamed(work))
    try:
        await asyncio.wait({task}, timeout=limit_s)
    finally:
        if not task.done():
            task.cancel()
            loop.call_later(GRACE_S, _close, task, work)
    if task.done():
        return _outcome(task)
    await asyncio.wait({task}, timeout=GRACE_S)
    raise TimeoutError


def _outcome(task: asyncio.Task[Any]) -> Any:
    if task.cancelled():
        raise PluginError("it cancelled itself")
    return task.result()


def _close(task: asyncio.Task[Any], work: Awaitable[Any]) -> None:
    """End a task that swallows cancellations: the process would wait for it for ever when it ends."""
    if not task.done():
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody else looks at it
        for coroutine in (task.get_coro(), work):
            with contextlib.suppress(RuntimeError):  # that even this was swallowed
                if inspect.iscoroutine(coroutine):
                    coroutine.close()
        task.cancel()
    elif not task.cancelled():
        task.exception()


async def _tamed(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except SystemExit as error:  # out of a task it would stop the loop
        raise PluginError(f"it wanted the process to exit ({error})") from None
