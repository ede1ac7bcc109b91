"""Conferences: rooms by name, which are there while anybody is in them."""

from __future__ import annotations

from collections.abc import Sequence

from voipnode.calls.core import CallCore
from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.room import Room
from voipnode.calls.exchange.service_settings import ConferenceSettings


class Conferences:
    """The service behind the dial plan's `conference NAME`: every caller of a name is taken to the same room."""

    def __init__(self, core: CallCore, conferences: Sequence[ConferenceSettings]) -> None:
        self._core = core
        self._settings = {each.name: each for each in conferences}
        self._rooms: dict[str, Room] = {}

    def room(self, to: Destination) -> Room | None:
        """Where this conference meets; None where there is none of the name, or it is full."""
        settings = self._settings.get(to.name)
        if settings is None:
            return None
        room = self._rooms.get(to.name)
        if room is None or not room.legs:  # who was in it before is gone: it begins anew
            room = self._rooms[to.name] = Room.of(self._core, with_door=settings.with_door)
        return room if len(room.legs) < settings.max_parties else None

    def parties(self, name: str) -> int:
        """How many are in it."""
        room = self._rooms.get(name)
        return 0 if room is None else len(room.legs)
