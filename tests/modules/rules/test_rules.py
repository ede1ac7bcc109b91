"""Rules at work in a house: what they ask of it, in which order and time, and what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import (
    AnswerCall,
    AskPlugin,
    Command,
    ListRules,
    PlaceCall,
    PlayClip,
    PullTrigger,
    PulsePort,
    ReleasePort,
    SendTo,
    StopClip,
    SwitchIndicator,
    SwitchRule,
    TryRule,
)
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    Event,
    MqttChanged,
    MqttReceived,
    NodeStarted,
    PortChanged,
    Problem,
    RuleFired,
    ScheduleChanged,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.rules.module import LIMITS, RulesModule
from voipnode.modules.rules.settings import RulesSettings

TAKEN = (PulsePort, ReleasePort, PlayClip, StopClip, AnswerCall, PlaceCall, SwitchIndicator, SendTo, AskPlugin)


class Place:
    """A house that carries out commands, at virtual times."""

    def __init__(self, *rules: dict[str, Any]) -> None:
        self.loop = asyncio.get_running_loop()
        self.bus = Bus(self.loop.time)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.asked: list[tuple[float, Command]] = []
        self.refuses: type[Command] | None = None
        for kind in TAKEN:
            self.commands.register(kind, self._take, who="test")
        named = [{"name": f"r{number}", **each} for number, each in enumerate(rules)]
        self.settings = RulesSettings.model_validate({"rules": named})
        self.module = RulesModule(House(self.bus, self.commands, Path("/")), self.settings)

    def _take(self, command: Command) -> str:
        self.asked.append((round(self.loop.time(), 3), command))
        if self.refuses is type(command):
            raise NotNowError("not now")
        if isinstance(command, PulsePort):
            self.bus.publish(PortChanged(port=command.port, active=True, why="pulse"))
            self.bus.publish(PortChanged(port=command.port, active=False, why="expired"))
        return ""

    async def pull(self, trigger: str = "go") -> None:
        await self.commands.execute(PullTrigger(trigger=trigger))
        await settle()

    @property
    def fired(self) -> list[str]:
        return [event.rule for event in self.events if isinstance(event, RuleFired)]

    @property
    def problems(self) -> list[str]:
        return [f"{event.where}: {event.detail}" for event in self.events if isinstance(event, Problem)]

    async def listed(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.commands.execute(ListRules()))
        return found


def tell(story: Callable[[Place], Awaitable[None]], *rules: dict[str, Any]) -> None:
    async def main() -> None:
        place = Place(*rules)
        await place.module.start()
        place.bus.publish(NodeStarted(version="1"))
        await story(place)
        await place.module.stop()

    run_virtual(main())


GO = {"is": "trigger", "name": "go"}
PULSE = {"do": "pulse", "port": "door", "duration_s": 3}


def test_actions_are_done_one_after_the_other_with_their_waits() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        await asyncio.sleep(100)
        assert [(at, type(command).__name__) for at, command in place.asked] == [
            (0.0, "PulsePort"),
            (90.0, "PlayClip"),
        ]
        pulse = place.asked[0][1]
        assert isinstance(pulse, PulsePort)
        assert (pulse.who, pulse.how, pulse.authorised, pulse.duration_s) == ('rule "r0"', "rule", True, 3)
        (fired,) = (await place.listed())["history"]
        assert (fired["rule"], fired["because"], fired["outcome"]) == ("r0", 'trigger "go" was pulled', "done")

    tell(
        story,
        {"conditions": [GO], "actions": [PULSE, {"do": "wait", "for_s": "1:30"}, {"do": "play_clip", "clip": "x"}]},
    )


def test_an_action_that_fails_is_told_and_the_next_is_done() -> None:
    async def story(place: Place) -> None:
        place.refuses = PulsePort
        await place.pull()
        assert [type(command).__name__ for _, command in place.asked] == ["PulsePort", "PlayClip"]
        assert place.problems == ["rules.r0: action 1 (pulse): not now"]
        assert (await place.listed())["history"][0]["outcome"] == "action 1 (pulse): not now"

    tell(story, {"conditions": [GO], "actions": [PULSE, {"do": "play_clip", "clip": "x"}]})


def test_what_is_not_configured_is_told_as_such() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        assert "nothing here handles TestSpeaker" in place.problems[0]

    tell(story, {"conditions": [GO], "actions": [{"do": "speaker_test"}]})


def test_a_call_that_rings_is_answered_after_a_while() -> None:
    async def story(place: Place) -> None:
        ring = CallChanged(
            call="c7",
            state=CallState.RINGING,
            reason=CallReason.INITIATED,
            direction="incoming",
            remote="sip:a@b",
            account="",
        )
        place.bus.publish(ring)
        await asyncio.sleep(10)
        (at, command) = place.asked[0]
        assert (at, command) == (5.0, AnswerCall(call="c7"))

    ringing = {"is": "call", "states": ["Ringing"], "direction": "incoming"}
    tell(story, {"conditions": [ringing], "actions": [{"do": "wait", "for_s": 5}, {"do": "answer"}]})


def test_nothing_fires_while_the_node_starts() -> None:
    async def main() -> None:
        place = Place({"conditions": [{"is": "schedule", "name": "day"}], "actions": [PULSE]})
        await place.module.start()
        place.bus.publish(ScheduleChanged(schedule="day", active=True))
        place.bus.publish(NodeStarted(version="1"))
        await settle()
        assert place.asked == []
        place.bus.publish(ScheduleChanged(schedule="day", active=False))
        place.bus.publish(ScheduleChanged(schedule="day", active=True))
        await settle()
        assert len(place.asked) == 1
        await place.module.stop()

    run_virtual(main())


@pytest.mark.parametrize(("again", "asked_at"), [("skip", [10.0]), ("restart", [14.0])])
def test_while_its_actions_are_done_it_is_skipped_or_begins_anew(again: str, asked_at: list[float]) -> None:
    async def story(place: Place) -> None:
        await place.pull()
        await asyncio.sleep(4)
        await place.pull()
        await asyncio.sleep(30)
        assert [at for at, _ in place.asked] == asked_at
        outcomes = [each["outcome"] for each in (await place.listed())["history"]]
        assert outcomes == (["done", "skipped: its actions were still being done"] if again == "skip" else ["done"])

    tell(story, {"conditions": [GO], "actions": [{"do": "wait", "for_s": 10}, PULSE], "again": again})


def test_rules_that_fire_each_other_come_to_rest() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        await asyncio.sleep(1)
        assert len(place.fired) == 1 + 2 * LIMITS.burst
        assert [words for words in place.problems if "do rules fire each other?" in words]
        assert "rests for" in (await place.listed())["rules"][1]["why_not"]
        await asyncio.sleep(61)
        place.asked.clear()
        place.bus.publish(PortChanged(port="bell", active=True, why="pulse"))
        place.bus.publish(PortChanged(port="bell", active=False, why="expired"))
        await settle()
        assert place.asked

    tell(
        story,
        {"conditions": [GO], "actions": [{"do": "pulse", "port": "bell"}]},
        {"conditions": [{"is": "port", "name": "bell"}], "actions": [{"do": "pulse", "port": "gate"}]},
        {"conditions": [{"is": "port", "name": "gate"}], "actions": [{"do": "pulse", "port": "bell"}]},
    )


def test_a_rule_does_not_fire_itself() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        await asyncio.sleep(1)
        assert place.fired == ["r0", "r1"]

    tell(
        story,
        {"conditions": [GO], "actions": [{"do": "pulse", "port": "bell"}]},
        {"conditions": [{"is": "port", "name": "bell"}], "actions": [{"do": "pulse", "port": "bell"}]},
    )


def test_time_and_again_without_drift() -> None:
    async def story(place: Place) -> None:
        await asyncio.sleep(35)
        assert [at for at, _ in place.asked] == [10.0, 20.0, 30.0]
        assert not [event for event in place.events if type(event).__name__ == "Pulse"]  # nor in the log

    tell(story, {"conditions": [{"is": "pulse", "every_s": 10}], "actions": [PULSE]})


def test_switched_off_it_stops_and_fires_no_more() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        await place.commands.execute(SwitchRule(rule="r0", on=False))
        await asyncio.sleep(20)
        await place.pull()
        assert place.asked == []
        assert (await place.listed())["rules"][0]["why_not"] == "it is switched off"
        await place.commands.execute(SwitchRule(rule="r0", on=True))
        await place.pull()
        await asyncio.sleep(20)
        assert len(place.asked) == 1
        with pytest.raises(UnknownNameError, match='there is "r0"'):
            await place.commands.execute(SwitchRule(rule="r9", on=True))

    tell(story, {"conditions": [GO], "actions": [{"do": "wait", "for_s": 10}, PULSE]})


def test_a_trigger_that_no_rule_has_is_refused() -> None:
    async def story(place: Place) -> None:
        with pytest.raises(UnknownNameError, match='no rule has it; there is "go"'):
            await place.pull("stop")

    tell(story, {"conditions": [GO], "actions": [PULSE]})


def test_someone_is_called_whose_digits_act() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        assert place.asked[0][1] == PlaceCall(to="sip:guard@192.0.2.9", account="", authorised=True)

    tell(story, {"conditions": [GO], "actions": [{"do": "call", "to": "sip:guard@192.0.2.9"}]})


def test_several_are_told_and_each_by_itself() -> None:
    async def story(place: Place) -> None:
        await place.pull()
        told = [command.recipient for _, command in place.asked if isinstance(command, SendTo)]
        assert told == ["Guard", "Desk"]

    tell(story, {"conditions": [GO], "actions": [{"do": "send", "to": ["Guard", "Desk"]}]})


def test_a_dry_run_says_what_would_come_of_it_and_does_nothing() -> None:
    async def tried(place: Place) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await place.commands.execute(TryRule(rule="r0")))
        return found

    async def story(place: Place) -> None:
        first = await tried(place)
        assert (first["would_fire"], first["why"]) == (False, 'does not hold: schedule "night" is active')
        assert first["actions"] == ['activate "door" for 3 s', "wait 1:30 min", 'play "x"']
        place.bus.publish(ScheduleChanged(schedule="night", active=True))
        second = await tried(place)
        assert (second["would_fire"], second["why"]) == (
            True,
            'It fires as soon as this happens: trigger "go" was pulled.',
        )
        assert [each["holds"] for each in second["conditions"]] == [None, True]
        await settle()
        assert place.asked == []
        await place.pull()
        assert (await tried(place))["why"] == "its actions are still being done"

    tell(
        story,
        {
            "conditions": [GO, {"is": "schedule", "name": "night"}],
            "actions": [PULSE, {"do": "wait", "for_s": 90}, {"do": "play_clip", "clip": "x"}],
        },
    )


def test_a_problem_of_the_rules_themselves_makes_none_fire() -> None:
    async def story(place: Place) -> None:
        place.refuses = PulsePort
        place.bus.publish(Problem(where="state", detail="the disk is full"))
        await asyncio.sleep(1)
        assert (place.fired, len(place.problems)) == (["r0"], 2)

    tell(story, {"conditions": [{"is": "problem"}], "actions": [PULSE]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Event):
    """As a plug-in has it: the node does not know it."""

    name: ClassVar[str] = "doorbell_counter.counted"
    count: int = 1


def test_what_a_plug_in_tells_makes_a_rule_fire_and_a_rule_asks_a_plug_in() -> None:
    async def story(place: Place) -> None:
        place.bus.publish(Counted())
        await settle()
        assert place.fired == ["r0"]
        asked = [command for _, command in place.asked]
        assert asked == [AskPlugin(plugin="doorbell_counter", command="SetCount", values={"count": 0})]

    tell(
        story,
        {
            "conditions": [{"is": "plugin", "plugin": "doorbell_counter", "event": "counted"}],
            "actions": [{"do": "plugin", "plugin": "doorbell_counter", "command": "SetCount", "values": {"count": 0}}],
        },
        {
            "conditions": [{"is": "plugin", "plugin": "doorbell_counter", "event": "other"}],
            "actions": [{"do": "play_clip", "clip": "x"}],
        },
    )


@pytest.mark.parametrize("opening", [PULSE, {"do": "set_input", "name": "way in"}, {"do": "press", "input": "exit"}])
def test_what_a_broker_had_kept_opens_no_door_and_tells_how_things_stand(opening: dict[str, Any]) -> None:
    tone = {"do": "play_clip", "clip": "x"}

    async def story(place: Place) -> None:
        place.bus.publish(MqttReceived(subscription="ring", topic="a", payload="1", kept=True))
        place.bus.publish(MqttChanged(subscription="home", on=True, kept=True))
        await settle()
        assert place.fired == ["r2"]  # which opens nothing
        place.bus.publish(MqttReceived(subscription="ring", topic="a", payload="1"))
        await settle()
        assert place.fired == ["r2", "r0"]
        place.bus.publish(MqttChanged(subscription="home", on=False))
        place.bus.publish(MqttChanged(subscription="home", on=True))
        await settle()
        assert place.fired == ["r2", "r0", "r1", "r2"]

    home = {"is": "mqtt", "name": "home"}
    tell(
        story,
        {"conditions": [{"is": "mqtt_message", "name": "ring"}], "actions": [opening]},
        {"conditions": [home], "actions": [opening]},
        {"conditions": [home], "actions": [tone]},
    )
