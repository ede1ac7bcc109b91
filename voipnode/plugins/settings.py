"""Settings of plug-ins: `[plugins.NAME]`, each checked by the plug-in's own type together with the whole file.

What is wrong with the values is wrong with the file. What is wrong with the plug-in (its package was removed, it cannot
be imported) is no fault of the file's: the node runs without it, and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema
from pydantic_core import InitErrorDetails, PydanticCustomError

from voipnode.calls.hooks import ModuleDescriptor
from voipnode.plugins.installed import Installed, PluginError, in_words, installed, load, one_of
from voipnode.store.tables import Wrong, checked_table

MAX_PLUGINS = 32


class OwnKeys(BaseModel):
    """What the node itself wants to know of a plug-in; every other key is the plug-in's."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # most nodes have no plug-ins

    enabled: bool = Field(default=True, description="Load it; false: its settings are not even looked at.")
    may_open: bool = Field(default=False, description="It may open doors, and allow others to; else only deny.")


@dataclass(frozen=True, slots=True)
class PluginTable:
    """A plug-in of the settings. `trouble`: why it cannot be used, "" where it can; then the descriptor and settings
    are there."""

    name: str
    keys: OwnKeys = field(default_factory=OwnKeys)
    package: str = ""
    trouble: str = ""
    descriptor: ModuleDescriptor | None = None
    settings: Any = None


def checked_tables(data: Any) -> dict[str, PluginTable]:
    """The tables of `[plugins]`. Raises ValidationError with everything that is wrong, at its place. Blocking: those
    that are named are imported."""
    if not isinstance(data, dict):
        raise ValueError('must be tables, such as [plugins.NAME]; "voipnode plugins" lists the names')
    if len(data) > MAX_PLUGINS:
        raise ValueError(f"{len(data)} plug-ins; at most {MAX_PLUGINS}")
    found = installed() if data else {}
    tables: dict[str, PluginTable] = {}
    problems: list[InitErrorDetails] = []
    for name, values in data.items():
        if isinstance(values, PluginTable):  # checked before
            tables[name] = values
            continue
        tables[name], wrong = _checked(str(name), values, found)
        problems += (_problem(str(name), each) for each in wrong)
    if problems:
        raise ValidationError.from_exception_data("plugins", problems)
    return tables


PluginTables = Annotated[
    dict[str, PluginTable],
    PlainValidator(checked_tables),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]


def troubles(tables: dict[str, PluginTable]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The plug-ins that the settings name and that cannot be used: the place, and why."""
    for name, table in tables.items():
        if table.trouble:
            yield ("plugins", name), table.trouble


def _checked(name: str, values: Any, found: dict[str, list[Installed]]) -> tuple[PluginTable, list[Wrong]]:
    if not isinstance(values, dict):
        return PluginTable(name), [Wrong((), "must be a table of its own", missing=False, secret=False)]
    own = {key: value for key, value in values.items() if key in OwnKeys.model_fields}
    keys, wrong = checked_table(own, OwnKeys)
    if keys is None:
        return PluginTable(name), wrong
    if not keys.enabled:
        return PluginTable(name, keys), []
    package = ""
    try:
        plugin = one_of(found, name)
        package = plugin.package
        descriptor = load(plugin)
        rest = {key: value for key, value in values.items() if key not in own}
        settings, wrong = checked_table(rest, descriptor.settings_type)
    except PluginError as error:
        return PluginTable(name, keys, package, str(error)), []
    except Exception as error:  # noqa: BLE001 - a stranger's validator may raise whatever it likes
        return PluginTable(name, keys, package, f"cannot check its settings: {in_words(error)}"), []
    return PluginTable(name, keys, package, "", descriptor, settings), wrong


def _problem(name: str, wrong: Wrong) -> InitErrorDetails:
    context = {"words": wrong.words, "missing": wrong.missing, "secret": wrong.secret}
    kind = PydanticCustomError("plugin", "{words}", context)
    return InitErrorDetails(type=kind, loc=(name, *wrong.path), input=None)
