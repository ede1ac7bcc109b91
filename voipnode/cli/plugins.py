"""`voipnode plugins`: what is installed, what the settings name, and whether the two fit."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from voipnode.cli.check import load_or_complain
from voipnode.cli.console import output
from voipnode.cli.exit_codes import ExitCode
from voipnode.plugins.installed import Installed, installed
from voipnode.plugins.settings import PluginTable


def list_plugins(path: Path | None) -> ExitCode:
    """A line for each plug-in: its name, its package, its state."""
    settings = load_or_complain(path)
    if settings is None:
        return ExitCode.SETTINGS
    found, tables = installed(), settings.plugins
    names = sorted({*found, *tables})
    console = output()
    for name in names:
        package = ", ".join(each.package for each in found.get(name, [])) or "-"
        console.print(escape(f"{name:<24} {package:<32} {_state(tables.get(name), found.get(name, []))}"))
    if not names:
        console.print("No installed package offers a plug-in, and the settings name none.")
    return ExitCode.FAILED if any(table.trouble for table in tables.values()) else ExitCode.OK


def _state(table: PluginTable | None, offers: list[Installed]) -> str:
    if table is None:
        return f"not in the settings: [plugins.{offers[0].name}] loads it"
    if not table.keys.enabled:
        return "off (enabled = false)"
    opens = ", and may open" if table.keys.may_open else ""
    return f"cannot be used: {table.trouble}" if table.trouble else f"is loaded{opens}"
