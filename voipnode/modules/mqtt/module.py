"""The MQTT module: events and states go to the broker, commands and subscriptions come from there."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from voipnode.calls.commands import PressInput, PublishMqtt, PullTrigger, PulsePort, ReadMqtt
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import (
    ButtonPressed,
    Event,
    InputChanged,
    MqttChanged,
    MqttReceived,
    NodeStarted,
    PortChanged,
    Problem,
    RegistrationChanged,
)
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.mqtt.discovery import Device, entities
from voipnode.modules.mqtt.link import Link
from voipnode.modules.mqtt.publication import Publication, States, level, of_event
from voipnode.modules.mqtt.settings import MqttSettings
from voipnode.modules.mqtt.vapix_events import VapixEvents

log = logging.getLogger(__name__)

NAME = "mqtt"
OPEN_S = 7.0
STOP_S = 2.0
MAX_OBEYING = 16  # commands at once: a broker that is flooded must not flood the door
MAX_TOLD = 1000  # characters of a payload that an event carries
_COMMAND = re.compile(r"(port|input|trigger)/([^/]+)/set")


class MqttModule:
    """A client of the broker of `settings`; does nothing where it is not enabled. `utc_s`: seconds since 1970."""

    def __init__(self, house: House, settings: MqttSettings, utc_s: Callable[[], float] = time.time) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings
        self._id = settings.client_id or f"voipnode-{socket.gethostname()}"[:64]
        self._states = States()
        self._vapix: VapixEvents | None = None
        self._utc_s = utc_s
        self._version = ""
        self._ports: dict[str, str] = {}  # by their level in topics
        self._inputs: dict[str, str] = {}
        self._accounts: dict[str, None] = {}
        self._on: dict[str, bool] = {}  # subscriptions that are states
        self._broken = ""
        self._obeying = 0
        self._is_flooded = False
        self._since_s = 0.0  # when it was connected, or no more
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []
        self._running: asyncio.Task[None] | None = None
        self._link = Link(
            settings,
            self._id,
            filters=self._filters(),
            on_connect=self._first,
            received=self.received,
            told=self._connection,
        )

    async def start(self) -> None:
        settings = self._settings
        if not settings.enabled:
            return
        if settings.vapix.enabled:
            serial = settings.vapix.serial or f"{await asyncio.to_thread(uuid.getnode):012X}"
            self._vapix = VapixEvents(settings.vapix, settings.topic_prefix, serial)
        self._places = [
            self._bus.subscribe(Event, self._hear, who=NAME),
            self._commands.register(PublishMqtt, self._publish, who=NAME),
            self._commands.register(ReadMqtt, self._read, who=NAME),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=STOP_S)
            self._running = None
        await self._tasks.close()

    def _filters(self) -> list[tuple[str, int]]:
        prefix = self._settings.topic_prefix
        commands = [f"{prefix}/port/+/set", f"{prefix}/input/+/set", f"{prefix}/trigger/+/set"]
        found = [(topic, 1) for topic in commands] if self._settings.commands else []
        return found + [(self._whole(each.filter, each.use_prefix), each.qos) for each in self._settings.subscriptions]

    def _whole(self, topic: str, use_prefix: bool) -> str:
        return f"{self._settings.topic_prefix}/{topic}" if use_prefix else topic

    # -- to the broker

    def _hear(self, event: Event) -> None:
        if isinstance(event, NodeStarted):
            self._version = event.version
            self._running = self._tasks.start(self._link.run())
        elif isinstance(event, ButtonPressed):
            self._link.publish(Publication("doorbell", json.dumps({"event_type": "ring", "button": event.button})))
        self._learn(event)
        if isinstance(event, MqttReceived | MqttChanged):
            return  # what came from there does not go back
        state = self._states.hear(event)
        if state is not None and self._link.connected:
            self._link.publish(self._as_wanted(state))
        for publication in self._vapix.hear(event, int(1000 * self._utc_s())) if self._vapix is not None else ():
            self._link.publish(publication)
        wanted = self._settings.events
        if event.name in wanted or "all" in wanted:
            told = of_event(event)
            self._link.publish(replace(told, retain=True) if self._settings.retain == "all" else told)

    def _learn(self, event: Event) -> None:
        """What there is at the door is known from events; something new is to be found, too."""
        before = len(self._ports) + len(self._inputs) + len(self._accounts)
        if isinstance(event, PortChanged):
            self._ports.setdefault(level(event.port), event.port)
        elif isinstance(event, InputChanged):
            self._inputs.setdefault(level(event.input), event.input)
        elif isinstance(event, RegistrationChanged):
            self._accounts.setdefault(event.id)
        if self._link.connected and len(self._ports) + len(self._inputs) + len(self._accounts) > before:
            for publication in self._entities():
                self._link.publish(publication)

    def _as_wanted(self, state: Publication) -> Publication:
        keeps = self._settings.retain != "none"
        return state if keeps else Publication(state.topic, state.payload)

    def _first(self) -> list[Publication]:
        """What a broker is told that we have just come to."""
        vapix = self._vapix.all() if self._vapix is not None else []
        vapix = [each for each in vapix if not self._link.waits(each.topic)]  # how it came to be so follows
        return [*map(self._as_wanted, self._states.all()), *self._entities(), *vapix]

    def _entities(self) -> list[Publication]:
        settings = self._settings
        device = Device(
            id=self._id,
            name=settings.name or self._id,
            version=self._version,
            prefix=settings.topic_prefix,
            commands=settings.commands,
            status=_status(settings),
            ports=tuple(self._ports.values()),
            inputs=tuple(self._inputs.values()),
            accounts=tuple(self._accounts),
        )
        wanted = entities(device, settings.discovery.prefix) if settings.discovery.enabled else ()
        return [Publication(f"//{topic}", payload, retain=True) for topic, payload in wanted]

    def _publish(self, command: PublishMqtt) -> str:
        topic = command.topic if command.use_prefix else f"//{command.topic}"
        self._link.publish(Publication(topic, command.payload, command.retain))
        return ""

    def _read(self, command: ReadMqtt) -> str:
        since = datetime.fromtimestamp(self._since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if self._since_s else ""
        return json.dumps(
            {
                "broker": f"{self._settings.host}:{self._settings.broker_port}",
                "connected": self._link.connected,
                "since_utc": since,
                "waiting": self._link.waiting,
                "lost": self._link.lost,
                "trouble": self._broken,
            }
        )

    def _connection(self, up: bool, why: str) -> None:
        if up:
            if self._broken:
                away_s = self._utc_s() - self._since_s
                log.info("the MQTT broker is back after %.0f s; %d messages waited", away_s, self._link.waiting)
            self._broken, self._since_s = "", self._utc_s()
            if self._link.lost:
                words = f"{self._link.lost} messages were dropped while there was no broker"
                self._link.lost = 0
                self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=words))
        elif why != self._broken:
            if not self._broken:
                self._since_s = self._utc_s()
            self._broken = why
            where = f"{self._settings.host} port {self._settings.broker_port}"
            tried = "it is tried again" if self._settings.reconnect else "it is left alone"
            self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=f"no broker at {where}: {why}; {tried}"))

    # -- from the broker

    def received(self, topic: str, payload: bytes, was_kept: bool) -> None:
        """A message came; `was_kept`: the broker had kept it."""
        text = payload.decode("utf-8", "replace")
        own = topic.removeprefix(f"{self._settings.topic_prefix}/") if self._settings.commands else ""
        command = _COMMAND.fullmatch(own)
        if command is not None:
            if was_kept:  # it was meant for a time that is over: a door does not open because we connect
                log.warning("a retained message at %s is not obeyed", topic)
            elif self._obeying < MAX_OBEYING:
                self._obeying += 1
                self._tasks.start(self._obey(command[1], command[2], text.strip()[:100], topic))
            elif not self._is_flooded:  # told once for each flood
                self._is_flooded = True
                words = f"more than {MAX_OBEYING} commands at once: what comes until they are done is not obeyed"
                self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=words))
        for each in self._settings.subscriptions:
            if matches(self._whole(each.filter, each.use_prefix), topic):
                self._subscribed(each.name, each.on, topic, text, was_kept)

    def _subscribed(self, name: str, on: str, topic: str, text: str, kept: bool) -> None:
        now = self._bus.clock()
        if not on:
            told = MqttReceived(at=now, subscription=name, topic=topic, payload=text[:MAX_TOLD], kept=kept)
            self._bus.publish(told)
        elif self._on.get(name) is not (text.strip() == on):
            self._on[name] = text.strip() == on
            self._bus.publish(MqttChanged(at=now, subscription=name, on=self._on[name], kept=kept))

    async def _obey(self, kind: str, name: str, wish: str, topic: str) -> None:
        try:
            if kind == "port" and wish.upper() in ("OPEN", "ON"):
                port = self._ports.get(name, name)
                await self._commands.execute(
                    PulsePort(port=port, duration_s=OPEN_S, who="MQTT", how=f"mqtt {topic}", authorised=True)
                )
            elif kind == "input" and wish.upper() in ("PRESS", "ON"):
                await self._commands.execute(PressInput(input=self._inputs.get(name, name), source=NAME))
            elif kind == "trigger":
                await self._commands.execute(PullTrigger(trigger=name, source=NAME))
            else:
                raise CallError(f'"{wish}" says nothing there; OPEN to a port, PRESS to an input')
        except NotNowError as error:
            log.info("%s: %s", topic, error)  # told by whoever refused
        except CallError as error:
            self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=f"{topic}: {error}"))
        finally:
            self._obeying -= 1
            self._is_flooded = self._is_flooded and self._obeying > 0


def _status(settings: MqttSettings) -> tuple[str, str, str] | None:
    """By what others know that the node is there; None where it does not tell both that it is and that it is not."""
    here, gone = settings.connect_message, settings.last_will
    if not (here.enabled and gone.enabled and here.topic == gone.topic):
        return None
    return here.topic, here.payload or "online", gone.payload or "offline"


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic is one of the filter's (MQTT 3.1.1 §4.7); topics that begin with $ only where it does, too."""
    if topic.startswith("$") is not topic_filter.startswith("$"):
        return False
    wanted, given = topic_filter.split("/"), topic.split("/")
    for index, each in enumerate(wanted):
        if each == "#":
            return True
        if index >= len(given) or each not in ("+", given[index]):
            return False
    return len(wanted) == len(given)


def build(house: House, settings: MqttSettings) -> MqttModule:
    return MqttModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, MqttSettings, build)
