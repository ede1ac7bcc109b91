"""Presses a button of a running node through its HTTP API, again and again, and takes the time until a telephone rings.

Started by `calls.py` on the core that the node has not got. The time runs from the request's leaving to the INVITE's
arrival, as the kernel stamped it. The telephone is busy at once, so that the next press begins a call of its own. The
last line of the output is JSON: the times in ms.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import struct
import sys
import time

from media_callers import SO_TIMESTAMPNS
from telephones import field_of, fields_of

RING_S = 10.0
PAUSE_S = 0.03  # from the end of one call to the next press


class BusyTelephone:
    """A telephone without a registration that refuses each call as soon as it has come."""

    def __init__(self, sip: socket.socket) -> None:
        self._sip = sip
        self._sip.settimeout(RING_S)
        self._sip.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def wait(self) -> int:
        """Refuse the next call, until that is acknowledged; when its INVITE came, in ns."""
        came_ns = 0
        while True:
            data, notes, _, source = self._sip.recvmsg(65535, 64)
            message = data.decode()
            if message.startswith("INVITE"):
                seconds, nanoseconds = struct.unpack("qq", notes[0][2])
                came_ns = came_ns or seconds * 1_000_000_000 + nanoseconds
                self._sip.sendto(_busy(message).encode(), source)
            elif message.startswith("ACK") and came_ns:
                return came_ns


def _busy(invite: str) -> str:
    vias = "".join(f"Via: {each}\r\n" for each in fields_of(invite, "Via"))
    head = "".join(f"{name}: {field_of(invite, name)}\r\n" for name in ("From", "Call-ID", "CSeq"))
    return f"SIP/2.0 486 Busy Here\r\n{vias}{head}To: {field_of(invite, 'To')};tag=busy\r\nContent-Length: 0\r\n\r\n"


class Button:
    """One connection to the node's API."""

    def __init__(self, port: int, name: str) -> None:
        self._http = socket.create_connection(("127.0.0.1", port))
        self._http.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http.settimeout(RING_S)
        self._request = (
            f"POST /api/v1/inputs/{name}/press HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        ).encode()

    def press(self) -> int:
        """When the request left, in ns."""
        left_ns = time.time_ns()
        self._http.sendall(self._request)
        return left_ns

    def answer(self) -> dict[str, str]:
        """What the node says of the press."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._http.recv(65535)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self._http.recv(65535)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise SystemExit(f"the press was refused: {body.decode()}")
        found: dict[str, str] = json.loads(body)
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--telephone", type=int, required=True, help="the descriptor at which the recipient listens")
    parser.add_argument("--input", default="button")
    parser.add_argument("--presses", type=int, default=500)
    args = parser.parse_args()
    with contextlib.suppress(OSError):  # a clock that others can hold up is none; needs root
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    telephone, button = BusyTelephone(socket.socket(fileno=args.telephone)), Button(args.web_port, args.input)
    times_ms = []
    for _ in range(args.presses):
        left_ns = button.press()
        came_ns = telephone.wait()
        if not button.answer()["call"]:
            raise SystemExit("a press began no call: the one before was not over")
        times_ms.append((came_ns - left_ns) / 1e6)
        time.sleep(PAUSE_S)
    print(json.dumps(times_ms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
