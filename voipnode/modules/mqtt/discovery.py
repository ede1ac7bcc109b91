"""How Home Assistant finds the door by itself: its MQTT discovery, one retained message for each entity.

https://www.home-assistant.io/integrations/mqtt/#discovery-messages (abbreviations are not used: they save nothing here)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from voipnode.modules.mqtt.publication import level

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Device:
    """What there is to find. `id` is the same at every start; `commands`: whether ports and inputs obey; `status`: the
    topic that tells whether the node is there, and its payloads for yes and no."""

    id: str
    name: str
    version: str
    prefix: str
    commands: bool
    status: tuple[str, str, str] | None
    ports: tuple[str, ...]
    inputs: tuple[str, ...]
    accounts: tuple[str, ...]


def entities(device: Device, home: str) -> Iterable[tuple[str, str]]:
    """Topic and payload of each entity."""
    for component, key, config in _configs(device):
        node, thing = _UNFIT.sub("_", device.id), _UNFIT.sub("_", key)
        whole = {
            **config,
            "unique_id": f"{node}_{thing}",
            **_availability(device),
            "device": {
                "identifiers": [node],
                "name": device.name,
                "manufacturer": "voipnode",
                "model": "Door intercom",
                "sw_version": device.version,
            },
            "origin": {"name": "voipnode", "sw_version": device.version},
        }
        yield f"{home}/{component}/{node}/{thing}/config", json.dumps(whole)


def _availability(device: Device) -> dict[str, str]:
    if device.status is None:
        return {}
    topic, here, gone = device.status
    return {
        "availability_topic": f"{device.prefix}/{topic}",
        "payload_available": here,
        "payload_not_available": gone,
    }


def _configs(device: Device) -> Iterable[tuple[str, str, dict[str, Any]]]:
    prefix = device.prefix
    yield (
        "event",
        "doorbell",
        {
            "name": "Doorbell",
            "state_topic": f"{prefix}/doorbell",
            "event_types": ["ring"],
            "device_class": "doorbell",
        },
    )
    yield (
        "sensor",
        "call",
        {
            "name": "Call",
            "state_topic": f"{prefix}/call",
            "device_class": "enum",
            "options": ["Idle", "Calling", "Ringing", "Active"],
            "icon": "mdi:phone",
        },
    )
    for port in device.ports:
        topic = f"{prefix}/port/{level(port)}"
        yield "binary_sensor", f"port_{port}", {"name": port, "state_topic": topic, "device_class": "door"}
        if device.commands:
            yield (
                "button",
                f"open_{port}",
                {
                    "name": f"Open {port}",
                    "command_topic": f"{topic}/set",
                    "payload_press": "OPEN",
                    "icon": "mdi:door-open",
                },
            )
    for name in device.inputs:
        topic = f"{prefix}/input/{level(name)}"
        yield "binary_sensor", f"input_{name}", {"name": name, "state_topic": topic}
        if device.commands:
            yield (
                "button",
                f"press_{name}",
                {
                    "name": f"Press {name}",
                    "command_topic": f"{topic}/set",
                    "payload_press": "PRESS",
                },
            )
    for account in device.accounts:
        yield (
            "binary_sensor",
            f"registration_{account}",
            {
                "name": f"Account {account}",
                "state_topic": f"{prefix}/registration/{level(account)}",
                "payload_on": "registered",
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "value_template": "{{ 'registered' if value == 'registered' else 'OFF' }}",
            },
        )
