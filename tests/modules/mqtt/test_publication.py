"""What is told to a broker, how Home Assistant finds it, and which topics a filter means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.events import CallChanged, CallReason, CallState, DoorOpened, Event, LightChanged, PortChanged
from voipnode.modules.mqtt.discovery import Device, entities
from voipnode.modules.mqtt.module import matches
from voipnode.modules.mqtt.publication import MAX_PAYLOAD, Publication, States, level, of_event
from voipnode.modules.mqtt.settings import MqttSettings, SubscriptionSettings


def call(call: str, state: CallState) -> CallChanged:
    return CallChanged(
        call=call, state=state, reason=CallReason.INITIATED, direction="incoming", remote="sip:a@b", account="PBX"
    )


def test_states_are_told_when_they_change_and_all_at_once_to_a_new_broker() -> None:
    states = States()
    opened = PortChanged(port="Front door/1", active=True, why="pulse")
    told = [states.hear(event) for event in (opened, opened, LightChanged(colour="green"))]
    assert told == [
        Publication("port/Front_door_1", "ON", retain=True),
        None,
        Publication("light", "green", retain=True),
    ]
    assert [(each.topic, each.payload) for each in states.all()] == [
        ("call", "Idle"),
        ("port/Front_door_1", "ON"),
        ("light", "green"),
    ]


def test_of_several_calls_the_weightiest_is_told() -> None:
    states = States()
    events = [
        call("c1", CallState.RINGING),
        call("c2", CallState.ACTIVE),
        call("c2", CallState.TERMINATED),
        call("c1", CallState.TERMINATED),
    ]
    assert [told and told.payload for told in map(states.hear, events)] == ["Ringing", "Active", "Ringing", "Idle"]


def test_an_event_is_json_below_its_name_and_never_too_long() -> None:
    opened: Event = DoorOpened(port="door", who="Anna", how="card", duration_s=7.0)
    told = of_event(opened)
    assert (told.topic, json.loads(told.payload)["who"], told.retain) == ("event/door/opened", "Anna", False)
    long = of_event(DoorOpened(port="door", who="A" * MAX_PAYLOAD, how="card", duration_s=7.0))
    assert "left_out" in long.payload


@pytest.mark.parametrize(("text", "found"), [("a b", "a_b"), ("a/b+c#", "a_b_c_"), ("", "_"), ("Tür", "Tür")])
def test_a_name_is_one_level(text: str, found: str) -> None:
    assert level(text) == found


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),  # MQTT 3.1.1 §4.7.1.2: the parent level, too
        ("#", "a/b", True),
        ("#", "$SYS/uptime", False),  # §4.7.2
        ("$SYS/#", "$SYS/uptime", True),
        ("+/+", "/finance", True),
        ("a/b", "a/c", False),
    ],
)
def test_filters(topic_filter: str, topic: str, fits: bool) -> None:
    assert matches(topic_filter, topic) is fits


def test_home_assistant_finds_each_thing_once_and_commands_only_where_they_are_obeyed() -> None:
    device = Device(
        "voipnode-x",
        "Front door",
        "0.1.0",
        "house/door",
        False,
        ("status", "online", "offline"),
        ("door",),
        ("button",),
        ("PBX",),
    )
    found = {topic: json.loads(payload) for topic, payload in entities(device, "homeassistant")}
    assert set(found) == {
        "homeassistant/event/voipnode-x/doorbell/config",
        "homeassistant/sensor/voipnode-x/call/config",
        "homeassistant/binary_sensor/voipnode-x/port_door/config",
        "homeassistant/binary_sensor/voipnode-x/input_button/config",
        "homeassistant/binary_sensor/voipnode-x/registration_PBX/config",
    }
    doorbell = found["homeassistant/event/voipnode-x/doorbell/config"]
    assert (doorbell["state_topic"], doorbell["event_types"]) == ("house/door/doorbell", ["ring"])
    assert {entity["availability_topic"] for entity in found.values()} == {"house/door/status"}
    assert len({entity["unique_id"] for entity in found.values()}) == len(found)
    obeying = dict(entities(Device("x", "n", "1", "p", True, None, ("door",), ("button",), ()), "homeassistant"))
    opens = json.loads(obeying["homeassistant/button/x/open_door/config"])
    assert (opens["command_topic"], opens["payload_press"]) == ("p/port/door/set", "OPEN")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"enabled": True}, 'host = ""'),
        ({"password": "x"}, "a username is needed"),
        ({"commands": True, "clean_session": False}, "a door would open late"),
        ({"topic_prefix": "a/#"}, "no topic to publish to"),
        ({"topic_prefix": "/a"}, "no topic to publish to"),
        ({"subscriptions": [{"name": "a", "filter": "x"}, {"name": "a", "filter": "y"}]}, '"a" is used twice'),
        ({"subscriptions": [{"name": "a", "filter": "x+/y"}]}, "is no topic filter"),
        ({"subscriptions": [{"name": "a", "filter": "x/#/y"}]}, "is no topic filter"),
    ],
)
def test_what_cannot_be_is_refused_in_words(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as told:
        MqttSettings.model_validate(given)
    assert words in str(told.value)


def test_ports_follow_the_transport() -> None:
    ports = [MqttSettings(transport=each).broker_port for each in ("tcp", "tls", "ws", "wss")]
    assert ports == [1883, 8883, 80, 443]
    assert SubscriptionSettings(name="a", filter="$share/g/+/x").filter
