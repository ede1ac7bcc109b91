"""Tells the two sides of a capture apart, and turns what the node did then into commands to do it again.

The node's side is found by its User-Agent or Server field, or named by the caller, or is the one first called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from voipnode.replay.capture import CaptureError
from voipnode.replay.registrations import Registrations
from voipnode.replay.seen import Seen
from voipnode.replay.steps import FarMedia, FarSip, Script
from voipnode.replay.tls_session import looks_like_tls
from voipnode.replay.writer import Writer
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Message, Request, parse_message
from voipnode.sipstack.stream import StreamFramer
from voipnode.sipstack.transport import Address, Hop

_SECURE = re.compile(rb"\nm=audio [0-9]+ \S*RTP/SAVP")


@dataclass(frozen=True, slots=True)
class _SeenMessage:
    seen: Seen
    message: Message


def make_script(capture: list[Seen], node: Address | None = None) -> Script:
    """The script of a capture; raises CaptureError when there is no SIP in it, or nothing of `node`."""
    messages = list(_messages(capture))
    if not messages:
        raise CaptureError(f"there is no SIP in this capture{_sealed(capture)}")
    script = Script(node or _find_node(messages))
    ends = {script.node} | {item.seen.source for item in messages if _sent_by(item.message) == script.node}
    writer, registrations = Writer(script), Registrations()
    for item in messages:
        if item.seen.source in ends:
            writer.node_sent(item.seen, item.message)
            _note_keys(script, item.message)
            registrations.node_sent(item.seen, item.message)
        else:
            registrations.node_heard(item.seen, item.message)
    registrations.write(script)
    if not script.sent:
        raise CaptureError(f"nothing in this capture was sent by {script.node}")
    for seen in capture:
        if seen.transport == "UDP" and seen.source in writer.media_addresses:
            writer.node_checked(seen)
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


def _note_keys(script: Script, message: Message) -> None:
    """What the node's own description says about encryption: an offer under a secure profile takes nothing less."""
    body = message.body
    if b"\na=crypto:" in body:
        script.keying.add("sdes")
    if b"\na=fingerprint:" in body:
        script.keying.add("dtls")
    if isinstance(message, Request) and message.method == "INVITE" and _SECURE.search(body) is not None:
        script.media_encryption = "mandatory"
    elif script.keying and script.media_encryption == "none":
        script.media_encryption = "best_effort"


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
        _check(message)  # RTP and DNS do not have these
    except ParseError:
        return None
    return message


def _stream_messages(framer: StreamFramer, data: bytes) -> Iterator[Message]:
    try:
        framer.receive(data)
        while (message := framer.next_message()) is not None:
            if isinstance(message, Message):
                _check(message)
                yield message
    except ParseError:
        return  # this stream is not SIP


def _check(message: Message) -> None:
    """Raise ParseError where a field is missing or malformed that each SIP message has (RFC 3261 §8.1.1)."""
    _ = message.call_id, message.cseq, message.via, message.from_, message.to


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
