"""Commands for readers and the door controller behind them."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ForwardCredential(Command):
    """Hand what a reader read to the door controller: a card's `uid` in hexadecimal, of `bits` bits (0 = unknown), or
    the `keys` pressed. Returns "forwarded". Raises NotNowError where the controller does not hear. Never in a log: no
    repr."""

    reader: str
    uid: str = ""
    bits: int = 0
    keys: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowController(Command):
    """The door controller as JSON: protocol ("none" without one), state, detail, and the entrances (name, token) that
    it offers where it is asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReaders(Command):
    """The readers as JSON: name, driver, enabled, state, secure, tampered, detail, pairs (whether it can be paired),
    chip_types, refused (how often it sent what is neither card nor keys)."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PresentCard(Command):
    """Show a card to a reader by software: what its settings do to cards is done to this one. `chip`: the card's kind;
    `secure_id` and `places` (address, key, data) are what a reader of such chips would find. All in hexadecimal.

    Returns as `ReadCard`, or "ignored" for a kind that the reader does not read. Never in a log: no repr.
    """

    reader: str
    uid: str
    bits: int = 0
    chip: str = ""
    secure_id: str = ""
    places: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReader(Command):
    """Give an OSDP reader in its installation mode a new key for its secure channel, within `for_s`.

    Returns at once; `ReaderChanged` tells what comes of it. Raises NotNowError where there is nothing to pair.
    """

    reader: str
    for_s: float = 60.0
