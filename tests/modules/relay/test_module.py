"""The relay module's own logic, in virtual time with a guardian in memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.fake_guardian import FakeGuardian
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import PulsePort, ReleasePort
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError, UnsureError
from voipnode.calls.events import (
    DoorOpened,
    DoorRefused,
    Event,
    GuardianChanged,
    NodeStopping,
    PortChanged,
    Problem,
    SettingsChanged,
)
from voipnode.calls.hooks import Bus, Commands, House, MayOpen, Verdict
from voipnode.modules.relay.module import DESCRIPTOR, RelayModule
from voipnode.modules.relay.protocol import Lease, Trouble
from voipnode.modules.relay.settings import RelaySettings

E = TypeVar("E", bound=Event)
SETTINGS = RelaySettings.model_validate({"ports": [{"name": "door", "max_pulse_s": 60}, {"name": "gate"}]})


class Scene:
    """A started relay module, its guardian, and every event with its time."""

    def __init__(self, state_dir: Path) -> None:
        clock = asyncio.get_running_loop().time
        self.house = House(Bus(clock), Commands(), state_dir)
        self.events: list[Event] = []
        self.house.bus.subscribe(Event, self.events.append, who="test")
        self.broken = ""  # names of outputs that cannot be held
        self.module = RelayModule(self.house, SETTINGS, self._make)

    def _make(self, *args: object) -> FakeGuardian:
        self.guardian = FakeGuardian(*args)  # type: ignore[arg-type] # handed through as they come
        if any(name in self.broken.split() for name in self.guardian.until):
            self.guardian.broken = "no such chip"
        return self.guardian

    async def pulse(
        self, duration_s: float, *, port: str = "door", who: str = "sip:a@x", authorised: bool = True
    ) -> str:
        return await self.house.commands.execute(
            PulsePort(port=port, duration_s=duration_s, who=who, how='dtmf "1"', authorised=authorised)
        )

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def changes(self) -> list[tuple[float, bool, str]]:
        """Every change of "door" but the one at start."""
        return [(e.at, e.active, e.why) for e in self.of(PortChanged) if e.port == "door" and e.why != "start"]


def play(tmp_path: Path, scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def main() -> Scene:
        scene = Scene(tmp_path)
        await scene.module.start()
        await scenario(scene)
        await scene.module.stop()
        return scene

    return run_virtual(main(), start_s=1000.0)


def test_every_port_is_told_at_start_in_its_normal_state(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert [(e.port, e.active, e.why) for e in scene.of(PortChanged)] == [
            ("door", False, "start"),
            ("gate", False, "start"),
        ]
        assert [e.up for e in scene.of(GuardianChanged)] == [True]

    play(tmp_path, scenario)


def test_a_pulse_of_seven_seconds(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        assert await scene.pulse(7.0) == "door is active for 7.0 s"
        opened = scene.of(PortChanged)[-1]
        assert (opened.who, opened.how, opened.until_s) == ("sip:a@x", 'dtmf "1"', 7.0)
        assert scene.of(DoorOpened) == [
            DoorOpened(at=1000.0, port="door", who="sip:a@x", how='dtmf "1"', duration_s=7.0)
        ]
        await asyncio.sleep(20)
        assert scene.changes() == [(1000.0, True, "pulse"), (1007.0, False, "expired")]

    play(tmp_path, scenario)


def test_a_second_pulse_extends_to_the_later_end(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(5.0)
        await asyncio.sleep(3)
        assert await scene.pulse(4.0, who="sip:b@x") == "door is active for 4.0 s"
        await asyncio.sleep(20)
        assert scene.changes() == [(1000.0, True, "pulse"), (1003.0, True, "extended"), (1007.0, False, "expired")]

    play(tmp_path, scenario)


def test_a_second_pulse_never_shortens_and_says_so(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(7.0)
        await asyncio.sleep(1)
        assert await scene.pulse(2.0) == "door is active for 6.0 s already, which is longer"
        await asyncio.sleep(20)
        assert scene.changes() == [(1000.0, True, "pulse"), (1007.0, False, "expired")]
        assert len(scene.of(DoorOpened)) == 2  # both were allowed to: both are written down

    play(tmp_path, scenario)


def test_a_long_pulse_is_leased_in_slices_and_told_once(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await asyncio.sleep(60)
        leases = [(at, request) for at, request in scene.guardian.sent if isinstance(request, Lease)]
        assert [(at, lease.until, lease.renew) for at, lease in leases] == [
            (1000.0, 1008.0, False),
            (1004.0, 1012.0, True),
            (1008.0, 1016.0, True),
            (1012.0, 1020.0, True),
            (1016.0, 1024.0, True),
            (1020.0, 1028.0, True),
            (1024.0, 1030.0, True),
        ]
        assert scene.changes() == [(1000.0, True, "pulse"), (1030.0, False, "expired")]

    play(tmp_path, scenario)


def test_who_is_not_authorised_is_refused(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(NotNowError, match="not authorised"):
            await scene.pulse(7.0, authorised=False)
        assert [e.why for e in scene.of(DoorRefused)] == ["not authorised to open"]
        assert scene.guardian.sent == []

    play(tmp_path, scenario)


def test_a_module_that_decides_first_wins_either_way(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        answers = iter([Verdict(False, "closed on Sundays"), Verdict(True, "the owner"), None])
        scene.house.bus.on_decide(MayOpen, lambda question: next(answers), who="schedule")
        with pytest.raises(NotNowError, match="closed on Sundays"):
            await scene.pulse(1.0)
        await scene.pulse(1.0, authorised=False)
        await asyncio.sleep(2)
        await scene.pulse(1.0)
        with pytest.raises(NotNowError, match="schedule failed"):  # its answers are used up: an exception is a denial
            await scene.pulse(1.0)

    play(tmp_path, scenario)


@pytest.mark.parametrize("duration_s", [0.0, -1.0, 60.1, math.inf, math.nan])
def test_a_duration_out_of_range_is_refused_with_the_range(tmp_path: Path, duration_s: float) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(CallError, match=r"at most 60 s \(its max_pulse_s\)"):
            await scene.pulse(duration_s)
        assert scene.guardian.sent == []

    play(tmp_path, scenario)


def test_an_unknown_port_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(UnknownNameError, match="there are: door, gate"):
            await scene.pulse(1.0, port="cellar")
        with pytest.raises(UnknownNameError):
            await scene.house.commands.execute(ReleasePort(port="cellar", who="api"))

    play(tmp_path, scenario)


def test_release_returns_to_normal_at_once_and_ends_the_renewals(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await asyncio.sleep(9)
        said = await scene.house.commands.execute(ReleasePort(port="door", who="api"))
        assert said == "door is in its normal state"
        await asyncio.sleep(60)
        assert scene.changes() == [(1000.0, True, "pulse"), (1009.0, False, "released")]
        assert max(at for at, _ in scene.guardian.sent) == 1009.0

    play(tmp_path, scenario)


def test_release_of_a_port_at_rest_tells_nothing(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.house.commands.execute(ReleasePort(port="door", who="api"))
        assert scene.changes() == []

    play(tmp_path, scenario)


def test_a_lost_guardian_is_told_and_nothing_is_activated_again(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await asyncio.sleep(2)
        scene.guardian.lose()
        with pytest.raises(NotNowError, match="down"):
            await scene.pulse(5.0)
        assert "down" in scene.of(DoorRefused)[-1].why
        released = await scene.house.commands.execute(ReleasePort(port="door", who="api"))
        assert released.startswith("door is released")
        scene.guardian.come_back()
        await asyncio.sleep(60)
        assert scene.changes() == [(1000.0, True, "pulse"), (1002.0, False, "guardian-lost")]
        assert [e.up for e in scene.of(GuardianChanged)] == [True, False, True]
        await scene.pulse(1.0)  # and works again, for its own time only
        assert scene.of(PortChanged)[-1].until_s == 1.0

    play(tmp_path, scenario)


def test_a_guardian_that_does_not_answer_is_a_refusal_and_what_was_asked_is_taken_back(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.guardian.deaf = True
        with pytest.raises(NotNowError, match="no answer in 1 s"):
            await scene.pulse(5.0)
        assert [type(request).__name__ for _, request in scene.guardian.sent] == ["Lease", "Release"]
        assert "no answer" in scene.of(DoorRefused)[-1].why
        assert scene.of(DoorOpened) == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(("unsure", "kind"), [(True, UnsureError), (False, NotNowError)])
def test_a_far_relay_that_does_not_confirm_is_a_refusal(tmp_path: Path, unsure: bool, kind: type[CallError]) -> None:
    async def scenario(scene: Scene) -> None:
        trouble = Trouble("gate", "the board has not confirmed", over=False, unsure=unsure, ref=0)
        scene.guardian.far_trouble = trouble
        with pytest.raises(NotNowError, match="the board has not confirmed") as refusal:
            await scene.pulse(5.0, port="gate")
        assert refusal.type is kind
        assert [(e.port, e.why) for e in scene.of(DoorRefused)] == [("gate", "the board has not confirmed")]
        assert (scene.of(DoorOpened), scene.of(Problem)) == ([], [])
        scene.guardian.say(trouble)  # unasked: a maintainer should know
        scene.guardian.say(replace(trouble, why="it is at rest", over=True))
        assert [e.detail for e in scene.of(Problem)] == ['port "gate": the board has not confirmed']

    play(tmp_path, scenario)


def test_a_guardian_lost_while_a_pulse_waits_refuses_it_and_leaves_no_wish_behind(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(20.0)
        scene.guardian.deaf = True
        waiting = asyncio.create_task(scene.pulse(50.0))
        await settle()
        scene.guardian.lose()
        with pytest.raises(NotNowError, match="lost"):
            await waiting
        scene.guardian.deaf = False
        scene.guardian.come_back()
        await scene.pulse(1.0)
        await asyncio.sleep(60)
        assert scene.changes()[-2:] == [(1000.0, True, "pulse"), (1001.0, False, "expired")]

    play(tmp_path, scenario)


def test_any_change_of_settings_returns_the_outputs_to_normal(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await scene.pulse(5.0, port="gate")
        await asyncio.sleep(1)
        scene.house.bus.publish(SettingsChanged(section="sip"))
        await asyncio.sleep(60)
        assert scene.changes() == [(1000.0, True, "pulse"), (1001.0, False, "settings")]
        assert scene.guardian.until == {"door": 0.0, "gate": 0.0}

    play(tmp_path, scenario)


def outputs(*ports: str) -> RelaySettings:
    return RelaySettings.model_validate({"ports": [{"name": name} for name in ports]})


def test_outputs_may_change_while_the_node_runs_and_all_return_to_normal(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.module.use(SETTINGS)  # nothing new
        await settle()
        first = scene.guardian
        await scene.pulse(30.0)
        scene.module.use(outputs("door", "lamp"))
        await settle()
        assert (first.up, scene.guardian.up) == (False, True)
        assert scene.changes() == [(1000.0, True, "pulse"), (1000.0, False, "settings"), (1000.0, False, "settings")]
        await scene.pulse(5.0, port="lamp")
        await scene.pulse(5.0)
        with pytest.raises(UnknownNameError, match="there are: door, lamp"):
            await scene.pulse(5.0, port="gate")
        await asyncio.sleep(60)
        assert scene.changes()[-1] == (1005.0, False, "expired")
        scene.module.use(outputs())
        await settle()
        scene.module.use(outputs("gate"))
        await settle()
        await scene.pulse(5.0, port="gate")

    play(tmp_path, scenario)


def test_outputs_that_cannot_be_held_leave_those_before(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        scene.broken = "lamp"
        scene.module.use(outputs("lamp"))
        await settle()
        assert [e.detail for e in scene.of(Problem)] == [
            "the changed outputs cannot be held, those before serve: no such chip"
        ]
        await scene.pulse(5.0, port="gate")
        scene.broken = "lamp gate"
        scene.module.use(outputs("lamp"))
        await settle()
        assert scene.of(Problem)[-1].detail.startswith("no output works until the settings are changed")
        with pytest.raises(NotNowError):
            await scene.pulse(5.0, port="gate")
        scene.broken = ""
        scene.module.use(outputs("lamp"))
        await settle()
        await scene.pulse(5.0, port="lamp")

    play(tmp_path, scenario)


def test_a_node_that_begins_to_stop_returns_the_outputs_to_normal_first(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await asyncio.sleep(1)
        scene.house.bus.publish(NodeStopping())
        await settle()
        assert scene.changes() == [(1000.0, True, "pulse"), (1001.0, False, "stop")]

    play(tmp_path, scenario)


def test_stop_returns_the_outputs_to_normal_and_takes_the_commands_off(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.pulse(30.0)
        await scene.module.stop()
        assert scene.changes()[-1] == (1000.0, False, "stop")
        with pytest.raises(CallError, match="nothing here handles PulsePort"):
            await scene.pulse(1.0)

    play(tmp_path, scenario)


def test_pulses_at_the_same_moment_end_at_the_latest(tmp_path: Path) -> None:
    async def scenario(scene: Scene) -> None:
        await asyncio.gather(*(scene.pulse(duration_s) for duration_s in (3.0, 12.0, 1.0)))
        await asyncio.sleep(60)
        assert scene.changes()[-1] == (1012.0, False, "expired")

    play(tmp_path, scenario)


def test_the_descriptor_builds_without_starting_anything(tmp_path: Path) -> None:
    async def main() -> None:
        house = House(Bus(lambda: 0.0), Commands(), tmp_path)
        module = DESCRIPTOR.build(house, DESCRIPTOR.settings_type())
        await module.start()  # without ports there is no guardian, and nothing in the folder
        await module.stop()
        await module.stop()
        assert list(tmp_path.iterdir()) == []

    run_virtual(main())
