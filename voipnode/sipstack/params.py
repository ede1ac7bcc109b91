"""`;name=value` parameters of URIs and header fields: ordered, names without regard to case, immutable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.grammar import PARAM_CHARS, TIGHT_PARAMS, is_quoted, quote, split_params, unquote

_BARE = re.compile(rf"[{PARAM_CHARS}]++")
_new = object.__new__


class Params:
    """Parameters in their order, names without regard to case; of several of one name the first counts.

    `get` undoes quotes, `str` writes back what was read. Values given by a program are quoted where they need it;
    one that is itself a complete quoted-string is taken as it is.
    """

    __slots__ = ("_items", "_text")

    def __init__(self, items: Iterable[tuple[str, str | None]] = ()) -> None:
        """From (name, value) pairs, None making a flag; LocalError for a name that is not a token, or twice there."""
        self._text: str | None = None  # what was parsed, where it had no white space
        self._items: dict[str, tuple[str, str | None]] = {}
        for name, value in items:
            key = name.lower()
            if key in self._items or not _BARE.fullmatch(name):
                raise LocalError(f"parameter name {name!r} is no token, or there twice")
            bare = value is None or _BARE.fullmatch(value) or is_quoted(value)
            self._items[key] = (name, value if bare or value is None else quote(value))

    @classmethod
    def parse(cls, text: str) -> Params:
        """From `;name=value;flag` text, white space around `;` and `=` allowed.

        Raises ParseError for empty or nameless parameters and for more than MAX_PARAMS.
        """
        if not text:
            return EMPTY
        params = _new(cls)
        if TIGHT_PARAMS.fullmatch(text):
            params._text = text
            return params
        params._text = None
        params._items = _first_of_each(split_params(text))
        return params

    def __getattr__(self, name: str) -> Any:
        # Only asked where a slot is still empty: most parameters are carried and never looked at.
        if name == "_items":
            self._items = _first_of_each(split_params(self._text or ""))
            return self._items
        raise AttributeError(name)

    @classmethod
    def _of(cls, items: dict[str, tuple[str, str | None]]) -> Params:
        params = cls.__new__(cls)
        params._text = None
        params._items = items
        return params

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value with its quotes undone; `default` where the parameter is absent or a flag without a value."""
        text = self._text
        if text is not None:
            first, equals, rest = text.partition("=")
            if equals and first[1:] == name:  # tag and branch mostly stand first
                return rest.partition(";")[0]
        item = self._items.get(name) or self._items.get(name.lower())
        if item is None or item[1] is None:
            return default
        return unquote(item[1])

    def raw(self, name: str) -> str | None:
        """The value as written, quotes and all; None where the parameter is absent or a flag."""
        item = self._items.get(name.lower())
        return item[1] if item else None

    def items(self) -> Iterator[tuple[str, str | None]]:
        """(name as written, value with quotes undone), in order."""
        for name, value in self._items.values():
            yield name, None if value is None else unquote(value)

    def with_(self, name: str, value: str | None = None) -> Params:
        """A copy in which `name` has this value, at its old place or at the end; LocalError as in the constructor."""
        return Params._of({**self._items, **Params([(name, value)])._items})

    def without(self, name: str) -> Params:
        """A copy that lacks `name`."""
        return Params._of({key: item for key, item in self._items.items() if key != name.lower()})

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        key = name.lower()
        if self._text is not None and key not in self._text.lower():
            return False
        return key in self._items

    def __iter__(self) -> Iterator[str]:
        """The names, in lower case."""
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in self._items.values()])

    def __repr__(self) -> str:
        return f"Params({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self._plain() == other._plain() if isinstance(other, Params) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._plain().items()))

    def _plain(self) -> dict[str, str | None]:
        return {key: None if value is None else unquote(value) for key, (_, value) in self._items.items()}


EMPTY = Params()
"""No parameters; one object for all, since Params never change."""


def _first_of_each(pairs: list[tuple[str, str | None]]) -> dict[str, tuple[str, str | None]]:
    # RFC 3261 §7.3.1 allows a name once only; what to do with a second is left open.
    items: dict[str, tuple[str, str | None]] = {}
    for pair in pairs:
        items.setdefault(pair[0].lower(), pair)
    return items
