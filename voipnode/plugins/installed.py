"""Which plug-ins the installed packages offer, and how one is loaded.

A package offers a plug-in by an entry point of the group `voipnode.modules`, whose name is the plug-in's and whose
object is a `ModuleDescriptor`. Nothing of a package is imported before the settings name its plug-in.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel

from voipnode.calls import events
from voipnode.calls.events import Event
from voipnode.calls.hooks import ModuleDescriptor

GROUP = "voipnode.modules"
IMPORT_S = 10.0
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class PluginError(Exception):
    """A plug-in cannot be used, or does what it must not; the message says what."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plug-in that can be loaded: its name, and its package with version."""

    name: str
    package: str
    entry: EntryPoint


def installed() -> dict[str, list[Installed]]:
    """The plug-ins of all installed packages by name; more than one of a name where packages quarrel about it."""
    found: dict[str, list[Installed]] = {}
    for entry in entry_points(group=GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "unknown package"
        known = found.setdefault(entry.name, [])
        if all((each.package, each.entry.value) != (package, entry.value) for each in known):  # a folder that is twice
            known.append(Installed(entry.name, package, entry))  # on the path offers it once
    return dict(sorted(found.items()))


def one_of(found: dict[str, list[Installed]], name: str) -> Installed:
    """The plug-in of that name. Raises PluginError, which says what is installed."""
    offers = found.get(name, [])
    if len(offers) > 1:
        packages = " and ".join(sorted(each.package for each in offers))
        raise PluginError(f"offered by {packages}: neither is loaded; uninstall one of them")
    if not offers:
        there = ", ".join(found) or "none"
        raise PluginError(f"no installed package offers this plug-in; installed: {there}")
    return offers[0]


def load(plugin: Installed, limit_s: float = IMPORT_S) -> ModuleDescriptor:
    """Import the plug-in's package and look at its descriptor. Raises PluginError. Blocking, for `limit_s` at most.

    It is imported in a thread, since an import that never ends cannot be ended.
    """
    outcome: list[Any] = []

    def import_it() -> None:
        try:
            outcome.append(plugin.entry.load())
        except BaseException as error:  # noqa: BLE001 - whatever a stranger's package raises while it is imported
            outcome.append(PluginError(f"cannot be imported: {in_words(error)}"))

    thread = threading.Thread(target=import_it, name=f"import of {plugin.name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not outcome:
        raise PluginError(f"is not imported after {limit_s:g} s")
    if isinstance(outcome[0], PluginError):
        raise outcome[0]
    return _proper(plugin.name, outcome[0])


def in_words(error: BaseException) -> str:
    """An error on one short line, with its type."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def _proper(name: str, offered: Any) -> ModuleDescriptor:
    if not isinstance(offered, ModuleDescriptor):
        raise PluginError(f"its entry point is a {type(offered).__name__}; a ModuleDescriptor is right")
    if offered.name != name:
        raise PluginError(f'its descriptor is named "{offered.name}"; as its entry point, "{name}", is right')
    if not NAME.fullmatch(name) or name in _taken_names():
        raise PluginError("its name must be of a-z, 0-9 and _, at most 32, and none that events of the node begin with")
    if not (isinstance(offered.settings_type, type) and issubclass(offered.settings_type, BaseModel)):
        raise PluginError("its settings type is no pydantic model")
    if not callable(offered.build):
        raise PluginError("its build cannot be called")
    return offered


def _taken_names() -> set[str]:
    kinds = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, Event)]
    return {kind.name.partition(".")[0] for kind in kinds}
