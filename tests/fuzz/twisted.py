"""Messages that are nearly right: a real one of a session, with something in it twisted as only a SIP peer could.

Bytes at random seldom get past the parser; these do, and meet the state machines behind it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.mutants import mutants
from voipnode.sipstack.transport import Hop

NUMBERS = (
    b"0",
    b"1",
    b"2",
    b"3",
    b"89",
    b"90",
    b"-1",
    b"4294967295",
    b"4294967296",
    b"99999999999999999999",
    b"x",
    b"",
)
METHODS = (
    *(b"INVITE", b"ACK", b"BYE", b"CANCEL", b"OPTIONS", b"INFO", b"PRACK", b"UPDATE", b"REFER", b"NOTIFY"),
    *(b"SUBSCRIBE", b"MESSAGE", b"REGISTER", b"PUBLISH", b"FROB"),
)
STATUSES = (
    *(100, 101, 180, 182, 183, 199, 200, 202, 204, 299, 300, 301, 302, 305, 380, 400, 401, 403, 404, 405, 407, 408),
    *(413, 415, 420, 421, 422, 423, 430, 439, 469, 480, 481, 482, 486, 487, 488, 489, 491, 494, 500, 501, 503, 504),
    *(580, 600, 603, 604, 606, 699),
)
# Fields that somebody acts upon; # stands for a number.
GRAFTS = (
    *(b"Require: 100rel", b"Require: timer", b"Require: replaces", b"Require: outbound", b"Require: x, y", b"RSeq: #"),
    *(b"RAck: # # INVITE", b"RAck: # # BYE", b"Session-Expires: #", b"Session-Expires: #;refresher=uas", b"Min-SE: #"),
    *(b"Session-Expires: 90;refresher=uac", b"Supported: timer, 100rel, replaces", b"Min-Expires: #", b"Expires: #"),
    *(b"Retry-After: #", b"Retry-After: # (later);duration=#", b"Flow-Timer: #", b"Max-Forwards: #", b"Event: refer"),
    *(b"Event: refer;id=#", b"Event: message-summary", b"Event: ;;", b"Subscription-State: active;expires=#"),
    *(b"Subscription-State: terminated;reason=timeout;retry-after=#", b"Subscription-State: pending"),
    *(b"Refer-To: <sip:x@192.168.1.66>", b"Refer-To: <sip:x@192.168.1.66?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>"),
    *(b"Refer-To: tel:+431", b"Refer-To: <sip:x@h;method=BYE>", b"Refer-Sub: false", b"Referred-By: <sip:x@h>;cid=#"),
    *(b"Replaces: a;to-tag=b;from-tag=c", b"Replaces: a;to-tag=0;from-tag=0;early-only", b"Join: a", b"Replaces: ;;"),
    *(b'Reason: SIP;cause=#;text="x"', b"Reason: Q.850;cause=#, SIP", b"Answer-Mode: Auto;require"),
    *(b"Priv-Answer-Mode: Auto", b"Call-Info: <sip:x>;answer-after=0", b"Alert-Info: info=alert-autoanswer"),
    *(b"Contact: <sip:x@0.0.0.0:0>", b"Contact: *", b"Contact: <sip:x@[::1];transport=tls>;expires=#;q=#"),
    *(b"Contact: <sip:a@h>,<sip:b@192.168.1.66>;q=0.5,<tel:1>", b"Record-Route: <sip:192.168.1.66;lr>"),
    *(b"Record-Route: <sips:h>", b"Service-Route: <sip:h;lr>,<sip:h2;lr>", b"Service-Route: <sip:h>", b"Path: <sip:h>"),
    *(b"P-Asserted-Identity: <sip:boss@h>", b"P-Asserted-Identity: tel:1", b"Content-Type: text/plain;charset=latin-1"),
    *(b"Content-Type: multipart/mixed;boundary=x", b"Content-Encoding: gzip", b"Content-Disposition: session"),
    *(b"Content-Type: message/sipfrag", b"Accept: text/plain", b"Allow: INVITE", b"Info-Package: x", b"Date: #"),
    b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth-int", algorithm=SHA-256-sess, userhash=true',
    b'Proxy-Authenticate: Digest realm="r", nonce="#", stale=true',
    b'Authentication-Info: nextnonce="#", qop=auth, rspauth="x", cnonce="y", nc=#',
    b'Authorization: Digest realm="voipnode", nonce="#", username="x", uri="sip:x", response="y", nc=#, cnonce="z"',
)
_SDP = (
    (rb"m=audio \d+", b"m=audio #"),
    (rb"c=IN IP4 [^\r\n]*", b"c=IN IP4 0.0.0.0"),
    (rb"c=IN IP4 [^\r\n]*", b"c=IN IP6 ::1"),
    (rb"RTP/AVP[^\r\n]*", b"RTP/AVP # 101"),
    (rb"RTP/AVP ", b"RTP/SAVPF "),
    (rb"a=rtpmap:[^\r\n]*", b"a=rtpmap:# telephone-event/#"),
    (rb"o=- \d+ \d+", b"o=- # #"),
    (rb"t=0 0", b"t=0 0\r\na=inactive\r\na=ptime:#"),
    (rb"m=audio", b"m=video 9 RTP/AVP 99\r\nm=audio 0 RTP/AVP 0\r\nm=audio"),
)
_NAMES = rb"(?im)^(Via|From|To|Call-ID|CSeq|Contact|Content-Length|Content-Type|Expires|Event|RAck|RSeq): [^\r\n]*\r\n"


def twist(data: bytes, rng: random.Random) -> bytes:
    """The message with one to three things wrong."""
    for _ in range(rng.randint(1, 3)):
        data = rng.choice(_TWISTS)(data, rng)
    return data


def _numbered(text: bytes, rng: random.Random) -> bytes:
    return re.sub(rb"#", lambda match: rng.choice(NUMBERS), text)


def _graft(data: bytes, rng: random.Random) -> bytes:
    head, end, body = data.partition(b"\r\n\r\n")
    return head + b"\r\n" + _numbered(rng.choice(GRAFTS), rng) + end + body


def _replace(data: bytes, rng: random.Random) -> bytes:
    """A field that is there, with another value of its kind."""
    graft = _numbered(rng.choice(GRAFTS), rng)
    name = re.escape(graft.partition(b":")[0])
    return re.sub(rb"(?im)^" + name + rb":[^\r\n]*", lambda match: graft, data)


def _first_line(data: bytes, rng: random.Random) -> bytes:
    line, end, rest = data.partition(b"\r\n")
    if line.startswith(b"SIP/2.0 "):
        return b"SIP/2.0 %d Twisted" % rng.choice(STATUSES) + end + rest
    method = rng.choice(METHODS)
    rest = re.sub(rb"(?im)^(CSeq: *\d+ )\S+", lambda match: match[1] + method, rest)
    return method + b" " + line.partition(b" ")[2] + end + rest


def _cseq(data: bytes, rng: random.Random) -> bytes:
    return re.sub(rb"(?im)^CSeq: *\d+", lambda match: b"CSeq: " + rng.choice(NUMBERS), data)


def _tag(data: bytes, rng: random.Random) -> bytes:
    new = rng.choice((b"", b";tag=other", b";tag=", b";tag=a;tag=b"))
    which = rng.choice((b"To", b"From"))
    return re.sub(rb"(?im)^(" + which + rb":[^\r\n]*?);tag=[^;\r\n]*", lambda match: match[1] + new, data)


def _branch(data: bytes, rng: random.Random) -> bytes:
    """A new transaction, so that it is no retransmission."""
    new = rng.choice(
        (b"z9hG4bK%d" % rng.randrange(10**9), b"z9hG4bK", b"old", b"z9hG4bK%d;maddr=192.168.1.66" % rng.randrange(9))
    )
    return re.sub(rb"branch=[^;,\r\n]*", lambda match: b"branch=" + new, data, count=1)


def _lose(data: bytes, rng: random.Random) -> bytes:
    found = list(re.finditer(_NAMES, data))
    if not found:
        return data
    line = rng.choice(found)
    return data[: line.start()] + line[0] * rng.choice((0, 0, 2)) + data[line.end() :]


def _sdp(data: bytes, rng: random.Random) -> bytes:
    pattern, new = rng.choice(_SDP)
    head, end, body = data.partition(b"\r\n\r\n")
    body = re.sub(pattern, lambda match: _numbered(new, rng), body, count=1)
    if rng.random() < 0.2:
        body = rng.choice((b"", b"v=0\r\n", b"\xff" * 50, body * 3))
    return re.sub(rb"(?im)^Content-Length: *\d+", b"Content-Length: %d" % len(body), head) + end + body


def _bytes(data: bytes, rng: random.Random) -> bytes:
    return next(mutants(rng, [data]))


_TWISTS: Sequence[Callable[[bytes, random.Random], bytes]] = (
    *(_graft, _graft, _graft, _replace, _first_line, _cseq, _tag, _branch, _branch, _lose, _sdp, _sdp, _bytes),
)


def _seed(first_line: str, *fields: str, body: str = "") -> bytes:
    method = first_line.partition(" ")[0]
    cseq = [] if first_line.startswith("SIP/2.0") else [f"CSeq: 7 {method}"]
    lines = [
        first_line,
        "Via: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bKseed;rport",
        "Max-Forwards: 70",
        "From: <sip:x@127.0.0.1>;tag=1",
        "To: <sip:door@127.0.0.1>",
        "Call-ID: seed",
        *cseq,
        "Contact: <sip:x@127.0.0.1:5999>",
        *fields,
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


DOOR_LINE = "sip:door@127.0.0.1 SIP/2.0"
SESSION_SEEDS = [
    _seed(
        f"REFER {DOOR_LINE}", "Refer-To: <sip:y@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", "Refer-Sub: true"
    ),
    _seed(f"NOTIFY {DOOR_LINE}", "Event: refer", "Subscription-State: active;expires=60", body="SIP/2.0 200 OK\r\n"),
    _seed(
        f"NOTIFY {DOOR_LINE}",
        "Event: message-summary",
        "Subscription-State: terminated;reason=giveup;retry-after=3",
        "Content-Type: application/simple-message-summary",
        body="Messages-Waiting: yes\r\nVoice-Message: 1/2 (0/0)\r\n",
    ),
    _seed(f"SUBSCRIBE {DOOR_LINE}", "Event: refer;id=7", "Expires: 60", "Accept: message/sipfrag"),
    _seed(f"MESSAGE {DOOR_LINE}", "Content-Type: text/plain;charset=utf-8", body="good morning"),
    _seed(f"PRACK {DOOR_LINE}", "RAck: 1 1 INVITE"),
    _seed(f"UPDATE {DOOR_LINE}", "Session-Expires: 90;refresher=uac", "Min-SE: 90", "Supported: timer"),
    _seed(
        f"INVITE {DOOR_LINE}",
        "Supported: 100rel, timer, replaces",
        "Replaces: a;to-tag=b;from-tag=c;early-only",
        "Answer-Mode: Auto;require",
        "Call-Info: <sip:x>;answer-after=0",
        "Alert-Info: <http://x>;info=alert-autoanswer",
        'P-Asserted-Identity: "x" <sip:x@h>',
    ),
    _seed(f"BYE {DOOR_LINE}", 'Reason: Q.850;cause=16;text="x"', "Reason: SIP;cause=200"),
    _seed("SIP/2.0 200 OK", "CSeq: 1 REGISTER", "Service-Route: <sip:h;lr>", "Flow-Timer: 20", "Path: <sip:h;lr>"),
    _seed("SIP/2.0 183 Session Progress", "CSeq: 1 INVITE", "RSeq: 1", "Require: 100rel"),
    _seed("SIP/2.0 423 Interval Too Brief", "CSeq: 1 REGISTER", "Min-Expires: 60", "Retry-After: 5 (x);duration=3"),
]


class Twister:
    """Stands before an engine on the wire until `until`: some of what it receives comes twisted, also or instead."""

    def __init__(self, engine: Any, rng: random.Random, until: float, *, share: float = 0.3) -> None:
        self._engine, self._rng, self._until, self._share = engine, rng, until, share
        self.twisted = 0

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        rng = self._rng
        if source.reliable or now > self._until or rng.random() >= self._share:
            self._engine.receive(data, source, now)
            return
        order = rng.choice(("twisted", "twisted good", "good twisted", "twisted good twisted"))
        for what in order.split():
            twisted = what == "twisted"
            self.twisted += twisted
            self._engine.receive(twist(data, rng)[:65_000] if twisted else data, source, now)

    def connection_closed(self, source: Hop, now: float) -> None:
        self._engine.connection_closed(source, now)

    def outbox(self, now: float) -> Any:
        return self._engine.outbox(now)

    def next_deadline(self) -> float | None:
        at: float | None = self._engine.next_deadline()
        return at

    def on_deadline(self, now: float) -> None:
        self._engine.on_deadline(now)
