"""Commands for what the node senses, and for what it shows: detectors, light and siren, display."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDetector(Command):
    """A detector of `[[detectors]]` notices something, or no longer; `source` says by whom it is reported.

    `strength_g`: how hard a hit was (peak acceleration besides gravity), where that was measured; one that is too weak
    for the detector's sensitivity does not count.
    """

    detector: str
    active: bool
    source: str = "api"
    detail: str = ""
    strength_g: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDetectors(Command):
    """The detectors as JSON: name, kind, enabled, active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPage(Command):
    """Show a page of the display, for `duration_s` (0 = until told otherwise)."""

    page: str
    duration_s: float = 0.0
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HidePage(Command):
    """Return to the home page; `page`: only where it is this one that is shown, "" = whichever."""

    page: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDisplay(Command):
    """The display as JSON: page, for_s, pages with their items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressItem(Command):
    """Press the button that is item number `item` (the first is 0) of a page. Returns the id of the call.

    Raises NotNowError where the display shows another page.
    """

    page: str
    item: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AddImage(Command):
    """Add an image, png or jpeg, to the folder and the settings. Returns its name.

    Raises CallError for a file that is no image, FieldsError for a name that is taken or cannot be.
    """

    image: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage(Command):
    """Take an image out of the settings and its file out of the folder. Raises FieldsError where a page shows it."""

    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListImages(Command):
    """All images as JSON: name, file, bytes, and whether a page shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage(Command):
    """The file of an image: JSON with its name as "file" and its bytes in base64 as "content"."""

    image: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSignal(Command):
    """Start a profile of light and siren; `activity`: what it is for, "" = the profile's own name."""

    profile: str
    activity: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal(Command):
    """Stop the activities of a profile; "" = all that can be stopped."""

    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSignals(Command):
    """Light and siren as JSON: what is shown, the activities that run, the profiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSignal(Command):
    """Show and sound what a profile with these `values` would, before it is kept; `only` "light" or "siren", "" = both.

    Raises FieldsError for what is not right in them. It ends by itself, or by StopSignal("Preview").
    """

    values: Mapping[str, Any]
    only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundSiren(Command):
    """Sound a pattern of `dsp.siren` at the door's loudspeaker for `for_s` at most, where no call is on; "" = silence.

    `intensity`: 1 to 5. Returns "sounds" or "silent".
    """

    pattern: str = ""
    intensity: int = 3
    for_s: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Locate(Command):
    """Have the device make itself seen and heard for `duration_s`, or stop that."""

    on: bool = True
    duration_s: float = 60.0
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressControlButton(Command):
    """Hold the control button for so long, and let go."""

    held_s: float = 0.2
    source: str = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchIndicator(Command):
    """Give an indicator LED a colour ("off", "red", "green", "amber", "blue"), steady or blinking."""

    indicator: str
    colour: str
    blink: bool = False
