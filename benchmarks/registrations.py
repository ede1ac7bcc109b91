"""Many telephones that keep themselves registered at a node, each an extension of its own.

Started by `calls.py` on the core that the node has not got. All register, each challenged; then each refreshes, in turn
and at a pace, as they would in a house; then as fast as the node answers. Says `measuring` and `measured` when the
paced refreshes begin and end, then one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import select
import socket
import sys
import time
from dataclasses import dataclass

from answer_times import percentile
from telephones import FIRST_CALLER, digest, field_of

AT_ONCE = 16
ANSWER_S = 5.0


@dataclass(slots=True)
class Registration:
    """One telephone's: what it was challenged with, and how often it has asked."""

    number: int
    challenge: str = ""
    cseq: int = 0
    count: int = 0  # of uses of the challenge's nonce
    sent_at: float = 0.0


class House:
    """All of them over one socket."""

    def __init__(self, node: tuple[str, int], count: int) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", 0))
        self._sip.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        self._port = self._sip.getsockname()[1]
        self._node = node
        self._all = [Registration(FIRST_CALLER + n) for n in range(count)]
        self._open: dict[int, Registration] = {}
        self.challenged = self.failed = 0

    def refresh(self, rate: float) -> tuple[list[float], float]:
        """Have each register once, at so many a second, 0: as fast as they are answered; their times from request to
        200 in ms, and the seconds that all of it took."""
        times_ms: list[float] = []
        began = time.monotonic()
        for number, each in enumerate(self._all):
            if rate:
                self._take(times_ms, until=began + number / rate)
            while len(self._open) >= AT_ONCE:
                self._take(times_ms, until=time.monotonic() + ANSWER_S, once=True)
            each.sent_at = time.monotonic()
            self._send(each)
        while self._open:
            self._take(times_ms, until=time.monotonic() + ANSWER_S, once=True)
        return times_ms, time.monotonic() - began

    def _take(self, times_ms: list[float], *, until: float, once: bool = False) -> None:
        """Take answers until then, or until there was one."""
        while (left_s := until - time.monotonic()) > 0:
            if not select.select([self._sip], [], [], left_s)[0]:
                break
            self._answered(self._sip.recv(65535).decode(), times_ms)
            if once:
                return
        if once:
            raise SystemExit(f"{len(self._open)} telephones had no answer within {ANSWER_S:.0f} s")

    def _answered(self, response: str, times_ms: list[float]) -> None:
        number = int(field_of(response, "Call-ID").split("@")[0])
        each, status = self._open.get(number), response[8:11]
        if each is None or not field_of(response, "CSeq").startswith(f"{each.cseq} "):
            return
        if status == "401":
            self.challenged += 1
            each.challenge, each.count = _challenge(response), 0
            self._send(each)
            return
        del self._open[number]
        if status == "200":
            times_ms.append(1000 * (time.monotonic() - each.sent_at))
        else:
            self.failed += 1

    def _send(self, each: Registration) -> None:
        host, port = self._node
        uri, me = f"sip:{host}:{port}", f"<sip:{each.number}@{host}:{port}>"
        each.cseq += 1
        proof = ""
        if each.challenge:
            each.count += 1
            proof = f"Authorization: {digest(each.challenge, 'REGISTER', uri, str(each.number), each.count)}\r\n"
        self._open[each.number] = each
        branch = f"z9hG4bK{os.urandom(6).hex()}"
        text = (
            f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self._port};rport;branch={branch}\r\n"
            f"Max-Forwards: 70\r\nFrom: {me};tag=from{each.number}\r\nTo: {me}\r\nCall-ID: {each.number}@house\r\n"
            f"CSeq: {each.cseq} REGISTER\r\nContact: <sip:{each.number}@127.0.0.1:{self._port}>\r\nExpires: 3600\r\n"
            f"{proof}Content-Length: 0\r\n\r\n"
        )
        self._sip.sendto(text.encode(), self._node)


def _challenge(response: str) -> str:
    found = re.search(r"\r\nWWW-Authenticate:\s*([^\r]*)", response, re.IGNORECASE)
    assert found is not None, response
    return found[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="the SIP port of the node on loopback")
    parser.add_argument("--extensions", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=100.0, help="refreshes a second, where they come at a pace")
    args = parser.parse_args()
    with contextlib.suppress(OSError):  # a clock that others can hold up is none; needs root
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    house = House(("127.0.0.1", args.port), args.extensions)
    _, first_s = house.refresh(0.0)
    print("measuring", flush=True)
    times_ms, _ = house.refresh(args.rate)
    print("measured", flush=True)
    times_ms.sort()
    _, again_s = house.refresh(0.0)
    found = {
        "failed": house.failed,
        "challenged": house.challenged,
        "first_per_s": round(args.extensions / first_s),
        "refresh_per_s": round(args.extensions / again_s),
        "refresh_p50_ms": round(percentile(times_ms, 0.5) or 0.0, 2),
        "refresh_p99_ms": round(percentile(times_ms, 0.99) or 0.0, 2),
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
