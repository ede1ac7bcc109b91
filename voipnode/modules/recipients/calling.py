"""A recipient who is called: rung, played a clip where that is wished, and hung up."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from voipnode.calls.commands import HangUp, PlaceCall, PlayClip, RingRecipients
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallState, ClipChanged, Event
from voipnode.calls.hooks import Bus, Commands
from voipnode.modules.recipients.errors import DeliveryError
from voipnode.modules.recipients.settings import CallRecipient

NAME = "recipients"
VMS = "vms"
OVER = (CallState.TERMINATING, CallState.TERMINATED)


class Caller:
    """Calls recipients, one call at a time each."""

    def __init__(self, bus: Bus, commands: Commands) -> None:
        self._bus = bus
        self._commands = commands

    async def call(self, recipient: CallRecipient) -> str:
        """Call, and play the clip to whoever answers; what came of it in words. Raises DeliveryError.

        Without a clip the call is left to those who have it.
        """
        heard: asyncio.Queue[Event] = asyncio.Queue()
        places = [self._bus.subscribe(kind, heard.put_nowait, who=NAME) for kind in (CallChanged, ClipChanged)]
        call = ""
        keep = False
        try:
            call = await self._place(recipient)
            await self._answer(recipient, call, heard)
            if not recipient.answered_clip:
                keep = True
                return "answered"
            return await self._play(recipient, call, heard)
        finally:
            for place in places:
                place.cancel()
            if call and not keep:
                with suppress(CallError):  # it is over already
                    await self._commands.execute(HangUp(call=call))

    async def _place(self, recipient: CallRecipient) -> str:
        command = (
            RingRecipients(recipients=(VMS,))
            if recipient.to == VMS
            else PlaceCall(to=recipient.to, account=recipient.account, authorised=True)
        )
        try:
            return await self._commands.execute(command)
        except CallError as error:
            raise DeliveryError(str(error)) from error

    async def _answer(self, recipient: CallRecipient, call: str, heard: asyncio.Queue[Event]) -> None:
        try:
            async with asyncio.timeout(recipient.timeout_s):
                while True:
                    event = await heard.get()
                    if not isinstance(event, CallChanged) or event.call != call:
                        continue
                    if event.state is CallState.ACTIVE:
                        return
                    if event.state in OVER:
                        raise DeliveryError(f"not answered: {event.detail or event.reason.value}")
        except TimeoutError:
            raise DeliveryError(f"nobody answered within {recipient.timeout_s:g} s") from None

    async def _play(self, recipient: CallRecipient, call: str, heard: asyncio.Queue[Event]) -> str:
        """Play to the far side until it is over: who hangs up in between has heard what he wanted."""
        clip = recipient.answered_clip
        try:
            await self._commands.execute(PlayClip(clip=clip, to="call", repeat=recipient.repeat))
        except CallError as error:
            raise DeliveryError(f"answered, but nothing was played: {error}") from error
        while True:
            event = await heard.get()
            if isinstance(event, ClipChanged) and event.clip == clip and not event.playing:
                return "answered, and heard the clip" if event.why == "ended" else f"answered; the clip: {event.why}"
            if isinstance(event, CallChanged) and event.call == call and event.state in OVER:
                return "answered, and hung up"
