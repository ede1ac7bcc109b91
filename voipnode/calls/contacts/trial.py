"""A call that only finds out whether somebody can be called, and ends when it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

from voipnode.calls.commands import HangUp, PlaceCall
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.calls.hooks import Bus, Commands

ENDED = {CallReason.BUSY: "is busy", CallReason.NO_ANSWER: "did not answer", CallReason.DENIED: "refused the call"}
KEYING = {"sdes": "encrypted, with keys in the signalling (SDES)", "dtls": "encrypted, with keys by handshake (DTLS)"}


class Trial:
    """One such call, followed by what the bus tells of it."""

    def __init__(self, bus: Bus, commands: Commands) -> None:
        self._bus = bus
        self._commands = commands
        self._call = ""
        self._early: list[CallChanged] = []  # of calls that may turn out to be this one
        self._over = asyncio.Event()
        self._begun_at = 0.0
        self._rang_at: float | None = None
        self._answered: CallChanged | None = None
        self._ended: CallChanged | None = None

    async def run(self, to: str, account: str, timeout_s: float) -> dict[str, Any]:
        """Call `to`; what came of it, once the call is over. Raises CallError where it cannot be tried."""
        self._begun_at = self._bus.clock()
        following = self._bus.subscribe(CallChanged, self._changed, who="test call")
        try:
            self._call = await self._commands.execute(PlaceCall(to=to, account=account))
            for event in self._early:
                self._changed(event)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._over.wait()
            except TimeoutError:
                pass  # it rings on, or whoever answered does not agree to the end
            finally:
                await self._hang_up()
        finally:
            following.cancel()
        return self._result(to, timeout_s)

    def _changed(self, event: CallChanged) -> None:
        if not self._call:
            self._early.append(event)
        elif event.call == self._call:
            if event.state is CallState.RINGING and self._rang_at is None:
                self._rang_at = event.at
            elif event.state is CallState.ACTIVE and self._answered is None:
                self._answered = event
                self._over.set()
            elif event.state is CallState.TERMINATED:
                self._ended = event
                self._over.set()

    async def _hang_up(self) -> None:
        if self._ended is not None:
            return
        try:
            await self._commands.execute(HangUp(call=self._call))
        except CallError:
            if self._ended is None:
                raise

    def _result(self, to: str, timeout_s: float) -> dict[str, Any]:
        answered = self._answered
        failed = self._ended if answered is None else None
        return {
            "to": to,
            "ok": answered is not None,
            "words": self._words(timeout_s),
            "rang_after_s": self._after(self._rang_at),
            "answered_after_s": self._after(answered.at if answered else None),
            "codec": answered.codec if answered else "",
            "encryption": answered.encryption if answered else "",
            "cipher": answered.cipher if answered else "",
            "status": failed.status if failed else 0,
        }

    def _words(self, timeout_s: float) -> str:
        rang, words = self._after(self._rang_at), []
        if rang is not None:
            words.append(f"rang after {rang:g} s")
        if self._answered is not None:
            words.append(f"answered after {self._after(self._answered.at):g} s")
            words.append(self._answered.codec or "no sound was agreed upon")
            words.append(KEYING.get(self._answered.encryption, "not encrypted") + ", and was hung up")
        elif self._ended is None or self._ended.reason is CallReason.TERMINATED:
            words.append(f"nobody answered within {timeout_s:g} s")
        else:
            why = self._ended.detail or (f"SIP {self._ended.status}" if self._ended.status else "")
            words.append(ENDED.get(self._ended.reason, "cannot be reached") + (f": {why}" if why else ""))
        return ", ".join(words)

    def _after(self, at: float | None) -> float | None:
        return None if at is None else round(at - self._begun_at, 2)
