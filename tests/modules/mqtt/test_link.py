"""What a broker sees of a client first: the protocol named in TLS (mosquitto takes none), the will, a message."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.aio import PATIENCE_S, run_test, within
from voipnode.modules.mqtt.link import Link
from voipnode.modules.mqtt.settings import MqttSettings

CONNECT, PUBLISH = 0x10, 0x30
ACCEPTED, REFUSED = b"\x20\x02\x00\x00", b"\x20\x02\x00\x05"  # MQTT 3.1.1 §3.2: CONNACK


class Ear:
    """A broker that accepts or refuses, and keeps what it is sent: packets of less than 128 bytes."""

    def __init__(self, answer: bytes) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()
        self.protocols: list[str | None] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        try:
            while True:
                kind, length = await reader.readexactly(2)
                self.packets.put_nowait(bytes([kind]) + await reader.readexactly(length))
                if kind == CONNECT:
                    writer.write(self._answer)
        except asyncio.IncompleteReadError:
            writer.close()


def at_ear(ear: Ear, folder: Path, story: Any, **settings: Any) -> None:
    authority = trustme.CA()
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1", "mqtt"])
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main() -> None:
        server = await asyncio.start_server(ear.serve, "127.0.0.1", 0, ssl=context)
        told: list[tuple[bool, str]] = []
        given = {
            "enabled": True,
            "host": "127.0.0.1",
            "port": server.sockets[0].getsockname()[1],
            "transport": "tls",
            "alpn": ["mqtt"],
            "ca": str(ca),
            "qos": 0,
            **settings,
        }
        link = Link(
            MqttSettings.model_validate(given),
            "door",
            filters=(),
            on_connect=list,
            received=lambda topic, payload, kept: None,
            told=lambda up, why: told.append((up, why)),
        )
        async with server:
            running = asyncio.create_task(link.run())
            try:
                async with within(PATIENCE_S, "story"):
                    await story(running, told)
            finally:
                running.cancel()
                await asyncio.wait({running})

    run_test(main())


def test_alpn_will_and_first_message_are_as_they_are_set(tmp_path: Path) -> None:
    ear = Ear(ACCEPTED)

    async def story(running: asyncio.Task[None], told: list[tuple[bool, str]]) -> None:
        connect, first = await ear.packets.get(), await ear.packets.get()
        assert connect[0] == CONNECT
        assert b"\x00\x0cvoipnode/end\x00\x04gone" in connect  # §3.1.3: will topic, will message
        assert connect[8] & 0b0011_1100 == 0b0000_0100  # §3.1.2.3: a will of QoS 0, not retained
        assert first == bytes([PUBLISH]) + b"\x00\x0evoipnode/aliveyes"
        assert ear.protocols == ["mqtt"]
        running.cancel()
        assert await ear.packets.get() == bytes([PUBLISH]) + b"\x00\x0cvoipnode/endgone"  # who goes tells it, too

    will = {"topic": "end", "payload": "gone", "retain": False}
    hello = {"topic": "alive", "payload": "yes", "retain": False}
    at_ear(ear, tmp_path, story, last_will=will, connect_message=hello)


def test_without_reconnecting_it_is_tried_once(tmp_path: Path) -> None:
    ear = Ear(REFUSED)

    async def story(running: asyncio.Task[None], told: list[tuple[bool, str]]) -> None:
        await running
        assert len(told) == 1
        assert told[0][0] is False
        assert "uthor" in told[0][1]  # not authorised

    at_ear(ear, tmp_path, story, reconnect=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alpn": ["mqtt"]}, "it is part of TLS"),
        ({"proxy_username": "u"}, "no proxy is set"),
        ({"proxy": "https://proxy:3128"}, "pattern"),
        ({"proxy": "http://u:p@proxy:3128"}, "pattern"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MqttSettings.model_validate(given)
