"""Events as network cameras and door stations of Axis tell them to a broker, for clients that know those.

<prefix>/event/tns:onvif/Device/tns:axis/IO/Port/$source/port/<input>
{"timestamp": ms, "serial": "...", "topic": "onvif:Device/axis:IO/Port",
 "message": {"source": {"port": "..."}, "key": {}, "data": {"state": "1"}}}

Source: the VAPIX library's MQTT event bridge, and what such devices were seen to publish. Values are text there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from voipnode.calls.events import (
    CallChanged,
    CallState,
    DetectorChanged,
    DtmfMatched,
    Event,
    InputChanged,
    InputTampered,
    LightChanged,
    PortChanged,
    SoundLevelPassed,
    SpeakerTestFinished,
    VirtualInputChanged,
)
from voipnode.modules.mqtt.publication import CallSummary, Publication, level
from voipnode.modules.mqtt.settings import VapixCondition, VapixSettings

EVERYTHING = "//."


class VapixEvent(NamedTuple):
    """One of their events. `is_state`: a property, which has a value at any time, and not a moment."""

    topic: str
    source: Mapping[str, str]
    data: Mapping[str, str]
    is_state: bool = True


def vapix_events(event: Event) -> Iterator[VapixEvent]:
    """What of theirs an event of the node is; of most there is none. How all calls stand is told by `VapixEvents`."""
    match event:
        case InputChanged():
            yield VapixEvent("onvif:Device/axis:IO/Port", {"port": event.input}, {"state": _bit(event.active)})
        case InputTampered():
            source = {"port": event.input}
            yield VapixEvent("onvif:Device/axis:IO/SupervisedPort", source, {"tampered": _bit(event.tampered)})
        case VirtualInputChanged():
            yield VapixEvent("onvif:Device/axis:IO/VirtualInput", {"port": event.input}, {"active": _bit(event.active)})
        case PortChanged():
            state = {"LogicalState": "active" if event.active else "inactive"}
            yield VapixEvent("onvif:Device/Trigger/Relay", {"RelayToken": event.port}, state)
        case LightChanged():
            state = {"state": "OFF" if event.colour == "off" else "ON"}
            yield VapixEvent("onvif:Device/axis:Light/Status", {"id": "0"}, state)
        case SoundLevelPassed():
            source = {"channel": "1"}
            yield VapixEvent("onvif:AudioSource/axis:TriggerLevel", source, {"triggered": _bit(event.above)})
        case DetectorChanged(kind="pir"):
            yield VapixEvent("onvif:Device/axis:Sensor/PIR", {"sensor": event.detector}, {"state": _bit(event.active)})
        case DetectorChanged(kind="motion"):
            yield VapixEvent("onvif:VideoSource/MotionAlarm", {"Source": event.detector}, {"State": _bit(event.active)})
        case SpeakerTestFinished():
            yield VapixEvent("onvif:Device/axis:SpeakerTest/TestResult", {}, {"Result": event.state.value}, False)
        case DtmfMatched():
            yield VapixEvent("axis:Call/DTMF", {"DTMFEvent": event.label}, {"CallId": event.call}, False)
        case CallChanged():
            data = {"CallId": event.call, "Reason": event.reason.value, "RemoteURI": event.remote}
            yield VapixEvent("axis:Call/StateChange", {}, data, False)


def _bit(on: bool) -> str:
    return "1" if on else "0"


def fits(topic_filter: str, topic: str) -> bool:
    """Whether a topic is one of the filter's: itself, or with "//." at its end all below it; "//." alone is all."""
    if topic_filter.endswith(EVERYTHING):
        below = topic_filter.removesuffix(EVERYTHING)
        return not below or topic == below or topic.startswith(f"{below}/")
    return topic == topic_filter


class VapixEvents:
    """What is published of events in that form. Pure; `prefix` is the node's own, `serial` its serial number."""

    def __init__(self, settings: VapixSettings, prefix: str, serial: str) -> None:
        self._settings = settings
        self._prefix = settings.prefix or f"{prefix}/event"
        self._serial = serial
        self._states: dict[str, Publication] = {}
        self._calls = CallSummary()
        self._call = CallState.IDLE.value

    def hear(self, event: Event, utc_ms: int) -> list[Publication]:
        """What is to be published now."""
        told = []
        for each in self._events(event):
            condition = next((one for one in self._settings.conditions if fits(one.topic, each.topic)), None)
            if condition is None:
                continue
            publication = self._publication(each, condition, utc_ms)
            if each.is_state:
                self._states[_place(each)] = publication
            told.append(publication)
        return told

    def _events(self, event: Event) -> Iterator[VapixEvent]:
        if isinstance(event, CallChanged) and (state := self._calls.hear(event)) != self._call:
            self._call = state
            yield VapixEvent("axis:Call/State", {}, {"CallState": state})
        yield from vapix_events(event)

    def all(self) -> list[Publication]:
        """Every state, for a broker that may have forgotten or never heard of them."""
        return list(self._states.values())

    def _publication(self, event: VapixEvent, condition: VapixCondition, utc_ms: int) -> Publication:
        settings = self._settings
        payload = {
            "timestamp": utc_ms,
            **({"serial": self._serial} if settings.include_serial else {}),
            "topic": event.topic,
            "message": {"source": dict(event.source), "key": {}, "data": dict(event.data)},
        }
        retain = condition.retain == "all" or (condition.retain == "property" and event.is_state)
        return Publication(f"//{self._topic(event)}", json.dumps(payload), retain, condition.qos)

    def _topic(self, event: VapixEvent) -> str:
        settings = self._settings
        parts = [self._prefix]
        if settings.include_topic:
            for part in event.topic.split("/"):
                space, _, name = part.rpartition(":")
                parts.append(f"tns:{space}/{name}" if space and settings.include_namespaces else name)
            parts += [f"$source/{name}/{level(value)}" for name, value in event.source.items()]
        return "/".join(parts)


def _place(event: VapixEvent) -> str:
    return "/".join([event.topic, *event.source.values()])
