"""SIP over WebSocket on one connection, without I/O: handshake, subprotocol, whole messages (RFC 7118)."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from voipnode.net.layers import StreamFailure
from voipnode.sipstack.message import MAX_MESSAGE_BYTES
from voipnode.sipstack.transport import Hop

SIP = Subprotocol("sip")  # RFC 7118 §4.1
MAX_FRAGMENTS = 256  # of one message
END_OF_HEAD = b"\r\n\r\n"
_DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class _WarningsAlone(_Adapter):
    """What the library says about each connection is for strangers to cause and not for our log."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 -- logging's name
        return level >= logging.WARNING and super().isEnabledFor(level)


_logger = _WarningsAlone(logging.getLogger(__name__), {})


@dataclass(frozen=True, slots=True)
class Origins:
    """Which web pages may let a browser connect.

    A browser names the page's origin, and whoever can lead it to a page could otherwise speak SIP from inside the house
    (RFC 6455 §10.2); telephones name none and are let in. A page of this very host is let in where the host is an IP
    address: a name may be pointed at us by anybody's DNS (rebinding), so names must be `allowed`, as "https://pbx.lan".
    """

    allowed: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, allowed: Collection[str]) -> Origins:
        return cls(frozenset(origin.lower().rstrip("/") for origin in allowed))

    def admit(self, origin: str | None, host: str) -> bool:
        """Whether a page of `origin` may connect to us by the name in the Host field."""
        if origin is None or origin.lower() in self.allowed or "*" in self.allowed:
            return True
        try:
            page, ours = urlsplit(origin).hostname or "", urlsplit(f"//{host}").hostname or ""
            return page == "localhost" == ours or ip_address(page) == ip_address(ours)
        except ValueError:
            return False


class WebSocketLayer:
    """What both sides share; `ping` keeps an idle connection alive (§6)."""

    _protocol: ClientProtocol | ServerProtocol

    def __init__(self) -> None:
        self._fragments: list[bytes] = []
        self._count = 0
        self.name = "WebSocket"
        self.ready = False
        self.ended = False

    def receive(self, data: bytes) -> list[bytes]:
        protocol = self._protocol
        protocol.receive_data(data)
        messages = []
        for event in protocol.events_received():
            if not isinstance(event, Frame):
                self._handshake(event)
            elif event.opcode in _DATA:
                messages += self._message(event)
        if protocol.handshake_exc is not None:
            raise StreamFailure(_handshake_words(protocol.handshake_exc))
        if protocol.parser_exc is not None:
            raise StreamFailure(f"what the peer sends is not WebSocket: {protocol.parser_exc}")
        self.ended = self.ended or protocol.close_rcvd is not None
        return messages

    def send(self, data: bytes) -> None:
        if self._protocol.state is not State.OPEN:
            return
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:  # §4.2: one byte that is not UTF-8, and the whole is binary
            self._protocol.send_binary(data)
        else:
            self._protocol.send_text(data)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_ping(b"")

    def end(self) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1001)

    def data_to_send(self) -> bytes:
        return b"".join(self._protocol.data_to_send())

    def _handshake(self, event: object) -> None:
        raise NotImplementedError

    def _message(self, frame: Frame) -> list[bytes]:
        """The message that a frame completes; its length is bounded by the protocol, its pieces are here."""
        self._count += 1
        if self._count > MAX_FRAGMENTS:
            self._protocol.fail(1008, "too many fragments")
            raise StreamFailure(f"a message in more than {MAX_FRAGMENTS} fragments")
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return []
        message, self._fragments, self._count = b"".join(self._fragments), [], 0
        return [message]


class WebSocketClient(WebSocketLayer):
    """The side that opens the connection to `hop`."""

    def __init__(self, hop: Hop, path: str = "/") -> None:
        super().__init__()
        host = hop.domain or hop.remote.host
        host = f"[{host}]" if ":" in host else host
        uri = parse_uri(f"{'wss' if hop.secure else 'ws'}://{host}:{hop.remote.port}{path}")
        self._protocol = ClientProtocol(uri, subprotocols=[SIP], max_size=MAX_MESSAGE_BYTES, logger=_logger)

    def begin(self) -> None:
        assert isinstance(self._protocol, ClientProtocol)
        self._protocol.send_request(self._protocol.connect())

    def _handshake(self, event: object) -> None:
        if self._protocol.handshake_exc is None:
            if self._protocol.subprotocol != SIP:
                raise StreamFailure("the peer speaks WebSocket, but not SIP over it (RFC 7118 §4.1)")
            self.ready = True


class WebSocketServer(WebSocketLayer):
    """The side that a browser or a telephone connects to."""

    def __init__(self, origins: Origins) -> None:
        super().__init__()
        self._origins = origins
        self._tail = b""
        self._protocol = ServerProtocol(subprotocols=[SIP], max_size=MAX_MESSAGE_BYTES, logger=_logger)

    def begin(self) -> None:
        """The client speaks first."""

    def receive(self, data: bytes) -> list[bytes]:
        if self.ready:
            return super().receive(data)
        # What comes in one breath with the request must wait: the library would act on frames before its own answer.
        seen = self._tail + data
        end = seen.find(END_OF_HEAD)
        if end < 0:
            self._tail = seen[-len(END_OF_HEAD) + 1 :]
            return super().receive(data)
        cut = end + len(END_OF_HEAD) - len(self._tail)
        super().receive(data[:cut])
        return super().receive(data[cut:]) if self.ready else []

    def _handshake(self, event: object) -> None:
        protocol = self._protocol
        assert isinstance(protocol, ServerProtocol)
        if not isinstance(event, Request) or self.ready:
            return
        origins = event.headers.get_all("Origin")
        host = (event.headers.get_all("Host") or [""])[0]
        if any(not self._origins.admit(origin, host) for origin in origins):
            protocol.send_response(protocol.reject(403, "This origin may not connect (sip.websocket.origins).\n"))
            raise StreamFailure(f"a page of {origins[0][:200]!r} may not connect (sip.websocket.origins)")
        try:
            response = protocol.accept(event)
        except UnicodeEncodeError:  # its answer quotes a field that holds what is no text
            response = protocol.reject(400, "The handshake holds bytes that are no text.\n")
        protocol.send_response(response)
        self.ready = protocol.state is State.OPEN


def _handshake_words(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        return f"the peer refuses WebSocket: HTTP {error.response.status_code}"
    cause = error.__cause__
    return f"no WebSocket handshake: {error}" + (f" ({cause})" if cause else "")
