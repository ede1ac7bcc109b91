"""The desk: takes the call commands of the house, finds out where their addresses are, and hands them to the switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipnode.calls.commands import AnswerCall, HangUp, PlaceCall, RingRecipients, SendDtmf
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import Commands, Subscription
from voipnode.calls.outgoing import MAX_LEGS
from voipnode.calls.switch import Switch
from voipnode.calls.ways import Ways


class Desk:
    """Registers for the call commands and carries them out; `clock` is the engine's monotonic time in seconds."""

    def __init__(self, switch: Switch, ways: Ways, clock: Callable[[], float]) -> None:
        self._switch = switch
        self._ways = ways
        self._clock = clock

    def register(self, commands: Commands) -> list[Subscription]:
        """Take the commands of this desk."""
        return [
            commands.register(PlaceCall, self._place, who="calls"),
            commands.register(RingRecipients, self._ring, who="calls"),
            commands.register(AnswerCall, self._answer, who="calls"),
            commands.register(HangUp, self._hang_up, who="calls"),
            commands.register(SendDtmf, self._send_dtmf, who="calls"),
        ]

    async def _place(self, command: PlaceCall) -> str:
        account = self._switch.account(command.account)
        way = await self._ways.to(command.to, account)
        return self._switch.ring([way], account, self._clock(), authorised=command.authorised)

    async def _ring(self, command: RingRecipients) -> str:
        if not 1 <= len(command.recipients) <= MAX_LEGS:
            raise CallError(f"recipients: {len(command.recipients)} given; 1 to {MAX_LEGS} can ring at the same time")
        account = self._switch.account(command.account)
        searches = (self._ways.to(text, account) for text in command.recipients)
        found = await asyncio.gather(*searches, return_exceptions=True)
        ways = [item for item in found if not isinstance(item, BaseException)]
        if not ways:  # one recipient that cannot be found must not silence the others
            raise next(item for item in found if isinstance(item, BaseException))
        return self._switch.ring(ways, account, self._clock(), authorised=True, button=command.button)

    def _answer(self, command: AnswerCall) -> str:
        self._switch.answer(command.call, self._clock())
        return ""

    def _hang_up(self, command: HangUp) -> str:
        self._switch.hang_up(command.call, self._clock())
        return ""

    def _send_dtmf(self, command: SendDtmf) -> str:
        self._switch.send_digits(command.call, command.digits, self._clock())
        return ""
