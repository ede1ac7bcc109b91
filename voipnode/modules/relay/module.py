"""The relay module: opens doors for those who may, for as long as was asked and never longer.

`PulsePort` is decided (`MayOpen`; this module answers last, and allows what is authorised), leased from the guardian
and told as `PortChanged` and `DoorOpened`, or `DoorRefused`. A second pulse while the output is active moves its end to
the later of the two; it never shortens it. A change of any setting, like a restart, returns every output to normal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from voipnode.calls.commands import PulsePort, ReleasePort
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError, UnsureError
from voipnode.calls.events import (
    DoorOpened,
    DoorRefused,
    GuardianChanged,
    NodeStopping,
    PortChanged,
    Problem,
    SettingsChanged,
)
from voipnode.calls.hooks import House, MayOpen, ModuleDescriptor, Subscription, Tasks, Verdict
from voipnode.modules.relay.history import ended_badly, previous_run
from voipnode.modules.relay.lines import LineSpec
from voipnode.modules.relay.ports import Port
from voipnode.modules.relay.protocol import Late, Lease, LineState, Release, Report, Request, Reset, Trouble
from voipnode.modules.relay.settings import PortSettings, RelaySettings
from voipnode.modules.relay.supervisor import Supervisor, Watcher

log = logging.getLogger(__name__)

NAME = "relay"
LAST_TO_DECIDE = -1000  # priority of the default answer
ANSWER_WITHIN_S = 1.0  # the guardian's; it takes a fraction of a millisecond
FAR_ANSWER_WITHIN_S = 4.0  # of a relay at the end of a network, for which the guardian itself has some patience


class Holder(Protocol):
    """What the module needs of the guardian's supervisor."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def send(self, request: Request) -> None: ...

    def now(self) -> float: ...


MakeHolder = Callable[[Sequence[LineSpec], Path, Watcher], Holder]


class RelayModule:
    """The outputs of `settings`; `previous` says after `start` how the run before ended, "" if there was none."""

    def __init__(self, house: House, settings: RelaySettings, make_holder: MakeHolder = Supervisor) -> None:
        self._house = house
        self._bus = house.bus
        self._ports = {port.name: Port(port) for port in settings.ports}
        self._make_holder = make_holder
        self._holder = self._holder_of(settings.ports)
        self._wanted = self._held = settings.ports
        self._changing = asyncio.Lock()
        self._tasks = Tasks(NAME)
        self._renewals: dict[str, asyncio.TimerHandle] = {}
        self._waiting: dict[int, asyncio.Future[Report]] = {}
        self._last_ref = 0
        self._places: list[Subscription] = []
        self._running = False
        self.previous = ""

    async def start(self) -> None:
        """Hold the outputs; raises `CallError` when the guardian cannot."""
        self.previous, badly = previous_run(self._house.state_dir), ended_badly(self._house.state_dir)
        if self._ports:
            await self._holder.start()
        self._running = True
        bus, commands = self._bus, self._house.commands
        self._places = [
            bus.on_decide(MayOpen, default_verdict, who=NAME, priority=LAST_TO_DECIDE),
            bus.subscribe(SettingsChanged, self._settings_changed, who=NAME),
            bus.subscribe(NodeStopping, self._node_stopping, who=NAME),
            commands.register(PulsePort, self.pulse, who=NAME),
            commands.register(ReleasePort, self.release, who=NAME),
        ]
        if badly:
            self._problem(f"the run before did not end in order: {self.previous}")
        if self._ports:
            bus.publish(GuardianChanged(at=bus.clock(), up=True, detail="outputs in their normal state"))
        for port in self._ports.values():
            bus.publish(PortChanged(at=bus.clock(), port=port.name, active=False, why="start"))

    async def stop(self) -> None:
        """Return every output to normal and end the guardian."""
        for place in self._places:
            place.cancel()
        self._places = []
        if not self._running:
            return
        self._running = False
        async with self._changing:  # which takes some seconds at most
            await self._let_go("stop", "the node is stopping")
        await self._tasks.close()

    def use(self, settings: RelaySettings) -> None:
        """Have these outputs from now on. All return to normal, those that stay as they are, too."""
        self._wanted = settings.ports
        if self._running and self._wanted != self._held:
            self._tasks.start(self._change())

    async def _change(self) -> None:
        """Hold what is wanted, by a guardian of its own; what cannot be held leaves all as it was."""
        async with self._changing:
            before, wanted = self._held, self._wanted
            if not self._running or wanted == before:
                return
            self.reset("settings")
            await self._let_go("settings", "the outputs are being changed")
            try:
                await self._hold(wanted)
            except CallError as error:
                self._problem(f"the changed outputs cannot be held, those before serve: {error}")
                self._wanted = before
                await self._hold_again(before)

    async def _hold_again(self, ports: tuple[PortSettings, ...]) -> None:
        try:
            await self._hold(ports)
        except CallError as error:
            self._problem(f"no output works until the settings are changed or the node starts again: {error}")

    async def _hold(self, ports: tuple[PortSettings, ...]) -> None:
        """Raises `CallError`, and then nothing is held."""
        self._held = ports
        self._ports = {port.name: Port(port) for port in ports}
        self._holder = self._holder_of(ports)
        if ports:
            await self._holder.start()
        for port in ports:
            self._bus.publish(PortChanged(at=self._bus.clock(), port=port.name, active=False, why="settings"))

    async def _let_go(self, why: str, detail: str) -> None:
        for port in self._ports.values():
            self._cancel_renewal(port)
        if self._ports:
            await self._holder.stop()
        self._all_lost(why, detail)

    def _holder_of(self, ports: tuple[PortSettings, ...]) -> Holder:
        return self._make_holder([port.to_spec() for port in ports], self._house.state_dir, self)

    # Commands

    async def pulse(self, command: PulsePort) -> str:
        """Activate an output; returns in words until when.

        Raises `UnknownNameError`, `CallError` for a duration out of range, `NotNowError` when it is refused or the
        guardian is down, `UnsureError` when guardian or board gave no answer (all told as `DoorRefused`).
        """
        port = self._port(command.port)
        if not (math.isfinite(command.duration_s) and 0 < command.duration_s <= port.settings.max_pulse_s):
            raise CallError(
                f"duration_s = {command.duration_s}: port {port.name!r} takes more than 0 and at most"
                f" {port.settings.max_pulse_s:g} s (its max_pulse_s)"
            )
        verdict = await self._bus.decide(
            MayOpen(port=port.name, who=command.who, how=command.how, authorised=command.authorised)
        )
        if not verdict.allowed:
            raise self._refused(command, verdict.why)
        lasts_longer = port.active and port.end_at >= self._holder.now() + command.duration_s
        if not lasts_longer:
            try:
                await self._activate(port, command)
            except NotNowError as error:
                raise self._refused(command, str(error), type(error)) from None
        self._bus.publish(
            DoorOpened(
                at=self._bus.clock(), port=port.name, who=command.who, how=command.how, duration_s=command.duration_s
            )
        )
        left_s = port.end_at - self._holder.now()
        return f"{port.name} is active for {left_s:.1f} s" + (" already, which is longer" if lasts_longer else "")

    async def release(self, command: ReleasePort) -> str:
        """Return an output to normal; raises `UnknownNameError`. A guardian that is down has released it already."""
        port = self._port(command.port)
        log.info("port %r released by %s", port.name, command.who)
        port.end_at = 0.0
        self._cancel_renewal(port)
        try:
            await self._ask(lambda ref: Release(port.name, "released", ref))
        except NotNowError as error:
            return f"{port.name} is released: {error}"
        return f"{port.name} is in its normal state"

    def reset(self, why: str) -> None:
        """Return every output to normal; `why` is the word in `PortChanged`."""
        for port in self._ports.values():
            port.end_at = 0.0
            self._cancel_renewal(port)
        if self._ports:
            try:
                self._holder.send(Reset(why))
            except NotNowError:
                log.info("outputs are in their normal state: the guardian is down")

    # Activation

    async def _activate(self, port: Port, command: PulsePort) -> None:
        """Lease what was asked, or its first slice; raises `NotNowError`."""
        now, before = self._holder.now(), port.end_at
        port.wish(now + command.duration_s, command.who, command.how)
        until = port.next_slice(now)
        try:
            within_s = FAR_ANSWER_WITHIN_S if port.settings.driver == "http" else ANSWER_WITHIN_S
            by = f"{command.who}, {command.how}"
            answer = await self._ask(lambda ref: Lease(port.name, until, False, ref, by), within_s)
            if isinstance(answer, Late):
                raise NotNowError("the guardian heard of it too late")
            if isinstance(answer, Trouble):
                raise (UnsureError if answer.unsure else NotNowError)(answer.why)
        except NotNowError:
            port.end_at = before if port.active else 0.0
            if not port.active:  # should the guardian come round: who was refused must not find an open door later
                with contextlib.suppress(NotNowError):
                    self._holder.send(Release(port.name, "released", 0))
            raise

    async def _ask(self, request: Callable[[int], Request], within_s: float = ANSWER_WITHIN_S) -> Report:
        """Send a request and wait for the guardian's answer to it; raises `NotNowError`."""
        self._last_ref += 1
        ref = self._last_ref
        answer: asyncio.Future[Report] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = answer
        try:
            self._holder.send(request(ref))
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            raise UnsureError(f"the guardian gave no answer in {within_s:.0f} s") from None
        finally:
            del self._waiting[ref]

    def _arm_renewal(self, port: Port) -> None:
        self._cancel_renewal(port)
        renew_at = port.renew_at()
        if renew_at is not None:
            wait_s = max(0.0, renew_at - self._holder.now())
            self._renewals[port.name] = asyncio.get_running_loop().call_later(wait_s, self._renew, port)

    def _cancel_renewal(self, port: Port) -> None:
        if (timer := self._renewals.pop(port.name, None)) is not None:
            timer.cancel()

    def _renew(self, port: Port) -> None:
        """Lease the next slice. After a pause of the engine that outlived the lease, the guardian answers `Late`."""
        self._last_ref += 1
        try:
            self._holder.send(Lease(port.name, port.next_slice(self._holder.now()), True, self._last_ref, "renewed"))
        except NotNowError:
            log.info("port %r is not renewed: the guardian is down", port.name)

    # What the guardian says (Watcher)

    def guardian_said(self, report: Report) -> None:
        if isinstance(report, LineState):
            self._line_state(self._ports[report.line], report)
        if isinstance(report, Trouble):
            self._far_trouble(report)
        ref = report.ref if isinstance(report, LineState | Late | Trouble) else 0
        if ref in self._waiting and not self._waiting[ref].done():
            self._waiting[ref].set_result(report)

    def guardian_up(self, detail: str) -> None:
        self._bus.publish(GuardianChanged(at=self._bus.clock(), up=True, detail=detail))

    def guardian_lost(self, detail: str) -> None:
        log.error("the guardian of the outputs was lost: %s", detail)
        self._bus.publish(GuardianChanged(at=self._bus.clock(), up=False, detail=detail))
        self._all_lost("guardian-lost", f"the guardian was lost: {detail}")

    def guardian_troubled(self, detail: str) -> None:
        self._problem(f"no output works: {detail}; it is tried again every few seconds")

    def _line_state(self, port: Port, report: LineState) -> None:
        if report.active:
            why = "extended" if port.active else "pulse"
            port.active, port.leased_until = True, report.until
            self._arm_renewal(port)
            if report.ref in self._waiting:  # a renewal, which nobody waits for, changes nothing that was told
                self._changed(port, why, who=port.who, how=port.how)
        elif port.active:
            port.forget()
            self._cancel_renewal(port)
            self._changed(port, report.why)

    def _far_trouble(self, report: Trouble) -> None:
        """Tell it; but who waits for an answer is told it as a refusal."""
        if report.ref in self._waiting:
            return
        if report.over:
            log.info("port %r: %s", report.line, report.why)
        else:
            self._problem(f'port "{report.line}": {report.why}')

    def _all_lost(self, why: str, detail: str) -> None:
        """Nothing is held any more: tell it of what was active, and those who wait."""
        for port in self._ports.values():
            self._cancel_renewal(port)
            was_active = port.active
            port.forget()
            if was_active:
                self._changed(port, why)
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(UnsureError(detail))

    # Telling

    def _changed(self, port: Port, why: str, *, who: str = "", how: str = "") -> None:
        until_s = max(0.0, port.end_at - self._holder.now()) if port.active else 0.0
        self._bus.publish(
            PortChanged(
                at=self._bus.clock(), port=port.name, active=port.active, why=why, who=who, how=how, until_s=until_s
            )
        )

    def _refused(self, command: PulsePort, why: str, kind: type[NotNowError] = NotNowError) -> NotNowError:
        """Tell of the refusal; returns what to raise."""
        self._bus.publish(
            DoorRefused(at=self._bus.clock(), port=command.port, who=command.who, how=command.how, why=why)
        )
        return kind(f"port {command.port!r} stays as it is: {why}")

    def _problem(self, detail: str) -> None:
        self._bus.publish(Problem(at=self._bus.clock(), where=NAME, detail=detail))

    def _settings_changed(self, event: SettingsChanged) -> None:
        self.reset("settings")

    def _node_stopping(self, event: NodeStopping) -> None:
        self.reset("stop")  # before the parts that stop ahead of this module: one of them may take its time

    def _port(self, name: str) -> Port:
        if name not in self._ports:
            known = ", ".join(sorted(self._ports)) or "none: add one under [[ports]]"
            raise UnknownNameError(f"there is no port {name!r}; there are: {known}")
        return self._ports[name]


def default_verdict(question: MayOpen) -> Verdict:
    """The answer when nobody else had one: those may open whose wish is authorised."""
    return Verdict(question.authorised, "authorised" if question.authorised else "not authorised to open")


def build(house: House, settings: RelaySettings) -> RelayModule:
    return RelayModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, RelaySettings, build)
