"""Commands for lists of the settings file whose entries have names: profiles, pages, rules, ..."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadList(Command):
    """The entries of a list as JSON: all their keys without secrets; `brief`: only what differs from its default."""

    list: str
    brief: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeList(Command):
    """What can be set of an entry, as JSON Schema."""

    list: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddToList(Command):
    """Add an entry to the settings file. Returns its name. Raises FieldsError for what is not right in it."""

    list: str
    values: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeInList(Command):
    """Change keys of an entry; None gives one its default. Returns its name, which may be among them."""

    list: str
    name: str
    changes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFromList(Command):
    """Take an entry out of the settings file. Raises FieldsError where another entry names it."""

    list: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportList(Command):
    """Take entries from what was exported: all or, with FieldsError, none. Returns words.

    `mode`: "add" takes new ones only, "overwrite" gives those of the same name what is written, and adds the others,
    "replace" removes all that there are before.
    """

    list: str
    entries: Sequence[Any] = field(repr=False)
    mode: str = "add"
