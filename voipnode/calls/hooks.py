"""The hook interface: how modules attach. Two kinds, `notify` and `decide`, and no third.

`notify`: every listener of an event type runs, in the order of subscription, each isolated; one that raises is logged
with its name and never stops a call. `decide`: listeners in priority order, the first that answers (not None) wins;
an exception or a time-out is a denial.

A module is a `ModuleDescriptor` (name, settings type, `build`) and an object with `start` and `stop`. It takes its
collaborators in the constructor as a `House`, keeps no global, does nothing at import.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.commands import Command
from voipnode.calls.errors import CallError
from voipnode.calls.events import Event

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
DECISION_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Base of what can be decided; see `MayOpen`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MayOpen(Question):
    """May `who` activate `port` in this `how`? Answered with a `Verdict`."""

    port: str
    who: str
    how: str
    authorised: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a question; `why` in words, kept in the event log."""

    allowed: bool
    why: str


Listener = Callable[[E], None]
Decider = Callable[[Any], Verdict | Awaitable[Verdict | None] | None]


class Subscription:
    """A listener's place on the bus; `cancel` takes it off, any number of times."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self._cancel = cancel

    def cancel(self) -> None:
        self._cancel()


class Bus:
    """Carries events to listeners and questions to deciders.

    `clock` returns the engine's monotonic seconds; events published without a time are given it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._listeners: list[tuple[type[Event], str, Callable[[Any], None]]] = []
        self._deciders: list[tuple[int, type[Question], str, Decider]] = []

    def subscribe(self, kind: type[E], listener: Listener[E], *, who: str) -> Subscription:
        """Call `listener` for every event of `kind` (subclasses included); `who` names it in logs."""
        entry = (kind, who, listener)
        self._listeners = [*self._listeners, entry]  # a new list: a publish under way keeps its own

        def cancel() -> None:
            self._listeners = [other for other in self._listeners if other is not entry]

        return Subscription(cancel)

    def publish(self, event: Event) -> None:
        """Tell every listener; never raises."""
        if event.at == 0.0:
            event = replace(event, at=self.clock())
        for kind, who, listener in self._listeners:
            if not isinstance(event, kind):
                continue
            try:
                listener(event)
            except Exception:
                log.exception("listener %r failed on %s", who, event.name)

    def on_decide(self, kind: type[Question], decider: Decider, *, who: str, priority: int = 0) -> Subscription:
        """Answer questions of `kind`; higher `priority` is asked first. Return None to leave it to the next."""
        entry = (priority, kind, who, decider)
        self._deciders = sorted([*self._deciders, entry], key=lambda item: -item[0])

        def cancel() -> None:
            self._deciders = [other for other in self._deciders if other is not entry]

        return Subscription(cancel)

    async def decide(self, question: Question) -> Verdict:
        """The first answer wins; nobody answering, an exception or a time-out (2 s each) is a denial."""
        for _, kind, who, decider in self._deciders:
            if not isinstance(question, kind):
                continue
            try:
                async with asyncio.timeout(DECISION_TIMEOUT_S):
                    answer = decider(question)
                    verdict = await answer if isinstance(answer, Awaitable) else answer
            except TimeoutError:
                log.warning("decider %r gave no answer in %.0f s: denied", who, DECISION_TIMEOUT_S)
                return Verdict(allowed=False, why=f"{who} gave no answer in time")
            except Exception:
                log.exception("decider %r failed: denied", who)
                return Verdict(allowed=False, why=f"{who} failed")
            if verdict is not None:
                return verdict
        return Verdict(allowed=False, why="nobody allowed it")


Frame = NDArray[np.float32]


class AudioDevice(Protocol):
    """The door's microphone and loudspeaker behind one interface.

    Frames are mono float32, full scale 1.0, 10 ms long: shape (rate_hz // 100,). The media clock calls `exchange` once
    every 10 ms while a call wants audio; a device with a clock of its own keeps a ring buffer between.
    """

    rate_hz: int
    description: str

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def exchange(self, loudspeaker: Frame) -> Frame:
        """Play one frame and return what the microphone heard in the same 10 ms. Never blocks, never raises."""
        ...


class DoorSound(Protocol):
    """The door's loudspeaker and microphone for a module that measures them, while no call wants them.

    `disabled` names the setting by which there is no microphone; "" where there is one.
    """

    rate_hz: int
    disabled: str

    @property
    def why_not(self) -> str:
        """Why nothing can be measured now, in words; "" when it can."""
        ...

    async def until_free(self, seconds: float) -> None:
        """Wait until nothing has been in the way of a measurement for so long."""
        ...

    async def play_and_record(self, sound: Frame) -> Frame:
        """Play `sound` (mono, of any length) past everything that improves it, and return what the microphone heard
        meanwhile, equally long. Raises NotNowError while a call is on and when one begins: a call has priority."""
        ...


Hear = Callable[[Frame, Frame], None]
"""Takes 10 ms of what the microphone heard, and what the loudspeaker played meanwhile."""


class Microphone(Protocol):
    """The door's microphone for a module that listens, in calls and out of them."""

    rate_hz: int

    def listen(self, hear: Hear, *, who: str) -> Subscription:
        """Call `hear` for every 10 ms from now on, `who` being its name in logs; the frames are not its to change."""
        ...


class DoorVoice(Protocol):
    """What a client says at the door, in the call that it has answered by it: `call`."""

    call: str

    async def feed(self, data: bytes) -> bool:
        """Take sound, in pieces of any length, no faster than it is heard; False: the call is over."""
        ...

    async def until_over(self) -> None:
        """Wait until the call is over."""
        ...

    def end(self) -> None:
        """It says no more: the call ends when what was said has been heard."""
        ...


class DoorEar(Protocol):
    """What a client hears of the door."""

    async def read(self) -> bytes:
        """What has been heard since, as soon as there is any; b"" when the call is over."""
        ...

    def close(self) -> None:
        """It listens no more."""
        ...


class CallAudio(Protocol):
    """The sound of calls as streams of bytes, for a room that carries it to its clients: "PCMU/8000", "L16/8000" or
    "L16/16000", mono, without packets."""

    def speak(self, form: str, who: str, call: str = "") -> DoorVoice:
        """Answer the call of that id, or the one that rings for clients. Raises CallError, NotNowError."""
        ...

    def listen(self, form: str, call: str = "") -> DoorEar:
        """Hear the door in the call of that id, or the one that there is, once it is answered. Raises as `speak`."""
        ...


C = TypeVar("C", bound=Command)
Handler = Callable[[C], str | Awaitable[str]]


class Commands:
    """Carries each command to the one handler that registered for its type.

    `execute` returns what the handler returns (an id, or ""), and raises `CallError` when it cannot be carried out.
    """

    def __init__(self) -> None:
        self._handlers: dict[type[Command], tuple[str, Handler[Any]]] = {}

    def register(self, kind: type[C], handler: Handler[C], *, who: str) -> Subscription:
        """Make `handler` the one that carries out commands of `kind`; a second one is refused (`CallError`)."""
        if kind in self._handlers:
            raise CallError(
                f"{kind.__name__} is already handled by {self._handlers[kind][0]}; {who} cannot take it too"
            )
        entry = (who, handler)
        self._handlers[kind] = entry

        def cancel() -> None:
            if self._handlers.get(kind) is entry:
                del self._handlers[kind]

        return Subscription(cancel)

    def taken_by(self, kind: type[Command]) -> str:
        """Who carries out commands of `kind` now; "" for nobody."""
        return self._handlers[kind][0] if kind in self._handlers else ""

    async def execute(self, command: Command) -> str:
        if type(command) not in self._handlers:
            raise CallError(f"nothing here handles {type(command).__name__}: the module that does is not configured")
        answer = self._handlers[type(command)][1](command)
        return await answer if isinstance(answer, Awaitable) else answer


class Tasks:
    """Background work of one owner: kept referenced, its failures logged with the owner's name, ended by `close`."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work of %r failed", self._who, exc_info=error)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class House:
    """What a module is given: the bus to hear and tell, the commands to give and take, a folder for its own files,
    and, where there is one, the door's sound to measure, its microphone to listen at, and the sound of calls. `written`
    returns once all that was told is on the disk, which is True, or is known not to be."""

    bus: Bus
    commands: Commands
    state_dir: Path
    door_sound: DoorSound | None = None
    microphone: Microphone | None = None
    call_audio: CallAudio | None = None
    written: Callable[[], Awaitable[bool]] | None = None


class Module(Protocol):
    """A running module. `start` refuses bad settings by name and value (`CallError`); `stop` may be called twice."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ModuleDescriptor:
    """What a package offers as a module: `build(house, settings)` makes it, without starting anything."""

    name: str
    settings_type: type[Any]
    build: Callable[[House, Any], Module]
