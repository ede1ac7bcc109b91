"""The call light shows what matters most."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.calls.events import CallChanged, CallReason, CallState, LightChanged, PortChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.light.module import LightModule
from voipnode.modules.light.settings import LightSettings, SignalsSettings


class Scene:
    """A started light and the colours it showed."""

    def __init__(self, settings: LightSettings | None = None, *, started: bool = True) -> None:
        self.bus = Bus(lambda: 5.0)
        self.shown: list[str] = []
        self.bus.subscribe(LightChanged, lambda event: self.shown.append(event.colour), who="test")
        house = House(self.bus, Commands(), Path("/nonexistent"))
        self.light = LightModule(house, SignalsSettings(light=settings or LightSettings()))
        if started:
            asyncio.run(self.light.start())

    def call(
        self,
        state: CallState,
        direction: str = "outgoing",
        call: str = "c1",
        reason: CallReason = CallReason.INITIATED,
    ) -> str:
        self.bus.publish(
            CallChanged(call=call, state=state, reason=reason, direction=direction, remote="sip:a", account="")
        )
        return self.light.colour

    def port(self, active: bool, port: str = "door") -> str:
        self.bus.publish(PortChanged(port=port, active=active, why="pulse"))
        return self.light.colour


def test_red_says_for_four_seconds_that_nobody_has_answered() -> None:
    async def scenario() -> None:
        scene, loop = Scene(started=False), asyncio.get_running_loop()
        await scene.light.start()

        def end(call: str, reason: CallReason, state: CallState = CallState.TERMINATED) -> str:
            return scene.call(state, call=call, reason=reason)

        for number, reason in enumerate((CallReason.NO_ANSWER, CallReason.BUSY, CallReason.DENIED, CallReason.FAILED)):
            scene.call(CallState.CALLING, call=f"c{number}")
            end(f"c{number}", reason, CallState.TERMINATING)
            assert end(f"c{number}", reason) == "red"
            begun = loop.time()
            await asyncio.sleep(3.9)
            assert scene.light.colour == "red"
            await asyncio.sleep(0.2)
            assert (scene.light.colour, round(loop.time() - begun, 1)) == ("off", 4.1)
        scene.call(CallState.CALLING, call="c8")
        assert end("c8", CallReason.TERMINATED) == "off", "hung up here"
        scene.call(CallState.CALLING, call="c9")
        scene.call(CallState.ACTIVE, call="c9")
        assert end("c9", CallReason.FAILED) == "off", "somebody had answered"
        assert end("c10", CallReason.NO_ANSWER) == "off", "it was not the visitor who was not answered"
        scene.call(CallState.CALLING, call="c11")
        assert end("c11", CallReason.BUSY) == "red"
        assert scene.call(CallState.CALLING, call="c12") == "amber", "a new press"
        assert end("c12", CallReason.TERMINATED) == "off"
        await scene.light.stop()

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("state", "direction", "colour"),
    [
        (CallState.CALLING, "outgoing", "amber"),
        (CallState.RINGING, "outgoing", "amber"),
        (CallState.RINGING, "incoming", "amber-flash"),
        (CallState.ACTIVE, "outgoing", "blue"),
        (CallState.ACTIVE, "incoming", "blue"),
        (CallState.TERMINATING, "incoming", "off"),
        (CallState.TERMINATED, "incoming", "off"),
        (CallState.IDLE, "outgoing", "off"),
    ],
)
def test_each_state_of_a_call_has_its_colour(state: CallState, direction: str, colour: str) -> None:
    assert Scene().call(state, direction) == colour


def test_a_visit_from_ring_to_door_and_back() -> None:
    scene = Scene()
    scene.call(CallState.CALLING)
    scene.call(CallState.RINGING)
    scene.call(CallState.ACTIVE)
    scene.port(True)
    scene.port(False)
    scene.call(CallState.TERMINATED)
    assert scene.shown == ["off", "amber", "blue", "green", "blue", "off"]


def test_of_several_calls_the_highest_colour_is_shown() -> None:
    scene = Scene()
    assert scene.call(CallState.CALLING, "outgoing", "a") == "amber"
    assert scene.call(CallState.RINGING, "incoming", "b") == "amber-flash"
    assert scene.call(CallState.ACTIVE, "outgoing", "a") == "blue"
    assert scene.call(CallState.TERMINATED, "outgoing", "a") == "amber-flash"
    assert scene.call(CallState.TERMINATED, "incoming", "b") == "off"
    assert scene.call(CallState.TERMINATED, "incoming", "never seen") == "off"


def test_two_doors_are_green_until_both_are_shut() -> None:
    scene = Scene()
    assert scene.port(True, "door") == "green"
    assert scene.port(True, "gate") == "green"
    assert scene.port(False, "door") == "green"
    assert scene.port(False, "gate") == "off"


def test_an_output_that_is_no_door_is_not_shown_when_doors_are_named() -> None:
    scene = Scene(LightSettings(door_ports=("door",)))
    assert scene.port(True, "lamp") == "off"
    assert scene.port(True, "door") == "green"


def test_a_light_that_is_off_by_setting_stays_dark() -> None:
    scene = Scene(LightSettings(enabled=False))
    scene.call(CallState.ACTIVE)
    assert scene.shown == []


def test_after_stop_it_shows_nothing_more() -> None:
    scene = Scene()
    asyncio.run(scene.light.stop())
    scene.call(CallState.ACTIVE)
    assert scene.shown == ["off"]
