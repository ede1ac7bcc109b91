"""Actions that last for as long as their rule is active, and rules that are changed while they are."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.modules.rules.test_rules import GO, PULSE, Place, tell
from tests.support.virtual_loop import settle
from voipnode.calls.commands import PlayClip, ReleasePort, SetVirtualInput, StopClip, SwitchIndicator, SwitchRule
from voipnode.calls.events import CallChanged, CallReason, CallState, Event, SoundChanged, VirtualInputChanged
from voipnode.modules.rules.settings import RulesSettings


def call(state: CallState, name: str = "c1") -> CallChanged:
    return CallChanged(
        call=name,
        state=state,
        reason=CallReason.INITIATED,
        direction="incoming",
        remote="sip:a@b",
        account="",
    )


def sound(*, muted: bool = False) -> SoundChanged:
    return SoundChanged(
        input_enabled=True,
        input_muted=muted,
        input_gain_db=0,
        output_muted=False,
        output_gain_db=0,
        echo_cancellation=True,
        noise_cancellation=True,
        noise_reduction_db=18,
        automatic_gain_control=True,
        target_dbfs=-20,
    )


async def tells(place: Place, *events: Event) -> list[str]:
    """What is asked of the house by events, by name."""
    place.asked.clear()
    for event in events:
        place.bus.publish(event)
    await settle()
    return [type(command).__name__ for _, command in place.asked]


RINGING = {"is": "call", "states": ["Ringing"], "direction": "incoming"}
ACTIVE = {"is": "call", "states": ["Active"]}
LED = {"do": "indicator", "name": "front", "colour": "green", "while_active": True}
LOUD = {"conditions": [RINGING], "actions": [{"do": "play_clip", "clip": "Bell", "repeat": 9, "while_active": True}]}


def test_a_clip_plays_for_as_long_as_it_rings() -> None:
    async def story(place: Place) -> None:
        assert await tells(place, call(CallState.RINGING)) == ["PlayClip"]
        assert place.asked[0][1] == PlayClip(clip="Bell", to="door", volume=100, repeat=9)
        await asyncio.sleep(20)
        assert await tells(place, call(CallState.ACTIVE)) == ["StopClip"]
        assert place.asked[0][1] == StopClip(clip="Bell")
        assert await tells(place, call(CallState.TERMINATED)) == []

    tell(story, LOUD)


def test_what_two_rules_hold_ends_with_the_last_of_them() -> None:
    async def story(place: Place) -> None:
        assert await tells(place, call(CallState.ACTIVE)) == ["SwitchIndicator"]
        await place.commands.execute(SetVirtualInput(input="stream", active=True))
        await settle()
        assert await tells(place, call(CallState.TERMINATED)) == []  # the other rule holds it yet
        await place.commands.execute(SetVirtualInput(input="stream", active=False))
        await settle()
        assert place.asked[-1][1] == SwitchIndicator(indicator="front", colour="off")

    tell(
        story,
        {"conditions": [ACTIVE], "actions": [LED]},
        {"conditions": [{"is": "virtual_input", "name": "stream"}], "actions": [LED]},
    )


def test_a_trigger_keeps_it_active_for_as_long_as_the_others_hold() -> None:
    async def story(place: Place) -> None:
        assert await tells(place, call(CallState.ACTIVE)) == []
        await place.pull()
        assert [type(command).__name__ for _, command in place.asked] == ["PulsePort"]
        assert await tells(place, call(CallState.TERMINATED)) == ["ReleasePort"]
        assert place.asked[0][1] == ReleasePort(port="gate", who='rule "r0"')

    gate = {"do": "pulse", "port": "gate", "duration_s": 600, "while_active": True}
    tell(story, {"conditions": [GO, ACTIVE], "use_as_trigger": True, "actions": [gate]})


def test_what_is_over_before_it_begins_is_left_out() -> None:
    async def story(place: Place) -> None:
        assert await tells(place, call(CallState.RINGING)) == []
        await tells(place, call(CallState.TERMINATED))
        await asyncio.sleep(10)
        assert place.asked == []

    actions = [{"do": "wait", "for_s": 5}, *LOUD["actions"]]
    tell(story, {"conditions": [RINGING], "actions": actions})


def test_switched_off_it_ends() -> None:
    async def story(place: Place) -> None:
        await tells(place, call(CallState.RINGING))
        await place.commands.execute(SwitchRule(rule="r0", on=False))
        await settle()
        assert place.asked[-1][1] == StopClip(clip="Bell")
        assert await tells(place, call(CallState.ACTIVE), call(CallState.RINGING)) == []

    tell(story, LOUD)


def test_it_fires_again_only_after_the_wait_between() -> None:
    async def story(place: Place) -> None:
        for wait_s in (0, 89, 1, 30):
            await asyncio.sleep(wait_s)
            await place.pull()
        assert [at for at, _ in place.asked] == [0.0, 90.0]
        assert (await place.listed())["rules"][0]["why_not"] == "it waits for 60 s more: it fired just now"

    tell(story, {"conditions": [GO], "actions": [PULSE], "wait_between_s": "00:01:30"})


def test_a_virtual_input_ends_by_itself() -> None:
    async def story(place: Place) -> None:
        await place.commands.execute(SetVirtualInput(input="holiday", active=True, for_s=60, source="api"))
        await asyncio.sleep(59)
        assert (await place.listed())["virtual_inputs"] == [{"name": "holiday", "active": True}]
        await asyncio.sleep(2)
        told = [(event.active, event.source) for event in place.events if isinstance(event, VirtualInputChanged)]
        assert told == [(True, "api"), (False, "its time is over")]
        assert place.fired == ["r0"]

    tell(story, {"conditions": [{"is": "virtual_input", "name": "holiday"}], "actions": [PULSE]})


def test_a_rule_made_while_the_node_runs_knows_how_things_stand() -> None:
    def settings(*rules: dict[str, Any]) -> RulesSettings:
        return RulesSettings.model_validate({"rules": rules})

    async def story(place: Place) -> None:
        kept = {"name": "r0", "conditions": [GO], "actions": [{"do": "wait", "for_s": 10}, PULSE]}
        new = {"name": "r1", "conditions": [ACTIVE, {"is": "microphone"}], "use_as_trigger": True, "actions": [PULSE]}
        place.bus.publish(sound())
        await place.pull()
        place.module.use(settings(kept, new))
        await tells(place, call(CallState.ACTIVE))
        assert place.fired == ["r0", "r1"]
        await asyncio.sleep(20)
        assert [at for at, _ in place.asked] == [0.0, 10.0]  # the one that has not changed went on
        place.module.use(settings(new))
        assert [rule["name"] for rule in (await place.listed())["rules"] if rule["enabled"]] == ["r1"]

    tell(story, {"conditions": [GO], "actions": [{"do": "wait", "for_s": 10}, PULSE]})


def test_what_repeats_keeps_its_time_when_something_else_is_set() -> None:
    async def story(place: Place) -> None:
        await asyncio.sleep(7)
        place.module.use(place.settings)
        await asyncio.sleep(7)
        assert [at for at, _ in place.asked] == [10.0]
        place.module.use(RulesSettings())
        await asyncio.sleep(60)
        assert len(place.asked) == 1

    tell(story, {"conditions": [{"is": "pulse", "every_s": 10}], "actions": [PULSE]})
