"""Light and siren: profiles that are started and stopped, the call light among them, and finding the device.

What is seen and heard is the activity with the highest priority. The node's own:

| activity | priority | while |
|---|---|---|
| Call light | `light.call_priority` | a call or an open door gives it a colour |
| Preview | 10 | somebody tries a profile, at most 30 s |
| Maintenance | 11 | the node starts, or stops |
| Identify | 12 | `Locate` wants the device to be found |
| Health check | 13 | the speaker test listens, and no call is on: it waits for their end |
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from voipnode.calls.commands import (
    Locate,
    PreviewSignal,
    ReadSignals,
    StartSignal,
    StopSignal,
    SwitchIndicator,
)
from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError
from voipnode.calls.events import (
    IndicatorChanged,
    LocateChanged,
    NodeStarted,
    NodeStopping,
    SignalChanged,
    SpeakerState,
    SpeakerTestChanged,
)
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.light.board import Activity, SignalBoard
from voipnode.modules.light.call_light import CallLight
from voipnode.modules.light.lamp import Lamp, make_lamp
from voipnode.modules.light.profile import (
    CALL_LIGHT,
    CALL_LOOKS,
    DARKNESS,
    HEALTH_CHECK,
    IDENTIFY,
    MAINTENANCE,
    PREVIEW,
    SILENCE,
    Profile,
    profile_of,
)
from voipnode.modules.light.settings import ProfileSettings, SignalsSettings
from voipnode.modules.light.siren import SirenWish

NAME = "light"
PREVIEW_S = 30.0
MAX_LOCATE_S = 3600.0
MAX_INDICATORS = 16
INDICATOR_COLOURS = ("off", "red", "green", "amber", "blue")


class LightModule:
    """Publishes `SignalChanged` when another look or sound is due, and has the lamp and the siren follow it."""

    def __init__(self, house: House, settings: SignalsSettings, lamp: Lamp | None = None) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings.light
        self._profiles = {each.name: each for each in settings.signals}
        self._lamp = lamp or make_lamp(settings.light)
        self._board = SignalBoard()
        self._call_light = CallLight(house.bus, settings.light, self._call_colour)
        self._shown = SignalChanged(profile="")
        self._sounded: Activity | None = None  # one whose siren has sounded for as long as any may
        self._is_testing = False  # the loudspeaker, or waiting for a moment to do so
        self._indicators: dict[str, IndicatorChanged] = {}
        self._tasks = Tasks(NAME)
        self._siren = SirenWish(house.commands, self._tasks, settings.light.siren_max_s, self._siren_is_over)
        self._timer: asyncio.TimerHandle | None = None
        self._places: list[Subscription] = []

    @property
    def colour(self) -> str:
        """Of the call light."""
        return self._call_light.colour

    async def start(self) -> None:
        bus, commands = self._bus, self._commands
        self._places = [
            bus.subscribe(NodeStarted, lambda event: self._own_ends(MAINTENANCE), who=NAME),
            bus.subscribe(NodeStopping, lambda event: self._own(MAINTENANCE, who="the node"), who=NAME),
            bus.subscribe(SpeakerTestChanged, self._speaker_test_changed, who=NAME),
            commands.register(StartSignal, self._start_signal, who=NAME),
            commands.register(StopSignal, self._stop_signal, who=NAME),
            commands.register(PreviewSignal, self._preview, who=NAME),
            commands.register(ReadSignals, self._read, who=NAME),
            commands.register(Locate, self._locate, who=NAME),
            commands.register(SwitchIndicator, self._indicate, who=NAME),
        ]
        self._own(MAINTENANCE, who="the node")
        self._call_light.start()

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        self._call_light.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.close()
        await self._siren.stop()
        self._lamp.stop()

    def use(self, settings: SignalsSettings) -> None:
        """Have these profiles from now on; what runs goes on as it began."""
        self._profiles = {each.name: each for each in settings.signals}

    # -- what begins and ends

    def _start_signal(self, command: StartSignal) -> str:
        self._board.start(self._known(command.profile), self._now, name=command.activity[:64], who=command.who)
        self._show()
        return ""

    def _known(self, name: str) -> Profile:
        if name not in self._profiles:
            known = ", ".join(f'"{each}"' for each in self._profiles) or "none: add one under [[signals]]"
            raise UnknownNameError(f'profile "{name}": there is no such profile; there is {known}')
        return profile_of(self._profiles[name])

    def _stop_signal(self, command: StopSignal) -> str:
        wanted = command.profile
        own = [each.profile for each in self._board if each.is_own and each.profile.name == wanted != PREVIEW]
        if own:
            raise NotNowError(f'"{wanted}" has priority {own[0].priority} and is the node\'s own: it ends by itself')
        ended = self._board.end(lambda each: wanted == each.profile.name or (not wanted and not each.is_own))
        if not ended and wanted not in ("", PREVIEW):
            self._known(wanted)  # one that does not run is nothing to complain about
        self._show()
        return ""

    def _preview(self, command: PreviewSignal) -> str:
        if command.only not in ("", "light", "siren"):
            raise CallError(f'only = {command.only!r}: "light", "siren" or "" is right')
        try:
            values = {**command.values, "name": command.values.get("name") or "a profile"}
            profile = profile_of(ProfileSettings.model_validate(values))
        except ValidationError as error:
            raise FieldsError(
                [(_key(each["loc"]), None, each["msg"].removeprefix("Value error, ")) for each in error.errors()]
            ) from None
        seconds = min(PREVIEW_S, profile.lasts_s or PREVIEW_S)
        light = DARKNESS if command.only == "siren" else profile.light
        siren = SILENCE if command.only == "light" else profile.siren
        self._board.start(Profile(PREVIEW, light, siren, seconds, 10), self._now)
        self._show()
        return ""

    def _locate(self, command: Locate) -> str:
        if not command.on:
            self._own_ends(IDENTIFY)
            return ""
        if not 0 < command.duration_s <= MAX_LOCATE_S:
            words = f"duration_s = {command.duration_s}: more than 0 and at most {MAX_LOCATE_S:.0f} are right"
            raise CallError(words)
        self._bus.publish(LocateChanged(at=self._now, on=True, for_s=command.duration_s))
        self._own(replace(IDENTIFY, lasts_s=command.duration_s), who=command.who)
        return ""

    def _own(self, profile: Profile, who: str = "") -> None:
        self._board.start(profile, self._now, who=who)
        self._show()

    def _own_ends(self, profile: Profile) -> None:
        self._ended(self._board.end(lambda each: each.profile.name == profile.name))

    def _ended(self, ended: list[Activity]) -> None:
        if any(each.profile.name == IDENTIFY.name for each in ended):
            self._bus.publish(LocateChanged(at=self._now, on=False))
        self._show()

    def _call_colour(self, colour: str) -> None:
        self._board.end(lambda each: each.profile.name == CALL_LIGHT)
        if colour != "off":
            call_light = Profile(CALL_LIGHT, CALL_LOOKS[colour], priority=self._settings.call_priority)
            self._board.start(call_light, self._now)
        self._check_health()

    def _speaker_test_changed(self, event: SpeakerTestChanged) -> None:
        self._is_testing = event.state is SpeakerState.PENDING
        self._check_health()

    def _check_health(self) -> None:
        if not self._is_testing or self.colour != "off":
            self._own_ends(HEALTH_CHECK)
        elif not any(each.profile is HEALTH_CHECK for each in self._board):
            self._own(HEALTH_CHECK, who="speaker test")
        else:
            self._show()

    def _indicate(self, command: SwitchIndicator) -> str:
        if command.colour not in INDICATOR_COLOURS:
            raise CallError(f"colour = {command.colour!r}: {', '.join(INDICATOR_COLOURS)} are right")
        name = command.indicator
        if not 1 <= len(name) <= 32 or (name not in self._indicators and len(self._indicators) >= MAX_INDICATORS):
            raise CallError(f"indicator = {name[:40]!r}: up to {MAX_INDICATORS} names of 1 to 32 characters are right")
        told = IndicatorChanged(at=self._now, indicator=name, colour=command.colour, blink=command.blink)
        self._indicators[name] = told
        self._bus.publish(told)
        return ""

    # -- what is seen and heard

    @property
    def _now(self) -> float:
        return self._bus.clock()

    def _due(self) -> None:
        self._timer = None
        now = self._now
        self._ended(self._board.end(lambda each: each.ends_at is not None and each.ends_at <= now))

    def _show(self) -> None:
        self._set_timer()
        shown = self._board.shown()
        look, sound, told = DARKNESS, SILENCE, SignalChanged(profile="")
        if shown is not None:
            look = shown.profile.light
            sound = SILENCE if shown is self._sounded else shown.profile.siren
            told = SignalChanged(
                profile=shown.profile.name,
                activity=shown.name,
                priority=shown.profile.priority,
                light=look.to_dict(),
                siren=sound.to_dict(),
            )
        if told == self._shown:
            return
        self._shown = told
        self._lamp.show(look)
        self._siren.be(sound)
        self._bus.publish(replace(told, at=self._now))

    def _siren_is_over(self) -> None:
        self._sounded = self._board.shown()
        self._show()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ends_at = self._board.next_end()
        if ends_at is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, ends_at - self._now), self._due)

    def _read(self, command: ReadSignals) -> str:
        shown, now = self._board.shown(), self._now
        activities = [
            {
                "profile": each.profile.name,
                "activity": each.name,
                "who": each.who,
                "priority": each.profile.priority,
                "running_s": round(now - each.began_at, 1),
                "left_s": None if each.ends_at is None else round(each.ends_at - now, 1),
                "removable": not each.is_own or each.profile.name == PREVIEW,
                "shown": each is shown,
            }
            for each in sorted(self._board, key=lambda each: -each.profile.priority)
        ]
        lit = {key: getattr(self._shown, key) for key in ("profile", "activity", "priority", "light", "siren")}
        indicators = {name: {"colour": told.colour, "blink": told.blink} for name, told in self._indicators.items()}
        profiles: list[dict[str, Any]] = [each.model_dump() for each in self._profiles.values()]
        return json.dumps({"shown": lit, "activities": activities, "profiles": profiles, "indicators": indicators})


def _key(where: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in where)


def build(house: House, settings: SignalsSettings) -> LightModule:
    return LightModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, SignalsSettings, build)
