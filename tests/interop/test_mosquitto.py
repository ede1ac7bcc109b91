"""The node at a real MQTT broker: told, found, commanded, left, and back after the broker was killed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from tests.support.peers.mosquitto import Broker
from voipnode.calls.commands import Command, PublishMqtt, PulsePort, ReadMqtt
from voipnode.calls.events import (
    ButtonPressed,
    DoorOpened,
    Event,
    MqttChanged,
    MqttReceived,
    NodeStarted,
    PortChanged,
    Problem,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.mqtt.module import MqttModule
from voipnode.modules.mqtt.settings import MqttSettings

pytestmark = pytest.mark.interop


class Place:
    """A house with an MQTT module."""

    def __init__(self, folder: Path, broker: Broker, **settings: Any) -> None:
        self.bus, self.commands = Bus(asyncio.get_running_loop().time), Commands()
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for kind in (MqttReceived, MqttChanged, Problem):
            self.bus.subscribe(kind, self.events.put_nowait, who="test")
        self.pulses: asyncio.Queue[Command] = asyncio.Queue()
        self.commands.register(PulsePort, lambda wish: self.pulses.put_nowait(wish) or "", who="test")
        wanted = {"enabled": True, "host": "127.0.0.1", "port": broker.port, "client_id": "door-1", **settings}
        self.module = MqttModule(House(self.bus, self.commands, folder), MqttSettings.model_validate(wanted))

    async def next(self, what: str) -> Event:
        async with within(PATIENCE_S, what):
            return await self.events.get()


@contextlib.asynccontextmanager
async def place(folder: Path, more: str = "", **settings: Any) -> AsyncIterator[tuple[Place, Broker]]:
    broker = Broker(folder, more)
    await broker.start()
    made = Place(folder, broker, **settings)
    await made.module.start()
    made.bus.publish(PortChanged(port="door", active=False, why="start"))
    made.bus.publish(NodeStarted(version="0.1.0"))
    yield made, broker
    await made.module.stop()


def test_told_found_and_obeyed(tmp_path: Path) -> None:
    async def main() -> None:
        subscriptions = [
            {"name": "Alarm", "filter": "house/alarm", "on": "armed"},
            {"name": "Hello", "filter": "house/+/say"},
        ]
        async with (
            place(tmp_path, commands=True, subscriptions=subscriptions, vapix={"enabled": True}) as (node, broker),
            broker.listener() as listener,
        ):
            await listener.until("voipnode/status", "online")
            (config,) = await listener.until("homeassistant/event/door-1/doorbell/config")
            assert json.loads(config)["state_topic"] == "voipnode/doorbell"
            await listener.until("voipnode/port/door", "OFF")
            node.bus.publish(ButtonPressed(button="bell", source="hardware"))
            node.bus.publish(PortChanged(port="door", active=True, why="pulse"))
            node.bus.publish(DoorOpened(port="door", who="Anna", how="card", duration_s=7.0))
            (rang,) = await listener.until("voipnode/doorbell")
            assert json.loads(rang)["event_type"] == "ring"
            await listener.until("voipnode/port/door", "ON")
            relays = await listener.until(
                "voipnode/event/tns:onvif/Device/Trigger/Relay/$source/RelayToken/door", count=2
            )
            assert [json.loads(each)["message"]["data"]["LogicalState"] for each in relays] == ["inactive", "active"]
            (opened,) = await listener.until("voipnode/event/door/opened")
            assert json.loads(opened)["who"] == "Anna"
            await node.commands.execute(PublishMqtt(topic="other/place", payload="hello", use_prefix=False))
            await listener.until("other/place", "hello")

            await listener.client.publish("house/alarm", "armed", qos=1)
            await listener.client.publish("house/alarm", "armed", qos=1)
            await listener.client.publish("house/kitchen/say", "dinner", qos=1)
            state, said = await node.next("state"), await node.next("moment")
            assert isinstance(state, MqttChanged)
            assert (state.subscription, state.on) == ("Alarm", True)
            assert isinstance(said, MqttReceived)
            assert (said.topic, said.payload) == ("house/kitchen/say", "dinner")

            await listener.client.publish("voipnode/port/door/set", "OPEN", qos=1)
            async with within(PATIENCE_S, "open door"):
                pulse = await node.pulses.get()
            assert isinstance(pulse, PulsePort)
            assert (pulse.port, pulse.who, pulse.authorised) == ("door", "MQTT", True)
            await listener.client.publish("voipnode/port/door/set", "EXPLODE", qos=1)
            problem = await node.next("problem")
            assert isinstance(problem, Problem)
            assert '"EXPLODE" says nothing there' in problem.detail
            await node.module.stop()
            await listener.until("voipnode/status", "offline")

    run_test(main())


async def relayed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


class Proxy:
    """An HTTP proxy that knows one thing: CONNECT, with a password."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        _, target, _ = head.split(maxsplit=2)
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(relayed(reader, far_writer), relayed(far_reader, writer))


def test_by_websocket_and_tls_through_a_proxy(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca, key, chain = (tmp_path / name for name in ("ca.pem", "key.pem", "chain.pem"))
    authority.cert_pem.write_to_path(str(ca))
    own = authority.issue_cert("127.0.0.1")
    own.private_key_pem.write_to_path(str(key))
    own.cert_chain_pems[0].write_to_path(str(chain))
    port, proxy = free_port(), Proxy()
    tls = f"listener {port} 127.0.0.1\nprotocol websockets\ncertfile {chain}\nkeyfile {key}\ncafile {ca}\n"

    async def main() -> None:
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        settings = {
            "port": port,
            "transport": "wss",
            "ca": str(ca),
            "proxy": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
            "proxy_username": "door",
            "proxy_password": "secret",
        }
        async with server, place(tmp_path, more=tls, **settings) as (_, broker), broker.listener() as listener:
            await listener.until("voipnode/status", "online")
            await listener.until("voipnode/port/door", "OFF")
        assert proxy.asked[0].startswith(f"CONNECT 127.0.0.1:{port} ")
        assert base64.b64encode(b"door:secret").decode() in proxy.asked[0]

    run_test(main())


def test_a_broker_that_was_killed_hears_all_in_its_order(tmp_path: Path) -> None:
    async def main() -> None:
        async with place(tmp_path, commands=True) as (node, broker):
            async with broker.listener() as listener:
                await listener.until("voipnode/status", "online")
            await broker.kill()
            problem = await node.next("problem")
            assert isinstance(problem, Problem)
            assert "it is tried again" in problem.detail
            status = json.loads(await node.commands.execute(ReadMqtt()))
            assert (status["connected"], bool(status["trouble"]), bool(status["since_utc"])) == (False, True, True)
            for number in range(3):
                node.bus.publish(DoorOpened(port="door", who=f"guest {number}", how="card", duration_s=7.0))
            node.bus.publish(PortChanged(port="door", active=True, why="pulse"))
            await broker.start()
            async with broker.listener() as listener:
                await listener.until("voipnode/port/door", "ON")
                opened = await listener.until("voipnode/event/door/opened", count=3)
                assert [json.loads(each)["who"] for each in opened] == ["guest 0", "guest 1", "guest 2"]
            status = json.loads(await node.commands.execute(ReadMqtt()))
            assert (status["connected"], status["trouble"]) == (True, "")

    run_test(main())


def test_a_command_that_the_broker_has_kept_opens_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        broker = Broker(tmp_path)
        await broker.start()
        async with broker.listener() as listener:
            await listener.client.publish("voipnode/port/door/set", "OPEN", qos=1, retain=True)
            node = Place(tmp_path, broker, commands=True)
            await node.module.start()
            node.bus.publish(NodeStarted(version="0.1.0"))
            await listener.until("voipnode/status", "online")
            await listener.client.publish("voipnode/port/gate/set", "OPEN", qos=1)
            async with within(PATIENCE_S, "open gate"):
                pulse = await node.pulses.get()
            assert isinstance(pulse, PulsePort)
            assert (pulse.port, node.pulses.empty()) == ("gate", True)  # and the door was not among them
            await node.module.stop()

    run_test(main())
