"""PortAudio by way of `sounddevice`, imported only when a sound card is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.errors import CallError

Samples = NDArray[np.float32]
INSTALL = 'install "voipnode[soundcard]" and the system\'s PortAudio (Debian: libportaudio2), or set audio.device'


@dataclass(frozen=True, slots=True)
class CardInfo:
    """A device as PortAudio names it."""

    name: str
    inputs: int
    outputs: int


class CardStream(Protocol):
    """An open direction of a card; `rate_hz` is the card's own."""

    rate_hz: float

    def close(self) -> None: ...


class Cards(Protocol):
    """What is needed of a sound system; every call may block and may raise OSError."""

    def refresh(self) -> None:
        """Look again which devices there are; nothing may be open."""
        ...

    def devices(self) -> list[CardInfo]: ...

    def open_input(self, name: str, rate_hz: int, heard: Callable[[Samples], None]) -> CardStream:
        """`heard(samples)` is called in the card's thread; the name "" is the default device."""
        ...

    def open_output(self, name: str, rate_hz: int, fill: Callable[[Samples], None]) -> CardStream:
        """`fill(out)` is called in the card's thread and fills the array."""
        ...


class PortAudioStream:
    """One open PortAudio stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.rate_hz = float(stream.samplerate)

    def close(self) -> None:
        self._stream.close(ignore_errors=True)


class PortAudioCards:
    """`Cards` by PortAudio. Raises CallError when it is not installed."""

    def __init__(self) -> None:
        try:
            import sounddevice
        except (ImportError, OSError) as error:  # OSError: the library itself is missing
            raise CallError(f'audio.device = "sound_card": {error}; {INSTALL}') from error
        self._sounddevice: Any = sounddevice

    def refresh(self) -> None:
        # PortAudio lists devices once, when it starts; sounddevice has no public name for starting it again.
        try:
            self._sounddevice._terminate()
            self._sounddevice._initialize()
        except self._sounddevice.PortAudioError as error:
            raise OSError(str(error)) from error

    def devices(self) -> list[CardInfo]:
        try:
            found = list(self._sounddevice.query_devices())
        except self._sounddevice.PortAudioError as error:
            raise OSError(str(error)) from error
        return [
            CardInfo(str(each["name"]), int(each["max_input_channels"]), int(each["max_output_channels"]))
            for each in found
        ]

    def open_input(self, name: str, rate_hz: int, heard: Callable[[Samples], None]) -> PortAudioStream:
        def callback(data: Samples, frames: int, time: Any, status: Any) -> None:
            heard(data[:, 0])

        return self._open(self._sounddevice.InputStream, "input", name, rate_hz, callback)

    def open_output(self, name: str, rate_hz: int, fill: Callable[[Samples], None]) -> PortAudioStream:
        def callback(data: Samples, frames: int, time: Any, status: Any) -> None:
            fill(data[:, 0])

        return self._open(self._sounddevice.OutputStream, "output", name, rate_hz, callback)

    def _open(
        self, kind: Any, direction: str, name: str, rate_hz: int, callback: Callable[..., None]
    ) -> PortAudioStream:
        sounddevice = self._sounddevice
        try:
            device = sounddevice.query_devices(name or None, direction)
            card_hz = self._rate(direction, device, rate_hz)
            stream = kind(
                samplerate=card_hz,
                blocksize=int(card_hz) // 100,
                device=device["index"],
                channels=1,
                dtype="float32",
                latency="low",
                callback=callback,
            )
            try:
                stream.start()
            except sounddevice.PortAudioError:
                stream.close(ignore_errors=True)
                raise
        except (sounddevice.PortAudioError, ValueError) as error:
            raise OSError(str(error)) from error
        return PortAudioStream(stream)

    def _rate(self, direction: str, device: Any, rate_hz: int) -> float:
        """The node's rate where the card takes it, else the card's own."""
        sounddevice = self._sounddevice
        check = sounddevice.check_input_settings if direction == "input" else sounddevice.check_output_settings
        try:
            check(device=device["index"], channels=1, dtype="float32", samplerate=rate_hz)
        except sounddevice.PortAudioError:
            return float(device["default_samplerate"])
        return float(rate_hz)
