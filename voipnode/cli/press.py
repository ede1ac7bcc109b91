"""`voipnode press`: presses an input of the running node, through its HTTP API."""

from __future__ import annotations

import urllib.parse
from collections.abc import Callable

from rich.markup import escape

from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.node_api import NodeApi, NodeRefusedError, NodeUnreachableError


def press_input(name: str, recipients: tuple[str, ...], url: str) -> ExitCode:
    """Ask the node at `url` to press the input `name`."""

    def ask(node: NodeApi) -> ExitCode:
        path = f"/inputs/{urllib.parse.quote(name, safe='')}/press"
        node.post(path, {"recipients": list(recipients)} if recipients else {})
        output().print(f"{escape(name)} pressed.")
        return ExitCode.OK

    return by_node(url, ask)


def by_node(url: str, ask: Callable[[NodeApi], ExitCode]) -> ExitCode:
    """Ask the node at `url`; what it refuses, and that it is not there, is told in words and by the exit code."""
    try:
        node = NodeApi(url)
    except ValueError as error:
        errors().print(f"[red]--url {escape(str(error))}[/red]")
        return ExitCode.USAGE
    try:
        return ask(node)
    except NodeRefusedError as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.REFUSED
    except NodeUnreachableError as error:
        errors().print(f"[red]{escape(str(error))}[/red]")
        return ExitCode.UNREACHABLE
