"""One call through an impaired network to something that sends back what it plays; used by `listening.py`.

So nothing but the wire is looked at, and one clock times both ways. The network impairs what is said, not what comes
back.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from subjects import BenchmarkError

from tests.support.impaired_network import DelayLine, Impairment
from voipnode.codecs.g711 import mu_law

RATE = 8000
PACKET = 160
PACKET_S = 0.020
ANSWER_S = 10.0
AFTER_S = 1.0
HEADER = struct.Struct("!BBHII")

Sound = NDArray[np.float32]


class EchoCall:
    """`heard` is what came back, PCMU decoded, gaps silent; sample n was captured at the far side `begin_s` + n / 8000
    after the first one was said here."""

    def __init__(self, sip_port: int) -> None:
        self._far = ("127.0.0.1", sip_port)
        self._signalling, self._rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for each in (self._signalling, self._rtp):
            each.bind(("127.0.0.1", 0))
        self._back: list[tuple[float, int, bytes]] = []
        self._tag = ""
        self.heard: Sound = np.zeros(0, np.float32)
        self.begin_s = 0.0

    def talk(self, said: Sound, network: Impairment, seed: int) -> None:
        """Call, say it all, hang up. Raises `BenchmarkError` when nobody answers or nothing comes back."""
        remote = self._invite()
        try:
            self._converse([mu_law().encode_frame(piece) for piece in _packets(said)], DelayLine(network, seed), remote)
        finally:
            self._send("BYE", 2)
        self._lay_out()

    # -- SIP, as little as will do

    def _invite(self) -> tuple[str, int]:
        port = self._rtp.getsockname()[1]
        body = (
            "v=0\r\no=caller 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
        )
        contact = f"Contact: <sip:caller@127.0.0.1:{self._signalling.getsockname()[1]}>\r\n"
        self._send("INVITE", 1, f"{contact}Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        self._signalling.settimeout(ANSWER_S)
        try:
            while True:
                answer = self._signalling.recv(65536).decode()
                found = re.search(r"\r\nm=audio (\d+)", answer)
                if answer.startswith("SIP/2.0 200") and found is not None:
                    break
        except TimeoutError:
            raise BenchmarkError(f"no answer from {self._far}") from None
        tag = re.search(r"\r\nTo:[^\r]*?(;tag=[^\s;]+)", answer, re.IGNORECASE)
        self._tag = tag[1] if tag else ""
        self._send("ACK", 1)
        return ("127.0.0.1", int(found[1]))

    def _send(self, method: str, cseq: int, rest: str = "Content-Length: 0\r\n\r\n") -> None:
        host, port = self._far
        local = self._signalling.getsockname()[1]
        text = (
            f"{method} sip:door@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{local};branch=z9hG4bK{cseq}{method}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:caller@127.0.0.1:{local}>;tag=caller\r\nTo: <sip:door@{host}:{port}>{self._tag}\r\n"
            f"Call-ID: listening@{local}\r\nCSeq: {cseq} {method}\r\n{rest}"
        )
        self._signalling.sendto(text.encode(), self._far)

    # -- RTP

    def _converse(self, payloads: Sequence[bytes], line: DelayLine, remote: tuple[str, int]) -> None:
        begin = time.monotonic() + 0.05
        end = begin + len(payloads) * PACKET_S + AFTER_S
        number = 0
        while (now := time.monotonic()) < end:
            while number < len(payloads) and begin + (number + 1) * PACKET_S <= now:
                # The first millisecond of a packet is said when the one before it leaves.
                head = HEADER.pack(0x80, 0, number & 0xFFFF, number * PACKET, 7)
                line.send(head + payloads[number], begin + (number + 1) * PACKET_S)
                number += 1
            for data in line.due(now):
                self._rtp.sendto(data, remote)
            times = [line.next_due, begin + (number + 1) * PACKET_S if number < len(payloads) else None, end]
            wake_at = min(at for at in times if at is not None)
            if select.select([self._rtp], [], [], max(wake_at - time.monotonic(), 0.0))[0]:
                data = self._rtp.recv(2048)
                if len(data) > HEADER.size and data[1] & 0x7F == 0:
                    self._back.append((time.monotonic() - begin, HEADER.unpack_from(data)[3], data[HEADER.size :]))

    def _lay_out(self) -> None:
        if not self._back:
            raise BenchmarkError(f"no sound from {self._far}")
        first = self._back[0][1]
        places = [((timestamp - first + 2**31) & 0xFFFFFFFF) - 2**31 for _, timestamp, _ in self._back]
        self.heard = np.zeros(max(places) + PACKET, np.float32)
        for place, (_, _, payload) in zip(places, self._back, strict=True):
            if place >= 0:
                sound = mu_law().decode_frame(payload)[: len(self.heard) - place]
                self.heard[place : place + len(sound)] = sound
        # When each packet's first sample must have been captured; the most punctual ones say it.
        captured = [
            at - len(payload) / RATE - place / RATE for place, (at, _, payload) in zip(places, self._back, strict=True)
        ]
        self.begin_s = float(np.percentile(captured, 10))


def _packets(said: Sound) -> list[Sound]:
    return [said[at : at + PACKET] for at in range(0, len(said) - PACKET + 1, PACKET)]
