"""Stream connections as the endpoint sees them: one framer each, bounded in number, closed when they make no sense."""

from __future__ import annotations

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.stream import KeepAlive, StreamFramer
from voipnode.sipstack.transport import Hop

Received = Request | Response | KeepAlive


class Connections:
    """The framers of all open connections, by connection number (from 1); at most `limit`, others are closed at once.

    Every connection that was used or is to be closed is remembered until `closed` says that it is gone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._framers: dict[int, StreamFramer] = {}
        self._alive: set[int] = set()
        self._broken: set[int] = set()
        self._closes: list[Hop] = []

    def __len__(self) -> int:
        return len(self._alive)

    def is_alive(self, hop: Hop) -> bool:
        """Whether the hop names a connection that something came over and that is not gone since."""
        return hop.connection in self._alive

    def note(self, source: Hop) -> bool:
        """Something came over this connection; False where nothing more is taken from it."""
        connection = source.connection
        if connection is None or connection in self._broken:
            return False
        if connection not in self._alive and len(self._alive) >= self._limit:
            self.close(source)
            return False
        self._alive.add(connection)
        return True

    def receive(self, data: bytes, source: Hop) -> None:
        """Take in a piece of the stream; `next_message` gives what it completed."""
        connection = source.connection
        if connection is None or not self.note(source):
            return
        framer = self._framers.get(connection)
        if framer is None:
            framer = self._framers[connection] = StreamFramer()
        framer.receive(data)

    def next_message(self, source: Hop) -> Received | None:
        """The next message or keep-alive of the connection, or None.

        Raises ParseError for a bad one. Where the stream cannot be framed any further the connection is then on the
        list of `closes`, and what still arrives over it is dropped; else the next one can be taken.
        """
        framer = self._framers.get(source.connection or 0)
        if framer is None:
            return None
        try:
            return framer.next_message()
        except ParseError:
            if framer.failed:
                self.close(source)
            raise

    def end_keep_alive(self, source: Hop) -> None:
        """A lone line end was what it seemed to be."""
        framer = self._framers.get(source.connection or 0)
        if framer is not None:
            framer.end_keep_alive()

    def holds_part(self, source: Hop) -> bool:
        """Whether the connection's last message is not complete yet."""
        framer = self._framers.get(source.connection or 0)
        return framer is not None and framer.holds_part

    def close(self, source: Hop) -> None:
        """Have the connection closed; nothing is read from it any more."""
        if source.connection is not None and source.connection not in self._broken:
            self._framers.pop(source.connection, None)
            self._alive.discard(source.connection)
            self._broken.add(source.connection)
            self._closes.append(source)

    def closed(self, source: Hop) -> None:
        """Forget the connection."""
        if source.connection is not None:
            self._framers.pop(source.connection, None)
            self._alive.discard(source.connection)
            self._broken.discard(source.connection)

    def closes(self) -> list[Hop]:
        """The connections to close, each once."""
        closes, self._closes = self._closes, []
        return closes
