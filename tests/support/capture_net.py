"""Records what goes over loopback, with tcpdump."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.peers.process import PeerProcess, need


class Capture:
    """A capture under way; `path` is complete after `stop`."""

    def __init__(self, process: PeerProcess, path: Path) -> None:
        self._process = process
        self.path = path

    @classmethod
    async def start(cls, path: Path, capture_filter: str) -> Capture:
        need("tcpdump")
        # Immediate mode: what the kernel holds back for company would be missing at the end of a short call.
        command = ("tcpdump", "-i", "lo", "-U", "--immediate-mode", "-w", path, capture_filter)
        process = await PeerProcess.start(*command)
        said = await process.line_with("listening on", "permission", "not permitted")
        if "listening on" not in said:
            pytest.skip(f"tcpdump may not capture here: {said}")
        return cls(process, path)

    async def stop(self) -> Path:
        await self._process.stop(signal.SIGINT)
        return self.path
