"""The desk: takes the call commands of the house, finds out where their addresses are, and hands them to the switch."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from voipnode.calls.commands import (
    AnswerCall,
    HangUp,
    HoldCall,
    PlaceCall,
    ReadExtensions,
    RegisterAccount,
    ResumeCall,
    RingRecipients,
    SendDtmf,
    SetDoNotDisturb,
    TransferCall,
)
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Commands, Subscription, Tasks
from voipnode.calls.ringing.bell import Bell, utc_now
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.settings import AccountSettings
from voipnode.calls.switch import Switch
from voipnode.calls.ways import Way, Ways
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

Reached = Callable[[Sequence[Way], float], None]


class Desk:
    """Registers for the call commands and carries them out; `clock` is the engine's monotonic time in seconds.

    `directory` knows contacts and groups, `utc_now` the time of day, by which they are available.
    """

    def __init__(
        self,
        switch: Switch,
        ways: Ways,
        clock: Callable[[], float],
        directory: Directory | None = None,
        utc_now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._switch = switch
        self._ways = ways
        self._clock = clock
        self._lookups = Tasks("calls")
        self._bell = Bell(switch, ways, directory or Directory(sip=switch.settings), self._lookups, clock, utc_now)
        switch.reach_by(self._reach)

    def register(self, commands: Commands) -> list[Subscription]:
        """Take the commands of this desk."""
        return [
            commands.register(PlaceCall, self._bell.place, who="calls"),
            commands.register(RingRecipients, self._bell.ring, who="calls"),
            commands.register(AnswerCall, self._answer, who="calls"),
            commands.register(HangUp, self._hang_up, who="calls"),
            commands.register(SendDtmf, self._send_dtmf, who="calls"),
            commands.register(HoldCall, self._hold, who="calls"),
            commands.register(ResumeCall, self._resume, who="calls"),
            commands.register(TransferCall, self._transfer, who="calls"),
            commands.register(RegisterAccount, self._register, who="calls"),
            commands.register(ReadExtensions, self._extensions, who="calls"),
            commands.register(SetDoNotDisturb, self._do_not_disturb, who="calls"),
        ]

    def _reach(self, uri: SipUri, account: AccountSettings, done: Reached) -> None:
        """Look an address up for the switch, which was sent there."""
        self._lookups.start(self._reach_later(uri, account, done))

    async def _reach_later(self, uri: SipUri, account: AccountSettings, done: Reached) -> None:
        ways: Sequence[Way] = ()
        try:
            ways = await self._ways.each_to(uri, account)
        except CallError as error:
            log.info("%s cannot be reached: %s", uri, error)
        finally:
            done(ways, self._clock())

    async def close(self) -> None:
        """Give up the look-ups that are under way."""
        await self._lookups.close()

    def _answer(self, command: AnswerCall) -> str:
        self._switch.answer(command.call, self._clock())
        return ""

    def _hang_up(self, command: HangUp) -> str:
        self._switch.hang_up(command.call, self._clock())
        return ""

    def _send_dtmf(self, command: SendDtmf) -> str:
        self._switch.send_digits(command.call, command.digits, self._clock())
        return ""

    def _register(self, command: RegisterAccount) -> str:
        self._switch.refresh(command.account, self._clock())
        return ""

    def _do_not_disturb(self, command: SetDoNotDisturb) -> str:
        self._switch.do_not_disturb(command.extension, on=command.on)
        return ""

    def _extensions(self, command: ReadExtensions) -> str:
        return json.dumps(self._switch.extensions(self._clock()))

    def _hold(self, command: HoldCall) -> str:
        self._switch.hold(command.call, self._clock(), held=True)
        return ""

    def _resume(self, command: ResumeCall) -> str:
        self._switch.hold(command.call, self._clock(), held=False)
        return ""

    def _transfer(self, command: TransferCall) -> str:
        if bool(command.to) == bool(command.with_call):
            raise CallError("transfer: either to (an address) or with_call (another call) is needed, and not both")
        to = self._ways.target(command.to, self._switch.call(command.call).account) if command.to else None
        self._switch.transfer(command.call, self._clock(), to=to, with_call=command.with_call)
        return ""
