"""How many messages a second one core reads: `python benchmarks/parse_rate.py`.

Two depths, over INVITEs of about 1,000 bytes with SDP, none like another: everything typed, and what a proxy needs.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from voipnode.sipstack import sdp
from voipnode.sipstack.message import Request, parse_message

MESSAGES = 2000
USERS = 200  # callers, each with an address and a Contact of its own
ROUNDS = 20
# As a telephone sends them (baresip's fields, by a proxy); about 1,000 bytes.
INVITE = """\
INVITE sip:{callee}@biloxi.example.com SIP/2.0
Via: SIP/2.0/UDP {host}:5060;branch=z9hG4bK{branch};rport
Contact: <sip:{caller}@{host}:5060;transport=udp>
Max-Forwards: 70
Route: <sip:bigbox3.site3.atlanta.example.com;lr>
To: <sip:{callee}@biloxi.example.com>
From: "{name}" <sip:{caller}@atlanta.example.com>;tag={tag}
Call-ID: {call_id}@{host}
CSeq: {cseq} INVITE
User-Agent: Door station at the north gate 4.2.1 (x86_64/linux; build 20240117)
Allow: INVITE,ACK,BYE,CANCEL,OPTIONS,NOTIFY,SUBSCRIBE,INFO,MESSAGE,UPDATE,REFER
Supported: gruu,replaces,norefersub,timer,100rel,path
Content-Type: application/sdp
Content-Length: {length}

"""
OFFER = """\
v=0
o={caller} {session} 1 IN IP4 {host}
s=-
c=IN IP4 {host}
t=0 0
m=audio {port} RTP/AVP 9 0 8 101
b=AS:125
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
a=label:1
a=ptime:20
"""


@dataclass(frozen=True, slots=True)
class ParseRates:
    """Messages per second of processor time: the best round, which other work on the machine disturbed least."""

    message_bytes: int
    parse_full_per_s: int
    parse_routing_per_s: int


def messages(count: int = MESSAGES, seed: int = 1) -> list[bytes]:
    """INVITEs that differ in all that differs between calls: branch, tag, Call-ID, CSeq, callee, SDP session, port."""
    rng = random.Random(seed)
    return [_invite(rng) for _ in range(count)]


def _invite(rng: random.Random) -> bytes:
    user = rng.randrange(USERS)
    words = {
        "caller": f"visitor{user:03}",
        "name": f"Visitor {user}",
        "host": f"192.0.2.{user + 10}",
        "callee": f"flat{rng.randrange(1000):04}",
        "branch": rng.randbytes(16).hex(),
        "tag": rng.randbytes(8).hex(),
        "call_id": rng.randbytes(16).hex(),
        "cseq": rng.randrange(1, 100_000),
        "session": rng.randrange(10**9, 10**10),
        "port": rng.randrange(10_000, 60_000, 2),
    }
    body = OFFER.format(**words)
    head = INVITE.format(**words, length=len(body) + body.count("\n"))
    return (head + body).replace("\n", "\r\n").encode()


def read_everything(data: bytes) -> None:
    """Every field that a user agent looks at as a typed value, and the description."""
    request = parse_message(data)
    assert isinstance(request, Request)
    _ = (request.uri, request.vias, request.from_, request.to, request.from_tag, request.to_tag, request.call_id)
    _ = (request.cseq, request.contacts, request.routes, request.record_routes, request.max_forwards)
    _ = (request.content_type, request.content_length, request.require, request.supported, request.allow)
    _ = (request.accept, request.expires)
    sdp.parse(request.body)


def read_routing(data: bytes) -> None:
    """What matches a transaction and finds the next hop."""
    request = parse_message(data)
    assert isinstance(request, Request)
    via = request.via
    _ = (via.branch, via.host, via.port, request.cseq, request.call_id, request.from_tag, request.to_tag)
    _ = (request.uri, request.routes)


def measure() -> ParseRates:
    """Both depths."""
    corpus = messages()
    return ParseRates(
        message_bytes=sum(map(len, corpus)) // len(corpus),
        parse_full_per_s=_per_second(read_everything, corpus),
        parse_routing_per_s=_per_second(read_routing, corpus),
    )


def _per_second(read: Callable[[bytes], None], corpus: list[bytes]) -> int:
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for data in corpus:
            read(data)
        best = max(best, len(corpus) / (time.process_time() - began))
    return int(best)


if __name__ == "__main__":
    rates = measure()
    print(f"INVITE with SDP, {rates.message_bytes} bytes on average, one core:")
    print(f"  everything typed   {rates.parse_full_per_s:>8,} messages/s")
    print(f"  routing only       {rates.parse_routing_per_s:>8,} messages/s")
