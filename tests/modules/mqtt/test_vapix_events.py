"""Events in the form in which Axis devices publish them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    DetectorChanged,
    DtmfMatched,
    Event,
    InputChanged,
    PortChanged,
)
from voipnode.modules.mqtt.settings import VapixSettings
from voipnode.modules.mqtt.vapix_events import VapixEvents, fits

AT_MS = 1_590_258_472_044


def events(**settings: Any) -> VapixEvents:
    return VapixEvents(VapixSettings.model_validate(settings), "axis/00408C123456", "00408C123456")


def call(call_id: str, state: CallState) -> CallChanged:
    return CallChanged(
        call=call_id, state=state, reason=CallReason.INITIATED, direction="incoming", remote="sip:a@b", account=""
    )


def test_an_event_as_clients_of_such_devices_expect_it() -> None:
    """Topic and payload are what Home Assistant's own tests of its Axis integration have."""
    pir = DetectorChanged(detector="0", kind="pir", active=True, source="hardware")
    (told,) = events(include_serial=False).hear(pir, AT_MS)
    assert told.topic == "//axis/00408C123456/event/tns:onvif/Device/tns:axis/Sensor/PIR/$source/sensor/0"
    assert json.loads(told.payload) == json.loads(
        b'{"timestamp": 1590258472044, "topic": "onvif:Device/axis:Sensor/PIR",'
        b' "message": {"source": {"sensor": "0"}, "key": {}, "data": {"state": "1"}}}'
    )
    assert (told.retain, told.qos) == (False, 0)


@pytest.mark.parametrize(
    ("settings", "topic"),
    [
        ({"include_namespaces": False}, "axis/00408C123456/event/Device/Trigger/Relay/$source/RelayToken/front_door"),
        ({"include_topic": False}, "axis/00408C123456/event"),
        ({"prefix": "own"}, "own/tns:onvif/Device/Trigger/Relay/$source/RelayToken/front_door"),
    ],
)
def test_topics_as_they_are_wished(settings: dict[str, Any], topic: str) -> None:
    (told,) = events(**settings).hear(PortChanged(port="front door", active=False, why="expired"), AT_MS)
    assert told.topic == f"//{topic}"
    payload = json.loads(told.payload)
    assert payload["serial"] == "00408C123456"
    assert payload["message"]["source"] == {"RelayToken": "front door"}
    assert payload["message"]["data"] == {"LogicalState": "inactive"}


@pytest.mark.parametrize(("retain", "kept"), [("none", []), ("property", [True]), ("all", [True, True])])
def test_what_is_retained(retain: str, kept: list[bool]) -> None:
    made = events(conditions=[{"topic": "//.", "retain": retain, "qos": 2}])
    state = InputChanged(input="button", active=True, source="hardware")
    moment = DtmfMatched(
        call="c1", sequence="1", label="Open", account="", remote="sip:a@b", authorised=True
    )  # no secret in it
    told = [publication for event in (state, moment) for publication in made.hear(event, AT_MS)]
    assert [publication.retain for publication in told if publication.retain] == kept
    assert {publication.qos for publication in told} == {2}
    assert [publication.payload for publication in made.all()] == [told[0].payload]  # moments are not told again


def test_the_first_condition_that_fits_counts_and_what_fits_none_is_not_told() -> None:
    made = events(
        conditions=[{"topic": "onvif:Device/axis:IO/Port", "qos": 1}, {"topic": "onvif:Device//.", "retain": "all"}]
    )
    heard: list[Event] = [
        InputChanged(input="b", active=True, source="x"),
        PortChanged(port="d", active=True, why="pulse"),
        call("c1", CallState.RINGING),
    ]
    told = [made.hear(event, AT_MS) for event in heard]
    assert [[(each.qos, each.retain) for each in some] for some in told] == [[(1, False)], [(0, True)], []]


@pytest.mark.parametrize(
    ("topic_filter", "topic", "found"),
    [
        ("//.", "axis:Call/State", True),
        ("onvif:Device//.", "onvif:Device/axis:IO/Port", True),
        ("onvif:Device//.", "onvif:Device", True),
        ("onvif:Device//.", "onvif:DeviceX/axis:IO", False),
        ("onvif:Device", "onvif:Device/axis:IO/Port", False),
        ("axis:Call/State", "axis:Call/State", True),
    ],
)
def test_filters_of_topics(topic_filter: str, topic: str, found: bool) -> None:
    assert fits(topic_filter, topic) is found


def test_of_several_calls_one_state_is_told_and_each_change_as_a_moment() -> None:
    made = events(conditions=[{"topic": "axis:Call//.", "retain": "property"}])
    changes = [
        call("c1", CallState.RINGING),
        call("c2", CallState.ACTIVE),
        call("c1", CallState.TERMINATED),
        call("c2", CallState.TERMINATED),
    ]
    told = [json.loads(each.payload) for change in changes for each in made.hear(change, AT_MS)]
    states = [each["message"]["data"]["CallState"] for each in told if each["topic"] == "axis:Call/State"]
    assert states == ["Ringing", "Active", "Idle"]
    assert sum(each["topic"] == "axis:Call/StateChange" for each in told) == 4
