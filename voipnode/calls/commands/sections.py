"""Commands for sections of the settings file: tables that there are one of, such as [controller]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSection(Command):
    """A section as JSON: all its keys without secrets."""

    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeSection(Command):
    """What can be set in a section, as JSON Schema."""

    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSection(Command):
    """Change keys of a section, and of tables in it; None gives one its default. Raises FieldsError for what is not
    right."""

    section: str
    changes: Mapping[str, Any] = field(repr=False)
