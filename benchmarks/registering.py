"""So many telephones in one process that register and refresh: started by `registrar_load.py` on the other core.

Each is a user of its own with a Call-ID of its own, all behind one socket. First all register, each with its challenge;
then they refresh round by round, with the nonce that they have, a window of them at a time. Says `registered` when all
are, `refreshed` when the rounds are over, then one line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import socket
import sys
import time
from dataclasses import dataclass

WINDOW = 32
PATIENCE_S = 2.0
FIRST = 10_000
PASSWORD = "telephone-password"


def hashed(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@dataclass(slots=True)
class Telephone:
    """One user: how far its CSeq and its nonce's count have come, and the request that waits for its answer."""

    number: int
    cseq: int = 0
    nonce: str = ""
    realm: str = ""
    count: int = 0
    sent: bytes = b""

    def request(self, port: int, mine: int, expires_s: int) -> bytes:
        """The next REGISTER, with credentials once there is a nonce."""
        self.cseq += 1
        uri = f"sip:127.0.0.1:{port}"
        proof = ""
        if self.nonce:
            self.count += 1
            secret, what = hashed(f"{self.number}:{self.realm}:{PASSWORD}"), hashed(f"REGISTER:{uri}")
            answer = hashed(f"{secret}:{self.nonce}:{self.count:08x}:c:auth:{what}")
            proof = (
                f'Authorization: Digest username="{self.number}", realm="{self.realm}", nonce="{self.nonce}",'
                f' uri="{uri}", qop=auth, nc={self.count:08x}, cnonce="c", response="{answer}", algorithm=MD5\r\n'
            )
        me = f"<sip:{self.number}@127.0.0.1:{port}>"
        self.sent = (
            f"REGISTER {uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP 127.0.0.1:{mine};branch=z9hG4bK{self.number}.{self.cseq};rport\r\n"
            f"From: {me};tag={self.number}\r\nTo: {me}\r\nCall-ID: registering-{self.number}\r\n"
            f"CSeq: {self.cseq} REGISTER\r\nMax-Forwards: 70\r\nContact: <sip:{self.number}@127.0.0.1:{mine}>\r\n"
            f"Expires: {expires_s}\r\n{proof}Content-Length: 0\r\n\r\n"
        ).encode()
        return self.sent

    def challenged(self, answer: str) -> None:
        found = dict(re.findall(r'(\w+)="([^"]*)"', answer.partition("WWW-Authenticate:")[2].partition("\r\n")[0]))
        self.nonce, self.realm, self.count = found["nonce"], found["realm"], 0


class Crowd:
    """All telephones and their socket."""

    def __init__(self, port: int, count: int, expires_s: int) -> None:
        self.telephones = {number: Telephone(number) for number in range(FIRST, FIRST + count)}
        self.repeated = 0
        self._expires_s = expires_s
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE_S)
        self._port, self._mine = port, self._socket.getsockname()[1]

    def round(self) -> None:
        """Have every telephone register once, until it is told 200."""
        left = list(self.telephones.values())
        waiting: dict[int, Telephone] = {}
        while left or waiting:
            while left and len(waiting) < WINDOW:
                telephone = left.pop()
                waiting[telephone.number] = telephone
                self._send(telephone)
            try:
                answer = self._socket.recv(8192).decode()
            except TimeoutError:
                for telephone in waiting.values():
                    self.repeated += 1
                    self._socket.send(telephone.sent)
                continue
            self._answered(answer, waiting)

    def _send(self, telephone: Telephone) -> None:
        self._socket.send(telephone.request(self._port, self._mine, self._expires_s))

    def _answered(self, answer: str, waiting: dict[int, Telephone]) -> None:
        status = answer[8:11]
        number, cseq = re.findall(r"branch=z9hG4bK(\d+)\.(\d+)", answer)[0]
        telephone = waiting.get(int(number))
        if telephone is None or telephone.cseq != int(cseq) or status == "100":
            return
        if status == "401":
            telephone.challenged(answer)
            self._send(telephone)
        elif status == "200":
            del waiting[telephone.number]
        else:
            raise SystemExit(f"{number} is not registered: {answer.splitlines()[0]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--expires", type=int, default=3600)
    args = parser.parse_args()
    crowd = Crowd(args.port, args.count, args.expires)
    began = time.monotonic()
    crowd.round()
    registered = time.monotonic()
    print("registered", flush=True)
    for _ in range(args.rounds):
        crowd.round()
    refreshed = time.monotonic()
    print("refreshed", flush=True)
    result = {
        "first_per_s": args.count / (registered - began),
        "refreshes_per_s": args.count * args.rounds / (refreshed - registered),
        "repeated": crowd.repeated,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
