"""The way of HTTP clients' sound to the calls of whichever telephone line is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voipnode.calls.errors import NotNowError
from voipnode.calls.hooks import DoorEar, DoorVoice
from voipnode.calls.vms.leg import PIECE_FRAMES, VmsLeg
from voipnode.calls.vms.vms import VmsCalls


class VmsSwitch(Protocol):
    """What it needs of a switch."""

    vms: VmsCalls

    def speak(self, form: str, who: str, call: str, now: float) -> tuple[str, VmsLeg]: ...


class VmsDesk:
    """A `hooks.CallAudio`; `clock` is the engine's monotonic time in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._switch: VmsSwitch | None = None

    def use(self, switch: VmsSwitch | None) -> None:
        """Calls are there from now on; None: nowhere."""
        self._switch = switch

    def speak(self, form: str, who: str, call: str = "") -> DoorVoice:
        switch = self._open()
        answered, leg = switch.speak(form, who, call, self._clock())
        return _Voice(switch.vms, answered, leg, self._clock)

    def listen(self, form: str, call: str = "") -> DoorEar:
        return self._open().vms.listen(form, call)

    def _open(self) -> VmsSwitch:
        if self._switch is None:
            raise NotNowError("no calls can be answered at this moment: try again")
        if not self._switch.vms.enabled:
            raise NotNowError("calls by HTTP are off (vms.enabled = false)")
        return self._switch


class _Voice:
    def __init__(self, vms: VmsCalls, call: str, leg: VmsLeg, clock: Callable[[], float]) -> None:
        self.call = call
        self._vms = vms
        self._leg = leg
        self._clock = clock

    async def feed(self, data: bytes) -> bool:
        size = PIECE_FRAMES * self._leg.sound.form.frame_bytes
        for at in range(0, len(data), size):
            self._vms.heard(self.call, self._clock())  # a file in one piece is no silence
            if not await self._leg.feed(data[at : at + size]):
                return False
        return True

    async def until_over(self) -> None:
        await self._leg.over.wait()

    def end(self) -> None:
        self._vms.stopped(self.call)
