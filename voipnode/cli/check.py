"""`voipnode check`: all problems of a settings file at once."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.plugins.settings import troubles
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import load_settings, problems_at
from voipnode.tls_profiles import broken_files


def load_or_complain(path: Path | None) -> NodeSettings | None:
    """The settings, or None after every problem was told, of the files that they name too."""
    try:
        settings = load_settings(path, NodeSettings)
        if broken := problems_at(path, broken_files(settings.sip, settings.all_accounts), NodeSettings):
            raise broken
        return settings
    except SettingsError as error:
        complain(error)
        return None


def complain(error: SettingsError) -> None:
    """Tell every problem."""
    console = errors()
    for problem in error.problems:
        console.print(f"[red]{escape(str(problem))}[/red]")
    count = len(error.problems)
    console.print(f"{count} problem{'s' if count > 1 else ''} in the settings.")


def check_settings(path: Path | None) -> ExitCode:
    """Tell whether the settings can be used."""
    settings = load_or_complain(path)
    if settings is None:
        return ExitCode.SETTINGS
    # The node runs without them and says so; who checks a file wants to know before.
    if broken := problems_at(path, troubles(settings.plugins), NodeSettings):
        complain(broken)
        return ExitCode.SETTINGS
    output().print(f"{path or 'The defaults'}: no problems.")
    return ExitCode.OK
