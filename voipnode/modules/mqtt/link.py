"""The connection to the broker: made, kept and made again, with what is to be published waiting meanwhile."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from voipnode.modules.mqtt.publication import Publication
from voipnode.modules.mqtt.settings import MqttSettings, StatusMessage

if TYPE_CHECKING:
    import aiomqtt

log = logging.getLogger(__name__)

MAX_WAITING = 1000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
MAX_RECEIVED = 64 * 1024
HTTP_PROXY = 3  # of PySocks, by which paho goes through proxies

Received = Callable[[str, bytes, bool], None]
"""Takes topic, payload, and whether the broker had kept it."""


class Link:
    """One client. `on_connect` gives what is told first, each time; `told`: whether there is a broker, or why not.

    What is published while there is none waits, up to 1000 messages; then the oldest goes (`lost` counts). A message
    leaves the queue when the broker has it: with QoS 1 and 2 once it has said so.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        *,
        filters: Sequence[tuple[str, int]],
        on_connect: Callable[[], list[Publication]],
        received: Received,
        told: Callable[[bool, str], None],
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._filters = filters
        self._on_connect = on_connect
        self._received = received
        self._told = told
        self._waiting: deque[Publication] = deque()
        self._wake = asyncio.Event()
        self.connected = False
        self.lost = 0

    def publish(self, publication: Publication) -> None:
        """Tell the broker, now or as soon as there is one."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(publication)
        self._wake.set()

    @property
    def waiting(self) -> int:
        """How many messages the broker is yet to be told."""
        return len(self._waiting)

    def waits(self, topic: str) -> bool:
        """Whether something is yet to be told there."""
        return any(each.topic == topic for each in self._waiting)

    async def run(self) -> None:
        """Connect, and again whenever that ends, unless the settings say once; until cancelled."""
        import aiomqtt  # 40 ms that a node without a broker does without

        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._client() as client:
                    self.connected, pause_s = True, FIRST_PAUSE_S
                    self._told(True, "")
                    await self._serve(client)
            except (aiomqtt.MqttError, OSError, ssl.SSLError) as error:
                words = str(error) or type(error).__name__
                self._told(False, words)
            finally:
                self.connected = False
            if not self._settings.reconnect:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _client(self) -> aiomqtt.Client:
        import aiomqtt

        settings = self._settings
        return aiomqtt.Client(
            settings.host,
            settings.broker_port,
            username=settings.username or None,
            password=settings.password.get_secret_value() or None,
            identifier=self._client_id,
            will=self._will(),
            clean_session=settings.clean_session,
            transport="websockets" if settings.transport in ("ws", "wss") else "tcp",
            websocket_path=settings.path,
            keepalive=settings.keep_alive_s,
            timeout=settings.timeout_s,
            tls_context=tls_context(settings) if settings.transport in ("tls", "wss") else None,
            max_queued_incoming_messages=MAX_WAITING,
            proxy=proxy(settings),
        )

    def _will(self) -> aiomqtt.Will | None:
        import aiomqtt

        for each in self._status(self._settings.last_will, "offline"):
            qos = self._settings.qos if each.qos is None else each.qos
            return aiomqtt.Will(self._topic(each.topic), each.payload, qos=qos, retain=each.retain)
        return None

    def _status(self, message: StatusMessage, payload: str) -> list[Publication]:
        """What is told of our being there, where that is wished."""
        if not message.enabled:
            return []
        return [Publication(message.topic, message.payload or payload, message.retain, message.qos)]

    def _topic(self, topic: str) -> str:
        return f"{self._settings.topic_prefix}/{topic}"

    async def _serve(self, client: aiomqtt.Client) -> None:
        for topic_filter, qos in self._filters:
            await client.subscribe(topic_filter, qos=qos)
        for publication in (*self._status(self._settings.connect_message, "online"), *self._on_connect()):
            await self._send(client, publication)
        sending = asyncio.create_task(self._send_waiting(client))
        hearing = asyncio.create_task(self._hear(client))
        try:
            done, _ = await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # which raises what ended it
        except asyncio.CancelledError:  # the node stops: who looks sees us go, and not vanish
            for publication in self._status(self._settings.last_will, "offline"):
                await self._send(client, publication)
            raise
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)

    async def _send(self, client: aiomqtt.Client, publication: Publication) -> None:
        topic = publication.topic if publication.topic.startswith("//") else self._topic(publication.topic)
        qos = self._settings.qos if publication.qos is None else publication.qos
        await client.publish(topic.removeprefix("//"), publication.payload, qos=qos, retain=publication.retain)

    async def _send_waiting(self, client: aiomqtt.Client) -> None:
        while True:
            self._wake.clear()
            while self._waiting:
                first = self._waiting[0]
                await self._send(client, first)
                if self._waiting and self._waiting[0] is first:
                    self._waiting.popleft()
            await self._wake.wait()

    async def _hear(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload).encode()
            if len(payload) <= MAX_RECEIVED:
                self._received(str(message.topic), payload, message.retain)


def tls_context(settings: MqttSettings) -> ssl.SSLContext:
    """TLS 1.2 and later, as the settings want it. Raises OSError, ssl.SSLError for an authority that cannot be read."""
    context = ssl.create_default_context(cafile=settings.ca or None)
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.alpn:
        context.set_alpn_protocols(list(settings.alpn))
    return context


def proxy(settings: MqttSettings) -> aiomqtt.ProxySettings | None:
    """The way through an HTTP proxy (RFC 9110 §9.3.6: CONNECT); None without one."""
    if not settings.proxy:
        return None
    import aiomqtt

    address = urlsplit(settings.proxy)
    return aiomqtt.ProxySettings(
        proxy_type=HTTP_PROXY,
        proxy_addr=address.hostname or "",
        proxy_port=address.port,
        proxy_username=settings.proxy_username or None,
        proxy_password=settings.proxy_password.get_secret_value() or None,
    )
