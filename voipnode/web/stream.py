"""The events of the bus as server-sent events (WHATWG HTML, section 9.2): numbered, replayed, waiting for no reader.

Each event is rendered once, and only where somebody reads. Every reader has a queue of its own with a bound; who falls
behind is dropped and comes back by itself with `Last-Event-ID`. The newest events are kept in a ring for that. The name
of an event is in its data, not in an SSE `event` field: so one listener in a browser hears all, also those that are
invented later.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from voipnode.calls.events import Event
from voipnode.web.problems import ProblemResponse

log = logging.getLogger(__name__)

RING_EVENTS = 500
MAX_READERS = 16
MAX_BEHIND = 256  # events a reader may be behind before it is dropped
HEARTBEAT_S = 15.0  # below the 30 s after which some proxies and browsers give up
RETRY_MS = 2000


class _Numbered:
    """One event with its place in the stream and the time of day, rendered when the first reader wants it."""

    __slots__ = ("_chunk", "_event", "_id", "_time", "count")

    def __init__(self, count: int, identity: str, event: Event, time: datetime) -> None:
        self.count = count
        self._id = identity
        self._event = event
        self._time = time
        self._chunk = b""

    @property
    def chunk(self) -> bytes:
        if not self._chunk:
            time = self._time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            data = json.dumps({**self._event.to_dict(), "time": time}, default=str)  # no newlines: so one data line
            self._chunk = f"id: {self._id}\ndata: {data}\n\n".encode()
        return self._chunk


class Reader:
    """One reader's queue; `ended` is set when it is to go."""

    def __init__(self, backlog: bytes) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(MAX_BEHIND)
        self.ended = asyncio.Event()
        self.backlog = backlog


class EventStream:
    """Numbers events, keeps the newest, and hands them to readers. `utc_now` gives the time of day shown with each."""

    def __init__(self, utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._utc_now = utc_now
        self._run = secrets.token_hex(4)  # so that an id of an earlier run is not taken for one of this
        self._count = 0
        self._ring: deque[_Numbered] = deque(maxlen=RING_EVENTS)
        self._readers: set[Reader] = set()
        self._is_closed = False

    @property
    def last_id(self) -> str:
        """The id of the newest event, "" before the first."""
        return f"{self._run}-{self._count}" if self._count else ""

    @property
    def readers(self) -> int:
        return len(self._readers)

    def publish(self, event: Event) -> None:
        """Hand `event` to all readers; drops those whose queue is full."""
        self._count += 1
        numbered = _Numbered(self._count, self.last_id, event, self._utc_now())
        self._ring.append(numbered)
        for reader in tuple(self._readers):
            try:
                reader.queue.put_nowait(numbered.chunk)
            except asyncio.QueueFull:
                log.warning("a reader of the event stream was %d events behind: dropped", MAX_BEHIND)
                self._readers.discard(reader)
                reader.ended.set()

    def join(self, last_id: str, newest: int) -> Reader | None:
        """A new reader that starts after `last_id`, or with the `newest` events; None when there are too many.

        An id of another run, or one that has left the ring, gives the whole ring, after a `gap` event that says so.
        """
        if len(self._readers) >= MAX_READERS or self._is_closed:
            return None
        reader = Reader(f"retry: {RETRY_MS}\n\n".encode() + self._backlog(last_id, newest))
        self._readers.add(reader)
        return reader

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def close(self) -> None:
        """End all readers at once and take no new ones."""
        self._is_closed = True
        for reader in self._readers:
            reader.ended.set()
        self._readers.clear()

    def _backlog(self, last_id: str, newest: int) -> bytes:
        if not last_id:
            return b"".join(numbered.chunk for numbered in list(self._ring)[-newest:]) if newest else b""
        run, _, number = last_id.partition("-")
        first = self._ring[0].count if self._ring else self._count + 1
        if run == self._run and number.isdecimal() and len(number) < 16 and first - 1 <= int(number) <= self._count:
            return b"".join(numbered.chunk for numbered in self._ring if numbered.count > int(number))
        gap = b'data: {"event": "gap", "detail": "events before these were missed"}\n\n'
        return gap + b"".join(numbered.chunk for numbered in self._ring)


class EventsResponse(Response):
    """The response that sends a stream to one reader until either side ends it."""

    def __init__(self, stream: EventStream, last_id: str, newest: int) -> None:
        super().__init__(media_type="text/event-stream")
        self._stream = stream
        self._last_id = last_id
        self._newest = newest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reader = self._stream.join(self._last_id, self._newest)
        if reader is None:
            detail = f"the event stream has {MAX_READERS} readers already, or the node is stopping; try again later"
            await ProblemResponse(503, detail, headers={"retry-after": "5"})(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        pump = loop.create_task(self._pump(reader, send))
        others = [loop.create_task(_until_gone(receive)), loop.create_task(reader.ended.wait())]
        try:
            await asyncio.wait({pump, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stream.leave(reader)
            for task in (pump, *others):
                task.cancel()
            await asyncio.gather(pump, *others, return_exceptions=True)
        if reader.ended.is_set() and not reader.queue.full():  # a full one is stuck: its connection is just closed
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, reader: Reader, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        chunk = reader.backlog
        reader.backlog = b""
        while True:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    chunk = await reader.queue.get()
            except TimeoutError:
                chunk = b": still here\n\n"
            while not reader.queue.empty():
                chunk += reader.queue.get_nowait()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
