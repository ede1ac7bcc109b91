"""A serial line as libosdp's channel, with the gate before it."""

from __future__ import annotations

import time
from collections.abc import Callable

from voipnode.credentials.osdp_frames import FrameGate
from voipnode.hardware.serial_port import READ_BYTES, SerialPort


class OsdpChannel:
    """What libosdp reads and writes: of `port` only what `gate` lets pass. Its methods never raise."""

    def __init__(self, port: SerialPort, gate: FrameGate, clock: Callable[[], float] = time.monotonic) -> None:
        self.id = port.id
        self._port = port
        self._gate = gate
        self._clock = clock
        self._passed = b""

    @property
    def has_more(self) -> bool:
        """Whether frames wait that libosdp has not read yet."""
        return bool(self._passed)

    def read(self, max_bytes: int) -> bytes:
        if not self._passed and (data := self._port.read(READ_BYTES)):
            self._passed = self._gate.feed(data, self._clock())
        data, self._passed = self._passed[:max_bytes], self._passed[max_bytes:]
        return data

    def write(self, data: bytes) -> int:
        return self._port.write(data)

    def flush(self) -> None:
        """libosdp drops what is left of a packet that went wrong."""
        self._passed = b""
        self._gate.clear()
        self._port.flush()
