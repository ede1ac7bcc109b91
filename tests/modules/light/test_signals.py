"""Profiles of light and siren: what runs, what of it is shown, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import (
    Locate,
    PreviewSignal,
    ReadSignals,
    SoundSiren,
    StartSignal,
    StopSignal,
    SwitchIndicator,
)
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.events import (
    CallChanged,
    CallReason,
    CallState,
    Event,
    IndicatorChanged,
    LocateChanged,
    NodeStarted,
    NodeStopping,
    SignalChanged,
    SpeakerState,
    SpeakerTestChanged,
)
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.dsp.siren import SIRENS
from voipnode.modules.light.lamp import SimulatedLamp
from voipnode.modules.light.module import LightModule
from voipnode.modules.light.profile import DARKNESS, Look
from voipnode.modules.light.settings import MAX_PROFILES, ProfileSettings, SignalsSettings, SirenPattern

PROFILES = (
    ProfileSettings(name="Alarm", light="flash", light_colour="red", siren="wail", siren_intensity=5, priority=8),
    ProfileSettings(name="Note", light_colour="blue", duration="time", time_s=10, priority=2),
    ProfileSettings(name="Three", light="flash", light_speed="slow", duration="repetitions", repetitions=3, priority=4),
    ProfileSettings(name="Chime", light="off", siren="chime", duration="repetitions", repetitions=2, priority=9),
)


class Scene:
    """A node that has started, its lamp and siren, and what was told since."""

    def __init__(self, settings: SignalsSettings) -> None:
        loop = asyncio.get_running_loop()
        self.bus, self.commands = Bus(loop.time), Commands()
        self.lamp = SimulatedLamp()
        self.light = LightModule(House(self.bus, self.commands, Path("/nonexistent")), settings, self.lamp)
        self.told: list[tuple[float, str]] = []
        self.sirens: list[tuple[float, str, int]] = []
        self.bus.subscribe(Event, self._hear, who="test")

        def sound(wish: SoundSiren) -> str:
            self.sirens.append((loop.time(), wish.pattern, wish.intensity))
            return "sounds"

        self.commands.register(SoundSiren, sound, who="test")

    def _hear(self, event: Event) -> None:
        if isinstance(event, SignalChanged):
            self.told.append((event.at, event.profile))
        elif isinstance(event, LocateChanged):
            self.told.append((event.at, f"locate {event.on}"))

    async def do(self, *commands: Any) -> None:
        for command in commands:
            await self.commands.execute(command)

    async def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.commands.execute(ReadSignals()))
        return found

    async def running(self) -> list[str]:
        return [each["activity"] for each in (await self.read())["activities"]]

    def call(self, state: CallState) -> None:
        self.bus.publish(
            CallChanged(
                call="c1", state=state, reason=CallReason.INITIATED, direction="incoming", remote="a", account=""
            )
        )


def played(scenario: Callable[[Scene], Awaitable[None]], signals: tuple[ProfileSettings, ...] = PROFILES) -> None:
    async def run() -> None:
        scene = Scene(SignalsSettings(signals=signals))
        await scene.light.start()
        scene.bus.publish(NodeStarted(version="1", previous=""))
        scene.told.clear()
        await scenario(scene)
        await scene.light.stop()
        assert scene.lamp.look == DARKNESS

    run_virtual(run())


def test_the_highest_priority_is_shown_and_what_is_below_it_comes_back() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Note", who="rule"))
        await asyncio.sleep(2)
        await scene.do(StartSignal(profile="Alarm", activity="Fire", who="api"))
        assert scene.lamp.look == Look("flash", "red")
        await asyncio.sleep(1)
        await scene.do(StopSignal(profile="Alarm"))
        await asyncio.sleep(20)
        assert scene.told == [(0.0, "Note"), (2.0, "Alarm"), (3.0, "Note"), (10.0, "")]
        assert scene.sirens == [(2.0, "wail", 5), (3.0, "", 3)]

    played(scenario)


def test_what_is_read_says_which_row_is_shown_and_how_long_each_lasts() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Note"), StartSignal(profile="Alarm", activity="Fire", who="api"))
        await asyncio.sleep(4)
        read = await scene.read()
        assert read["activities"] == [
            {
                "profile": "Alarm",
                "activity": "Fire",
                "who": "api",
                "priority": 8,
                "running_s": 4.0,
                "left_s": None,
                "removable": True,
                "shown": True,
            },
            {
                "profile": "Note",
                "activity": "Note",
                "who": "",
                "priority": 2,
                "running_s": 4.0,
                "left_s": 6.0,
                "removable": True,
                "shown": False,
            },
        ]
        assert read["shown"] == {
            "profile": "Alarm",
            "activity": "Fire",
            "priority": 8,
            "light": {"pattern": "flash", "colour": "red", "speed": "medium", "intensity": 3, "period_s": 1.0},
            "siren": {"pattern": "wail", "intensity": 5},
        }
        assert [each["name"] for each in read["profiles"]] == ["Alarm", "Note", "Three", "Chime"]

    played(scenario)


def test_repetitions_are_rounds_of_the_light_else_of_the_siren() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Three"))
        await asyncio.sleep(50)
        await scene.do(StartSignal(profile="Chime"))
        await asyncio.sleep(50)
        assert scene.told == [(0.0, "Three"), (6.0, ""), (50.0, "Chime"), (55.0, "")]

    played(scenario)


def test_one_that_runs_begins_anew_and_of_equals_the_last_is_shown() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Note"))
        await asyncio.sleep(8)
        await scene.do(StartSignal(profile="Note"), StartSignal(profile="Note", activity="Post"))
        assert await scene.running() == ["Note", "Post"]
        assert (await scene.read())["shown"]["activity"] == "Post"
        await asyncio.sleep(9)
        assert await scene.running() == ["Note", "Post"]
        await scene.do(StopSignal(profile="Note"))
        assert await scene.running() == []

    played(scenario)


def test_ten_run_and_an_eleventh_is_refused_but_not_the_nodes_own() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(*(StartSignal(profile="Alarm", activity=f"Fire {number}") for number in range(10)))
        with pytest.raises(NotNowError, match="10 activities run already"):
            await scene.do(StartSignal(profile="Note"))
        await scene.do(StartSignal(profile="Alarm", activity="Fire 3"), Locate(duration_s=5.0))
        assert (await scene.read())["shown"]["profile"] == "Identify"
        await scene.do(StopSignal())
        assert await scene.running() == ["Identify"], "all that can be stopped"
        await asyncio.sleep(5)
        assert await scene.running() == []

    played(scenario)


def test_the_call_light_is_one_of_them_by_its_priority() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Note"))
        scene.call(CallState.RINGING)
        assert scene.lamp.look == Look("flash", "amber")
        await scene.do(StartSignal(profile="Three"))
        scene.call(CallState.ACTIVE)
        assert scene.light.colour == "blue"
        assert (await scene.read())["shown"]["profile"] == "Three", "its priority is above that of the call light, 3"
        with pytest.raises(NotNowError, match="the node's own"):
            await scene.do(StopSignal(profile="Call light"))
        await asyncio.sleep(6)
        assert scene.lamp.look == Look("steady", "blue")
        scene.call(CallState.TERMINATED)
        assert scene.lamp.look == Look("steady", "blue"), "now it is the note, which is blue, too"
        assert [name for _, name in scene.told] == ["Note", "Call light", "Three", "Call light", "Note"]

    played(scenario)


def test_three_of_the_nodes_own_are_above_all_and_nobody_removes_them() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Alarm"), Locate(duration_s=60.0, who="api"))
        scene.bus.publish(SpeakerTestChanged(state=SpeakerState.PENDING, words="listens"))
        for name in ("Health check", "Identify"):
            assert (await scene.read())["shown"]["profile"] == name
            with pytest.raises(NotNowError, match="ends by itself"):
                await scene.do(StopSignal(profile=name))
            scene.bus.publish(SpeakerTestChanged(state=SpeakerState.OK, words="well"))
        await asyncio.sleep(60)
        scene.bus.publish(NodeStopping())
        assert (await scene.read())["shown"]["priority"] == 11
        assert scene.told == [
            (0.0, "Alarm"),
            (0.0, "locate True"),
            (0.0, "Identify"),
            (0.0, "Health check"),
            (0.0, "Identify"),
            (60.0, "locate False"),
            (60.0, "Alarm"),
            (60.0, "Maintenance"),
        ]
        await asyncio.sleep(0.1)
        assert [pattern for _, pattern, _ in scene.sirens] == ["wail", "chirp", "", "chirp", "wail", ""]

    played(scenario)


def test_a_speaker_test_that_waits_for_the_end_of_a_call_does_not_hide_the_call_light() -> None:
    async def scenario(scene: Scene) -> None:
        scene.call(CallState.RINGING)
        scene.bus.publish(SpeakerTestChanged(state=SpeakerState.PENDING, words="waits"))
        scene.call(CallState.ACTIVE)
        scene.call(CallState.TERMINATED)
        scene.bus.publish(SpeakerTestChanged(state=SpeakerState.PENDING, words="listens"))
        scene.call(CallState.RINGING)
        scene.call(CallState.TERMINATED)
        scene.bus.publish(SpeakerTestChanged(state=SpeakerState.OK, words="well"))
        names = [name for _, name in scene.told]
        assert names == ["Call light", "Call light", "Health check", "Call light", "Health check", ""]

    played(scenario)


def test_no_siren_sounds_longer_than_three_minutes_however_long_its_light_goes_on() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Alarm"))
        await asyncio.sleep(200)
        shown = (await scene.read())["shown"]
        assert (shown["light"]["pattern"], shown["siren"]) == ("flash", {})
        await scene.do(StartSignal(profile="Alarm"))
        await asyncio.sleep(1)
        await scene.do(StopSignal())
        await asyncio.sleep(0.1)
        assert scene.sirens == [(0.0, "wail", 5), (180.0, "", 3), (200.0, "wail", 5), (201.0, "", 3)]
        assert scene.told == [(0.0, "Alarm"), (180.0, "Alarm"), (200.0, "Alarm"), (201.0, "")]

    played(scenario)


def test_whoever_has_found_the_device_ends_it() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(Locate(duration_s=60.0))
        await asyncio.sleep(3)
        await scene.do(Locate(on=False))
        assert scene.told[-2:] == [(3.0, "locate False"), (3.0, "")]
        for seconds in (0.0, 3601.0):
            with pytest.raises(CallError, match="3600 are right"):
                await scene.do(Locate(duration_s=seconds))

    played(scenario)


def test_a_preview_shows_what_is_not_yet_kept_for_half_a_minute() -> None:
    async def scenario(scene: Scene) -> None:
        values = {"light": "rotate", "light_colour": "green", "siren": "yelp", "priority": 1}
        await scene.do(PreviewSignal(values=values, only="light"))
        assert (scene.lamp.look, scene.sirens) == (Look("rotate", "green"), [])
        await scene.do(PreviewSignal(values=values, only="siren"))
        await asyncio.sleep(0)
        assert (scene.lamp.look.pattern, scene.sirens) == ("off", [(0.0, "yelp", 3)])
        await scene.do(PreviewSignal(values=values))
        await asyncio.sleep(31)
        assert scene.told[-1] == (30.0, "")
        await scene.do(PreviewSignal(values=values), StopSignal(profile="Preview"))
        assert await scene.running() == []
        with pytest.raises(FieldsError) as error:
            await scene.do(PreviewSignal(values={"light": "dance", "priority": 11}))
        assert {key for key, _, _ in error.value.fields} == {"light", "priority"}

    played(scenario)


def test_what_there_is_not_is_told_with_what_there_is() -> None:
    async def scenario(scene: Scene) -> None:
        for command in (StartSignal(profile="Fire"), StopSignal(profile="Fire")):
            with pytest.raises(UnknownNameError, match='there is "Alarm", "Note", "Three", "Chime"'):
                await scene.do(command)
        await scene.do(StopSignal(profile="Alarm"))

    played(scenario)


def test_profiles_of_new_settings_are_used_and_what_runs_goes_on() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(StartSignal(profile="Alarm"))
        scene.light.use(SignalsSettings(signals=(ProfileSettings(name="New", light_colour="white"),)))
        assert await scene.running() == ["Alarm"]
        await scene.do(StopSignal(profile="Alarm"), StartSignal(profile="New"))
        assert await scene.running() == ["New"]

    played(scenario)


def test_indicators_show_what_they_are_told() -> None:
    async def scenario(scene: Scene) -> None:
        told: list[IndicatorChanged] = []
        scene.bus.subscribe(IndicatorChanged, told.append, who="test")
        await scene.do(SwitchIndicator(indicator="sip", colour="green", blink=True))
        assert (await scene.read())["indicators"] == {"sip": {"colour": "green", "blink": True}}
        assert [(each.indicator, each.colour, each.blink) for each in told] == [("sip", "green", True)]
        with pytest.raises(CallError, match="off, red, green, amber, blue are right"):
            await scene.do(SwitchIndicator(indicator="sip", colour="pink"))
        await scene.do(*(SwitchIndicator(indicator=f"led {number}", colour="red") for number in range(15)))
        with pytest.raises(CallError, match="up to 16 names"):
            await scene.do(SwitchIndicator(indicator="one more", colour="red"))

    played(scenario)


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        (Look("steady", intensity=5), [1, 1, 1, 1]),
        (Look("flash", intensity=5), [1, 1, 0, 0]),
        (Look("flash", speed="fast", intensity=5), [1, 0, 1, 0]),
        (Look("flash", speed="slow", intensity=5), [1, 1, 1, 1]),
        (Look("double_flash", intensity=5), [1, 1, 0, 0]),
        (Look("triple_flash", intensity=5), [1, 1, 1, 0]),
        (Look("pulse", intensity=5), [0, 0.5, 1, 0.5]),
        (Look("steady", intensity=2), [0.4, 0.4, 0.4, 0.4]),
        (Look("off", intensity=5), [0, 0, 0, 0]),
    ],
)
def test_how_bright_a_look_is_in_the_course_of_a_second(look: Look, seen: list[float]) -> None:
    assert [look.brightness(at) for at in (0.0, 0.25, 0.5, 0.75)] == pytest.approx(seen)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "a", "light": "off"}, "nothing to see or to hear"),
        ({"name": "Identify"}, "a name that the node gives itself"),
        ({"name": "a", "priority": 11}, "less than or equal to 10"),
        ({"name": "a", "light_intensity": 6}, "less than or equal to 5"),
        ({"name": "a", "time_s": "25 s"}, "valid number"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ProfileSettings.model_validate(values)


def test_there_are_thirty_profiles_at_most_and_no_two_of_a_name() -> None:
    thirty = [{"name": f"Profile {number}"} for number in range(MAX_PROFILES)]
    assert len(SignalsSettings.model_validate({"signals": thirty}).signals) == 30
    with pytest.raises(ValidationError, match="at most 30"):
        SignalsSettings.model_validate({"signals": [*thirty, {"name": "one more"}]})
    with pytest.raises(ValidationError, match='"Profile 0" is used twice'):
        SignalsSettings.model_validate({"signals": [*thirty[:2], thirty[0]]})


def test_a_duration_may_be_written_as_on_a_clock_and_every_siren_can_be_named() -> None:
    assert ProfileSettings(name="a", time_s="00:01:30").time_s == 90  # type: ignore[arg-type] # as it is in a file
    assert set(get_args(SirenPattern)) == {"off", *SIRENS}
