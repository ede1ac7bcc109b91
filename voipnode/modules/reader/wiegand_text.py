"""Frames as lines of text, from whatever has timed the pulses: a microcontroller on a serial line, or a helper's pipe.

A line's last word is the bits: "10010101000000000010001010". Words before it, such as the pulse's times that
`[controller.wiegand]` writes, are passed over, so that what one node sends another reads.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable

from voipnode.credentials.bits import MAX_BITS, CredentialError
from voipnode.hardware.serial_port import READ_BYTES, SerialPort

MAX_LINE = MAX_BITS + 64


class TextFrames:
    """Frames from the pipe or serial line `device`."""

    def __init__(self, device: str, baud: int) -> None:
        self._device = device
        self._baud = baud
        self._serial: SerialPort | None = None
        self._pipe = -1
        self._rest = b""
        self._is_too_long = False  # the line that goes on: what is left of it is passed over
        self._heard: Callable[[str | CredentialError], None] | None = None
        self._lost: Callable[[str], None] | None = None

    def open(self, heard: Callable[[str | CredentialError], None], lost: Callable[[str], None]) -> None:
        self._heard, self._lost = heard, lost
        self._rest, self._is_too_long = b"", False
        mode = os.stat(self._device).st_mode
        if stat.S_ISCHR(mode):
            self._serial = SerialPort(self._device, self._baud)
            file = self._serial.fileno()
        elif stat.S_ISFIFO(mode):
            # Opened for both, it does not end when a helper ends, and the next one goes on.
            file = self._pipe = os.open(self._device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        else:
            raise OSError(0, "it is neither a pipe (mkfifo) nor a serial line")
        asyncio.get_running_loop().add_reader(file, self._read)

    def close(self) -> None:
        file = self._pipe if self._serial is None else self._serial.fileno()
        if file >= 0:
            asyncio.get_running_loop().remove_reader(file)
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _read(self) -> None:
        if self._serial is not None:
            self._serial.turn()
            data = self._serial.read(READ_BYTES)
            if self._serial.broken and self._lost is not None:
                self._lost(self._serial.broken)
                return
        else:
            try:
                data = os.read(self._pipe, READ_BYTES)
            except BlockingIOError:
                return
        self._take(data)

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if self._is_too_long:
                self._is_too_long = False
            elif words := line.split():
                self._tell(words[-1].decode("latin-1"))
        if len(self._rest) > MAX_LINE:
            if not self._is_too_long:
                self._tell(CredentialError("a line without an end"))
            self._rest, self._is_too_long = b"", True

    def _tell(self, frame: str | CredentialError) -> None:
        if self._heard is not None:
            self._heard(frame)
