"""The DTMF module: digits of a call, by whatever road, become sequences, and sequences open doors.

Whether a caller's digits may act is not decided here: `authorised` comes with each digit and goes with the wish, and
the relay asks those who decide. The digits of a call are forgotten when it ends.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from voipnode.calls.commands import PulsePort
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallChanged, CallState, DtmfMatched, DtmfReceived, ExchangeCallChanged, Problem
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription, Tasks
from voipnode.modules.dtmf.matcher import DigitMatcher
from voipnode.modules.dtmf.settings import DtmfSettings, OpenAction, SequenceSettings

log = logging.getLogger(__name__)

NAME = "dtmf"
MAX_CALLS = 1000  # whose digits are kept; of more, the one that has been silent for longest is forgotten


@dataclass(slots=True)
class Caller:
    """One call's digits; `last` is the event of the latest one and says who and whether authorised."""

    sequences: dict[str, SequenceSettings]
    matcher: DigitMatcher
    last: DtmfReceived
    timer: asyncio.TimerHandle | None = None

    def disarm(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class DtmfModule:
    """Maps the digits of `settings` to actions."""

    def __init__(self, house: House, settings: DtmfSettings) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._settings = settings
        self._callers: dict[str, Caller] = {}
        self._tasks = Tasks(NAME)
        self._places: list[Subscription] = []

    async def start(self) -> None:
        self._places = [
            self._bus.subscribe(DtmfReceived, self._digit, who=NAME),
            self._bus.subscribe(CallChanged, self._call_changed, who=NAME),
            self._bus.subscribe(ExchangeCallChanged, self._call_changed, who=NAME),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        for call in list(self._callers):
            self._forget(call)
        await self._tasks.close()

    def _digit(self, event: DtmfReceived) -> None:
        caller = self._caller(event)
        caller.disarm()
        found = caller.matcher.feed(event.digit.upper())
        candidates = caller.matcher.candidates
        if candidates:
            wait_s = max(caller.sequences[candidate].digit_timeout_s for candidate in candidates)
            caller.timer = asyncio.get_running_loop().call_later(wait_s, self._pause, caller)
        for sequence in found:
            self._matched(caller, sequence)

    def _caller(self, event: DtmfReceived) -> Caller:
        """The call's digits so far, moved to the end of the line of those to be forgotten."""
        caller = self._callers.pop(event.call, None)
        if caller is None or caller.last.authorised != event.authorised:  # never mix digits of different standing
            if caller is not None:
                caller.disarm()
            sequences = self._settings.for_account(event.account)
            caller = Caller(sequences, DigitMatcher(sequences), event)
            if len(self._callers) >= MAX_CALLS:
                self._forget(next(iter(self._callers)))
        caller.last = event
        self._callers[event.call] = caller
        return caller

    def _pause(self, caller: Caller) -> None:
        caller.timer = None
        for sequence in caller.matcher.expire():
            self._matched(caller, sequence)

    def _matched(self, caller: Caller, sequence: str) -> None:
        item, event = caller.sequences[sequence], caller.last
        if item.open is not None:  # the door first, the telling after
            self._tasks.start(self._open(item, item.open, event))
        self._bus.publish(
            DtmfMatched(
                at=self._bus.clock(),
                call=event.call,
                sequence=sequence,
                label=item.name,
                account=event.account,
                remote=event.remote,
                authorised=event.authorised,
            )
        )

    async def _open(self, item: SequenceSettings, action: OpenAction, event: DtmfReceived) -> None:
        pulse = PulsePort(
            port=action.port,
            duration_s=action.duration_s,
            who=event.remote,
            how=f'dtmf "{item.sequence}"',
            authorised=event.authorised,
        )
        try:
            await self._commands.execute(pulse)
        except NotNowError as error:
            log.info("digits of %s: %s", event.remote, error)  # the relay has told it as DoorRefused
        except CallError as error:  # no such port, a duration that it does not take: the settings are wrong
            self._bus.publish(
                Problem(at=self._bus.clock(), where=f'{NAME} "{item.sequence}"', detail=f"it opens nothing: {error}")
            )

    def _call_changed(self, event: CallChanged | ExchangeCallChanged) -> None:
        if event.state in (CallState.TERMINATING, CallState.TERMINATED):
            self._forget(event.call)

    def _forget(self, call: str) -> None:
        if (caller := self._callers.pop(call, None)) is not None:
            caller.disarm()


def build(house: House, settings: DtmfSettings) -> DtmfModule:
    return DtmfModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, DtmfSettings, build)
