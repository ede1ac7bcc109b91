"""A real microphone and loudspeaker, whose clock is not ours and whose plug may be pulled."""

from __future__ import annotations

import threading

import numpy as np

from voipnode.calls.errors import CallError
from voipnode.calls.events import Problem
from voipnode.calls.hooks import Bus, Frame
from voipnode.modules.audio.card_side import Capture, Playback
from voipnode.modules.audio.portaudio import CardInfo, Cards, CardStream, Samples
from voipnode.modules.audio.settings import AudioSettings

RETRY_S = 5.0
STALLED_EXCHANGES = 200  # 2 s without a sign of life from the card


class Sides:
    """One open card: both directions and their buffers. Raises OSError."""

    def __init__(self, cards: Cards, settings: AudioSettings, rate_hz: int) -> None:
        self.beats = 0  # how often the card called; written by its threads, only compared with earlier values
        self._capture: Capture | None = None
        self._playback: Playback | None = None
        self._streams: list[CardStream] = []
        try:
            self._streams.append(cards.open_input(settings.input_device, rate_hz, self._heard))
            self._streams.append(cards.open_output(settings.output_device, rate_hz, self._fill))
        except OSError:
            self.close()
            raise
        self.rates_hz = (self._streams[0].rate_hz, self._streams[1].rate_hz)
        self.capture = Capture(self.rates_hz[0], rate_hz)
        self.playback = Playback(rate_hz, self.rates_hz[1])
        self._capture, self._playback = self.capture, self.playback  # from here on the card's threads use them

    def close(self) -> None:
        for stream in self._streams:
            stream.close()

    def _heard(self, samples: Samples) -> None:
        self.beats += 1
        if self._capture is not None:
            self._capture.give(samples)

    def _fill(self, out: Samples) -> None:
        self.beats += 1
        if self._playback is not None:
            self._playback.take(out)
        else:
            out.fill(0.0)


class SoundCard:
    """An `AudioDevice` on `cards`. Opening and closing happen in a thread; until the card runs, silence is exchanged.

    A card that cannot be opened, or falls silent for 2 s, becomes a `Problem` on the bus, said once, and is tried again
    every 5 s while audio is wanted. Raises CallError, naming the devices that exist, when the settings name others.
    """

    def __init__(self, settings: AudioSettings, rate_hz: int, bus: Bus, cards: Cards) -> None:
        self.rate_hz = rate_hz
        self._settings = settings
        self._bus = bus
        self._cards = cards
        _check_names(settings, cards.devices())
        hears, plays = settings.input_device or "default", settings.output_device or "default"
        self.description = f"sound card: microphone {hears}, loudspeaker {plays}"
        self._changed = threading.Condition()  # guards what follows; never held while the card is called
        self._wanted = False
        self._lost = False
        self._keeper: threading.Thread | None = None
        self._problem = ""
        self._sides: Sides | None = None
        self._told = ""
        self._beats = 0
        self._silent_for = 0

    @property
    def is_open(self) -> bool:
        """True while the card runs."""
        return self._sides is not None

    def start(self) -> None:
        """Want audio: the card is opened soon."""
        with self._changed:
            self._wanted = True
            self._silent_for = 0
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="sound-card", daemon=True)
                self._keeper.start()
            self._changed.notify()

    def stop(self) -> None:
        """Want no audio: the card is closed soon."""
        with self._changed:
            self._wanted = False
            self._changed.notify()

    def exchange(self, loudspeaker: Frame) -> Frame:
        self._tell()
        sides = self._sides
        if sides is None:
            return np.zeros(self.rate_hz // 100, np.float32)
        self._watch(sides)
        sides.playback.give(loudspeaker)
        return sides.capture.take()

    def _watch(self, sides: Sides) -> None:
        """Notice a card that no longer calls: that is how a pulled plug looks."""
        if sides.beats != self._beats:
            self._beats, self._silent_for = sides.beats, 0
            return
        self._silent_for += 1
        if self._silent_for >= STALLED_EXCHANGES:
            self._silent_for = 0
            with self._changed:
                self._lost = True
                self._changed.notify()

    def _tell(self) -> None:
        problem = self._problem
        if problem != self._told:
            self._told = problem
            if problem:
                self._bus.publish(Problem(where="audio.device", detail=problem))

    # In the keeper's thread

    def _keep(self) -> None:
        """Hold the card open while it is wanted; ends when it is not."""
        while True:
            sides = self._open()
            with self._changed:
                self._lost = False
                self._sides = sides
                if sides is None:
                    self._changed.wait_for(lambda: not self._wanted, RETRY_S)
                else:
                    self._problem = ""
                    self._changed.wait_for(lambda: not self._wanted or self._lost)
                self._sides = None
                if self._lost:
                    self._problem = "the sound card fell silent (is it plugged in?); it is tried again every 5 s"
            if sides is not None:
                sides.close()
            with self._changed:
                if not self._wanted:
                    self._keeper = None
                    return

    def _open(self) -> Sides | None:
        try:
            try:
                return Sides(self._cards, self._settings, self.rate_hz)
            except OSError:  # perhaps the list of devices is an old one
                self._cards.refresh()
                return Sides(self._cards, self._settings, self.rate_hz)
        except OSError as error:
            self._problem = f"the sound card cannot be opened: {error}; {_known(self._devices())}"
            return None

    def _devices(self) -> list[CardInfo]:
        try:
            return self._cards.devices()
        except OSError:
            return []


def _check_names(settings: AudioSettings, devices: list[CardInfo]) -> None:
    for field, wanted, usable in (
        ("input_device", settings.input_device, [each.name for each in devices if each.inputs]),
        ("output_device", settings.output_device, [each.name for each in devices if each.outputs]),
    ):
        matches = [name for name in usable if wanted.lower() in name.lower()]
        if not matches:
            what = f'"{wanted}": no such device' if wanted else '"": no device that can do this'
            raise CallError(f"audio.{field} = {what}; {_known(devices)}")


def _known(devices: list[CardInfo]) -> str:
    listed = [f'"{each.name}" ({each.inputs} in, {each.outputs} out)' for each in devices]
    return f"there is {', '.join(listed)}" if listed else "there is no sound device at all"
