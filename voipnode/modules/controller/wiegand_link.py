"""The node as a Wiegand reader: frames as lines of text to whatever makes the pulses.

A pulse of 40 µs is nothing that Python, or any program that the kernel may put aside for a millisecond, can time. What
makes them is hardware: a microcontroller on a serial line (an ATmega or RP2040 with two open collectors), a converter
from serial line to Wiegand, or, on a machine with GPIO that has nothing else to do, the program in tools/wiegand_out,
which reads these lines from a pipe. Each line is pulse width, pulse interval and frame interval in microseconds, and
the bits: "40 2000 25000 10010101000000000010001010". A regular file keeps all that was sent, PINs too: for tests.

Wiegand has no way back: nobody can tell whether a controller listens, so "connected" means that the frames are taken.
What the controller wants to be shown comes over wires of its own: see a reader's `led_inputs` and `beeper_input`.
"""

from __future__ import annotations

import asyncio
import os
import stat

from voipnode.calls.errors import NotNowError
from voipnode.credentials.bits import CredentialError
from voipnode.credentials.keypress import encode_keys
from voipnode.hardware.serial_port import SerialPort
from voipnode.modules.controller.link import CONNECTED, CONNECTING, Ear
from voipnode.modules.controller.settings import WiegandSettings

RETRY_S = 2.0


class WiegandLink:
    """Frames to `settings.device`."""

    def __init__(self, settings: WiegandSettings) -> None:
        self.name = "wiegand"
        self.found = ()
        self._settings = settings
        self._output = settings.output
        self._ear: Ear | None = None
        self._file = -1
        self._serial: SerialPort | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told = ""
        self._begin = ""  # what ends a line of which only a part was taken

    async def start(self, ear: Ear) -> None:
        self._ear = ear
        self._open()

    async def stop(self) -> None:
        self._ear = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close()

    async def card(self, bits: str, reader: str) -> None:
        self._send((self._output.encode(bits),))

    async def keys(self, keys: str, reader: str) -> None:
        settings = self._settings
        try:
            frames = encode_keys(keys, settings.keypress_format, settings.keypress_facility_code)
        except CredentialError as error:
            raise NotNowError(str(error)) from None
        self._send(frames)

    def _send(self, frames: tuple[str, ...]) -> None:
        """All frames of a card or PIN, or none: half a PIN would begin the next one."""
        settings = self._settings
        head = f"{settings.pulse_width_us} {settings.pulse_interval_us} {settings.frame_interval_us}"
        data = (self._begin + "".join(f"{head} {bits}\n" for bits in frames)).encode("ascii")
        if self._file < 0 and self._serial is None:
            raise NotNowError(f"the door controller is not reached: {self._told}")
        try:
            sent = os.write(self._file, data) if self._serial is None else self._serial.write(data)
            trouble = "" if self._serial is None else self._serial.broken
        except BlockingIOError:
            sent, trouble = 0, ""
        except OSError as error:
            sent, trouble = 0, error.strerror or str(error)
        if sent == len(data):
            self._begin = ""
            return
        self._begin = "\n"
        self._lost(trouble or "it takes no more")
        raise NotNowError(f"the door controller is not reached: {self._told}")

    def _open(self) -> None:
        device = self._settings.device
        try:
            if stat.S_ISCHR(os.stat(device).st_mode):
                self._serial = SerialPort(device, self._settings.baud)
            else:  # a pipe that nobody reads cannot be opened (ENXIO)
                self._file = os.open(device, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self._lost(error.strerror or str(error))
            return
        self._timer, self._told = None, ""
        if self._ear is not None:
            self._ear.linked(CONNECTED, "one way: what becomes of a frame nobody can tell")

    def _lost(self, trouble: str) -> None:
        self._close()
        words = f"{self._settings.device}: {trouble}"
        if words != self._told and self._ear is not None:
            self._ear.linked(CONNECTING, words)
        self._told = words
        self._timer = asyncio.get_running_loop().call_later(RETRY_S, self._open)

    def _close(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
