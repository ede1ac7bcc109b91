"""An input at an analogue-to-digital converter of the kernel (IIO), for supervised loops.

A converter tells nothing by itself: it is asked for a sample every `sample_s`. Reading it blocks while it converts,
some milliseconds on a slow bus, so a thread does it. Files as of the kernel's Documentation/ABI/testing/sysfs-bus-iio:
(in_voltageN_raw + in_voltageN_offset) x in_voltageN_scale is the voltage in millivolts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Tasks
from voipnode.modules.button.inputs import Contact, ContactListener, Terminal, Trouble


class AdcInput:
    """Channel `channel` of the converter whose folder is `device`; `divider`: terminal's voltage over converter's."""

    debounces = False

    def __init__(
        self, name: str, device: Path, channel: int, terminal: Terminal, *, sample_s: float, divider: float = 1.0
    ) -> None:
        self._name = name
        self._device = device
        self._channel = channel
        self._terminal = terminal
        self._sample_s = sample_s
        self._divider = divider
        self._tasks = Tasks(f"input {name}")
        self._sampling: asyncio.Task[None] | None = None

    def start(self, listener: ContactListener, trouble: Trouble) -> Contact:
        try:
            contact = self._read()
        except (OSError, ValueError) as error:
            raise CallError(f'input "{self._name}": {self._device} channel {self._channel}: {error}') from error
        self._sampling = self._tasks.start(self._sample(listener, trouble))
        return contact

    def stop(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None

    async def _sample(self, listener: ContactListener, trouble: Trouble) -> None:
        troubled = False
        while True:
            await asyncio.sleep(self._sample_s)
            try:
                contact = await asyncio.to_thread(self._read)
            except (OSError, ValueError) as error:
                if not troubled:
                    trouble(f"{self._device} channel {self._channel} cannot be read: {error}; it is asked on")
                troubled = True
                continue
            troubled = False
            listener(contact)

    def _read(self) -> Contact:
        """What the terminal's voltage means now; raises OSError and ValueError."""
        raw = self._number(f"in_voltage{self._channel}_raw")
        offset = self._number(f"in_voltage{self._channel}_offset", "in_voltage_offset", default=0.0)
        scale_mv = self._number(f"in_voltage{self._channel}_scale", "in_voltage_scale")
        return self._terminal.contact((raw + offset) * scale_mv / 1000 * self._divider)

    def _number(self, *names: str, default: float | None = None) -> float:
        """The content of the first of these files that exists: a channel's own, or one that all channels share."""
        for name in names:
            try:
                return float((self._device / name).read_text(encoding="ascii"))
            except FileNotFoundError:
                continue
        if default is None:
            raise FileNotFoundError(f"there is no {names[0]}")
        return default
