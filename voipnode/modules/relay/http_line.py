"""The guardian's side of a relay that is driven by HTTP: hands orders to the process that keeps it (`http_messenger`).

Nothing here waits: the process has the board's slowness to itself. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

READ_SIZE = 4096
MESSENGER = "voipnode.modules.relay.http_messenger"


@dataclass(frozen=True, slots=True)
class FarAnswer:
    """What the board made of an order, as `board.Outcome` has it; `newest`: there has been no other order since."""

    newest: bool
    ok: bool
    detail: str
    unsure: bool


class HttpLine:
    """A relay in care of its messenger. `name` is unique on this machine; `board` as of `settings.HttpBoardSettings`.

    At rest is where it begins: a far relay does not go there by way of an open contact, as it may be at rest already.
    """

    def __init__(self, name: str, board: dict[str, Any], *, normally_closed: bool) -> None:
        ours, theirs = socket.socketpair()
        self._sock = ours
        self._normally_closed = normally_closed
        self._number = 0
        self._words = b""
        urls = {"active": board["on_url"], "rest": board["off_url"], "pulse": board["pulse_url"]}
        if normally_closed:
            urls["active"], urls["rest"] = urls["rest"], urls["active"]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- this very package's
                [sys.executable, "-m", MESSENGER, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),  # and nothing else: not the engine's socket, no other line
            )
        self._sock.sendall(json.dumps({"name": name, "urls": urls, "board": board}).encode("ascii") + b"\n")
        self._sock.setblocking(False)

    def fileno(self) -> int:
        """Readable when there are answers."""
        return self._sock.fileno()

    def write(self, *, closed: bool, until: float = 0.0) -> None:
        """Order it; `until`: when an activation ends. Raises OSError where the messenger is gone."""
        self._number += 1
        active = closed != self._normally_closed
        self._sock.sendall(json.dumps({"number": self._number, "until": until if active else 0.0}).encode() + b"\n")

    def answers(self) -> list[FarAnswer]:
        """What has been heard since. Raises OSError where the messenger has ended."""
        try:
            data = self._sock.recv(READ_SIZE)
        except BlockingIOError:
            return []
        if not data:
            raise OSError("the process that speaks with its board has ended")
        *lines, self._words = (self._words + data).split(b"\n")
        told = [json.loads(line) for line in lines]
        if fatal := [each["detail"] for each in told if each["number"] < 0]:
            raise OSError(fatal[0])
        return [
            FarAnswer(each["number"] in (0, self._number), each["ok"], each["detail"], each["unsure"]) for each in told
        ]

    def close(self) -> None:
        """Give it back: the messenger brings it to rest and ends, however long that takes its board."""
        self._sock.close()
        with contextlib.suppress(OSError):
            os.waitpid(self._process.pid, os.WNOHANG)
        self._process.returncode = self._process.returncode or 0  # it is not ours to wait for: it may outlive us
