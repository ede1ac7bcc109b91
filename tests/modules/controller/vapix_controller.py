"""A door controller of Axis' form, of our own making: it answers as its makers publish, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from typing import Any

# After the examples of "Access control service" (developer.axis.com): two entrances, and a way out.
POINTS = {
    "AccessPoint": [
        {
            "token": "Axis-00408c184bdb:1351589192.102223000",
            "Name": "Entry 1",
            "Entity": "Door0",
            "Enabled": True,
            "IdPointDevice": [{"IdPoint": "idpoint_token", "DeviceUUID": ""}],
            "Attribute": [{"Name": "Direction", "Value": "in"}],
            "Action": "Access",
        },
        {
            "token": "t2",
            "Name": "Entry 2",
            "Entity": "Door1",
            "IdPointDevice": [{"IdPoint": "idpoint_2"}],
            "Attribute": [],
        },
        {
            "token": "t3",
            "Name": "Way out",
            "IdPointDevice": [{"IdPoint": "i3"}],
            "Attribute": [{"Name": "Direction", "Value": "out"}],
        },
        {"token": "t4", "Name": "No reader", "IdPointDevice": []},
    ]
}
CONTROLLERS = {
    "AccessController": [
        {"token": "other", "AccessPoint": []},
        {
            "token": "Axis-00408c184bdb AccessController",
            "AccessPoint": ["Axis-00408c184bdb:1351589192.102223000", "t2"],
        },
    ]
}


class Controller:
    """A door controller of our own: digest login (RFC 7616 §3.4, MD5 and qop=auth), POST of JSON to /vapix/pacs."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answer: bytes = json.dumps({"AccessGranted": True, "Reason": "Granted"}).encode()
        self.status = "200 OK"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                status, more, answer = self._answer(head, body)
                writer.write(f"HTTP/1.1 {status}\r\n{more}content-length: {len(answer)}\r\n\r\n".encode() + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, head: str, body: bytes) -> tuple[str, str, bytes]:
        if not self._proves(head):
            return "401 Unauthorized", 'www-authenticate: Digest realm="AXIS", nonce="n0", qop="auth"\r\n', b""
        request = json.loads(body)
        self.asked.append(request)
        if "pacsaxis:GetAccessPointList" in request:
            return "200 OK", "", json.dumps(POINTS).encode()
        if "pacsaxis:GetAccessControllerList" in request:
            return "200 OK", "", json.dumps(CONTROLLERS).encode()
        return self.status, "", self.answer

    @staticmethod
    def _proves(head: str) -> bool:
        said = dict(re.findall(r'(\w+)="?([^",\r]+)"?', head.partition("uthorization: Digest ")[2]))
        if "response" not in said:
            return False

        def h(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        secret, what = h("door", "AXIS", "s3cret"), h("POST", "/vapix/pacs")
        return said["response"] == h(secret, "n0", said["nc"], said["cnonce"], "auth", what)

    @property
    def requests(self) -> list[list[dict[str, str]]]:
        asked = [each["pacsaxis:RequestAccess"] for each in self.asked if "pacsaxis:RequestAccess" in each]
        return [each["IdData"] for each in asked]
