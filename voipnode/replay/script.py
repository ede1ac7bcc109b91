"""Tells the two sides of a capture apart, and turns what the node did then into commands to do it again.

The node's side is found by its User-Agent or Server field, or named by the caller, or is the one first called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from voipnode.media.dtmf_info import parse_info
from voipnode.replay.capture import CaptureError, Seen
from voipnode.replay.tls_session import looks_like_tls
from voipnode.sipstack import sdp
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Message, Request, Response, parse_message
from voipnode.sipstack.stream import StreamFramer
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri


@dataclass(frozen=True, slots=True)
class Step:
    """Base of what the player does at `at` seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class FarSip(Step):
    """Bytes of the far side arrive."""

    data: bytes
    source: Hop


@dataclass(frozen=True, slots=True)
class FarMedia(Step):
    """A datagram arrives at one of the node's media ports."""

    data: bytes
    source: tuple[str, int]
    port: int


@dataclass(frozen=True, slots=True)
class Ring(Step):
    """The node placed a call."""

    call_id: str
    target: SipUri
    hop: Hop


@dataclass(frozen=True, slots=True)
class Answer(Step):
    """The node answered the call of this Call-ID."""

    call_id: str


@dataclass(frozen=True, slots=True)
class HangUp(Step):
    """The node ended the call of this Call-ID."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Digit(Step):
    """The node sent a digit by INFO."""

    call_id: str
    digit: str


@dataclass(slots=True)
class Script:
    """A capture as steps for the player, with the values that were random then.

    `sent` is the node's SIP then, in words, without repeats; `rtp_ports` the node's RTP ports in order of use.
    """

    node: Address
    answers_by_itself: bool = False  # it answered a call without ringing first
    steps: list[Step] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    rtp_ports: list[int] = field(default_factory=list)
    call_ids: deque[str] = field(default_factory=deque)
    tags: deque[str] = field(default_factory=deque)
    branches: deque[str] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class _SeenMessage:
    seen: Seen
    message: Message


def describe(message: Message) -> str:
    """A message in two or three words: "INVITE", "200 INVITE"."""
    if isinstance(message, Response):
        return f"{message.status} {message.cseq.method}"
    assert isinstance(message, Request)
    return message.method


def make_script(capture: list[Seen], node: Address | None = None) -> Script:
    """The script of a capture; raises CaptureError when there is no SIP in it, or nothing of `node`."""
    messages = list(_messages(capture))
    if not messages:
        raise CaptureError(f"there is no SIP in this capture{_sealed(capture)}")
    script = Script(node or _find_node(messages))
    ends = {script.node} | {item.seen.source for item in messages if _sent_by(item.message) == script.node}
    writer = _Writer(script)
    for item in messages:
        if item.seen.source in ends:
            writer.node_sent(item.seen, item.message)
    if not script.sent:
        raise CaptureError(f"nothing in this capture was sent by {script.node}")
    connections: dict[Address, int] = {}
    for seen in capture:
        if seen.destination in ends:
            connection = None
            if seen.transport != "UDP":
                connection = connections.setdefault(seen.source, len(connections) + 1)
            hop = Hop(seen.transport, seen.source, connection)
            script.steps.append(FarSip(seen.at, seen.data, hop))
        elif seen.transport == "UDP" and seen.destination in writer.media_addresses:
            source = (seen.source.host, seen.source.port)
            script.steps.append(FarMedia(seen.at, seen.data, source, seen.destination.port))
    script.steps.sort(key=lambda step: step.at)
    return script


def _sealed(capture: list[Seen]) -> str:
    if any(seen.transport == "TCP" and looks_like_tls(seen.data) for seen in capture):
        return "; there is TLS, which needs the key log that was written meanwhile (--keys)"
    return ""


def _messages(capture: list[Seen]) -> Iterator[_SeenMessage]:
    framers: dict[tuple[Address, Address], StreamFramer] = {}
    for seen in capture:
        if seen.transport == "UDP":
            message = _datagram_message(seen.data)
            if message is not None:
                yield _SeenMessage(seen, message)
            continue
        framer = framers.setdefault((seen.source, seen.destination), StreamFramer())
        for message in _stream_messages(framer, seen.data):
            yield _SeenMessage(seen, message)


def _datagram_message(data: bytes) -> Message | None:
    try:
        message = parse_message(data)
        _ = message.call_id, message.cseq, message.via  # RTP and DNS do not have these
    except ParseError:
        return None
    return message


def _stream_messages(framer: StreamFramer, data: bytes) -> Iterator[Message]:
    try:
        framer.receive(data)
        while (message := framer.next_message()) is not None:
            if isinstance(message, Message):
                _ = message.call_id, message.cseq, message.via
                yield message
    except ParseError:
        return  # this stream is not SIP


def _sent_by(message: Message) -> Address | None:
    """Who says to have sent a request: the sent-by of its top Via (RFC 3261 §18.1.1)."""
    if not isinstance(message, Request):
        return None
    return Address(message.via.host, message.via.port or 5060)


def _find_node(messages: list[_SeenMessage]) -> Address:
    for item in messages:
        product = item.message.headers.get("User-Agent") or item.message.headers.get("Server") or ""
        if product.startswith("voipnode"):
            return _sent_by(item.message) or item.seen.source
    for item in messages:
        if isinstance(item.message, Request) and item.message.method == "INVITE":
            return item.seen.destination
    return messages[0].seen.destination


class _Writer:
    """Writes down what the node did: commands, and the tokens it drew, in the order it drew them."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._known: set[str] = set()
        self._done: set[tuple[str, str]] = set()
        self.media_addresses: set[Address] = set()

    def node_sent(self, seen: Seen, message: Message) -> None:
        if not self._first_time(message.to_bytes().hex()):
            return  # a retransmission
        self._script.sent.append(describe(message))
        self._media(message)
        if isinstance(message, Request):
            self._request(seen, message)
        elif isinstance(message, Response):
            self._response(seen.at, message)

    def _first_time(self, token: str) -> bool:
        if token in self._known:
            return False
        self._known.add(token)
        return True

    def _media(self, message: Message) -> None:
        try:
            description = sdp.parse(message.body) if message.body else None
        except ParseError:
            return
        if description is None:
            return
        for media in description.media:
            connection = description.connection_of(media)
            if media.port == 0 or connection is None:
                continue
            self.media_addresses |= {Address(connection.address, media.port + odd) for odd in (0, 1)}
            if self._first_time(f"rtp {media.port}"):
                self._script.rtp_ports.append(media.port)

    def _request(self, seen: Seen, request: Request) -> None:
        script, call_id = self._script, request.call_id
        if self._first_time(f"call {call_id}") and request.to.tag is None:
            script.call_ids.append(call_id)
        self._tag(request.from_.tag)
        branch = request.via.branch
        if branch is not None and self._first_time(f"branch {branch}"):
            script.branches.append(branch)
        if request.method == "INVITE" and request.to.tag is None and isinstance(request.uri, SipUri):
            if self._once("ring", call_id):
                hop = Hop(seen.transport, seen.destination, None)
                script.steps.append(Ring(seen.at, call_id, request.uri, hop))
        elif request.method in ("CANCEL", "BYE") and self._once("end", call_id):
            script.steps.append(HangUp(seen.at, call_id))
        elif request.method == "INFO":
            kind = request.content_type
            digit = parse_info(f"{kind.type}/{kind.subtype}", request.body) if kind else None
            if digit is not None:
                script.steps.append(Digit(seen.at, call_id, digit))

    def _response(self, at: float, response: Response) -> None:
        self._tag(response.to.tag)
        if (
            response.cseq.method != "INVITE"
            or response.status == 100
            or not self._once(f"final {response.status // 100}", response.call_id)
        ):
            return
        if 200 <= response.status < 300:
            if ("final 1", response.call_id) not in self._done:
                self._script.answers_by_itself = True
            self._script.steps.append(Answer(at, response.call_id))
        elif response.status in (480, 486) and ("final 1", response.call_id) in self._done:
            self._script.steps.append(HangUp(at, response.call_id))

    def _tag(self, tag: str | None) -> None:
        if tag is not None and self._first_time(f"tag {tag}"):
            self._script.tags.append(tag)

    def _once(self, what: str, call_id: str) -> bool:
        if (what, call_id) in self._done:
            return False
        self._done.add((what, call_id))
        return True
