"""Actions at the door: outputs, inputs, light, display."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from voipnode.calls.commands import (
    Command,
    HidePage,
    Locate,
    PressInput,
    PulsePort,
    ReleasePort,
    SetVirtualInput,
    ShowPage,
    StartSignal,
    StopSignal,
    SwitchIndicator,
)
from voipnode.modules.rules.actions.base import DAY_S, Action, Fired, Lasting, Seconds, clock
from voipnode.modules.rules.names import Free, Indicator, Input, Page, Port, Profile


class Pulse(Lasting):
    """Activate an output, which returns to normal by itself: after its duration, or before, with the rule."""

    kind: Literal["pulse"] = Field(alias="do")
    port: Port
    duration_s: Seconds = Field(default=7.0, gt=0, le=3600)

    def commands(self, fired: Fired) -> tuple[Command]:
        return (PulsePort(port=self.port, duration_s=self.duration_s, who=fired.who, how="rule", authorised=True),)

    def undo(self, fired: Fired) -> Command:
        return ReleasePort(port=self.port, who=fired.who)

    def words(self) -> str:
        return f'activate "{self.port}" for {clock(self.duration_s)}{self._until(" at most")}'


class Release(Action):
    """Return an output to its normal state."""

    kind: Literal["release"] = Field(alias="do")
    port: Port

    def commands(self, fired: Fired) -> tuple[Command]:
        return (ReleasePort(port=self.port, who=fired.who),)

    def words(self) -> str:
        return f'release "{self.port}"'


class Press(Action):
    """Press an input by software: a button rings as if somebody stood there."""

    kind: Literal["press"] = Field(alias="do")
    input: Input

    def commands(self, fired: Fired) -> tuple[Command]:
        return (PressInput(input=self.input, source="rule"),)

    def words(self) -> str:
        return f'press "{self.input}"'


class SetInput(Lasting):
    """Activate a virtual input that a rule has as a condition, or end it."""

    kind: Literal["set_input"] = Field(alias="do")
    name: Free
    active: bool = True

    def commands(self, fired: Fired) -> tuple[Command]:
        return (SetVirtualInput(input=self.name, active=self.active, source=fired.who),)

    def undo(self, fired: Fired) -> Command:
        return SetVirtualInput(input=self.name, active=not self.active, source=fired.who)

    def words(self) -> str:
        return f'{"activate" if self.active else "end"} virtual input "{self.name}"{self._until()}'


class Show(Lasting):
    """Show a page of the display."""

    kind: Literal["show_page"] = Field(alias="do")
    page: Page = Field(min_length=1)
    duration_s: Seconds = Field(
        default=30.0, ge=0, le=DAY_S, description='Seconds, or "hh:mm:ss"; 0: until another one is shown.'
    )

    def commands(self, fired: Fired) -> tuple[Command]:
        return (ShowPage(page=self.page, duration_s=self.duration_s, who=fired.who),)

    def undo(self, fired: Fired) -> Command:
        return HidePage(page=self.page)

    def words(self) -> str:
        how_long = f" for {clock(self.duration_s)}" if self.duration_s else ""
        return f'show page "{self.page}"{how_long}{self._until()}'


class Hide(Action):
    """Return to the display's home page."""

    kind: Literal["hide_page"] = Field(alias="do")
    page: Page = Field(default="", description="Only where it is this one that is shown.")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (HidePage(page=self.page),)

    def words(self) -> str:
        return f'hide page "{self.page}"' if self.page else "show the home page"


class Signal(Lasting):
    """Start a profile of light and siren."""

    kind: Literal["signal"] = Field(alias="do")
    profile: Profile = Field(min_length=1)

    def commands(self, fired: Fired) -> tuple[Command]:
        return (StartSignal(profile=self.profile, who=fired.who),)

    def undo(self, fired: Fired) -> Command:
        return StopSignal(profile=self.profile)

    def words(self) -> str:
        return f'show profile "{self.profile}" with light and siren{self._until()}'


class StopShowing(Action):
    """Stop a profile of light and siren."""

    kind: Literal["stop_signal"] = Field(alias="do")
    profile: Profile = Field(default="", description="This one; empty: all.")

    def commands(self, fired: Fired) -> tuple[Command]:
        return (StopSignal(profile=self.profile),)

    def words(self) -> str:
        return f'stop profile "{self.profile}"' if self.profile else "stop light and siren"


class Light(Lasting):
    """Give an indicator LED a colour."""

    kind: Literal["indicator"] = Field(alias="do")
    name: Indicator = Field(default="front", min_length=1)
    colour: Literal["off", "red", "green", "amber", "blue"] = "green"
    blink: bool = False

    def commands(self, fired: Fired) -> tuple[Command]:
        return (SwitchIndicator(indicator=self.name, colour=self.colour, blink=self.blink),)

    def undo(self, fired: Fired) -> Command:
        return SwitchIndicator(indicator=self.name, colour="off")

    def words(self) -> str:
        how = f"{'blinks ' if self.blink else 'is '}{self.colour}"
        return f'indicator "{self.name}" {how}{self._until()}'


class Find(Action):
    """Have the device make itself seen and heard."""

    kind: Literal["locate"] = Field(alias="do")
    on: bool = True
    duration_s: Seconds = Field(default=60.0, gt=0, le=3600)

    def commands(self, fired: Fired) -> tuple[Command]:
        return (Locate(on=self.on, duration_s=self.duration_s, who=fired.who),)

    def words(self) -> str:
        return f"locate the device for {clock(self.duration_s)}" if self.on else "stop locating the device"
