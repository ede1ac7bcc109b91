"""A serial line, on a pseudo-terminal: what comes, what goes, and what is no more."""

from __future__ import annotations

import os
import pty
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from voipnode.hardware.serial_port import READ_BYTES, SerialPort


class Far:
    """The other end."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self.master)
        self.device = os.ttyname(self._slave)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            os.close(self._slave)
            self.master = -1


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()
    yield end
    end.close()


def test_bytes_go_both_ways_as_they_are(far: Far) -> None:
    port = SerialPort(far.device, 9600)
    every = bytes(range(256))
    assert port.read(10) == b""
    assert not port.broken
    assert port.write(every) == 256
    assert os.read(far.master, 300) == every
    os.write(far.master, every)
    assert port.read(1000) == every
    assert port.heard == 256
    assert termios.tcgetattr(port.fileno())[4:6] == [termios.B9600] * 2
    port.close()
    port.close()
    assert port.fileno() == -1


def test_a_flood_is_read_in_turns(far: Far) -> None:
    port = SerialPort(far.device, 115200)
    os.write(far.master, b"x" * 600)
    assert len(port.read(10_000)) == READ_BYTES
    assert port.read(10_000) == b""
    port.turn()
    assert len(port.read(10)) == 10
    port.flush()
    assert port.read(10) == b""
    assert not port.broken
    port.close()


def test_an_end_that_is_gone_is_said_once_and_for_all(far: Far) -> None:
    port = SerialPort(far.device, 9600)
    far.close()
    assert port.read(10) == b""
    assert port.broken
    assert port.read(10) == b""
    assert port.write(b"x") == 0
    port.flush()
    port.close()


def test_what_is_no_serial_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OSError, match=r"[Ii]nappropriate|no serial line"):
        SerialPort(str(file), 9600)
    with pytest.raises(FileNotFoundError):
        SerialPort(str(tmp_path / "none"), 9600)
