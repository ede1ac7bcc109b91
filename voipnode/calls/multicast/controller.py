"""The multicast controller: which of the announcements that come is played at the door.

Of those that come at the same moment, the one of the highest priority is heard; a higher one interrupts it, and it goes
on afterwards where it is by then. Of equal ones, the first goes on. While the door is in a call, or rings somebody,
only those are heard that may be (`during_call`): beside the call, or with the call on hold meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from voipnode.calls.commands import HoldCall, ResumeCall
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallHeld, CallState, MulticastChanged
from voipnode.calls.hooks import Bus, Commands, Subscription, Tasks
from voipnode.calls.multicast.settings import MulticastSettings
from voipnode.calls.multicast.source import MulticastSource
from voipnode.media.values import Addr

log = logging.getLogger(__name__)

WHO = "multicast"


class MulticastController:
    """An engine: `receive`, `next_deadline`, `on_deadline`; `door` is where it is heard. `now` as the bus's clock."""

    def __init__(
        self, settings: MulticastSettings, *, door: DoorBridge, rate_hz: int, bus: Bus, commands: Commands
    ) -> None:
        codec, number = settings.codec, settings.payload_type
        self.sources: Sequence[MulticastSource] = tuple(
            MulticastSource(source, codec, number, rate_hz) for source in settings.sources
        )
        self._codec = codec
        self._door = door
        self._bus = bus
        self._commands = commands
        self._calls: dict[str, bool] = {}  # calls that have the door's sound -> whether somebody has answered
        self._on_hold: set[str] = set()  # by whomever here
        self._held: set[str] = set()  # by us
        self._work = Tasks(WHO)
        self._listening: list[Subscription] = []
        self.playing: MulticastSource | None = None
        self.rearm: Callable[[], None] = lambda: None  # called when `next_deadline` may have moved

    def start(self) -> None:
        """Follow the calls."""
        self._listening = [
            self._bus.subscribe(CallChanged, self._call_changed, who=WHO),
            self._bus.subscribe(CallHeld, self._call_held, who=WHO),
        ]

    async def stop(self) -> None:
        """Play nothing any more; may be called twice."""
        for subscription in self._listening:
            subscription.cancel()
        self._listening = []
        for source in self.sources:
            source.live = False
        self._choose(self._bus.clock())
        await self._work.close()

    # -- the engine's verbs

    def receive(self, source: MulticastSource, data: bytes, sender: Addr, now: float) -> None:
        """Take a datagram that came to the group of `source`. Never raises."""
        if source.receive(data, sender, now):
            self._choose(now)
            self.rearm()

    def next_deadline(self) -> float | None:
        return min((at for source in self.sources if (at := source.ends_at) is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """Announcements that have ceased are over."""
        ceased = [source for source in self.sources if source.ends_at is not None and source.ends_at <= now]
        for source in ceased:
            source.live = False
        if ceased:
            self._choose(now)
        for source in ceased:
            source.end(now)

    # -- who is heard

    def _choose(self, now: float) -> None:
        """Play whoever is to be heard now."""
        before, chosen = self.playing, self._best()
        if chosen is before:
            return
        self.playing = chosen
        if before is not None:
            self._door.leave(before)
            self._tell(before, "interrupted" if before.live else "ended", now)
        if chosen is not None:
            chosen.begin(now)
            self._door.join(chosen)
            self._tell(chosen, "playing", now)
        self._settle()

    def _best(self) -> MulticastSource | None:
        """The highest priority that may be heard; of equal ones the one that plays, then the first to come."""
        in_call = bool(self._calls)
        fit = [each for each in self.sources if each.live and not (in_call and each.settings.during_call == "wait")]
        return min(fit, key=lambda each: (-each.settings.priority, each is not self.playing, each.since), default=None)

    # -- calls

    def _call_changed(self, event: CallChanged) -> None:
        """A call that only rings here is heard by nobody at the door; any other has its sound."""
        if event.state in (CallState.TERMINATING, CallState.TERMINATED):
            self._calls.pop(event.call, None)
            self._held.discard(event.call)
            self._on_hold.discard(event.call)
        elif event.state is CallState.ACTIVE:
            self._calls[event.call] = True
        elif event.direction == "outgoing":
            self._calls.setdefault(event.call, False)
        self._choose(event.at)
        self._settle()

    def _call_held(self, event: CallHeld) -> None:
        """Somebody here put a call on hold, or took it back: we, or a person."""
        if event.by != "here":
            return
        if event.held:
            self._on_hold.add(event.call)
        else:
            self._on_hold.discard(event.call)
            self._held.discard(event.call)
        self._settle()

    def _settle(self) -> None:
        """Hold calls while what plays wants that, and take those back that we held; what a person held stays so.

        A call whose hold is still being agreed on is taken back when that is told (`CallHeld`).
        """
        wanted = self.playing is not None and self.playing.settings.during_call == "hold"
        for call in [call for call, answered in self._calls.items() if answered]:
            if wanted and call not in self._on_hold and call not in self._held:
                self._held.add(call)
                self._work.start(self._try(HoldCall(call=call)))
            elif not wanted and call in self._held and call in self._on_hold:
                self._work.start(self._try(ResumeCall(call=call)))

    async def _try(self, command: HoldCall | ResumeCall) -> None:
        """A call that cannot be held now is left as it is; the announcement is heard beside it."""
        try:
            await self._commands.execute(command)
        except CallError as error:
            log.info("%s: %s", type(command).__name__, error)
            if isinstance(command, HoldCall):
                self._held.discard(command.call)

    def _tell(self, source: MulticastSource, state: str, now: float) -> None:
        settings = source.settings
        event = MulticastChanged(
            at=now,
            source=settings.label,
            state=state,
            priority=settings.priority,
            sender=source.sender,
            codec=self._codec,
            encrypted=settings.profile == "SAVP",
        )
        self._bus.publish(event)
