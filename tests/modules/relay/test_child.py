"""Programs that a node starts: their end, their output, and that other threads cannot stop them from starting."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import pytest
import uvloop

from tests.support.aio import run_test
from voipnode.modules.relay.child import Child


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_the_end_and_the_output_are_told(loop: type[asyncio.AbstractEventLoop]) -> None:
    async def play() -> tuple[bytes, int, int | None]:
        child = await Child.start(
            python("import sys; print(sys.stdin.readline().upper()); sys.exit(7)"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        child.write(b"said\n")
        assert child.stdout is not None
        text = await child.stdout.read()
        return text, await child.wait(), child.returncode

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(play()) == (b"SAID\n\n", 7, 7)


def test_one_that_was_killed_has_its_signal_as_code_and_is_not_signalled_again() -> None:
    async def play() -> None:
        child = await Child.start(python("import signal; signal.pause()"), stdin=subprocess.PIPE)
        child.kill()
        assert await child.wait() == -9
        child.kill()  # its number may be another's by now
        child.write(b"too late\n")

    run_test(play())


def test_a_program_that_is_not_there_is_refused() -> None:
    async def play() -> None:
        with pytest.raises(FileNotFoundError):
            await Child.start(("/no/such/program",))

    run_test(play())


def test_descriptors_do_not_leak() -> None:
    async def play() -> None:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            child = await Child.start(python(""), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert child.stdout is not None
            await child.stdout.read()
            await child.wait()
        await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) <= before + 1

    run_test(play())


def test_it_starts_while_other_threads_hold_what_pythons_after_fork_work_wants() -> None:
    """A forked copy of the interpreter would wait for the lock that the thread holds, for ever."""
    held = threading.Event()
    release = threading.Event()
    lock = threading.RLock()

    def hold() -> None:
        with lock:
            held.set()
            release.wait(30)

    os.register_at_fork(after_in_child=lambda: lock.acquire() if not release.is_set() else None)
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(10)

        async def play() -> int:
            child = await Child.start(python(""))
            async with asyncio.timeout(20):
                return await child.wait()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(play()) == 0
    finally:
        release.set()
        thread.join()
