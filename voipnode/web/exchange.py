"""Calls through the node, between two telephones, over HTTP: those that go on, and those that ended last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from voipnode.calls.events import CallReason, CallState, ExchangeCallChanged

MAX_CALLS = 1000
MAX_ENDED = 20


class ThroughCall(BaseModel):
    """A call between two others; ended by the same path as one of the door."""

    id: str = Field(examples=["x3"])
    state: CallState = Field(examples=["Active"])
    reason: CallReason = Field(description="Why it entered this state", examples=["AcceptedByRemote"])
    caller: str = Field(description="Extension, number or address", examples=["101"])
    callee: str = Field(examples=["102"])
    account: str = Field(description="The line that it came or goes by; empty between extensions", examples=["PBX"])
    status: int = Field(description="The SIP status that led here, 0 for none", examples=[200])
    detail: str = Field(description="In words, for people", examples=["101 talks with 102"])
    encryption: tuple[str, str] = Field(description="The caller's and the callee's", examples=[("sdes", "none")])
    codec: tuple[str, str] = Field(description="The caller's and the callee's", examples=[("opus", "opus")])
    began_utc: str = Field(examples=["2026-11-22T08:00:00.000Z"])


class ThroughCalls:
    """What events have told of them; `time` is the time of day as text."""

    def __init__(self, time: Callable[[], str]) -> None:
        self._time = time
        self._calls: dict[str, tuple[ExchangeCallChanged, str]] = {}
        self._ended: deque[str] = deque()

    def on_event(self, event: ExchangeCallChanged) -> None:
        """Keep the newest of each; of those that are over, the last few."""
        known = self._calls.get(event.call)
        if known is None and len(self._calls) >= MAX_CALLS:
            return
        self._calls[event.call] = event, known[1] if known is not None else self._time()
        if event.state is CallState.TERMINATED and event.call not in self._ended:
            self._ended.append(event.call)
            if len(self._ended) > MAX_ENDED:
                del self._calls[self._ended.popleft()]

    def shown(self) -> list[dict[str, Any]]:
        """Those that go on, then those that ended last; newest first in each."""
        newest = reversed(self._calls.values())
        rows = sorted(newest, key=lambda row: row[0].state is CallState.TERMINATED)
        return [{**told.to_dict(), "id": told.call, "began_utc": began} for told, began in rows]


def add_exchange(app: FastAPI, calls: ThroughCalls) -> None:
    """Add the paths."""

    @app.get(
        "/api/v1/exchange/calls",
        tags=["calls"],
        summary="Calls through the node that go on or ended lately",
        description="`exchange_call.changed` tells of each change; `DELETE /api/v1/calls/{id}` ends one.",
    )
    async def through() -> list[ThroughCall]:
        return [ThroughCall.model_validate(call) for call in calls.shown()]
