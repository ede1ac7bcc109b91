"""A serial line with OSDP readers on it: opened, kept, and opened again, with libosdp as the control panel.

OSDP is a protocol of asking: the panel asks every reader some twenty times a second whether there is anything. libosdp
does so when it is given a turn; with a line that never blocks a turn costs some 10 microseconds, so it needs no
thread. A reader that is unplugged is noticed after 2 s of silence and asked again as long as the node runs.

Of the package `osdp` only what lies beneath is used: its own panel keeps every event for ever and prints.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from voipnode.calls.errors import CallError
from voipnode.credentials.osdp_frames import FrameGate
from voipnode.hardware.osdp_channel import OsdpChannel
from voipnode.hardware.serial_port import SerialPort
from voipnode.modules.reader.drivers import ReaderDriver
from voipnode.modules.reader.osdp_reader import OsdpReader
from voipnode.modules.reader.reader_key import ReaderKeyError

log = logging.getLogger(__name__)

TURN_S = 0.02
SILENT_S = 2.0
RETRY_S = 2.0
MAX_EVENTS = 64  # of one turn
EMERGENCY = (
    0  # libosdp writes to standard error by itself: only what is worst, since who has the line can have it write
)

OpenPort = Callable[[str, int], SerialPort]


def libosdp() -> Any:
    """The library; raises CallError where it is not installed."""
    try:
        import osdp_sys  # only where a line is used
    except ImportError as error:
        raise CallError(
            'readers: driver = "osdp" needs libosdp, which is not installed (pip install voipnode[osdp])'
        ) from error
    return osdp_sys


def line_of(drivers: Iterable[ReaderDriver]) -> OsdpLine:
    """The line that these readers, all of one device, hang on."""
    return OsdpLine([driver for driver in drivers if isinstance(driver, OsdpReader)])


class OsdpLine:
    """One serial line and its readers; `start` raises CallError where libosdp is missing."""

    def __init__(self, readers: Sequence[OsdpReader], open_port: OpenPort = SerialPort) -> None:
        self._device, self._baud = readers[0].settings.device, readers[0].settings.baud
        self._readers = readers
        self._open_port = open_port
        self._on_line: list[OsdpReader] = []  # by their numbers on the panel
        self._port: SerialPort | None = None
        self._panel: Any = None
        self._events: deque[tuple[str, int, Any]] = deque(maxlen=MAX_EVENTS)
        self._timer: asyncio.TimerHandle | None = None
        self._retry_at = 0.0
        self._trouble = ""
        self._heard, self._heard_at = 0, 0.0
        self._switched_off: set[int] = set()
        self._osdp: Any = None

    def start(self) -> None:
        self._osdp = libosdp()
        self._osdp.set_loglevel(EMERGENCY)
        self._turn()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close()

    def pair(self, name: str, for_s: float) -> None:
        """Give the reader of that name a new key once it takes one. Raises ReaderKeyError."""
        until = asyncio.get_running_loop().time() + for_s
        for reader in self._readers:
            if reader.settings.name == name:
                reader.pair(until)
        self.stop()
        self._retry_at = 0.0
        self._turn()

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        try:
            if self._port is None:
                if now >= self._retry_at:
                    self._open(now)
            else:
                self._serve(self._port, now)
            self._tell(now)
        except Exception:  # the edge: whatever a line brings, the next turn comes
            log.exception("OSDP on %s", self._device)
            self._close()
            self._retry_at = now + RETRY_S
        # Without a reader on it there is nothing to ask for; its state changes by a pairing only.
        self._timer = loop.call_later(TURN_S if self._port is not None else RETRY_S / 4, self._turn)

    def _open(self, now: float) -> None:
        self._retry_at = now + RETRY_S
        try:
            port = self._open_port(self._device, self._baud)
        except OSError as error:
            self._trouble = f"{self._device}: {error.strerror}"
            return
        channel = OsdpChannel(port, FrameGate(replies=True))
        infos, self._on_line = [], []
        for reader in self._readers:
            try:
                infos.append(reader.pd_info(channel))
                self._on_line.append(reader)
            except ReaderKeyError as error:
                reader.not_usable(str(error))
        if not infos:
            port.close()
            return
        self._port, self._trouble = port, ""
        self._heard, self._heard_at = 0, now
        self._switched_off.clear()
        self._events.clear()
        # What it calls back with is kept for after its turn: an exception would have nowhere to go in between.
        self._panel = self._osdp.ControlPanel(infos)
        self._panel.set_event_callback(functools.partial(self._keep, "event"))
        self._panel.set_command_completion_callback(self._keep_done)

    def _keep(self, what: str, number: int, data: Any) -> int:
        self._events.append((what, number, data))
        return 0

    def _keep_done(self, number: int, command: object, status: int) -> None:
        self._keep("done", number, status)

    def _serve(self, port: SerialPort, now: float) -> None:
        port.turn()
        self._panel.refresh()
        if port.heard > self._heard:
            self._heard, self._heard_at = port.heard, now
        while self._events:
            what, number, data = self._events.popleft()
            if what == "event":
                self._on_line[number].on_event(data, now)
            else:
                self._on_line[number].on_done(data)
        if port.broken:
            self._trouble = f"{self._device}: {port.broken}"
            self._close()
            self._retry_at = now + RETRY_S
            return
        over = [reader.pairing_is_over(now) for reader in self._on_line]  # every one of them is asked
        if any(over):
            self._close()
            self._retry_at = 0.0
            return
        for number, reader in enumerate(self._on_line):
            self._ask_again(number, reader, now)
            reader.next_command(self._panel, number)

    def _ask_again(self, number: int, reader: OsdpReader, now: float) -> None:
        """libosdp leaves a reader that fell silent alone for minutes; off and on, it asks at once."""
        if number in self._switched_off:
            if not self._panel.is_pd_enabled(number):
                self._panel.enable_pd(number)
                self._switched_off.discard(number)
                reader.offline_at = now  # until it is up
        elif reader.offline_at is not None and now >= reader.offline_at + RETRY_S:
            self._panel.disable_pd(number)
            self._switched_off.add(number)
            reader.offline_at = now

    def _tell(self, now: float) -> None:
        if self._port is None:
            for reader in self._readers:
                if self._trouble:
                    reader.tell(trouble=self._trouble)
            return
        silent = now - self._heard_at >= SILENT_S
        for reader in self._on_line:
            reader.tell(silent=silent, heard=self._heard > 0)

    def _close(self) -> None:
        self._panel = None
        self._on_line = []
        if self._port is not None:
            self._port.close()
            self._port = None
