"""Where commands talk to people: results on standard output, complaints on standard error."""

from __future__ import annotations

from rich.console import Console


def output() -> Console:
    """For results; plain text when it is not a terminal."""
    return Console(highlight=False, soft_wrap=True)


def errors() -> Console:
    """For what went wrong, and for progress."""
    return Console(stderr=True, highlight=False, soft_wrap=True)
