"""`voipnode press`: presses an input of the running node, through its HTTP API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

from rich.markup import escape

from voipnode.cli.console import errors, output
from voipnode.cli.exit_codes import ExitCode

TIMEOUT_S = 10.0


def press_input(name: str, recipients: tuple[str, ...], url: str) -> ExitCode:
    """Ask the node at `url` to press the input `name`."""
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        errors().print(f"[red]--url {escape(url)}: an address like http://127.0.0.1:8080 is needed[/red]")
        return ExitCode.USAGE
    body = json.dumps({"recipients": list(recipients)} if recipients else {}).encode()
    request = urllib.request.Request(  # noqa: S310 -- the scheme was looked at above
        f"{url.rstrip('/')}/api/v1/inputs/{urllib.parse.quote(name, safe='')}/press",
        data=body,
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 -- as above
            output().print(f"{escape(name)} pressed.")
            return ExitCode.OK
    except urllib.error.HTTPError as error:
        errors().print(f"[red]{escape(_detail(error))}[/red]")
        return ExitCode.REFUSED
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        errors().print(f"[red]no node answers at {escape(url)} ({escape(str(reason))}); is `voipnode run` up?[/red]")
        return ExitCode.UNREACHABLE


def _detail(error: urllib.error.HTTPError) -> str:
    """What the node says is wrong (RFC 9457), or the bare status."""
    try:
        problem = json.loads(error.read(65536))
        return str(problem.get("detail") or problem.get("title") or error)
    except (ValueError, AttributeError):
        return str(error)
