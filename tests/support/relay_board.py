"""A relay board on the network: a real HTTP server with a relay in it, which may be told to fall silent."""

from __future__ import annotations

import base64
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.support.aio import PATIENCE_S

USER, PASSWORD = "door", "s3cret-of-the-board"


class RelayBoard:
    """GET /on and /off with login move the relay; `silent`: what is asked for is done, and never answered."""

    def __init__(self) -> None:
        self.is_on = False
        self._answers = threading.Event()
        self._answers.set()
        self._asked: queue.Queue[str] = queue.Queue()
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                board._answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answers.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def silent(self) -> bool:
        return not self._answers.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        if silent:
            self._answers.clear()
        else:
            self._answers.set()

    @property
    def settings(self) -> dict[str, Any]:
        """As of driver "http"."""
        url = f"http://127.0.0.1:{self._server.server_port}"
        return {"on_url": f"{url}/on", "off_url": f"{url}/off", "username": USER, "password": PASSWORD}

    def until(self, path: str) -> None:
        """Wait until it is asked for this, and has done it."""
        while self._asked.get(timeout=PATIENCE_S) != path:
            pass

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        good = request.headers.get("authorization") == f"Basic {login}"
        if good:
            self.is_on = request.path == "/on"
        self._asked.put(request.path if good else "refused")
        self._answers.wait()
        request.send_response(200 if good else 401)
        request.end_headers()
