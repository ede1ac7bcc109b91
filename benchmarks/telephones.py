"""Telephones in one process that register at a node as its extensions and call each other through it.

Started by `calls.py` on the core that the node has not got. The first half calls the second half, who answer at once.
`--calls` many calls stand at the same time with RTP both ways, all packets of 20 ms on a grid of their own; each packet
carries the time at which it was sent, so that what the node adds is seen, and that nothing is changed on the way. Says
`measuring` and `measured` when the time that counts begins and ends, then one line of JSON. `--set-ups` instead: calls
one after the other, each timed from its INVITE to its 200.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import os
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

from media_callers import GRID_MS, HEADER, PACKET_MS, SO_TIMESTAMPNS, SUITE, port_pair
from pylibsrtp import Error, Policy, Session

PASSWORD = "telephone-password"
FIRST_CALLER, FIRST_CALLED = 1000, 2000
ANSWER_S = 10.0
STAMP = struct.Struct("!Q")
LAWS = {"PCMU": 0, "PCMA": 8}
DRAIN_EVERY = 2


def digest(challenge: str, method: str, uri: str, user: str) -> str:
    """The Authorization field's value for a challenge (RFC 8760), with a password that all share."""
    found = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    make = hashlib.sha256 if found.get("algorithm", "MD5") == "SHA-256" else hashlib.md5

    def hashed(text: str) -> str:
        return make(text.encode()).hexdigest()

    nonce, cnonce = found["nonce"], os.urandom(8).hex()
    secret = hashed(f"{user}:{found['realm']}:{PASSWORD}")
    response = hashed(f"{secret}:{nonce}:00000001:{cnonce}:auth:{hashed(f'{method}:{uri}')}")
    opaque = f', opaque="{found["opaque"]}"' if "opaque" in found else ""
    return (
        f'Digest username="{user}", realm="{found["realm"]}", nonce="{nonce}", uri="{uri}", qop=auth, nc=00000001,'
        f' cnonce="{cnonce}", response="{response}", algorithm={found.get("algorithm", "MD5")}{opaque}'
    )


def field_of(message: str, name: str) -> str:
    found = re.search(rf"\r\n{name}:\s*([^\r]*)", message, re.IGNORECASE)
    return found[1] if found else ""


def fields_of(message: str, name: str) -> list[str]:
    return re.findall(rf"\r\n{name}:\s*([^\r]*)", message, re.IGNORECASE)


@dataclass(slots=True)
class Heard:
    """What a telephone got: when each packet left and came, in ns, and its number; `changed`: not as it was sent."""

    left_ns: list[int] = field(default_factory=list)
    came_ns: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    changed: int = 0


class Telephone:
    """One extension: its signalling socket, its RTP socket, its keys."""

    def __init__(self, number: int, node: tuple[str, int], law: str, *, srtp: bool) -> None:
        self.number, self.node = number, node
        self.sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sip.bind(("127.0.0.1", 0))
        self.sip.settimeout(ANSWER_S)
        self.rtp, self._rtcp = port_pair()
        self.rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.heard = Heard()
        self.kept: list[str] = []  # requests that came while something else was waited for
        self._kind = LAWS[law]
        self._law = law
        self._key = os.urandom(30) if srtp else b""
        self._protect: Session | None = None
        self._unprotect: Session | None = None
        self._remote = ("127.0.0.1", 0)
        self._sent = 0
        self._cseq = 0
        self._rest = bytes([self._kind * 11 + 85]) * (160 - STAMP.size)
        self._local_port = self.sip.getsockname()[1]
        self._call = ""
        self._route = ""
        self._to = self._target = ""

    # -- SIP

    def register(self) -> None:
        uri = f"sip:127.0.0.1:{self.node[1]}"
        more = f"Contact: <sip:{self.number}@127.0.0.1:{self._local_port}>\r\nExpires: 3600\r\n"
        me = f"<sip:{self.number}@127.0.0.1:{self.node[1]}>"
        status, response = self._ask("REGISTER", uri, me, f"register-{self.number}", more)
        if status != 200:
            raise SystemExit(f"{self.number} is not registered: {response.splitlines()[0]}")

    def call(self, other: Telephone) -> float:
        """Call, be answered, acknowledge; the seconds from the INVITE that was accepted to its 200."""
        uri = f"sip:{other.number}@127.0.0.1:{self.node[1]}"
        self._call = f"call-{self.number}-{os.urandom(4).hex()}"
        self._send("INVITE", uri, f"<{uri}>", self._call, self._sdp())
        while True:
            status, response = self._final(other)
            if status not in (401, 407):
                break
            self._ack(response, uri)
            name = "Proxy-Authorization" if status == 407 else "Authorization"
            value = digest(self._challenge(response), "INVITE", uri, str(self.number))
            began = time.monotonic()
            self._send("INVITE", uri, f"<{uri}>", self._call, f"{name}: {value}\r\n{self._sdp()}")
        if status != 200:
            raise SystemExit(f"the call to {other.number} failed: {response.splitlines()[0]}")
        took_s = time.monotonic() - began
        contact = re.search(r"<([^>]*)>", field_of(response, "Contact"))
        assert contact is not None, response
        self._to, self._target = field_of(response, "To"), contact[1]
        self._agree(response)
        self._send("ACK", self._target, self._to, self._call, "Content-Length: 0\r\n\r\n")
        other.take("ACK")
        return took_s

    def hang_up(self, other: Telephone) -> None:
        self._cseq += 1
        self._send("BYE", self._target, self._to, self._call, "Content-Length: 0\r\n\r\n")
        other.answer(other.take("BYE"), 200)
        self._final(None)

    def answer(self, request: str, status: int, body: str = "Content-Length: 0\r\n\r\n") -> None:
        """Answer a request."""
        to = field_of(request, "To")
        tag = "" if ";tag=" in to else f";tag=to{self.number}"
        routes = "".join(f"Record-Route: {each}\r\n" for each in fields_of(request, "Record-Route"))
        vias = "".join(f"Via: {each}\r\n" for each in fields_of(request, "Via"))
        head = "".join(f"{name}: {field_of(request, name)}\r\n" for name in ("From", "Call-ID", "CSeq"))
        contact = f"Contact: <sip:{self.number}@127.0.0.1:{self._local_port}>\r\n"
        words = "OK" if status == 200 else "Ringing"
        text = f"SIP/2.0 {status} {words}\r\n{vias}{routes}{head}To: {to}{tag}\r\n{contact}{body}"
        self.sip.sendto(text.encode(), self.node)

    def answered(self, invite: str) -> None:
        """Take a call: its description is agreed on."""
        self._agree(invite)
        self.answer(invite, 200, self._sdp())

    def take(self, method: str) -> str:
        """The next request of this method."""
        while True:
            message = self.kept.pop(0) if self.kept else self.sip.recv(65535).decode()
            if message.startswith(method):
                return message

    def _final(self, called: Telephone | None) -> tuple[int, str]:
        """The final response to what was sent last; meanwhile the called one answers."""
        sockets = [self.sip] if called is None else [self.sip, called.sip]
        until = time.monotonic() + ANSWER_S
        while True:
            ready, _, _ = select.select(sockets, [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise SystemExit(f"{self.number}: no answer within {ANSWER_S:.0f} s")
            if called is not None and called.sip in ready:
                request = called.sip.recv(65535).decode()
                if request.startswith("INVITE"):
                    called.answered(request)
                else:
                    called.kept.append(request)
            if self.sip in ready:
                response = self.sip.recv(65535).decode()
                status = int(response[8:11]) if response.startswith("SIP/2.0") else 0
                if status >= 200 and field_of(response, "CSeq").startswith(str(self._cseq)):
                    return status, response

    def _ask(self, method: str, uri: str, to: str, call: str, more: str) -> tuple[int, str]:
        """A request with digest, outside dialogs."""
        end = "Content-Length: 0\r\n\r\n"
        self._send(method, uri, to, call, f"{more}{end}")
        status, response = self._final(None)
        if status in (401, 407):
            value = digest(self._challenge(response), method, uri, str(self.number))
            name = "Proxy-Authorization" if status == 407 else "Authorization"
            self._send(method, uri, to, call, f"{more}{name}: {value}\r\n{end}")
            status, response = self._final(None)
        return status, response

    def _challenge(self, response: str) -> str:
        return next(each for name in ("WWW-Authenticate", "Proxy-Authenticate") for each in fields_of(response, name))

    def _ack(self, response: str, uri: str) -> None:
        """Of a refusal: part of the transaction that it ends (RFC 3261 §17.1.1.3)."""
        branch = re.search(r"branch=([^;\s]+)", response)
        assert branch is not None
        end = "Content-Length: 0\r\n\r\n"
        self._write("ACK", uri, field_of(response, "To"), self._call, end, branch=branch[1])

    def _send(self, method: str, uri: str, to: str, call: str, rest: str) -> None:
        if method not in ("ACK", "BYE"):
            self._cseq += 1
        self._write(method, uri, to, call, rest, branch=f"z9hG4bK{os.urandom(6).hex()}")

    def _write(self, method: str, uri: str, to: str, call: str, rest: str, *, branch: str) -> None:
        host, port = self.node
        contact = f"Contact: <sip:{self.number}@127.0.0.1:{self._local_port}>\r\n" if method == "INVITE" else ""
        text = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self._local_port};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{self.number}@{host}:{port}>;tag=from{self.number}\r\nTo: {to}\r\n"
            f"Call-ID: {call}\r\nCSeq: {self._cseq} {method}\r\n{contact}{rest}"
        )
        self.sip.sendto(text.encode(), self.node)

    # -- SDP

    def _sdp(self) -> str:
        profile, crypto = "RTP/AVP", ""
        if self._key:
            profile = "RTP/SAVP"
            crypto = f"a=crypto:1 {SUITE} inline:{base64.b64encode(self._key).decode()}\r\n"
        body = (
            f"v=0\r\no=- {self.number} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.getsockname()[1]} {profile} {self._kind} 101\r\n"
            f"a=rtpmap:{self._kind} {self._law}/8000\r\na=rtpmap:101 telephone-event/8000\r\n{crypto}"
        )
        return f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"

    def _agree(self, message: str) -> None:
        found = re.search(r"\r\nm=audio (\d+)", message)
        assert found is not None, message
        self._remote = ("127.0.0.1", int(found[1]))
        if self._key:
            theirs = re.search(rf"\r\na=crypto:\d+ {SUITE} inline:([^|\s]+)", message)
            assert theirs is not None, message
            self._protect = _session(self._key, Policy.SSRC_ANY_OUTBOUND)
            self._unprotect = _session(base64.b64decode(theirs[1]), Policy.SSRC_ANY_INBOUND)

    # -- RTP

    def speak(self) -> None:
        count = self._sent
        self._sent = count + 1
        head = HEADER.pack(0x80, self._kind, count & 0xFFFF, 160 * count & 0xFFFFFFFF, self.number)
        packet = head + STAMP.pack(time.time_ns()) + self._rest
        self.rtp.sendto(packet if self._protect is None else self._protect.protect(packet), self._remote)

    def read(self) -> None:
        """Take in one packet that waits."""
        data, notes, _, _ = self.rtp.recvmsg(2048, 64)
        if self._unprotect is not None:
            try:
                data = self._unprotect.unprotect(data)
            except Error:
                return
        seconds, nanoseconds = struct.unpack("qq", notes[0][2])
        heard = self.heard
        heard.came_ns.append(seconds * 1_000_000_000 + nanoseconds)
        heard.numbers.append(int.from_bytes(data[2:4], "big"))
        heard.left_ns.append(STAMP.unpack_from(data, 12)[0])
        heard.changed += data[12 + STAMP.size :] != self._rest


def _session(key: bytes, direction: int) -> Session:
    return Session(Policy(key, direction, 0, Policy.SRTP_PROFILE_AES128_CM_SHA1_80))


def talk(telephones: list[Telephone], warm_up_s: float, seconds: float) -> tuple[int, int]:
    """Speak and listen until the time is over; the begin and end of what counts, in ns of the wall clock."""
    steps = PACKET_MS // GRID_MS
    per_turn = [telephones[step::steps] for step in range(steps)]
    by_number = {each.rtp.fileno(): each for each in telephones}
    waiting = select.epoll()
    for number in by_number:
        waiting.register(number, select.EPOLLIN)
    origin = time.monotonic()
    turns, begin, began_ns = int((warm_up_s + seconds) * 1000 / GRID_MS), int(warm_up_s * 1000 / GRID_MS), 0
    for turn in range(turns):
        if turn == begin:
            print("measuring", flush=True)
            began_ns = time.time_ns()
        time.sleep(max(0.0, origin + turn * GRID_MS / 1000 - time.monotonic()))
        for each in per_turn[turn % steps]:
            each.speak()
        if turn % DRAIN_EVERY == 0:
            while ready := waiting.poll(0, len(telephones)):
                for number, _ in ready:
                    by_number[number].read()
    print("measured", flush=True)
    return began_ns, time.time_ns()


def judge(telephones: list[Telephone], began_ns: int, ended_ns: int, *, passed_on: bool) -> dict[str, float | int]:
    """What came; where packets are passed on as they are, also how long the node had them, and changed any."""
    delays_ms: list[float] = []
    received = missing = 0
    due = round((ended_ns - began_ns) / 1e6 / PACKET_MS)
    for each in telephones:
        heard = each.heard
        inside = [at for at, came in enumerate(heard.came_ns) if began_ns <= came < ended_ns]
        received += len(inside)
        missing += max(due - 1 - len(inside), 0)
        if passed_on:
            delays_ms += [(heard.came_ns[at] - heard.left_ns[at]) / 1e6 for at in inside]
    found: dict[str, float | int] = {"received": received, "missing": missing}
    if passed_on:
        delays_ms.sort()
        found["changed"] = sum(each.heard.changed for each in telephones)
        found["delay_p50_ms"] = round(delays_ms[len(delays_ms) // 2], 2) if delays_ms else -1.0
        found["delay_p99_ms"] = round(delays_ms[int(len(delays_ms) * 0.99)], 2) if delays_ms else -1.0
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="the SIP port of the node on loopback")
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--srtp", action="store_true", help="the callers' side by SRTP with keys by SDES")
    parser.add_argument("--transcode", action="store_true", help="the callers speak PCMU, the others PCMA")
    parser.add_argument("--set-ups", type=int, default=0, help="so many calls one after the other instead")
    parser.add_argument("--warm-up", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with contextlib.suppress(OSError):  # a clock that others can hold up is none; needs root
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    node = ("127.0.0.1", args.port)
    count = 1 if args.set_ups else args.calls
    callers = [Telephone(FIRST_CALLER + n, node, "PCMU", srtp=args.srtp) for n in range(count)]
    called = [Telephone(FIRST_CALLED + n, node, "PCMA" if args.transcode else "PCMU", srtp=False) for n in range(count)]
    for each in (*callers, *called):
        each.register()
    if args.set_ups:
        times_ms = []
        for _ in range(args.set_ups):
            times_ms.append(1000 * callers[0].call(called[0]))
            callers[0].hang_up(called[0])
        print(json.dumps(times_ms))
        return 0
    for caller, other in zip(callers, called, strict=True):
        caller.call(other)
    began_ns, ended_ns = talk([*callers, *called], args.warm_up, args.seconds)
    for caller, other in zip(callers, called, strict=True):
        caller.hang_up(other)
    print(json.dumps(judge([*callers, *called], began_ns, ended_ns, passed_on=not args.transcode)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
