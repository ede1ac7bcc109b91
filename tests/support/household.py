"""A house by the settings that a user writes: the real modules around one bus, with a guardian in memory.

Time is the loop's, virtual or not, and the wall's clock goes with it. Calls are told as the switch tells them (`call`,
`digit`); telephones that really dial are in tests/calls and tests/interop.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from tests.support.clip_files import clip_file
from tests.support.fake_guardian import FakeGuardian
from tests.support.switchboard import RATE_HZ, Device
from tests.support.ticker import LoopTicker
from voipnode.calls.commands import AnswerCall, Command
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallChanged, CallReason, CallState, DtmfReceived, Event, NodeStarted, Problem
from voipnode.calls.hooks import Bus, Commands, House, Module
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.watch import ScheduleWatch
from voipnode.clip_stock import ClipStock
from voipnode.modules.controller.module import ControllerModule
from voipnode.modules.detectors.module import DetectorsModule
from voipnode.modules.display.module import DisplayModule
from voipnode.modules.dtmf.module import DtmfModule
from voipnode.modules.entry.module import EntryModule
from voipnode.modules.light.module import LightModule
from voipnode.modules.reader.module import ReaderModule
from voipnode.modules.recipients.module import RecipientsModule
from voipnode.modules.relay.module import RelayModule
from voipnode.modules.rules.module import RulesModule
from voipnode.settings import NodeSettings
from voipnode.store.settings_file import parse_settings

E = TypeVar("E", bound=Event)
COOK_BOOK = Path(__file__).resolve().parents[2] / "docs" / "examples.md"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def recipe(heading: str, number: int = 0) -> str:
    """The settings under a heading of docs/examples.md; `number`: which of several."""
    section = COOK_BOOK.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[number]


class Household:
    """`parts` of "relay", "entry", "clips", "display", "dtmf", "light", "detectors", "recipients", "controller",
    "readers"; rules always."""

    def __init__(self, text: str, folder: Path, parts: Sequence[str] = (), begins: datetime = NOON) -> None:
        self.settings = parse_settings(text, NodeSettings, "docs/examples.md")
        self._loop = asyncio.get_running_loop()
        self._begins, self._begun_at = begins, self._loop.time()
        self.bus, self.commands = Bus(self._loop.time), Commands()
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.house = House(self.bus, self.commands, folder)
        self.device = Device()
        self.guardian: FakeGuardian | None = None
        self.stock: ClipStock | None = None
        self._parts = parts
        self._started: list[Any] = []
        self._call: CallChanged | None = None
        self.commands.register(AnswerCall, self._answer, who="calls")

    def utc_now(self) -> datetime:
        """The wall's clock."""
        return self._begins + timedelta(seconds=self._loop.time() - self._begun_at)

    async def start(self) -> None:
        settings, house = self.settings, self.house
        made: dict[str, Any] = {
            "relay": lambda: RelayModule(house, settings, self._guardian),
            "rules": lambda: RulesModule(house, settings),
            "entry": lambda: EntryModule(house, settings.entry, utc_now=self.utc_now, cost=16),
            "display": lambda: DisplayModule(house, settings),
            "dtmf": lambda: DtmfModule(house, settings),
            "light": lambda: LightModule(house, settings),
            "detectors": lambda: DetectorsModule(house, settings),
            "controller": lambda: ControllerModule(house, settings.controller),
            "readers": lambda: ReaderModule(house, settings),
            "recipients": lambda: RecipientsModule(house, settings, pause_s=0.02),
        }
        for name, make in made.items():
            if name == "rules" or name in self._parts:
                module: Module = make()
                self._started.append(module)
                await module.start()
        if "clips" in self._parts:
            await self._clips()
        watch = ScheduleWatch(Schedules(settings.schedules), self.bus, self.utc_now)
        self._started.append(watch)
        watch.start()
        self.bus.publish(NodeStarted(version="1"))

    async def stop(self) -> None:
        while self._started:
            await self._started.pop().stop()

    async def _clips(self) -> None:
        folder = self.house.state_dir / "clips"
        folder.mkdir()
        for clip in self.settings.clips:
            (folder / clip.file).write_bytes(clip_file("wav", seconds=2.0, rate_hz=RATE_HZ))
        self.stock = ClipStock(folder, RATE_HZ, self.bus)
        self._started.append(self.stock)
        self.stock.start(DoorBridge(self.device, LoopTicker()), self.commands)
        self.stock.use(self.settings)
        for clip in self.settings.clips:
            await self.stock.library.load(clip.name)

    def _guardian(self, *args: Any) -> FakeGuardian:
        self.guardian = FakeGuardian(*args)
        return self.guardian

    # -- what happens

    async def do(self, command: Command) -> str:
        return await self.commands.execute(command)

    def call(self, state: CallState, direction: str = "outgoing", call: str = "c1") -> None:
        self._call = CallChanged(
            call=call,
            state=state,
            reason=CallReason.INITIATED,
            direction=direction,
            remote="sip:anna@192.168.1.20",
            account="",
        )
        self.bus.publish(self._call)

    def digit(self, digit: str, *, authorised: bool = True) -> None:
        """Somebody presses it in the call."""
        far = "sip:anna@192.168.1.20"
        event = DtmfReceived(call="c1", digit=digit, road="rtp", account="", remote=far, authorised=authorised)
        self.bus.publish(event)

    def _answer(self, command: AnswerCall) -> str:
        if self._call is None or self._call.state is not CallState.RINGING or command.call != self._call.call:
            raise NotNowError("it does not ring")
        self.call(CallState.ACTIVE, self._call.direction, command.call)
        return ""

    # -- what came of it

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def problems(self) -> list[str]:
        return [f"{event.where}: {event.detail}" for event in self.of(Problem)]
