"""A serial line in raw mode that never blocks, by the standard library alone."""

from __future__ import annotations

import fcntl
import os
import termios

READ_BYTES = 256  # in one turn: more than a reader's longest reply, and than 115200 baud bring in 20 ms


class SerialPort:
    """A serial line, or a pseudo-terminal, that is ours alone; raises OSError where it cannot be.

    `read`, `write` and `flush` are what libosdp asks of a channel: they never raise. `broken` says why the line is of
    no more use, "" while it is; `heard`: bytes read so far.
    """

    id = 0  # libosdp's own: lines are told apart by their control panels

    def __init__(self, device: str, baud: int) -> None:
        self.broken = ""
        self.heard = 0
        self._left = READ_BYTES
        self._file = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._make_raw(baud)
        except termios.error as error:
            self.close()
            raise OSError(error.args[0], f"{device} is no serial line ({error.args[1]})") from error
        except OSError:
            self.close()
            raise

    def _make_raw(self, baud: int) -> None:
        """8 data bits, no parity, one stop bit, no flow control (IEC 60839-11-5), and nobody else's."""
        fcntl.ioctl(self._file, termios.TIOCEXCL)
        speed = getattr(termios, f"B{baud}")
        control = termios.tcgetattr(self._file)[6]
        control[termios.VMIN], control[termios.VTIME] = 1, 0  # no bytes are EAGAIN then, and b"" the end
        flags = termios.CS8 | termios.CREAD | termios.CLOCAL
        termios.tcsetattr(self._file, termios.TCSANOW, [0, 0, flags, 0, speed, speed, control])
        termios.tcflush(self._file, termios.TCIOFLUSH)

    def fileno(self) -> int:
        """For whoever waits until there is something to read; -1 once it is closed."""
        return self._file

    def turn(self) -> None:
        """A new turn begins: so much may be read in it. Who floods the line gains nothing."""
        self._left = READ_BYTES

    def read(self, max_bytes: int) -> bytes:
        if self.broken or not self._left:
            return b""
        try:
            data = os.read(self._file, min(max_bytes, self._left))
        except BlockingIOError:
            return b""
        except OSError as error:
            self.broken = error.strerror or str(error)
            return b""
        if not data:
            self.broken = "the other end is gone"
        self._left -= len(data)
        self.heard += len(data)
        return data

    def write(self, data: bytes) -> int:
        if self.broken:
            return 0
        try:
            return os.write(self._file, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.broken = error.strerror or str(error)
            return 0

    def flush(self) -> None:
        """libosdp drops what is left of a packet that went wrong."""
        if not self.broken:
            try:
                termios.tcflush(self._file, termios.TCIFLUSH)
            except termios.error as error:
                self.broken = str(error.args[1])

    def close(self) -> None:
        """Give the line back; a second time does nothing."""
        if self._file < 0:
            return
        try:
            termios.tcflush(self._file, termios.TCIOFLUSH)  # else close waits for what nobody takes
        except termios.error as error:
            self.broken = str(error.args[1])
        os.close(self._file)
        self._file = -1
