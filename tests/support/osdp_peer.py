"""Readers by others: libosdp's peripheral device at the far end of a pseudo-terminal, in real time."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Sequence
from typing import Any, Protocol

import osdp_sys
from osdp.constants import Capability, CardFormat, Command, CompletionStatus, Event, LibFlag, StatusReportType
from osdp.helpers import PDCapabilities, PDInfo

KEY = bytes(range(0x30, 0x40))
TURN_S = 0.005
ALL = (
    (Capability.CommunicationSecurity, 1, 1),
    (Capability.ContactStatusMonitoring, 1, 1),
    (Capability.LEDControl, 4, 1),
    (Capability.AudibleControl, 2, 1),
)


class Wire:
    """The far end of a line: `device` is what a node opens. `write` puts anything on it."""

    id = 0

    def __init__(self) -> None:
        self._end, node = pty.openpty()
        tty.setraw(self._end)
        os.set_blocking(self._end, False)
        self.device = os.ttyname(node)
        os.close(node)  # a node that opens it has it alone
        self.is_cut = False
        self.heard = bytearray()  # by whoever listens in

    def read(self, max_bytes: int) -> bytes:
        try:
            data = os.read(self._end, max_bytes)
        except OSError:  # nothing there, or nobody at the other end
            return b""
        self.heard += data
        return b"" if self.is_cut else data

    def write(self, data: bytes) -> int:
        try:
            return len(data) if self.is_cut else os.write(self._end, data)
        except OSError:
            return 0

    def flush(self) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """The adapter is pulled out: the device is gone."""
        os.close(self._end)


class End(Protocol):
    """What libosdp reads and writes."""

    id: int

    def read(self, max_bytes: int) -> bytes: ...

    def write(self, data: bytes) -> int: ...

    def flush(self) -> None: ...


class OsdpPeer:
    """A reader at the end of `wire`. `key` None: it takes one (installation mode)."""

    def __init__(
        self,
        wire: End,
        key: bytes | None = KEY,
        *,
        address: int = 0,
        capabilities: Sequence[tuple[int, int, int]] = ALL,
    ) -> None:
        osdp_sys.set_loglevel(0)
        self.commands: list[dict[str, Any]] = []
        self.installed: bytes | None = None
        self.taken = 0  # cards and the like that the panel has fetched
        flags = [] if key else [LibFlag.InstallMode]
        info = PDInfo(address, wire, scbk=key, flags=flags, name="peer").get()
        self._device = osdp_sys.PeripheralDevice(info, capabilities=PDCapabilities(capabilities).get())
        self._device.set_command_callback(self._command)
        self._device.set_event_completion_callback(self._told)
        self._task: asyncio.Task[None] | None = None

    def _command(self, command: dict[str, Any]) -> tuple[int, None]:
        self.commands.append(command)
        if command["command"] == Command.Keyset:
            self.installed = command["data"]
        return 0, None

    def _told(self, event: dict[str, Any], status: int) -> None:
        self.taken += status == CompletionStatus.Ok

    def plug_in(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    def pull_out(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            self._device.refresh()
            await asyncio.sleep(TURN_S)

    def card(self, data: bytes, bits: int, *, form: int = CardFormat.Wiegand, direction: int = 0) -> None:
        self._device.submit_event(
            {
                "event": Event.CardRead,
                "reader_no": 0,
                "direction": direction,
                "format": form,
                "length": bits,
                "data": data,
            }
        )

    def keys(self, data: bytes) -> None:
        self._device.submit_event({"event": Event.KeyPress, "reader_no": 0, "data": data})

    def tamper(self, is_open: bool) -> None:
        report = bytes([is_open, 0])
        self._device.submit_event({"event": Event.Status, "type": StatusReportType.Local, "report": report})

    def lights(self) -> list[dict[str, Any]]:
        """The light commands that came, oldest first."""
        return [command for command in self.commands if command["command"] == Command.LED]

    def beeps(self) -> list[dict[str, Any]]:
        return [command for command in self.commands if command["command"] == Command.Buzzer]
