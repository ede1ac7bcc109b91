"""Commands for plug-ins, whose own commands the node does not know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlugins(Command):
    """The plug-ins of the settings as JSON: name, package, state ("running", "failed", "missing", "off"), trouble,
    silenced, commands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPlugin(Command):
    """Have a plug-in carry out a command of its own, by the name of its kind. Returns what it answers.

    Raises UnknownNameError, FieldsError where the values are not right, CallError where it fails.
    """

    plugin: str
    command: str
    values: Mapping[str, Any] = field(default_factory=dict)
