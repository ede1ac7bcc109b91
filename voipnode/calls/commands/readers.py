"""Commands for readers and the door controller behind them."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ForwardCredential(Command):
    """Hand what a reader read to the door controller: a card's `uid` in hexadecimal, of `bits` bits (0 = unknown), or
    the `keys` pressed. Raises NotNowError where the controller does not hear. Never in a log: no repr."""

    reader: str
    uid: str = ""
    bits: int = 0
    keys: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReaders(Command):
    """The readers as JSON: name, driver, state, secure, tampered, detail."""
