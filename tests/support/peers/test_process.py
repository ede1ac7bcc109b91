"""A peer that does not start says why: what it wrote, that it ended, or what it waits for."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.free_ports import free_port
from tests.support.peers.process import PeerProcess


def failure_of(*command: str, seconds: float) -> str:
    async def play() -> str:
        process = await PeerProcess.start(*command)
        try:
            with pytest.raises(AssertionError) as failure:
                await process.line_with("is up", seconds=seconds)
        finally:
            await process.stop()
        return str(failure.value)

    return run_test(play())


def test_a_line_that_comes_is_returned() -> None:
    async def play() -> None:
        process = await PeerProcess.start("echo", "it is ready now")
        assert await process.line_with("ready") == "it is ready now"
        assert await process.wait() == 0
        await process.stop()

    run_test(play())


def test_a_peer_that_ends_is_told_of_at_once_with_its_last_words() -> None:
    words = failure_of("sh", "-c", "echo 'Address already in use'; exit 1", seconds=50)
    assert "sh ended, and no line with ('is up',)" in words
    assert "Address already in use" in words


def test_a_peer_that_hangs_is_described_by_the_kernel() -> None:
    words = failure_of("sh", "-c", "echo hello; exec sleep 60", seconds=2.0)
    assert "no line with ('is up',) from sh within 2.0 s" in words
    assert "hello" in words
    assert "State:\tS (sleeping)" in words
    assert "fd 0: " in words
    assert "load: " in words


def test_a_test_that_fails_leaves_no_process_behind() -> None:
    started: list[PeerProcess] = []

    async def play() -> None:
        started.append(await PeerProcess.start("sleep", "1000"))
        raise AssertionError("as tests do")

    with pytest.raises(AssertionError, match="as tests do"):
        run_test(play())
    assert started[0].process.returncode == -15


def test_stop_does_not_wait_for_what_a_peer_has_forked() -> None:
    async def play() -> None:
        process = await PeerProcess.start("sh", "-c", "sleep 3 & echo ready; wait")
        await process.line_with("ready")
        await process.stop(seconds=0.2)
        assert process.process.returncode == -15

    begun_at = time.monotonic()
    run_test(play())
    assert time.monotonic() - begun_at < 2.0


def test_free_ports_are_kept_off_the_ports_of_outgoing_connections() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(port % 2 == 0 and port + 1 < first_outgoing for port in ports)


def test_a_taken_port_and_the_one_before_a_taken_port_are_not_free() -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port + 3))
        assert free_port() == port + 4


def test_stop_ends_a_peer_that_ignores_the_request() -> None:
    async def play() -> None:
        process = await PeerProcess.start("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
        await process.line_with("ready")
        await process.stop(seconds=0.2)
        assert process.process.returncode == -9

    run_test(play())
