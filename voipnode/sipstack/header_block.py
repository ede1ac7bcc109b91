"""The header fields of one message: kept as they came, found by name, changed one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.grammar import TOKEN_CHARS, check_writable, is_token, split_commas, unfold
from voipnode.sipstack.header_names import LAYOUTS, SPELLINGS, Layout, field_key, line_key
from voipnode.sipstack.memo import Memo

MAX_HEADER_FIELDS = 256

_NAME = re.compile(rf"\r\n([{TOKEN_CHARS}]++):")
_BLANKS = (" ", "\t")
_new = object.__new__


class EmptyLineError(ParseError):
    """What was taken for a head holds an empty line: the message's own ends there."""


class Headers:
    """Ordered header fields; those not touched stay byte for byte as they came, folding and white space included.

    Names go without regard to case, and a compact form names the same field as the long one (RFC 3261 §7.3.3).
    Values written by a program must hold no CR, LF or NUL, else LocalError.
    """

    __slots__ = ("_folded", "_layout", "_names", "_values", "_wrong", "cache", "changed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        """From (name, value) pairs, one field line each; LocalError as `add`."""
        # A field line is its name, a colon and its value, with the white space round the colon that it came with.
        self._names: list[str] = []
        self._values: list[str] = []
        self._folded = False  # True where a value may hold a line folding
        self._layout: Layout | None = None
        self._wrong: ParseError | None = None
        self.cache: dict[str, Any] = {}
        """What the typed accessors of `Message` read out of these fields; emptied by every change."""
        self.changed = True
        """False while these are exactly the fields that were received."""
        for name, value in items:
            self.add(name, value)

    def check(self) -> None:
        """Raise ParseError where a received line was no `name: value`; such a line is left out of everything else."""
        if self._wrong is not None:
            raise self._wrong

    def get(self, name: str) -> str | None:
        """The value of the first field of this name, unfolded and stripped; None where there is none."""
        return self.first(field_key(name))

    def first(self, key: str) -> str | None:
        """As `get`, for a name that is already a key: lower case, not compact."""
        place = (self._layout or self._lay_out()).first.get(key)
        if place is None:
            return None
        value = self._values[place].strip(" \t")
        return unfold(value) if self._folded else value

    def only(self, key: str) -> str | None:
        """As `first`, where exactly one field line has this name; else None."""
        places = (self._layout or self._lay_out()).places.get(key)
        if places is None or len(places) > 1:
            return None
        value = self._values[places[0]].strip(" \t")
        return unfold(value) if self._folded else value

    def get_all(self, name: str) -> list[str]:
        """The value of every field line of this name, unfolded and stripped, commas and all."""
        return self.lines(field_key(name))

    def lines(self, key: str) -> list[str]:
        """As `get_all`, for a name that is already a key: lower case, not compact."""
        places = (self._layout or self._lay_out()).places.get(key, ())
        return [unfold(self._values[place]) for place in places]

    def values(self, name: str) -> list[str]:
        """All values of this name over all its lines, cut at commas; ParseError as `split_commas`."""
        key = SPELLINGS.get(name) or field_key(name)
        places = (self._layout or self._lay_out()).places.get(key)
        if places is None:
            return []
        if len(places) == 1:
            value = self._values[places[0]].strip(" \t")
            if self._folded:
                value = unfold(value)
            return list(_LISTS[value]) if "," in value or not value else [value]
        return [value for line in self.lines(key) for value in split_commas(line)]

    def count(self, name: str) -> int:
        """How many field lines have this name."""
        return len(self._places(field_key(name)))

    def keys(self) -> list[str]:
        """The name of every field line, in lower case and not compact, in order."""
        return list((self._layout or self._lay_out()).keys)

    def add(self, name: str, value: str) -> None:
        """Append a field line."""
        self.insert(len(self._names), name, value)

    def prepend(self, name: str, value: str) -> None:
        """Put a field line before all others, where proxies look first (RFC 3261 §7.3.1)."""
        self.insert(0, name, value)

    def insert(self, index: int, name: str, value: str) -> None:
        """Put a field line before the line number `index`; LocalError for a name or value that cannot be written."""
        value = _written(name, value)
        self._names.insert(index, name)
        self._values.insert(index, value)
        self._touch()

    def set(self, name: str, value: str) -> None:
        """Replace all fields of this name by one, at the place of the first, or at the end where there was none."""
        _written(name, value)
        places = self._places(field_key(name))
        self.remove(name)
        self.insert(places[0] if places else len(self._names), name, value)

    def remove(self, name: str) -> None:
        """Delete all fields of this name, if there are any."""
        places = self._places(field_key(name))
        if places:
            for place in reversed(places):
                del self._names[place], self._values[place]
            self._touch()

    def copy_fields(self, source: Headers, *names: str) -> None:
        """Append the fields of these names from `source`, byte for byte (RFC 3261 §8.2.6.2)."""
        for name in names:
            for place in source._places(field_key(name)):
                self._names.append(source._names[place])
                self._values.append(source._values[place])
        self._folded = self._folded or source._folded
        self._touch()

    def append_to_first(self, name: str, text: str) -> None:
        """Write `text` behind the value of the first field of this name, which must be there; the rest stays as is."""
        place = self._places(field_key(name))[0]
        self._values[place] = self._values[place].rstrip(" \t\r\n") + check_writable(text, name)
        self._touch()

    def items(self) -> Iterator[tuple[str, str]]:
        """(name as written, unfolded stripped value) of every field line, in order."""
        for name, value in zip(self._names, self._values, strict=True):
            yield name.rstrip(" \t"), unfold(value)

    def raw_lines(self) -> list[str]:
        """The field lines as they go on the wire, without their last CRLF."""
        return [f"{name}:{value}" for name, value in zip(self._names, self._values, strict=True)]

    def copy(self) -> Headers:
        """An independent copy."""
        headers = Headers()
        headers._names, headers._values, headers._layout = list(self._names), list(self._values), self._layout
        headers._folded = self._folded
        return headers

    def _places(self, key: str) -> Sequence[int]:
        return (self._layout or self._lay_out()).places.get(key, ())

    def _lay_out(self) -> Layout:
        layout = self._layout = LAYOUTS["\n".join(self._names)]
        return layout

    def _touch(self) -> None:
        self.changed = True
        self._layout = None
        if self.cache:
            self.cache = {}

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._places(field_key(name)))

    def __len__(self) -> int:
        """How many field lines there are."""
        return len(self._names)

    def __repr__(self) -> str:
        return f"Headers({list(self.items())!r})"


def _read_list(text: str) -> tuple[str, ...]:
    return tuple(split_commas(text))


_LISTS = Memo(_read_list)


def cut_head(text: str) -> tuple[str, Headers]:
    """The start line and the header fields of a received head.

    Raises EmptyLineError where an empty line stands in it, ParseError for CR or LF alone and for more than
    MAX_HEADER_FIELDS lines; see also `Headers.check`.
    """
    pieces = _NAME.split(text)  # the start line, then a name and what stands behind its colon, again and again
    values = pieces[::2]
    whole = "".join(values)
    if "\r" in whole or "\n" in whole:
        return _cut_lines(text)
    del values[0]
    if len(values) > MAX_HEADER_FIELDS:
        raise ParseError(f"more than {MAX_HEADER_FIELDS} header lines")
    headers = _new(Headers)
    headers._names = names = pieces[1::2]
    headers._values = values
    headers._folded = False
    headers._layout = LAYOUTS["\n".join(names)]
    headers._wrong = None
    headers.cache = {}
    headers.changed = False
    return pieces[0], headers


def _cut_lines(text: str) -> tuple[str, Headers]:
    """As `cut_head`, for a head in which something else than a name and a colon follows a line end."""
    start_line, *lines = text.split("\r\n")
    if "" in lines:
        raise EmptyLineError("an empty line in the header")
    # A lone CR or LF is a line end to some and not to others: passed on, it would smuggle a header field.
    whole = start_line + "".join(lines)
    if "\r" in whole or "\n" in whole:
        raise ParseError("CR or LF alone in the header")
    if len(lines) > MAX_HEADER_FIELDS:
        raise ParseError(f"more than {MAX_HEADER_FIELDS} header lines")
    names: list[str] = []
    values: list[str] = []
    wrong: ParseError | None = None
    for line in _join_folded(lines):
        try:
            line_key(line)
        except ParseError as error:
            wrong = wrong or error
            continue
        name, _, value = line.partition(":")
        names.append(name)
        values.append(value)
    headers = Headers()
    headers._names, headers._values, headers._folded, headers._wrong = names, values, True, wrong
    headers.changed = False
    return start_line, headers


def _written(name: str, value: str) -> str:
    """What stands behind the colon of a line that a program writes; LocalError where it may not write it."""
    if name not in SPELLINGS and not is_token(name):
        raise LocalError(f"{name!r} is no header field name")
    return " " + check_writable(value, name)


def _join_folded(lines: list[str]) -> list[str]:
    """Lines that begin with white space joined to the one before, CRLF kept (RFC 3261 §7.3.1)."""
    joined: list[list[str]] = []
    for line in lines:
        if line[:1] in _BLANKS and joined:
            joined[-1].append(line)
        else:
            joined.append([line])
    return ["\r\n".join(pieces) for pieces in joined]
