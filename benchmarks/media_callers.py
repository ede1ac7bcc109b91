"""Many telephones in one process: calls with RTP both ways, each packet timed by the kernel as it comes.

Started by `media_load.py` on the core that the node has not got. Says `measuring` and `measured` on a line each when
the time that counts begins and ends, then one line of JSON.

Every caller speaks all the time, a tone of its own, in packets of 20 ms on a grid of its own; nothing is answered with
a packet's help, so what the node sends is as it sends it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import select
import socket
import struct
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pylibsrtp import Error, Policy, Session

from voipnode.codecs.g711 import mu_law

PACKET_MS = 20
GRID_MS = 1  # callers start a millisecond apart, so that packets come spread as those of strangers do
DRAIN_EVERY = 5
ANSWER_S = 10.0
TONE_HZ, TONE_STEP_HZ, TONE_LEVEL = 310, 27, 0.01
SO_TIMESTAMPNS = 35
HEADER = struct.Struct("!BBHII")
SUITE = "AES_CM_128_HMAC_SHA1_80"
FORMATS = {"PCMU": (0, 8000), "G722": (9, 16000)}


@dataclass(slots=True)
class Heard:
    """What one call got: arrival in ns, sequence number, timestamp, payload type and payload of each packet."""

    at_ns: list[int] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)


class Caller:
    """One telephone: its SIP over the shared socket, its RTP socket, its tone."""

    def __init__(
        self, number: int, codec: str, signalling: socket.socket, node: tuple[str, int], *, srtp: bool
    ) -> None:
        self.number = number
        self._key = os.urandom(30) if srtp else b""
        self._protect: Session | None = None
        self._unprotect: Session | None = None
        self.heard = Heard()
        self._payload_type, rate_hz = FORMATS[codec]
        self._signalling = signalling
        self._node = node
        self.rtp, self._rtcp = port_pair()
        self.rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tone_hz = TONE_HZ + TONE_STEP_HZ * number
        self._payloads = _payloads(codec, self.tone_hz, rate_hz)
        self._sequence = 1000 * number & 0xFFFF
        self._timestamp = 77777 * number
        self._sent = 0
        self._remote = ("127.0.0.1", 0)
        self._dialog = ""

    # -- SIP

    def invite(self) -> None:
        port, local = self.rtp.getsockname()[1], self._signalling.getsockname()[1]
        encoding = {0: "PCMU/8000", 9: "G722/8000"}[self._payload_type]
        profile, crypto = "RTP/AVP", ""
        if self._key:
            profile = "RTP/SAVP"
            crypto = f"a=crypto:1 {SUITE} inline:{base64.b64encode(self._key).decode()}\r\n"
        body = (
            f"v=0\r\no=caller {self.number} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} {profile} {self._payload_type}\r\na=rtpmap:{self._payload_type} {encoding}\r\n{crypto}"
        )
        content = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        self._send("INVITE", 1, "", f"Contact: <sip:caller@127.0.0.1:{local}>\r\n{content}")

    def answered(self, response: str) -> None:
        found = re.search(r"\r\nm=audio (\d+)", response)
        tag = re.search(r"\r\nTo:[^\r]*?(;tag=[^\s;]+)", response, re.IGNORECASE)
        assert found is not None, response
        assert tag is not None, response
        self._remote = ("127.0.0.1", int(found[1]))
        self._dialog = tag[1]
        if self._key:
            theirs = re.search(rf"\r\na=crypto:\d+ {SUITE} inline:([^|\s]+)", response)
            assert theirs is not None, response
            self._protect = _session(self._key, Policy.SSRC_ANY_OUTBOUND)
            self._unprotect = _session(base64.b64decode(theirs[1]), Policy.SSRC_ANY_INBOUND)
        self._send("ACK", 1, self._dialog)

    def bye(self) -> None:
        self._send("BYE", 2, self._dialog)

    def _send(self, method: str, cseq: int, tag: str, rest: str = "Content-Length: 0\r\n\r\n") -> None:
        host, port = self._node
        local = self._signalling.getsockname()[1]
        text = (
            f"{method} sip:door@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{local};branch=z9hG4bK{self.number}x{cseq}{method}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:caller{self.number}@127.0.0.1:{local}>;tag=t{self.number}\r\n"
            f"To: <sip:door@{host}:{port}>{tag}\r\nCall-ID: load-{self.number}@{local}\r\n"
            f"CSeq: {cseq} {method}\r\n{rest}"
        )
        self._signalling.sendto(text.encode(), self._node)

    # -- RTP

    def speak(self) -> None:
        count = self._sent
        self._sent = count + 1
        head = HEADER.pack(
            0x80,
            self._payload_type,
            self._sequence + count & 0xFFFF,
            self._timestamp + 160 * count & 0xFFFFFFFF,
            self.number + 1,
        )
        packet = head + self._payloads[count % len(self._payloads)]
        self.rtp.sendto(packet if self._protect is None else self._protect.protect(packet), self._remote)

    def read(self) -> None:
        """Take in one packet that waits."""
        data, notes, _, _ = self.rtp.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("qq", notes[0][2])
        self.heard.at_ns.append(seconds * 1_000_000_000 + nanoseconds)
        self.heard.packets.append(data)

    def open_up(self) -> None:
        """Decrypt what came; what cannot be proven did not come."""
        if self._unprotect is None:
            return
        kept = Heard()
        for at_ns, packet in zip(self.heard.at_ns, self.heard.packets, strict=True):
            try:
                plain = self._unprotect.unprotect(packet)
            except Error:
                continue
            kept.at_ns.append(at_ns)
            kept.packets.append(plain)
        self.heard = kept


def _session(key: bytes, direction: int) -> Session:
    return Session(Policy(key, direction, 0, Policy.SRTP_PROFILE_AES128_CM_SHA1_80))


def port_pair() -> tuple[socket.socket, socket.socket]:
    """Sockets for RTP, which does not block, and for RTCP above it."""
    while True:
        rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        rtp.setblocking(False)
        rtp.bind(("127.0.0.1", 0))
        port = rtp.getsockname()[1]
        try:
            if port % 2 == 0:
                rtcp.bind(("127.0.0.1", port + 1))
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()


def _payloads(codec: str, tone_hz: float, rate_hz: int) -> list[bytes]:
    """A second of the tone in packets of 20 ms."""
    tone = (TONE_LEVEL * np.sin(2 * np.pi * tone_hz * np.arange(rate_hz) / rate_hz)).astype(np.float32)
    coded = mu_law().encode_frame(tone) if codec == "PCMU" else _g722(tone)
    size = len(coded) * PACKET_MS // 1000
    return [coded[at : at + size] for at in range(0, len(coded), size)]


def _g722(tone: NDArray[np.float32]) -> bytes:
    import av

    encoder = av.CodecContext.create("g722", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 16000, "mono", "s16"  # type: ignore[assignment]
    frame = av.AudioFrame.from_ndarray(np.rint(tone * 32767).astype(np.int16)[None, :], "s16", "mono")
    frame.sample_rate = 16000
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


# -- the run


def set_up(callers: list[Caller], signalling: socket.socket) -> None:
    """Call, one after the other, until each has been answered."""
    signalling.settimeout(ANSWER_S)
    for caller in callers:
        caller.invite()
        while True:
            response = signalling.recv(65535).decode()
            if "\r\nCSeq: 1 INVITE" not in response or f"load-{caller.number}@" not in response:
                continue
            status = int(response.split(" ", 2)[1])
            if status >= 300:
                raise SystemExit(f"call {caller.number} was refused: {response.splitlines()[0]}")
            if status >= 200:
                break
        caller.answered(response)


def run(callers: list[Caller], warm_up_s: float, seconds: float) -> tuple[int, int]:
    """Speak and listen until the time is over; the begin and end of what counts, in ns of the wall clock."""
    per_turn: list[list[Caller]] = [[] for _ in range(PACKET_MS // GRID_MS)]
    for caller in callers:
        per_turn[caller.number % len(per_turn)].append(caller)
    by_number = {caller.rtp.fileno(): caller for caller in callers}
    waiting = select.epoll()
    for number in by_number:
        waiting.register(number, select.EPOLLIN)
    origin = time.monotonic()
    turns, begin = int((warm_up_s + seconds) * 1000 / GRID_MS), int(warm_up_s * 1000 / GRID_MS)
    began_ns = 0
    for turn in range(turns):
        if turn == begin:
            print("measuring", flush=True)
            began_ns = time.time_ns()
        time.sleep(max(0.0, origin + turn * GRID_MS / 1000 - time.monotonic()))
        for caller in per_turn[turn % len(per_turn)]:
            caller.speak()
        if turn % DRAIN_EVERY == 0:
            while ready := waiting.poll(0, len(callers)):
                for number, _ in ready:
                    by_number[number].read()
    print("measured", flush=True)
    return began_ns, time.time_ns()


# -- what came


def judge(callers: list[Caller], codec: str, began_ns: int, ended_ns: int) -> dict[str, float | int]:
    """Loss, and how far packets left off their grid: the deviation from 20 ms steps by timestamp, less its median."""
    deviations_ms, came, missing, alone = [], 0, 0, 0
    for caller in callers:
        caller.open_up()
        heads = [HEADER.unpack_from(packet) for packet in caller.heard.packets]
        at_ns = np.array(caller.heard.at_ns, dtype=np.int64)
        inside = (at_ns >= began_ns) & (at_ns < ended_ns)
        if inside.sum() < 2:
            missing += int((ended_ns - began_ns) / 1e6 / PACKET_MS)
            continue
        sequence = np.unwrap(np.array([head[2] for head in heads])[inside], period=1 << 16)
        timestamp = np.unwrap(np.array([head[3] for head in heads])[inside], period=1 << 32)
        sent_ms = (at_ns[inside] - began_ns) / 1e6
        came += len(sequence)
        # Packets that were due and never left are missing as well, not only gaps in the numbering.
        due = round((ended_ns - began_ns) / 1e6 / PACKET_MS)
        missing += max(int(sequence[-1] - sequence[0]) + 1 - len(sequence), due - 1 - len(sequence), 0)
        off = sent_ms - (timestamp - timestamp[0]) / 8
        deviations_ms.append(np.abs(off - np.median(off)))
        alone += _hears_others(caller, callers, codec)
    every = np.concatenate(deviations_ms) if deviations_ms else np.zeros(1)
    return {
        "received": came,
        "missing": missing,
        "mixes_right": alone,
        "send_jitter_p50_ms": round(float(np.percentile(every, 50)), 3),
        "send_jitter_p99_ms": round(float(np.percentile(every, 99)), 3),
        "send_jitter_max_ms": round(float(every.max()), 3),
    }


def _hears_others(caller: Caller, callers: list[Caller], codec: str) -> bool:
    """Is every other caller's tone in the last second that this one heard, and not its own?"""
    if codec != "PCMU" or len(callers) < 2:
        return True
    payload = b"".join(packet[12:] for packet in caller.heard.packets[-50:])
    if len(payload) != 8000:
        return False
    power = np.abs(np.fft.rfft(mu_law().decode_frame(payload)))
    others = [power[other.tone_hz] for other in callers if other is not caller and other.tone_hz < 4000]
    own = power[caller.tone_hz] if caller.tone_hz < 4000 else 0.0
    return bool(min(others) > 10 * own)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="the SIP port of the node on loopback")
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--codec", choices=list(FORMATS), default="PCMU")
    parser.add_argument("--srtp", action="store_true", help="SRTP with keys by SDES")
    parser.add_argument("--warm-up", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    with contextlib.suppress(OSError):  # a clock that others can hold up is none; needs root
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    signalling = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    signalling.bind(("127.0.0.1", 0))
    node = ("127.0.0.1", args.port)
    callers = [Caller(number, args.codec, signalling, node, srtp=args.srtp) for number in range(args.calls)]
    set_up(callers, signalling)
    began_ns, ended_ns = run(callers, args.warm_up, args.seconds)
    for caller in callers:
        caller.bye()
    print(json.dumps(judge(callers, args.codec, began_ns, ended_ns)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
