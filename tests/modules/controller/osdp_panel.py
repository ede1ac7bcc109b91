"""A door controller by libosdp, on the other end of a pseudo-terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from typing import Any

import osdp_sys

from tests.support.aio import PATIENCE_S

KEY = bytes(range(16))
CMD_LED = osdp_sys.CMD_LED
TURN_S = 0.005


class Line:
    """A pseudo-terminal: `device` is the node's end."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self.master)
        os.set_blocking(self.master, False)
        self.device = os.ttyname(self._slave)
        self.id = 0
        self.written = 0

    def read(self, max_bytes: int) -> bytes:
        try:
            return os.read(self.master, max_bytes)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> int:
        self.written += 1
        return os.write(self.master, data)

    def flush(self) -> None:
        self.read(4096)

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)


class Panel:
    """Asks the reader at address 0; `events` are what it has told. `kill` ends it without a word."""

    def __init__(self, line: Line, key: bytes | None = KEY, *, flags: int = osdp_sys.FLAG_ENFORCE_SECURE) -> None:
        osdp_sys.set_loglevel(0)
        info = {"name": "r", "address": 0, "flags": flags, "scbk": key, "channel": line}
        ids = ("version", "model", "vendor_code", "serial_number", "firmware_version")
        self._panel = osdp_sys.ControlPanel([info | dict.fromkeys(ids, 0)])
        self._panel.set_event_callback(self._event)
        self.events: list[dict[str, Any]] = []
        self._turned = asyncio.Event()
        self._turn()

    def _event(self, number: int, event: dict[str, Any]) -> int:
        self.events.append(event)
        return 0

    def _turn(self) -> None:
        self._panel.refresh()
        self._turned.set()
        self._timer = asyncio.get_running_loop().call_later(TURN_S, self._turn)

    async def until(self, holds: Callable[[], object]) -> None:
        """Ask until something holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self._turned.clear()
                await self._turned.wait()

    @property
    def is_online(self) -> bool:
        return bool(self._panel.status() & 1)

    def send(self, **command: object) -> None:
        """A command; what libosdp wants to be told of a light besides is 0."""
        names = ("reader", "led_number", "on_count", "off_count", "on_color", "off_color", "timer_count")
        rest = dict.fromkeys(names, 0)
        assert self._panel.submit_command(0, {**rest, **command})

    def kill(self) -> None:
        self._timer.cancel()
        self._panel = None
