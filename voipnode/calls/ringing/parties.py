"""Where parties are and whether they may be rung, asked at the moment when they are to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from voipnode.calls.ringing.plan import Recipient
from voipnode.calls.ways import Way

Found = Callable[[Sequence[Way], str], None]
"""Called once, perhaps at once, with a way to each telephone of a party; with none, and why, where it has no such."""


class Parties(Protocol):
    """What ringing has to know of the world."""

    def hindrance(self, recipient: Recipient) -> str:
        """Why it may not be rung now, in words; "" where it may."""
        ...

    def find(self, recipient: Recipient, done: Found) -> None: ...


class NoParties:
    """A house where nobody is known."""

    def hindrance(self, recipient: Recipient) -> str:
        return ""

    def find(self, recipient: Recipient, done: Found) -> None:
        done((), f'"{recipient.address}" is not known')


class KnownParties:
    """Parties whose ways have been found already, by address; others are asked for."""

    def __init__(self, ways: Mapping[str, Sequence[Way]], others: Parties) -> None:
        self._ways = dict(ways)
        self._others = others

    def hindrance(self, recipient: Recipient) -> str:
        return "" if recipient.address in self._ways else self._others.hindrance(recipient)

    def find(self, recipient: Recipient, done: Found) -> None:
        ways = self._ways.get(recipient.address)
        if ways is None:
            self._others.find(recipient, done)
        else:
            done(ways, "")
