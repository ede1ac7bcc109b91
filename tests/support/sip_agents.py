"""The two ends of a SIP call ladder: an agent round a real `Endpoint`, and a far side made of plain text.

The far side is written without our parser, so that what an endpoint sends and takes is judged from outside.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from tests.support.wire import Link, Wire
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig, OutgoingInvite
from voipnode.sipstack.events import Event
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Address, Hop, Packet
from voipnode.sipstack.uri import SipUri, parse_uri

ALICE = Address("192.0.2.1", 5060)
BOB = Address("192.0.2.2", 5060)
CAROL = Address("192.0.2.3", 5060)

OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
ANSWER = OFFER.replace(b"192.0.2.1", b"192.0.2.2")

E = TypeVar("E", bound=Event)


class CountingEntropy:
    """Tokens that a test can foretell and a reader can tell apart."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._numbers = count(1)

    def call_id(self) -> str:
        return f"{self._owner}-call-{next(self._numbers)}"

    def tag(self) -> str:
        return f"{self._owner}-tag-{next(self._numbers)}"

    def branch(self) -> str:
        return f"z9hG4bK-{self._owner}-{next(self._numbers)}"

    def cnonce(self) -> str:
        return f"{self._owner}-cnonce-{next(self._numbers)}"


class Agent:
    """An endpoint on the wire; what it told is kept with its time, and handed to `on_event` at once."""

    def __init__(self, name: str, address: Address, config: EndpointConfig | None = None) -> None:
        self.name = name
        self.address = address
        self.endpoint = Endpoint(config or EndpointConfig(), CountingEntropy(name), lambda hop: address)
        self.events: list[tuple[float, Event]] = []
        self.on_event: Callable[[Event, float], object] = lambda event, now: None

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.endpoint.receive(data, source, now)
        self._take_events(now)

    def connection_closed(self, source: Hop, now: float) -> None:
        self.endpoint.connection_closed(source, now)
        self._take_events(now)

    def outbox(self, now: float) -> list[Packet]:
        packets = self.endpoint.outbox(now)
        self._take_events(now)
        return packets + self.endpoint.outbox(now)

    def next_deadline(self) -> float | None:
        return self.endpoint.next_deadline()

    def on_deadline(self, now: float) -> None:
        self.endpoint.on_deadline(now)
        self._take_events(now)

    def told(self, kind: type[E]) -> list[E]:
        """All events of this kind so far."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def one(self, kind: type[E]) -> E:
        """The only event of this kind so far."""
        events = self.told(kind)
        assert len(events) == 1, self.events
        return events[0]

    def when(self, kind: type[Event]) -> list[float]:
        return [round(at, 6) for at, event in self.events if isinstance(event, kind)]

    def forgot_all(self) -> bool:
        """Nothing is remembered and nothing is due."""
        return not any(self.endpoint.counts().values()) and self.next_deadline() is None

    def _take_events(self, now: float) -> None:
        while (event := self.endpoint.next_event()) is not None:
            self.events.append((now, event))
            self.on_event(event, now)


class FarSide:
    """A peer of plain text: what it gets is kept, what it says is what the test wrote."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.got: list[bytes] = []
        self.on_message: Callable[[bytes, Hop], object] = lambda data, source: None
        self._outbox: list[Packet] = []

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.got.append(data)
        self.on_message(data, source)

    def outbox(self, now: float) -> list[Packet]:
        packets, self._outbox = self._outbox, []
        return packets

    def next_deadline(self) -> float | None:
        return None

    def on_deadline(self, now: float) -> None:
        pass

    def say(self, data: bytes, to: Address, transport: str = "UDP") -> None:
        """Send these bytes when the wire is next flushed."""
        self._outbox.append(Packet(data, Hop(transport, to)))

    def got_first_lines(self) -> list[str]:
        return [data.partition(b"\r\n")[0].decode() for data in self.got]

    def last(self, beginning: str) -> bytes:
        """The newest message whose first line begins so."""
        matching = [data for data in self.got if data.startswith(beginning.encode())]
        assert matching, f"no {beginning} among {self.got_first_lines()}"
        return matching[-1]


def field(data: bytes, name: str) -> str:
    """The first field of that name, read without the parser under test."""
    match = re.search(
        rf"(?im)^{re.escape(name)}[ \t]*:[ \t]*(.*?)\r$",
        data.partition(b"\r\n\r\n")[0].decode(errors="replace") + "\r\n",
    )
    assert match, f"no {name} in {data!r}"
    return match[1]


def has_field(data: bytes, name: str) -> bool:
    return (
        re.search(rf"(?im)^{re.escape(name)}[ \t]*:", data.partition(b"\r\n\r\n")[0].decode(errors="replace"))
        is not None
    )


def tag_of(value: str) -> str:
    match = re.search(r";tag=([^;>]+)$", value)
    assert match, f"no tag in {value}"
    return match[1]


def status_of(data: bytes) -> int:
    return int(data.split(b" ", 2)[1])


def message(first_line: str, *fields: str, body: bytes = b"", content_type: str = "application/sdp") -> bytes:
    """A message from its first line and its fields; Content-Type and Content-Length are added."""
    lines = [first_line, *fields]
    if body:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def response_to(
    request: bytes,
    status: str,
    *fields: str,
    tag: str = "far",
    body: bytes = b"",
    content_type: str = "application/sdp",
) -> bytes:
    """A response with the Via, From, To, Call-ID and CSeq of a request; `tag` "" leaves To as it is."""
    head = request.partition(b"\r\n\r\n")[0].decode()
    copied = [line for line in head.split("\r\n")[1:] if re.match(r"(?i)(via|from|to|call-id|cseq)[ \t]*:", line)]
    if tag and not re.search(r"(?i);tag=", field(request, "To")):
        copied = [line + f";tag={tag}" if line.lower().startswith("to") else line for line in copied]
    return message(f"SIP/2.0 {status}", *copied, *fields, body=body, content_type=content_type)


def invite_from(
    sender: Address, *, call_id: str = "c1", cseq: int = 1, branch: str = "z9hG4bKfar1", extra: tuple[str, ...] = ()
) -> bytes:
    """A first INVITE from a far side to Alice."""
    return message(
        "INVITE sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {sender};branch={branch}",
        "Max-Forwards: 70",
        "From: <sip:bob@192.0.2.2>;tag=far-tag",
        "To: <sip:alice@192.0.2.1>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} INVITE",
        f"Contact: <sip:bob@{sender}>",
        *extra,
        body=OFFER,
    )


def in_dialog(method: str, to_tag: str, cseq: int, *extra: str, branch: str | None = None, body: bytes = b"") -> bytes:
    """A request from the far side within the dialog that its INVITE made."""
    return message(
        f"{method} sip:alice@192.0.2.1:5060 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch={branch or f'z9hG4bK{method}{cseq}'}",
        "Max-Forwards: 70",
        "From: <sip:bob@192.0.2.2>;tag=far-tag",
        f"To: <sip:alice@192.0.2.1>;tag={to_tag}",
        "Call-ID: c1",
        f"CSeq: {cseq} {method}",
        *extra,
        body=body,
        content_type="application/dtmf-relay",
    )


def uri(text: str) -> SipUri:
    parsed = parse_uri(text)
    assert isinstance(parsed, SipUri)
    return parsed


def address(text: str) -> NameAddr:
    return NameAddr.parse(text)


def call_to(receiver: Address, offer: bytes | None = OFFER, **more: object) -> OutgoingInvite:
    """What Alice asks her endpoint for when she calls `receiver`."""
    target = uri(f"sip:bob@{receiver.host}:{receiver.port}")
    return OutgoingInvite(target, address('"Alice" <sip:alice@192.0.2.1>'), "alice", offer, **more)  # type: ignore[arg-type]  # a test names the fields it wants


def two_agents(
    link: Link | None = None, alice: EndpointConfig | None = None, bob: EndpointConfig | None = None, seed: int = 7
) -> tuple[Wire, Agent, Agent]:
    """Alice and Bob, each a real endpoint, on one wire."""
    wire = Wire(seed=seed, link=link or Link())
    agents = Agent("alice", ALICE, alice), Agent("bob", BOB, bob)
    for agent in agents:
        wire.attach(agent.name, agent.address, agent)
    return wire, *agents


def agent_and_far_side(config: EndpointConfig | None = None) -> tuple[Wire, Agent, FarSide]:
    """Alice's real endpoint, and a far side of plain text at Bob's address."""
    wire = Wire(seed=7)
    agent, far = Agent("alice", ALICE, config), FarSide(BOB)
    wire.attach("alice", ALICE, agent)
    wire.attach("far", BOB, far)
    return wire, agent, far
