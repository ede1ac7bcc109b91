"""A Wiegand reader: frames from two GPIO lines, or from whatever else times pulses, as cards and keys.

Wiegand has no way back: nobody can tell whether a reader is there, so "connected" means that its frames would be heard.
Its light and beeper hang on wires of their own, which are outputs of the node: rules move them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from voipnode.credentials.bits import CredentialError
from voipnode.credentials.decoder import Card, Keys, WiegandDecoder
from voipnode.credentials.keypress import format_of
from voipnode.credentials.wiegand import FORMATS
from voipnode.modules.reader.drivers import CONNECTED, CONNECTING, Ear, Light, Link
from voipnode.modules.reader.settings import ReaderSettings
from voipnode.modules.reader.wiegand_gpio import GpioFrames
from voipnode.modules.reader.wiegand_text import TextFrames

log = logging.getLogger(__name__)

RETRY_S = 2.0

Frame = str | CredentialError
"""The bits of a frame as a text of 0 and 1, or why it is none."""


class FrameSource(Protocol):
    """Where frames come from. `open` raises OSError, and CallError where a library is missing."""

    def open(self, heard: Callable[[Frame], None], lost: Callable[[str], None]) -> None: ...

    def close(self) -> None: ...


def frame_source(settings: ReaderSettings) -> FrameSource:
    """What the settings name."""
    if settings.lines:
        return GpioFrames(settings.device, settings.lines, settings.frame_gap_us)
    return TextFrames(settings.device, settings.baud)


class WiegandReader:
    """One reader; a test gives a `source` of its own."""

    def __init__(self, settings: ReaderSettings, source: FrameSource | None = None) -> None:
        self._device = settings.device
        self._source = source or frame_source(settings)
        self._is_whole_pin = format_of(settings.keypress_format) is not None
        self._decoder = WiegandDecoder(
            FORMATS.get(settings.card_format),
            settings.keypress_format,
            settings.keypress_facility_code,
            settings.keypress_digits,
        )
        self._ear: Ear | None = None
        self._link: Link | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, ear: Ear) -> None:
        self._ear = ear
        self._open()

    def stop(self) -> None:
        self._ear = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._source.close()

    def light(self, light: Light) -> None:
        """There is no wire for it."""

    def beep(self, times: int) -> None:
        """Nor for this."""

    def _open(self) -> None:
        self._timer = None
        try:
            self._source.open(self._heard, self._lost)
        except OSError as error:
            self._lost(error.strerror or str(error))
        else:
            self._tell(Link(CONNECTED, detail="one way: whether a reader is there, nobody can tell"))

    def _lost(self, trouble: str) -> None:
        self._source.close()
        self._tell(Link(CONNECTING, detail=f"{self._device}: {trouble}"))
        self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._open)

    def _tell(self, link: Link) -> None:
        if link != self._link and self._ear is not None:
            self._link = link
            self._ear.link(link)

    def _heard(self, frame: Frame) -> None:
        if self._ear is None:
            return
        match self._decoder.receive(frame):
            case Card() as card:
                self._ear.card(card.uid, len(card.bits))
            case Keys(keys=keys):
                self._ear.keys(f"{keys}#" if self._is_whole_pin else keys)
            case refused:
                self._ear.refused(refused.why)
