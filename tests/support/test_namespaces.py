"""Machines of a test: a way into them from the test's loopback, and nothing left of them afterwards."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.namespaces import FOLDER, Namespace
from tests.support.peers.process import PeerProcess, need

pytestmark = pytest.mark.interop
ECHO = """
import socket
server = socket.create_server(("127.0.0.1", 7000))
print("listening", flush=True)
connection, _ = server.accept()
connection.sendall(connection.recv(100).upper())
connection.recv(100)
"""


def test_a_program_inside_is_reached_and_ends_with_its_machine() -> None:
    async def play() -> tuple[Path, int]:
        need("ip")
        inside = await Namespace.make("echo")
        program = await PeerProcess.start(sys.executable, "-c", ECHO, inside=inside)
        await program.line_with("listening")
        reader, writer = await asyncio.open_connection("127.0.0.1", await inside.forward(7000))
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.close()
        await inside.remove()
        assert await program.wait() is not None
        return FOLDER / inside.name, program.process.pid

    path, pid = run_test(play())
    assert not path.exists()
    assert not Path(f"/proc/{pid}").exists()
