"""The web server in the node: hears the bus, sends commands, serves the API and the front panel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import uvicorn

from voipnode.calls.errors import CallError
from voipnode.calls.events import Event
from voipnode.calls.hooks import House
from voipnode.web.api import build_app
from voipnode.web.assets import add_assets
from voipnode.web.guard import Guard
from voipnode.web.settings import WebSettings
from voipnode.web.stream import EventStream
from voipnode.web.view import View

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
MAX_HEAD_BYTES = 16_384
STUCK_MS = 30_000  # a reader that takes nothing for so long loses its connection
STOP_S = 1


class WebServer:
    """Serves from the engine's loop between `start` and `stop`.

    It hears the bus from its construction on: make it before the modules start. `about` says what the bus does not, and
    is read at each request: {"name": str, "version": str, "sip_addresses": [address], "audio": str, "accounts": [...],
    "inputs": [name], "port_settings" and "input_settings": {name: {...}}, as `ports` has them}, all optional; it must
    hold no secrets.
    """

    def __init__(self, settings: WebSettings, house: House, about: Mapping[str, Any]) -> None:
        self._settings = settings
        self._view = View(house.bus.clock)
        self._stream = EventStream()
        self._subscription = house.bus.subscribe(Event, self._on_event, who="web")
        app = build_app(self._view, self._stream, house.commands, about, house.call_audio)
        add_assets(app)
        self._app = Guard(app)
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self.url = ""  # where the panel is, once started

    async def start(self) -> None:
        """Listen and serve; raises `CallError` by name and value when the address cannot be had."""
        listener = self._listen()
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = _Server(config)
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listener]))
        ready = asyncio.get_running_loop().create_task(self._server.ready.wait())
        await asyncio.wait({self._serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            ready.cancel()
            listener.close()
            self._serving.result()
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        log.info("the front panel is at %s", self.url)

    async def stop(self) -> None:
        """End the event streams at once, let other requests finish for `STOP_S`, and listen no more."""
        self._subscription.cancel()
        self._stream.close()
        server, self._server = self._server, None
        if server is None or self._serving is None:
            return
        server.should_exit = True
        await self._serving
        for connection in tuple(server.server_state.connections):  # readers that are stuck
            connection.transport.abort()

    def _on_event(self, event: Event) -> None:
        self._view.on_event(event)
        self._stream.publish(event)

    def _listen(self) -> socket.socket:
        host = "127.0.0.1" if self._settings.host == "localhost" else self._settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, self._settings.port), family=family, backlog=MAX_CONNECTIONS)
        except OSError as error:
            place = f"web.host = {self._settings.host!r}, web.port = {self._settings.port}"
            raise CallError(f"{place}: cannot listen there ({error.strerror}); choose another port") from error
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it; else a reader that stopped is kept for ever
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)
        return listener


class _Server(uvicorn.Server):
    """uvicorn as a part of a process that has its own signal handlers, and saying when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the node."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()
