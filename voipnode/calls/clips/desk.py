"""The clips' desk: plays what commands ask for, one clip at a time, and tells how it goes."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from dataclasses import dataclass

from voipnode.calls.clips.library import ClipLibrary
from voipnode.calls.clips.player import ClipPlayer
from voipnode.calls.clips.reading import MAX_BYTES, ClipError
from voipnode.calls.commands import ListClips, PlayClip, ReadClip, StopClip
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallState, ClipChanged
from voipnode.calls.hooks import Bus, Commands, Subscription

TO = ("door", "call", "both")
MAX_REPEAT = 1000


@dataclass(frozen=True, slots=True)
class Played:
    """What is being played."""

    clip: str
    to: str
    player: ClipPlayer


class ClipDesk:
    """Plays clips of `library` at `door`."""

    def __init__(self, library: ClipLibrary, door: DoorBridge, bus: Bus) -> None:
        self._library = library
        self._door = door
        self._bus = bus
        self._played: Played | None = None
        self._why = ""  # what plays will have ended for
        self._calls: set[str] = set()  # that are active
        self._wishes = 0

    def register(self, commands: Commands) -> list[Subscription]:
        """Take the commands of this desk."""
        return [
            self._bus.subscribe(CallChanged, self._call_changed, who="clips"),
            commands.register(PlayClip, self._play, who="clips"),
            commands.register(StopClip, self._stop, who="clips"),
            commands.register(ListClips, self._list, who="clips"),
            commands.register(ReadClip, self._read, who="clips"),
        ]

    def close(self) -> None:
        """Let the door fall silent, because the node stops."""
        self._end("stopped")

    async def _play(self, command: PlayClip) -> str:
        gain_db = _checked(command)
        self._wishes += 1
        wish = self._wishes
        await self._library.load(command.clip)
        if command.to == "call" and not self._calls:
            raise NotNowError(f'clip "{command.clip}": there is no call now that it could be played to')
        player = self._library.player(command.clip, gain_db=gain_db, repeat=command.repeat)
        if player is None or wish != self._wishes:  # while it was read, somebody wanted another one
            return ""
        self._end("another clip")
        self._played = Played(command.clip, command.to, player)
        self._why = "ended"
        here, away = command.to != "call", command.to != "door"
        self._door.play(player, here=here, away=away, then=lambda now: self._is_over(player))
        self._bus.publish(ClipChanged(clip=command.clip, playing=True, to=command.to))
        return ""

    def _stop(self, command: StopClip) -> str:
        self._wishes += not command.clip  # nor is one to begin that is still being read
        if self._played is not None and command.clip in ("", self._played.clip):
            self._why = "stopped"
            self._played.player.stop()
        return ""

    def _end(self, why: str) -> None:
        """At once."""
        if self._played is not None:
            player, self._why = self._played.player, why
            self._door.silence(player)
            self._is_over(player)

    def _is_over(self, player: ClipPlayer) -> None:
        played = self._played
        if played is not None and played.player is player:
            self._played = None
            self._bus.publish(ClipChanged(clip=played.clip, playing=False, to=played.to, why=self._why))

    def _call_changed(self, event: CallChanged) -> None:
        if event.state is CallState.ACTIVE:
            self._calls.add(event.call)
        elif event.call in self._calls:
            self._calls.discard(event.call)
            if not self._calls and self._played is not None and self._played.to == "call":
                self._end("the call is over")

    async def _list(self, command: ListClips) -> str:
        return await asyncio.to_thread(self._listed, self._played)

    def _listed(self, played: Played | None) -> str:
        clips = [
            {
                "name": clip.name,
                "file": clip.file,
                "bytes": _size(self._library, clip.name),
                "gain_db": clip.gain_db,
                "normalise": clip.normalise,
            }
            for clip in self._library.clips
        ]
        playing, to = (played.clip, played.to) if played is not None else ("", "")
        return json.dumps({"clips": clips, "playing": playing, "to": to})

    async def _read(self, command: ReadClip) -> str:
        clip = self._library.known(command.clip)
        try:
            content = await asyncio.to_thread(self._library.path(clip).read_bytes)
        except OSError as error:
            words = f'clip "{clip.name}" ({clip.file}): it cannot be read: {error.strerror or error}'
            raise ClipError(words) from None
        return json.dumps({"file": clip.file, "content": base64.b64encode(content[:MAX_BYTES]).decode()})


def _size(library: ClipLibrary, name: str) -> int:
    """Bytes on the disk; 0 where it is not there."""
    try:
        return library.path(library.known(name)).stat().st_size
    except (OSError, CallError):
        return 0


def _checked(command: PlayClip) -> float:
    """The gain of its volume, in dB. Raises CallError."""
    if command.to not in TO:
        raise CallError(f"to = {command.to!r}: {', '.join(TO)} are right")
    if not 0 <= command.repeat <= MAX_REPEAT:
        raise CallError(f"repeat = {command.repeat}: 0 to {MAX_REPEAT} are right")
    if not 0.0 < command.volume <= 200.0:
        raise CallError(f"volume = {command.volume}: more than 0 and at most 200 are right")
    return 20.0 * math.log10(command.volume / 100.0)
