"""The command line. Each command imports what it needs when it runs, so that help appears at once."""

from __future__ import annotations


def main() -> None:
    """Entry point of the `voipnode` command."""
    from voipnode.cli.commands import app

    app()
