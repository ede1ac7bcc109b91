"""`voipnode test-call`: has the running node call somebody, and tells how it went."""

from __future__ import annotations

import urllib.parse
from typing import Any

from rich.markup import escape

from voipnode.cli.console import output
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.node_api import NodeApi
from voipnode.cli.press import by_node

MARGIN_S = 15.0  # beyond the ringing: names are looked up, and the call is brought to its end
OUTCOMES = {
    "answered": ExitCode.OK,
    "busy": ExitCode.BUSY,
    "no answer": ExitCode.NO_ANSWER,
    "refused": ExitCode.REFUSED,
    "failed": ExitCode.UNREACHABLE,
}


def try_call(who: str, account: str, timeout_s: float, url: str) -> ExitCode:
    """Ask the node at `url` to try the contact `who`, or the address, where it is one."""

    def ask(node: NodeApi) -> ExitCode:
        # No contact's name reads like an address.
        if account or "@" in who or ":" in who or who.lstrip("+").isdigit():
            wish = {"to": who, "account": account, "timeout_s": timeout_s}
            result = node.post("/test-calls", wish, timeout_s=timeout_s + MARGIN_S)
        else:
            path = f"/contacts/{urllib.parse.quote(who, safe='')}/test-call"
            result = node.post(path, {"timeout_s": timeout_s}, timeout_s=timeout_s + MARGIN_S)
        return _told(result)

    return by_node(url, ask)


def _told(result: dict[str, Any]) -> ExitCode:
    colour = "green" if result["ok"] else "red"
    output().print(f"[{colour}]{escape(str(result['to']))}: {escape(str(result['words']))}[/{colour}]")
    return OUTCOMES.get(str(result["outcome"]), ExitCode.FAILED)
