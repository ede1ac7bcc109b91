"""Reads a QR code of version 1 (21 x 21) out of an SVG, without correcting errors: what it is drawn from stays unknown.

ISO/IEC 18004: format information (7.9), masks (7.8.2), placement of codewords (7.7.3), modes (7.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

SIZE = 21
QUIET = 4
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda row, column: (row + column) % 2 == 0,
    lambda row, column: row % 2 == 0,
    lambda row, column: column % 3 == 0,
    lambda row, column: (row + column) % 3 == 0,
    lambda row, column: (row // 2 + column // 3) % 2 == 0,
    lambda row, column: row * column % 2 + row * column % 3 == 0,
    lambda row, column: (row * column % 2 + row * column % 3) % 2 == 0,
    lambda row, column: ((row + column) % 2 + row * column % 3) % 2 == 0,
)
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def read_qr(svg: str) -> str:
    """The text in it."""
    dark = _modules(svg)
    mask = sum(((8, column) in dark) << bit for bit, column in ((2, 2), (1, 3), (0, 4))) ^ 0b101
    bits = "".join(str(int(((row, column) in dark) != MASKS[mask](row, column))) for row, column in _order())
    return _text(bits)


def _modules(svg: str) -> set[tuple[int, int]]:
    """The dark modules by row and column: a path of horizontal strokes, one unit wide."""
    (path,) = re.findall(r'<path [^>]*stroke="#000"[^>]* d="([^"]*)"|$^', svg)
    x = y = 0.0
    dark: set[tuple[int, int]] = set()
    for command, numbers in re.findall(r"([Mmh])([-0-9. ]+)", path):
        values = [float(number) for number in numbers.split()]
        if command == "h":
            dark |= {(int(y) - QUIET, int(x) + step - QUIET) for step in range(int(values[0]))}
            x += values[0]
        else:
            x, y = (values[0], values[1]) if command == "M" else (x + values[0], y + values[1])
    assert max(max(place) for place in dark) == SIZE - 1, "this reader knows version 1 alone"
    return dark


def _order() -> Iterator[tuple[int, int]]:
    """The modules of data in their order: two columns at a time from the right, up and down in turn."""
    upwards = True
    for right in (20, 18, 16, 14, 12, 10, 8, 5, 3, 1):
        for step in range(SIZE):
            row = SIZE - 1 - step if upwards else step
            for column in (right, right - 1):
                in_finder = (row < 9 and (column < 9 or column > 12)) or (row > 12 and column < 9)
                if not in_finder and row != 6 and column != 6:
                    yield row, column
        upwards = not upwards


def _text(bits: str) -> str:
    mode = bits[:4]
    if mode == "0001":
        count, rest, digits = int(bits[4:14], 2), bits[14:], ""
        while len(digits) < count:
            size = min(3, count - len(digits))
            width = {3: 10, 2: 7, 1: 4}[size]
            digits += f"{int(rest[:width], 2):0{size}d}"
            rest = rest[width:]
        return digits
    assert mode == "0010", f"mode {mode}"
    count, rest, letters = int(bits[4:13], 2), bits[13:], ""
    while len(letters) < count:
        pair = count - len(letters) > 1
        value, rest = int(rest[: 11 if pair else 6], 2), rest[11 if pair else 6 :]
        letters += (ALPHANUMERIC[value // 45] if pair else "") + ALPHANUMERIC[value % 45]
    return letters
