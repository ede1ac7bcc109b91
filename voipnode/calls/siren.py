"""The siren at the door's loudspeaker: patterns of sound, which a call has priority over.

While any call rings or talks the siren is silent, and goes on after it; it never lasts longer than it was asked for.
"""

from __future__ import annotations

import asyncio

from voipnode.calls.clips.player import FOR_EVER, ClipPlayer
from voipnode.calls.commands import SoundSiren
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.hooks import Bus, Commands, Subscription
from voipnode.dsp.siren import siren_cycle

MAX_S = 3600.0
OVER = (CallState.IDLE, CallState.TERMINATING, CallState.TERMINATED)


class Siren:
    """Carries out `SoundSiren` at `door`. Make it in a running loop."""

    def __init__(self, door: DoorBridge, bus: Bus) -> None:
        self._door = door
        self._bus = bus
        self._wish = SoundSiren()
        self._calls: set[str] = set()  # that ring or talk
        self._player: ClipPlayer | None = None
        self._end: asyncio.TimerHandle | None = None
        self._places: list[Subscription] = []

    def register(self, commands: Commands) -> None:
        """Take the command, and hear of calls."""
        self._places = [
            self._bus.subscribe(CallChanged, self._call_changed, who="siren"),
            commands.register(SoundSiren, self._sound, who="siren"),
        ]

    async def stop(self) -> None:
        """Silence, and no commands any more; may be called twice."""
        for place in self._places:
            place.cancel()
        self._places = []
        self._be(SoundSiren())

    def _sound(self, command: SoundSiren) -> str:
        if not 0 < command.for_s <= MAX_S:
            raise CallError(f"for_s = {command.for_s}: more than 0 and at most {MAX_S:.0f} are right")
        if command.pattern:
            try:
                siren_cycle(command.pattern, command.intensity, 8000)
            except ValueError as error:
                raise CallError(str(error)) from None
        self._be(command)
        return "sounds" if self._player is not None else "silent"

    def _be(self, wish: SoundSiren) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._silence()
        self._wish = wish
        if wish.pattern:
            self._end = asyncio.get_running_loop().call_later(wish.for_s, self._be, SoundSiren())
        self._begin()

    def _begin(self) -> None:
        if self._wish.pattern and not self._calls and self._player is None:
            rate_hz = self._door.highest_hz
            samples = siren_cycle(self._wish.pattern, self._wish.intensity, rate_hz)
            self._player = ClipPlayer(samples, rate_hz, repeat=FOR_EVER)
            self._door.play(self._player)

    def _silence(self) -> None:
        if self._player is not None:
            self._door.silence(self._player)
            self._player = None

    def _call_changed(self, event: CallChanged) -> None:
        if event.state in OVER:
            self._calls.discard(event.call)
            self._begin()
        else:
            self._calls.add(event.call)
            self._silence()
