"""Measuring at the door: its loudspeaker and microphone as they are, for whoever tests them, and never beside a call.

A call has priority. While one rings or talks a measurement is refused; one that begins ends the measurement before it
gets the device, so that nobody in a call hears what was played for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.errors import NotNowError
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.hooks import AudioDevice, Bus
from voipnode.calls.ports import Ticker

LONGEST_S = 120.0
ECHOES_S = 0.5  # after a measurement that was cut off, until buffers and room have fallen silent
OVER = (CallState.IDLE, CallState.TERMINATED)


class DoorMeasurement:
    """Plays at `device` and records there meanwhile, past everything that improves sound, paced by `clock`.

    The bridge at the door says by `give_way` and `free` when it takes the device and has done with it; that a call is
    being set up, without sound as yet, is heard on the bus. `disabled`: the setting by which there is no microphone.
    """

    def __init__(self, device: AudioDevice, clock: Ticker, bus: Bus, *, disabled: str = "") -> None:
        self.rate_hz = device.rate_hz
        self.disabled = disabled
        self._device = device
        self._clock = clock
        self._calls: set[str] = set()  # those that ring or talk
        self._on_bridge = False
        self._run: _Run | None = None
        self._stirred = asyncio.Event()
        self._clock_s = bus.clock
        self._silent_at = 0.0
        bus.subscribe(CallChanged, self._call_changed, who="door measurement")

    @property
    def why_not(self) -> str:
        """Why nothing can be measured now, in words; "" when it can."""
        if self._on_bridge or self._calls:
            return "a call is on"
        return "something is being measured already" if self._run is not None else ""

    async def until_free(self, seconds: float) -> None:
        """Wait until nothing has been in the way of a measurement for so long."""
        while True:
            self._stirred.clear()
            try:
                async with asyncio.timeout(None if self.why_not else seconds):
                    await self._stirred.wait()
            except TimeoutError:
                return

    async def play_and_record(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Play `sound` and return what the microphone heard from its first sample on, as long as it.

        Mono at `rate_hz`, full scale 1.0, at most 120 s. It comes back later by the way through device and air. Raises
        NotNowError when a call is on, or begins meanwhile.
        """
        if len(sound) > LONGEST_S * self.rate_hz:
            raise ValueError(f"{len(sound) / self.rate_hz:.0f} s of sound: at most {LONGEST_S:.0f} s are measured")
        if self.why_not:
            raise NotNowError(f"nothing can be measured now: {self.why_not}")
        self._run = run = _Run(self._device, self._clock, sound)
        try:
            return await run.result
        finally:
            run.end()
            if self._run is run:
                self._run = None
            self._stirred.set()

    def give_way(self) -> float:
        """A call takes the device now; at the return it is at rest. Returns for how many seconds the door may still
        sound of what was played."""
        self._on_bridge = True
        self._stirred.set()
        self._abandon()
        return max(0.0, self._silent_at - self._clock_s())

    def free(self) -> None:
        """No call has the device any more."""
        self._on_bridge = False
        self._stirred.set()

    def _call_changed(self, event: CallChanged) -> None:
        self._stirred.set()
        if event.state in OVER:
            self._calls.discard(event.call)
        else:
            self._calls.add(event.call)
            self._abandon()

    def _abandon(self) -> None:
        if self._run is not None:
            self._run.abandon("a call began")
            self._run = None
            self._silent_at = self._clock_s() + ECHOES_S


class _Run:
    """One measurement under way; the device runs until `end`."""

    def __init__(self, device: AudioDevice, clock: Ticker, sound: NDArray[np.float32]) -> None:
        self.result: asyncio.Future[NDArray[np.float32]] = asyncio.get_running_loop().create_future()
        self._device = device
        self._size = device.rate_hz // 100
        self._length = len(sound)
        self._sound = np.pad(sound.astype(np.float32), (0, -len(sound) % self._size))
        self._heard = np.zeros_like(self._sound)
        self._at = 0
        device.start()
        self._unsubscribe: Callable[[], None] | None = clock.subscribe(self._tick)

    def end(self) -> None:
        """Put the device to rest; does nothing when it rests."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._device.stop()

    def abandon(self, why: str) -> None:
        """End without a result."""
        self.end()
        if not self.result.done():
            self.result.set_exception(NotNowError(f"the measurement was abandoned: {why}"))

    def _tick(self, now: float) -> None:
        at, end = self._at, self._at + self._size
        if at < len(self._sound):
            self._heard[at:end] = self._device.exchange(self._sound[at:end])
            self._at = end
        if self._at >= len(self._sound):
            self.end()
            if not self.result.done():
                self.result.set_result(self._heard[: self._length])
