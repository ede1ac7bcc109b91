"""The desk: takes the call commands of the house, finds out where their addresses are, and hands them to the switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voipnode.calls.commands import AnswerCall, HangUp, PlaceCall, RingRecipients, SendDtmf
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.hooks import Commands, Subscription
from voipnode.calls.outgoing import MAX_LEGS
from voipnode.calls.ports import Locator
from voipnode.calls.settings import AccountSettings
from voipnode.calls.switch import Switch
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri, parse_uri


def parse_target(text: str) -> SipUri:
    """What a person types as the address to call: a SIP URI, or just user@host, or a host.

    Raises CallError that says what would be right.
    """
    typed = text.strip()
    if not typed.lower().startswith(("sip:", "sips:", "tel:")):
        typed = f"sip:{typed}"
    try:
        uri = parse_uri(typed)
    except ParseError as error:
        raise CallError(
            f'address "{text}": {error.reason}; write it like sip:anna@192.168.1.20 or 192.168.1.20:5060'
        ) from None
    if not isinstance(uri, SipUri) or uri.scheme != "sip":
        raise CallError(f'address "{text}": only sip: addresses can be called, like sip:anna@192.168.1.20')
    return uri


class Desk:
    """Registers for the call commands and carries them out; `clock` is the engine's monotonic time in seconds."""

    def __init__(self, switch: Switch, locator: Locator, clock: Callable[[], float]) -> None:
        self._switch = switch
        self._locator = locator
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
        target = await self._find(parse_target(command.to), account)
        return self._switch.ring([target], account, self._clock(), authorised=command.authorised)

    async def _ring(self, command: RingRecipients) -> str:
        if not 1 <= len(command.recipients) <= MAX_LEGS:
            raise CallError(f"recipients: {len(command.recipients)} given; 1 to {MAX_LEGS} can ring at the same time")
        account = self._switch.account(command.account)
        uris = [parse_target(text) for text in command.recipients]
        found = await asyncio.gather(*(self._find(uri, account) for uri in uris), return_exceptions=True)
        targets = [item for item in found if not isinstance(item, BaseException)]
        if not targets:  # one recipient that cannot be found must not silence the others
            raise next(item for item in found if isinstance(item, BaseException))
        return self._switch.ring(targets, account, self._clock(), authorised=True, button=command.button)

    async def _find(self, uri: SipUri, account: AccountSettings) -> tuple[SipUri, Hop]:
        transport = uri.transport or account.transport.upper()
        if transport not in ("UDP", "TCP"):
            raise CallError(f"address {uri}: transport {transport} is not spoken here; udp and tcp are")
        hops = await self._locator.locate(uri, transport=transport)
        if not hops:
            raise NotNowError(f'address {uri}: the name "{uri.host}" cannot be resolved')
        return uri, hops[0]

    def _answer(self, command: AnswerCall) -> str:
        self._switch.answer(command.call, self._clock())
        return ""

    def _hang_up(self, command: HangUp) -> str:
        self._switch.hang_up(command.call, self._clock())
        return ""

    def _send_dtmf(self, command: SendDtmf) -> str:
        self._switch.send_digits(command.call, command.digits, self._clock())
        return ""
