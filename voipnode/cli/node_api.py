"""Talks to the node that runs here, through its HTTP API."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

TIMEOUT_S = 10.0
SILENCE_S = 60.0  # a node sends something every 15 s, if only that it is still there


class NodeRefusedError(Exception):
    """The node says no; the message is its own words."""


class NodeUnreachableError(Exception):
    """Nobody answers there."""


class NodeApi:
    """The node whose page is at `url`. Raises ValueError for what is no HTTP address."""

    def __init__(self, url: str) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url}: an address like http://127.0.0.1:8080 is needed")
        self._base = f"{url.rstrip('/')}/api/v1"
        self.url = url

    def post(self, path: str, body: dict[str, Any] | None = None, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Ask for something; the answer, None where it is empty. Raises NodeRefusedError, NodeUnreachableError."""
        request = urllib.request.Request(  # noqa: S310 -- the scheme was looked at above
            self._base + path,
            data=json.dumps(body or {}).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with self._open(request, timeout_s) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def events(self) -> Iterator[dict[str, Any]]:
        """All that happens from now on, as the node tells it, until it stops. It listens already when this returns."""
        request = urllib.request.Request(self._base + "/events")  # noqa: S310 -- as above
        return _events(self._open(request, SILENCE_S))

    def _open(self, request: urllib.request.Request, timeout_s: float) -> Any:
        try:
            return urllib.request.urlopen(request, timeout=timeout_s)  # noqa: S310 -- as above
        except urllib.error.HTTPError as error:
            raise NodeRefusedError(_detail(error)) from None
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise NodeUnreachableError(f"no node answers at {self.url} ({reason}); is `voipnode run` up?") from None


def _events(stream: Any) -> Iterator[dict[str, Any]]:
    with stream:
        try:
            for line in stream:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])
        except OSError:
            return  # the node has gone


def _detail(error: urllib.error.HTTPError) -> str:
    """What the node says is wrong (RFC 9457), or the bare status."""
    try:
        problem = json.loads(error.read(65536))
        return str(problem.get("detail") or problem.get("title") or error)
    except (ValueError, AttributeError):
        return str(error)
