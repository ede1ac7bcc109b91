"""Plug-ins at work in a house: what they may, and that nothing that they do goes beyond them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import (
    AddHolder,
    AskPlugin,
    Command,
    ListPlugins,
    PlaceCall,
    PlayClip,
    PressInput,
    PulsePort,
)
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.events import ButtonPressed, Event, NodeStarted, Problem
from voipnode.calls.hooks import Bus, Commands, House, MayOpen, ModuleDescriptor, Verdict
from voipnode.plugins.faults import Faults
from voipnode.plugins.fenced_bus import FencedBus
from voipnode.plugins.host import PluginHost
from voipnode.plugins.settings import OwnKeys, PluginTable

PRESSED = ButtonPressed(button="button", source="test")
MAY = MayOpen(port="door", who="anna", how="test", authorised=True)


class Nothing(BaseModel):
    """Settings of a plug-in that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rang(Event):
    name: ClassVar[str] = "acme.rang"
    data: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Faked(Event):
    name: ClassVar[str] = "door.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(ButtonPressed):
    name: ClassVar[str] = "acme.pressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Count(Command):
    step: int = 1
    names: tuple[str, ...] = field(default=())


class Acme:
    """A plug-in that does what the test wants when it starts and stops."""

    def __init__(self, house: House, start: Callable[[House], Any], stop: Callable[[], Any] | None) -> None:
        self.house = house
        self._start = start
        self._stop = stop

    async def start(self) -> None:
        answer = self._start(self.house)
        if isinstance(answer, Awaitable):
            await answer

    async def stop(self) -> None:
        answer = self._stop() if self._stop is not None else None
        if isinstance(answer, Awaitable):
            await answer


class Scene:
    """A house, and plug-ins in it."""

    def __init__(self, folder: Path) -> None:
        self.bus = Bus(asyncio.get_running_loop().time)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.commands = Commands()
        self.asked: list[Command] = []
        for kind in (PulsePort, PlaceCall, PressInput, PlayClip, AddHolder):
            self.commands.register(kind, self._take, who="relay")
        self.bus.on_decide(MayOpen, lambda question: Verdict(question.authorised, "ours"), who="relay", priority=-1000)
        self.house = House(self.bus, self.commands, folder)
        self.tables: dict[str, PluginTable] = {}
        self.host: PluginHost | None = None

    def _take(self, command: Command) -> str:
        self.asked.append(command)
        return ""

    def add(
        self,
        start: Callable[[House], Any],
        stop: Callable[[], Any] | None = None,
        *,
        name: str = "acme",
        may_open: bool = False,
        build: Callable[[House, Any], Any] | None = None,
    ) -> None:
        built = build or (lambda house, settings: Acme(house, start, stop))
        descriptor = ModuleDescriptor(name, Nothing, built)
        self.tables[name] = PluginTable(name, OwnKeys(may_open=may_open), "acme 1.0", "", descriptor, Nothing())

    async def start(self) -> None:
        self.host = PluginHost(self.tables, self.house)
        await self.host.start()

    async def stop(self) -> None:
        assert self.host is not None
        await self.host.stop()

    @property
    def problems(self) -> list[str]:
        return [f"{each.where}: {each.detail}" for each in self.events if isinstance(each, Problem)]

    async def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self.commands.execute(ListPlugins()))
        return found


def tell(folder: Path, story: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(Scene(folder))

    run_virtual(main())


def test_it_hears_tells_takes_a_command_and_has_a_folder(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        heard: list[Event] = []

        def start(house: House) -> None:
            (house.state_dir / "mine").write_text("x")
            house.bus.subscribe(ButtonPressed, heard.append, who="acme")
            house.commands.register(Count, lambda command: f"{command.step} {command.names}", who="acme")
            house.bus.publish(Rang(data={"times": 1}))

        scene.add(start)
        await scene.start()
        scene.bus.publish(PRESSED)
        assert [type(each) for each in heard] == [ButtonPressed]
        assert Rang in [type(each) for each in scene.events]
        assert (tmp_path / "plugins" / "acme" / "mine").exists()
        assert (await scene.listed())[0] == {
            "name": "acme",
            "package": "acme 1.0",
            "state": "running",
            "trouble": "",
            "silenced": False,
            "commands": ["Count"],
        }
        ask = AskPlugin(plugin="acme", command="Count", values={"step": 2, "names": ["a"]})
        assert await scene.commands.execute(ask) == "2 ('a',)"
        with pytest.raises(FieldsError, match="step: Input should be a valid integer"):
            await scene.commands.execute(AskPlugin(plugin="acme", command="Count", values={"step": "x"}))
        with pytest.raises(UnknownNameError, match=r"no command 'PulsePort'; it has Count"):
            await scene.commands.execute(AskPlugin(plugin="acme", command="PulsePort"))
        with pytest.raises(UnknownNameError, match="no plug-in 'acne'; there is acme"):
            await scene.commands.execute(AskPlugin(plugin="acne", command="Count"))
        await scene.stop()
        scene.bus.publish(PRESSED)
        assert len(heard) == 1, "stopped, it hears nothing more, though it cancelled nothing itself"
        assert scene.commands.taken_by(Count) == ""
        assert scene.problems == []

    tell(tmp_path, story)


async def _for_ever() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # the worst: it does not mind
            continue


def _exit() -> None:
    raise SystemExit(4)


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (lambda house: _raise(ValueError("no\nsuch  bell")), "did not start: ValueError: no such bell"),
        (lambda house: _exit(), "did not start: it wanted the process to exit (4)"),
        (lambda house: _raise(asyncio.CancelledError()), "did not start: it cancelled itself"),
        (lambda house: asyncio.Event().wait(), "did not start in 5 s"),
    ],
)
def test_one_that_does_not_start_takes_back_what_it_had_and_the_other_runs(
    tmp_path: Path, start: Callable[[House], Any], why: str
) -> None:
    async def story(scene: Scene) -> None:
        heard: list[Event] = []

        def begin(house: House) -> Any:
            house.bus.subscribe(ButtonPressed, heard.append, who="acme")
            house.commands.register(Count, lambda command: "", who="acme")
            return start(house)

        scene.add(begin)
        scene.add(lambda house: None, name="good")
        scene.tables["gone"] = PluginTable("gone", OwnKeys(), "", "no installed package offers this plug-in")
        scene.tables["off"] = PluginTable("off", OwnKeys(enabled=False))
        await scene.start()
        assert sorted(scene.problems) == [
            f"plugins.acme: {why}",
            "plugins.gone: no installed package offers this plug-in",
        ]
        states = {each["name"]: each["state"] for each in await scene.listed()}
        assert states == {"acme": "failed", "good": "running", "gone": "missing", "off": "off"}
        scene.bus.publish(PRESSED)
        assert (heard, scene.commands.taken_by(Count)) == ([], "")
        await scene.stop()

    tell(tmp_path, story)


def test_starts_that_hang_cost_five_seconds_together_and_stops_three(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        for number in range(4):
            scene.add(lambda house: _for_ever(), name=f"a{number}")
            scene.add(lambda house: None, _for_ever, name=f"b{number}")
        loop = asyncio.get_running_loop()
        await scene.start()
        assert loop.time() == 5.25
        await scene.stop()
        assert loop.time() == 8.5
        assert sorted(scene.problems)[-1] == "plugins.b3: did not stop in 3 s"

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda house, settings: _raise(KeyError("x")), "did not start: KeyError: 'x'"),
        (lambda house, settings: 3, "did not start: AttributeError: 'int' object has no attribute 'start'"),
        (lambda house, settings: _exit(), "did not start: SystemExit: 4"),
    ],
)
def test_one_that_cannot_be_built_is_told(tmp_path: Path, build: Callable[[House, Any], Any], why: str) -> None:
    async def story(scene: Scene) -> None:
        scene.add(lambda house: None, build=build)
        await scene.start()
        assert why in scene.problems[0]
        await scene.stop()

    tell(tmp_path, story)


def test_a_listener_that_raises_disturbs_nobody_and_is_silenced_in_the_end(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        calls: list[Event] = []

        def fails(event: Event) -> None:
            calls.append(event)
            _raise(SystemExit("no") if len(calls) == 2 else RuntimeError("no"))

        scene.add(lambda house: house.bus.subscribe(Event, fails, who="acme"))
        scene.add(lambda house: house.bus.subscribe(Event, lambda event: 1 / 0, who="other"), name="other")
        await scene.start()
        scene.bus.publish(PRESSED)
        first = scene.problems
        assert "plugins.acme: its listener on button.pressed failed: RuntimeError: no" in first
        assert len(first) <= 11, "each fails on the other's problems, and both are tired of it soon"
        await asyncio.sleep(61)
        for _ in range(30):
            scene.bus.publish(PRESSED)
        assert any("hear nothing more until the next start" in each for each in scene.problems)
        heard = len(calls)
        scene.bus.publish(PRESSED)
        assert len(calls) == heard
        assert (await scene.listed())[0]["silenced"] is True
        await scene.stop()

    tell(tmp_path, story)


def test_a_listener_that_blocks_or_is_a_coroutine_function_is_told(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        async def wrong(event: Event) -> None:
            pass

        scene.add(lambda house: house.bus.subscribe(ButtonPressed, wrong, who="acme"))
        await scene.start()
        scene.bus.publish(PRESSED)
        assert "which nobody waits for" in scene.problems[0]
        await scene.stop()

        ticks = iter((0.0, 0.45))
        bus = FencedBus(scene.bus, "acme", Faults(scene.bus, "acme"), stopwatch=lambda: next(ticks))
        bus.subscribe(ButtonPressed, lambda event: None)
        scene.bus.publish(PRESSED)
        assert "held the whole node up for 0.5 s" in scene.problems[-1]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("nonsense", "why"),
    [
        ("button.pressed", "it published a str: that is no event"),
        (Faked(), 'it published a Faked: the names of its events are like "acme.something"'),
        (PRESSED, "it published a ButtonPressed: that is an event of the node's"),
        (Kind(button="button", source="test"), "it published a Kind: that is an event of the node's"),
        (Rang(data=object()), "reading what it published failed: TypeError"),
        (Rang(data=float("nan")), "reading what it published failed: ValueError"),
        (Rang(data="x" * 9000), "more than 8000 characters"),
        (Rang(at="now"), "`at` is no time"),  # type: ignore[arg-type] # nonsense
        (Problem(where="relay", detail="broken"), 'where = "plugins.acme" is right'),
    ],
)
def test_nonsense_that_it_publishes_reaches_nobody(tmp_path: Path, nonsense: Any, why: str) -> None:
    async def story(scene: Scene) -> None:
        scene.add(lambda house: house.bus.publish(nonsense))
        await scene.start()
        (problem,) = scene.problems
        assert why in problem
        assert all(isinstance(each, Problem) for each in scene.events)
        await scene.stop()

    tell(tmp_path, story)


def test_one_that_answers_every_event_with_another_is_stopped_in_time(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.add(lambda house: house.bus.subscribe(Event, lambda event: house.bus.publish(Rang()), who="acme"))
        await scene.start()
        scene.bus.publish(PRESSED)
        assert len([each for each in scene.events if isinstance(each, Rang)]) == 50
        assert "more than 50 events within a second" in scene.problems[0]
        await asyncio.sleep(1)
        scene.bus.publish(PRESSED)
        assert len([each for each in scene.events if isinstance(each, Rang)]) == 100
        await scene.stop()

    tell(tmp_path, story)


def test_what_a_thread_of_its_publishes_is_told_by_the_nodes(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        by: list[int] = []
        scene.bus.subscribe(Rang, lambda event: by.append(threading.get_ident()), who="test")

        def start(house: House) -> None:
            thread = threading.Thread(target=house.bus.publish, args=(Rang(),))
            thread.start()
            thread.join()
            assert by == []

        scene.add(start)
        await scene.start()
        await settle()
        assert by == [threading.get_ident()]
        await scene.stop()

    tell(tmp_path, story)


def test_it_takes_no_command_of_the_nodes_and_its_own_fail_alone(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        refused: list[str] = []

        def start(house: House) -> None:
            for kind in (PulsePort, NodeStarted, Command):
                try:
                    house.commands.register(kind, lambda command: "", who="acme")  # type: ignore[type-var] # nonsense
                except CallError as error:
                    refused.append(str(error))
            house.commands.register(Count, answer, who="acme")

        def answer(command: Count) -> Any:
            match command.step:
                case 1:
                    raise RuntimeError("oh")
                case 2:
                    return 7
                case 3:
                    return _for_ever()
                case _:
                    raise NotNowError("in a minute")

        scene.add(start)
        await scene.start()
        assert refused == [
            "PulsePort is the node's own: a plug-in takes commands of its own kinds",
            "<class 'voipnode.calls.events.house.NodeStarted'> is no kind of Command",
            "Command is the node's own: a plug-in takes commands of its own kinds",
        ]
        with pytest.raises(CallError, match="plug-in acme failed"):
            await scene.commands.execute(Count())
        assert await scene.commands.execute(Count(step=2)) == ""
        with pytest.raises(NotNowError, match="gave no answer in 10 s"):
            await scene.commands.execute(Count(step=3))
        with pytest.raises(NotNowError, match="in a minute"):
            await scene.commands.execute(Count(step=4))
        assert len(scene.problems) == 3
        await scene.stop()

    tell(tmp_path, story)


def test_without_may_open_it_asks_for_the_door_as_a_stranger_does(tmp_path: Path) -> None:
    pulse = PulsePort(port="door", duration_s=7, who="acme", how="face", authorised=True)
    call = PlaceCall(to="sip:x@y", authorised=True)
    holder = AddHolder(values={"name": "x", "pin": "1234"})
    press = PressInput(input="button", recipients=("sip:x@y",))

    async def story(scene: Scene) -> None:
        async def start(house: House) -> None:
            for command in (pulse, call, PlayClip(clip="x"), holder, press):
                try:
                    await house.commands.execute(command)
                except CallError as error:
                    said.append(str(error))

        for may_open in (False, True):
            said: list[str] = []
            scene.asked.clear()
            scene.add(start, may_open=may_open)
            await scene.start()
            await scene.stop()
            if may_open:
                assert scene.asked == [pulse, call, PlayClip(clip="x"), holder, press]
                continue
            assert said == [
                "AddHolder: only with plugins.acme.may_open = true",
                "PressInput: only with plugins.acme.may_open = true",
            ]
            assert [getattr(each, "authorised", None) for each in scene.asked] == [False, False, None]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("decider", "may_open", "allowed", "why"),
    [
        (lambda question: Verdict(False, "it is night"), False, False, "it is night"),
        (lambda question: None, False, True, "ours"),
        (lambda question: Verdict(True, "a friend"), False, True, "ours"),
        (lambda question: Verdict(True, "a friend"), True, True, "a friend"),
        (lambda question: True, False, False, "plug-in acme failed"),
        (lambda question: 1 / 0, True, False, "plug-in acme failed"),
        (lambda question: _for_ever(), True, False, "plug-in acme failed"),
        (lambda question: _exit(), True, False, "plug-in acme failed"),
    ],
)
def test_its_word_about_doors_denies_and_allows_only_where_it_may(
    tmp_path: Path, decider: Any, may_open: bool, allowed: bool, why: str
) -> None:
    async def story(scene: Scene) -> None:
        scene.add(lambda house: house.bus.on_decide(MayOpen, decider, who="acme", priority=-(10**9)), may_open=may_open)
        await scene.start()
        assert await scene.bus.decide(MAY) == Verdict(allowed, why)
        await scene.stop()
        assert await scene.bus.decide(MAY) == Verdict(True, "ours")

    tell(tmp_path, story)


def test_who_may_not_open_allows_no_stranger_in(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.add(lambda house: house.bus.on_decide(MayOpen, lambda question: Verdict(True, "hi"), who="acme"))
        await scene.start()
        stranger = MayOpen(port="door", who="x", how="y", authorised=False)
        assert (await scene.bus.decide(stranger)).allowed is False
        assert "may_open is not true: its word does not count" in scene.problems[0]
        await scene.stop()

    tell(tmp_path, story)


def test_other_settings_stop_what_is_gone_and_start_what_is_new_while_the_node_runs(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        log: list[str] = []

        def add(name: str) -> None:
            scene.add(lambda house: log.append(f"{name} starts"), lambda: log.append(f"{name} stops"), name=name)

        for name in ("stays", "goes", "changes"):
            add(name)
        await scene.start()
        assert scene.host is not None
        log.clear()
        del scene.tables["goes"]
        scene.host.use(scene.tables)
        add("changes")
        add("comes")
        scene.host.use(scene.tables)
        scene.host.use(dict(scene.tables))
        await asyncio.sleep(1)
        assert log == ["goes stops", "changes stops", "changes starts", "comes starts"]
        assert [each["name"] for each in await scene.listed()] == ["stays", "changes", "comes"]
        log.clear()
        await scene.stop()
        assert sorted(log) == ["changes stops", "comes stops", "stays stops"]
        assert scene.problems == []

    tell(tmp_path, story)
