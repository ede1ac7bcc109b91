"""The module: keeps what each detector of `[[detectors]]` notices, whoever reports it: a driver, a plug-in, the API.

None of the sensors is in the node itself: shock, people and motion are reported (`ReportDetector`), with how hard a hit
was where that is measured. Tampering is reported, too, or seen by the node in pictures.
"""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

from voipnode.calls.commands import ReadDetectors, ReportDetector
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import DetectorChanged
from voipnode.calls.hooks import Bus, House, ModuleDescriptor, Subscription
from voipnode.modules.detectors.pictures import KINDS, SimulatedCamera
from voipnode.modules.detectors.settings import Detector, DetectorsSettings, ShockSettings, TamperingSettings
from voipnode.modules.detectors.tampering import Picture, TamperingDetector

NAME = "detectors"
MAX_DETAIL = 200


class Reported:
    """One detector: what it notices now, and until when."""

    def __init__(self, settings: Detector, bus: Bus) -> None:
        self.settings = settings
        self._bus = bus
        self._timer: asyncio.TimerHandle | None = None
        self.active = False
        self.started = False

    def start(self) -> None:
        self.started = True
        self._publish("start", "")

    def stop(self) -> None:
        self._let_go()

    def end(self) -> None:
        """It is no more, and notices nothing."""
        self.stop()
        self._change(False, "settings", "")

    def report(self, command: ReportDetector) -> None:
        """It notices something, or no longer. Raises CallError."""
        if not self.settings.enabled:
            raise NotNowError(f"detector {self.settings.name} is off (enabled = false)")
        detail = command.detail[:MAX_DETAIL]
        if command.strength_g is not None:
            detail = self._hit(command.strength_g, detail)
            if not detail:
                return
        if isinstance(self.settings, TamperingSettings):
            delay_s = self.settings.trigger_delay_s if command.active else 0.0
            self._after(delay_s, command.active, command.source, detail)
            return
        self._let_go()
        self._change(command.active, command.source, detail)
        if command.active and self.settings.hold_s:
            self._after(self.settings.hold_s, False, "time", "")

    def _hit(self, strength_g: float, detail: str) -> str:
        """What is said of a hit; "" where it is too weak to count."""
        if not isinstance(self.settings, ShockSettings):
            raise CallError(f"strength_g: {self.settings.name} is no shock detector")
        if not math.isfinite(strength_g) or strength_g < 0:
            raise CallError(f"strength_g = {strength_g}: 0 or more is right")
        if strength_g < self.settings.threshold_g:
            return ""
        return detail or f"{strength_g:.2g} g"

    def _after(self, seconds: float, active: bool, source: str, detail: str) -> None:
        """Be so in a while, unless something else is reported meanwhile; what is reported again begins no new while."""
        if self._timer is not None and active and not self.active:
            return
        self._let_go()
        if seconds <= 0:
            self._change(active, source, detail)
            return
        self._timer = asyncio.get_running_loop().call_later(seconds, self._now, active, source, detail)

    def _now(self, active: bool, source: str, detail: str) -> None:
        self._timer = None
        self._change(active, source, detail)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _change(self, active: bool, source: str, detail: str) -> None:
        if active != self.active:
            self.active = active
            self._publish(source, detail)

    def _publish(self, source: str, detail: str) -> None:
        settings = self.settings
        self._bus.publish(
            DetectorChanged(
                at=self._bus.clock(),
                detector=settings.name,
                kind=settings.kind,
                active=self.active,
                source=source,
                detail=detail,
            )
        )

    def shown(self) -> dict[str, Any]:
        settings = self.settings
        return {"name": settings.name, "kind": settings.kind, "enabled": settings.enabled, "active": self.active}


class Seen(Reported):
    """A tampering detector that looks at pictures itself, of a simulated camera: a report is what is done to that."""

    def __init__(self, settings: TamperingSettings, bus: Bus) -> None:
        super().__init__(settings, bus)
        self._detector = TamperingDetector(settings.trigger_delay_s, settings.trigger_on_dark)
        self._camera = SimulatedCamera(self.see, bus.clock)

    def start(self) -> None:
        super().start()
        self._camera.start()

    def stop(self) -> None:
        self._camera.stop()

    def report(self, command: ReportDetector) -> None:
        if not self.settings.enabled:
            raise NotNowError(f"detector {self.settings.name} is off (enabled = false)")
        done = (command.detail or "covered") if command.active else ""
        if done not in KINDS:
            raise CallError(f"detail = {done[:64]!r}: of the simulated camera it is one of {', '.join(KINDS[1:])}")
        self._camera.done_to_it = done

    def see(self, picture: Picture, now: float) -> None:
        """A picture came."""
        if self._detector.see(picture, now):
            self._change(self._detector.alarm, "camera", self._detector.look.value)

    def shown(self) -> dict[str, Any]:
        return {**super().shown(), "look": self._detector.look.value}


class DetectorsModule:
    """The detectors of `settings`."""

    def __init__(self, house: House, settings: DetectorsSettings) -> None:
        self._commands = house.commands
        self._bus = house.bus
        self._detectors = {each.name: _made(each, house.bus) for each in settings.detectors}
        self._places: list[Subscription] = []

    async def start(self) -> None:
        self._places = [
            self._commands.register(ReportDetector, self._report, who=NAME),
            self._commands.register(ReadDetectors, self._read, who=NAME),
        ]
        for each in self._detectors.values():
            if each.settings.enabled:
                each.start()

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for each in self._detectors.values():
            each.stop()

    def use(self, settings: DetectorsSettings) -> None:
        """Have these detectors from now on; those that stay as they are notice what they noticed."""
        before, self._detectors = self._detectors, {}
        for each in settings.detectors:
            known = before.get(each.name)
            if known is not None and known.settings == each:
                self._detectors[each.name] = before.pop(each.name)
            else:
                self._detectors[each.name] = _made(each, self._bus)
        for gone in before.values():
            gone.end()
        for detector in self._detectors.values():
            if detector.settings.enabled and not detector.started:
                detector.start()

    def _report(self, command: ReportDetector) -> str:
        found = self._detectors.get(command.detector)
        if found is None:
            there = ", ".join(self._detectors) or "none; [[detectors]] makes them"
            raise UnknownNameError(f"there is no detector {command.detector[:64]!r}; there is {there}")
        found.report(command)
        return ""

    def _read(self, command: ReadDetectors) -> str:
        return json.dumps([each.shown() for each in self._detectors.values()])


def _made(settings: Detector, bus: Bus) -> Reported:
    if isinstance(settings, TamperingSettings) and settings.pictures == "simulated":
        return Seen(settings, bus)
    return Reported(settings, bus)


def build(house: House, settings: DetectorsSettings) -> DetectorsModule:
    return DetectorsModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, DetectorsSettings, build)
