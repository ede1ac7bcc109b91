"""A call that only finds out whether somebody can be called, and ends when it is answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from voipnode.calls.commands import HangUp, PlaceCall
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import CallChanged, CallReason, CallState, NodeStopping
from voipnode.calls.hooks import Bus, Commands

OUTCOMES = {CallReason.BUSY: "busy", CallReason.NO_ANSWER: "no answer", CallReason.DENIED: "refused"}
ENDED = {"busy": "is busy", "no answer": "did not answer", "refused": "refused the call", "failed": "cannot be reached"}
KEYING = {"sdes": "encrypted, with keys in the signalling (SDES)", "dtls": "encrypted, with keys by handshake (DTLS)"}


class Trial:
    """One such call, followed by what the bus tells of it."""

    def __init__(self, bus: Bus, commands: Commands) -> None:
        self._bus = bus
        self._commands = commands
        self._call = ""
        self._early: list[CallChanged] = []  # of calls that may turn out to be this one
        self._over = asyncio.Event()
        self._stopping = False
        self._begun_at = 0.0
        self._rang_at: float | None = None
        self._answered: CallChanged | None = None
        self._ended: CallChanged | None = None

    async def run(self, to: str, account: str, timeout_s: float) -> dict[str, Any]:
        """Call `to`; what came of it, once the call is over. Raises CallError where it cannot be tried."""
        self._begun_at = self._bus.clock()
        following = self._bus.subscribe(CallChanged, self._changed, who="test call")
        stopping = self._bus.subscribe(NodeStopping, self._stop, who="test call")
        try:
            self._call = await self._commands.execute(PlaceCall(to=to, account=account))
            for event in self._early:
                self._changed(event)
            with suppress(TimeoutError):  # it rings on
                async with asyncio.timeout(timeout_s):
                    await self._over.wait()
        finally:
            following.cancel()
            stopping.cancel()
            if self._call and self._ended is None:
                with suppress(UnknownNameError):  # it ended in this very moment
                    await self._commands.execute(HangUp(call=self._call))
        if self._stopping:
            raise NotNowError("the node is stopping")
        return self._result(to, timeout_s)

    def _stop(self, event: NodeStopping) -> None:
        self._stopping = True
        self._over.set()

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

    def _result(self, to: str, timeout_s: float) -> dict[str, Any]:
        answered = self._answered
        failed = self._ended if answered is None else None
        return {
            "to": to,
            "ok": answered is not None,
            "outcome": self._outcome(),
            "words": self._words(timeout_s),
            "rang_after_s": self._after(self._rang_at),
            "answered_after_s": self._after(answered.at if answered else None),
            "codec": answered.codec if answered else "",
            "encryption": answered.encryption if answered else "",
            "cipher": answered.cipher if answered else "",
            "status": failed.status if failed else 0,
        }

    def _outcome(self) -> str:
        if self._answered is not None:
            return "answered"
        return "no answer" if self._ended is None else OUTCOMES.get(self._ended.reason, "failed")

    def _words(self, timeout_s: float) -> str:
        rang, words = self._after(self._rang_at), []
        if rang is not None:
            words.append(f"rang after {rang:g} s")
        if self._answered is not None:
            words.append(f"answered after {self._after(self._answered.at):g} s")
            words.append(self._answered.codec or "no sound was agreed upon")
            words.append(KEYING.get(self._answered.encryption, "not encrypted") + ", and was hung up")
        elif self._ended is None:
            words.append(f"nobody answered within {timeout_s:g} s")
        else:
            why = self._ended.detail or (f"SIP {self._ended.status}" if self._ended.status else "")
            words.append(ENDED[self._outcome()] + (f": {why}" if why else ""))
        return ", ".join(words)

    def _after(self, at: float | None) -> float | None:
        return None if at is None else round(at - self._begun_at, 2)
