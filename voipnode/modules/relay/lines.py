"""The drivers of output lines, one interface: a simulated relay in a file, a GPIO line of the kernel, a relay by HTTP.

A line is a relay contact with two levels: open (coil without current) and closed (coil energised). Which of them is
normal is a setting: with normally open, active is closed (a fail-secure lock: power unlocks it, no power is locked);
with normally closed, active is open (a fail-safe lock: power holds it locked, no power is free). Active = current
differs from normal. Every line opens at start, then goes to its normal state. Only the guardian opens lines.
"""

from __future__ import annotations

import fcntl
import importlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

CONSUMER = "voipnode-guardian"


class LineError(Exception):
    """A line that cannot be held; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class LineSpec:
    """One line as the guardian is told to hold it; `chip`, `offset` and `active_low` are for driver "gpiod", `board` is
    for "http" (`settings.HttpBoardSettings`, with its password)."""

    name: str
    normally_closed: bool
    driver: str
    chip: str = ""
    offset: int = 0
    active_low: bool = False
    board: dict[str, Any] | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Line(Protocol):
    """A held line. `write` raises OSError when the line cannot be driven; `close` gives it back and may be repeated.

    `until`: when an activation ends (CLOCK_BOOTTIME), for a driver that has to know; 0 for the normal state.
    """

    def write(self, *, closed: bool, until: float = 0.0) -> None: ...

    def close(self) -> None: ...


class SimulatedLine:
    """A relay contact as one byte of a file: b"0" open, b"1" closed, written in place.

    The byte is allocated at start and then overwritten, so that a full disk cannot stop a release. A lock on the file
    stands for the kernel's refusal to hand out a line twice. What a file cannot do is fall back when its holder is
    killed, as a line of the kernel does: it keeps its byte until the next guardian opens it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._fd, 0, 1)
            self.write(closed=False)
            os.ftruncate(self._fd, 1)
        except BlockingIOError:
            self.close()
            raise LineError(f"{path}: another guardian holds this line") from None
        except OSError:
            self.close()
            raise

    def write(self, *, closed: bool, until: float = 0.0) -> None:
        os.pwrite(self._fd, b"1" if closed else b"0", 0)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class GpiodLine:
    """One line of a GPIO chip through libgpiod 2 (package `gpiod`): requested as output at the open level.

    When the holder dies the kernel takes the line back. What level it then has is the chip driver's affair (libgpiod,
    gpiod_line_request_release: "undefined"); choose the board's resistors so that a released line is an open contact.
    `gpiod` is loaded here and nowhere else; a test passes its own as `library`.
    """

    def __init__(self, chip: str, offset: int, *, active_low: bool = False, library: Any = None) -> None:
        try:
            gpiod = library or importlib.import_module("gpiod")
        except ImportError:
            raise LineError('driver "gpiod" needs the package gpiod: install voipnode[gpio]') from None
        self._closed, self._open = gpiod.line.Value.ACTIVE, gpiod.line.Value.INACTIVE
        self._offset = offset
        settings = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT, active_low=active_low, output_value=self._open
        )
        self._request = gpiod.request_lines(chip, config={offset: settings}, consumer=CONSUMER)

    def write(self, *, closed: bool, until: float = 0.0) -> None:
        self._request.set_value(self._offset, self._closed if closed else self._open)

    def close(self) -> None:
        if self._request is not None:
            self._request.release()
            self._request = None


def line_path(state_dir: Path, name: str) -> Path:
    """Where the simulated line `name` shows its level to whoever wants to look."""
    return state_dir / "lines" / name


def open_line(spec: LineSpec, state_dir: Path) -> Line:
    """Hold `spec`: open first, then its normal state. Raises `LineError` naming the line and what is wrong."""
    try:
        line: Line
        if spec.driver == "simulated":
            line = SimulatedLine(line_path(state_dir, spec.name))
        elif spec.driver == "gpiod":
            line = GpiodLine(spec.chip, spec.offset, active_low=spec.active_low)
        elif spec.driver == "http" and spec.board is not None:
            from voipnode.modules.relay.http_line import HttpLine  # with `subprocess`, which others do without

            return HttpLine(f"{state_dir}/{spec.name}", spec.board, normally_closed=spec.normally_closed)
        else:
            raise LineError(f'driver "{spec.driver}" does not exist; there are "simulated", "gpiod" and "http"')
        line.write(closed=spec.normally_closed)
    except (LineError, OSError, ValueError) as error:  # ValueError: gpiod, for an offset the chip does not have
        raise LineError(f'output "{spec.name}": {error}') from error
    return line
