"""`voipnode check`: all problems of a settings file at once."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import load_settings


def load_or_complain(path: Path | None) -> NodeSettings | None:
    """The settings, or None after every problem was told."""
    try:
        return load_settings(path, NodeSettings)
    except SettingsError as error:
        console = errors()
        for problem in error.problems:
            console.print(f"[red]{escape(str(problem))}[/red]")
        count = len(error.problems)
        console.print(f"{count} problem{'s' if count > 1 else ''} in the settings.")
        return None


def check_settings(path: Path | None) -> ExitCode:
    """Tell whether the settings can be used."""
    settings = load_or_complain(path)
    if settings is None:
        return ExitCode.SETTINGS
    output().print(f"{path or 'The defaults'}: no problems.")
    return ExitCode.OK
