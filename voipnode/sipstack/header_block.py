"""The header fields of one message: kept as the lines they came in, found by name, changed one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.grammar import TOKEN_CHARS, check_writable, is_token, split_commas, unfold
from voipnode.sipstack.header_names import SPELLINGS, field_key, line_key
from voipnode.sipstack.memo import Memo

MAX_HEADER_FIELDS = 256

_NAMES = re.compile(rf"\n([{TOKEN_CHARS}]++):")
_BLANKS = (" ", "\t")


class Headers:
    """Ordered header fields; those not touched stay byte for byte as they came, folding and white space included.

    Names go without regard to case, and a compact form names the same field as the long one (RFC 3261 §7.3.3).
    Values written by a program must hold no CR, LF or NUL, else LocalError.
    """

    __slots__ = ("_keys", "_lines", "_wrong", "cache", "changed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        """From (name, value) pairs, one field line each; LocalError as `add`."""
        self._keys: list[str] = []
        self._lines: list[str] = []
        self._wrong: ParseError | None = None
        self.cache: dict[str, Any] = {}
        """What the typed accessors of `Message` read out of these fields; emptied by every change."""
        self.changed = True
        """False while these are exactly the fields that were received."""
        for name, value in items:
            self.add(name, value)

    @classmethod
    def received(cls, text: str, lines: list[str]) -> Headers:
        """The fields of a received head: `text` with its start line, and the `lines` after that one, which are kept.

        CR and LF stand in it only together, and MAX_HEADER_FIELDS was seen to: the parser's part.
        """
        headers = cls.__new__(cls)
        headers._wrong = None
        headers.cache = {}
        headers.changed = False
        # All names at one stroke. A folded line has none there, and a rare name no place in the table.
        keys = list(map(SPELLINGS.get, _NAMES.findall(text)))
        if len(keys) == len(lines) and None not in keys:
            headers._keys = cast("list[str]", keys)
            headers._lines = lines
        else:
            headers._read_rare_names(_join_folded(lines))
        return headers

    def check(self) -> None:
        """Raise ParseError where a received line was no `name: value`; such a line is left out of everything else."""
        if self._wrong is not None:
            raise self._wrong

    def _read_rare_names(self, lines: list[str]) -> None:
        self._keys, self._lines = [], []
        for line in lines:
            try:
                self._keys.append(line_key(line))
                self._lines.append(line)
            except ParseError as error:
                self._wrong = self._wrong or error

    def get(self, name: str) -> str | None:
        """The value of the first field of this name, unfolded and stripped; None where there is none."""
        return self.first(field_key(name))

    def first(self, key: str) -> str | None:
        """As `get`, for a name that is already a key: lower case, not compact."""
        keys = self._keys
        if key not in keys:
            return None
        value = self._lines[keys.index(key)].partition(":")[2].strip(" \t")
        return unfold(value) if "\r\n" in value else value

    def get_all(self, name: str) -> list[str]:
        """The value of every field line of this name, unfolded and stripped, commas and all."""
        key = field_key(name)
        keys = self._keys
        values: list[str] = []
        at = -1
        for _ in range(keys.count(key)):
            at = keys.index(key, at + 1)
            values.append(unfold(self._lines[at].partition(":")[2]))
        return values

    def values(self, name: str) -> list[str]:
        """All values of this name over all its lines, cut at commas; ParseError as `split_commas`."""
        key = SPELLINGS.get(name) or field_key(name)
        count = self._keys.count(key)
        if count == 0:
            return []
        if count == 1:
            value = self.first(key) or ""
            return list(_LISTS[value]) if "," in value or not value else [value]
        return [value for line in self.get_all(key) for value in split_commas(line)]

    def count(self, name: str) -> int:
        """How many field lines have this name."""
        return self._keys.count(field_key(name))

    def keys(self) -> list[str]:
        """The name of every field line, in lower case and not compact, in order."""
        return list(self._keys)

    def add(self, name: str, value: str) -> None:
        """Append a field line."""
        self.insert(len(self._lines), name, value)

    def prepend(self, name: str, value: str) -> None:
        """Put a field line before all others, where proxies look first (RFC 3261 §7.3.1)."""
        self.insert(0, name, value)

    def insert(self, index: int, name: str, value: str) -> None:
        """Put a field line before the line number `index`; LocalError for a name or value that cannot be written."""
        line = _line(name, value)
        self._keys.insert(index, field_key(name))
        self._lines.insert(index, line)
        self._touch()

    def set(self, name: str, value: str) -> None:
        """Replace all fields of this name by one, at the place of the first, or at the end where there was none."""
        line = _line(name, value)
        key = field_key(name)
        if key not in self._keys:
            self.add(name, value)
            return
        place = self._keys.index(key)
        self.remove(name)
        self._keys.insert(place, key)
        self._lines.insert(place, line)

    def remove(self, name: str) -> None:
        """Delete all fields of this name, if there are any."""
        key = field_key(name)
        if key in self._keys:
            kept = [(found, line) for found, line in zip(self._keys, self._lines, strict=True) if found != key]
            self._keys, self._lines = [found for found, _ in kept], [line for _, line in kept]
            self._touch()

    def copy_fields(self, source: Headers, *names: str) -> None:
        """Append the fields of these names from `source`, byte for byte (RFC 3261 §8.2.6.2)."""
        for name in names:
            key = field_key(name)
            at = -1
            for _ in range(source._keys.count(key)):
                at = source._keys.index(key, at + 1)
                self._keys.append(key)
                self._lines.append(source._lines[at])
        self._touch()

    def append_to_first(self, name: str, text: str) -> None:
        """Write `text` behind the value of the first field of this name, which must be there; the rest stays as is."""
        index = self._keys.index(field_key(name))
        self._lines[index] = self._lines[index].rstrip(" \t\r\n") + check_writable(text, name)
        self._touch()

    def items(self) -> Iterator[tuple[str, str]]:
        """(name as written, unfolded stripped value) of every field line, in order."""
        for line in self._lines:
            name, _, value = line.partition(":")
            yield name.rstrip(" \t"), unfold(value)

    def raw_lines(self) -> list[str]:
        """The field lines as they go on the wire, without their last CRLF."""
        return list(self._lines)

    def copy(self) -> Headers:
        """An independent copy."""
        headers = Headers()
        headers._keys, headers._lines = list(self._keys), list(self._lines)
        return headers

    def _touch(self) -> None:
        self.changed = True
        if self.cache:
            self.cache = {}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and field_key(name) in self._keys

    def __len__(self) -> int:
        """How many field lines there are."""
        return len(self._lines)

    def __repr__(self) -> str:
        return f"Headers({list(self.items())!r})"


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(split_commas(text))


_LISTS = Memo(_read_list)


def _line(name: str, value: str) -> str:
    if name not in SPELLINGS and not is_token(name):
        raise LocalError(f"{name!r} is no header field name")
    return f"{name}: {check_writable(value, name)}"


def _join_folded(lines: list[str]) -> list[str]:
    """Lines that begin with white space joined to the one before, CRLF kept (RFC 3261 §7.3.1)."""
    joined: list[list[str]] = []
    for line in lines:
        if line[:1] in _BLANKS and joined:
            joined[-1].append(line)
        else:
            joined.append([line])
    return ["\r\n".join(pieces) for pieces in joined]
