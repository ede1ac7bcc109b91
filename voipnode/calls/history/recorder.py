"""Writes the call history: each call when it begins, when it is answered, and when it ends, by what the bus tells.

What is written at the beginning is there after a power cut; a record that the run before left open is closed at the
next start, with the words that the node stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from voipnode.calls.events import CallChanged, CallQuality, CallReason, CallState, DoorOpened, ExchangeCallChanged
from voipnode.calls.history.record import MAX_OPENINGS, CallRecord, Heard, Opening
from voipnode.calls.hooks import Bus, Subscription

OUTCOMES = {
    CallReason.BUSY: "busy",
    CallReason.DENIED: "refused",
    CallReason.NO_ANSWER: "no answer",
    CallReason.FAILED: "failed",
}


class HistoryStore(Protocol):
    """Where records are kept; nothing here waits for it."""

    def keep(self, record: Mapping[str, Any]) -> None:
        """Write a record, in place of the one of the same id."""
        ...


@dataclass(frozen=True, slots=True)
class _Told:
    """What an event of either kind of calls tells of one."""

    event: CallChanged | ExchangeCallChanged
    kind: str
    caller: str
    callee: str
    answered_by: str
    encryption: str
    cipher: str
    codec: str

    @classmethod
    def of_door(cls, event: CallChanged) -> _Told:
        is_incoming = event.direction == "incoming"
        caller, callee = (event.remote, "") if is_incoming else ("", event.remote)
        return cls(event, "door", caller, callee, callee, event.encryption, event.cipher, event.codec)

    @classmethod
    def of_exchange(cls, event: ExchangeCallChanged) -> _Told:
        encryption, codec = _both(event.encryption), _both(event.codec)
        return cls(event, "exchange", event.caller, event.callee, event.callee, encryption, "", codec)


def _both(sides: tuple[str, str]) -> str:
    """What is so on the caller's and on the callee's side; once, where it is the same."""
    return " / ".join(dict.fromkeys(side for side in sides if side))


@dataclass(slots=True)
class _Open:
    """A call that goes on, with its times by the engine's clock."""

    record: CallRecord
    began_at: float
    answered_at: float | None = None
    over_at: float | None = None


class HistoryRecorder:
    """Follows the calls of `bus`; `run_id` tells them from those of other runs, `utc_now` is the time of day."""

    def __init__(self, bus: Bus, store: HistoryStore, run_id: str, utc_now: Callable[[], datetime]) -> None:
        self._bus = bus
        self._store = store
        self._run_id = run_id
        self._utc_now = utc_now
        self._open: dict[str, _Open] = {}
        self._listening: list[Subscription] = []

    def start(self) -> None:
        """Write down what is told from now on."""

        def of_door(event: CallChanged) -> None:
            self._changed(_Told.of_door(event))

        def of_exchange(event: ExchangeCallChanged) -> None:
            self._changed(_Told.of_exchange(event))

        self._listening = [
            self._bus.subscribe(CallChanged, of_door, who="history"),
            self._bus.subscribe(ExchangeCallChanged, of_exchange, who="history"),
            self._bus.subscribe(CallQuality, self._quality, who="history"),
            self._bus.subscribe(DoorOpened, self._door_opened, who="history"),
        ]

    async def stop(self) -> None:
        """Write nothing more; calls that still go on stay open, for the next start to close."""
        for subscription in self._listening:
            subscription.cancel()
        self._listening = []

    def _changed(self, told: _Told) -> None:
        event = told.event
        call = self._open.get(event.call)
        if call is None:
            call = self._open[event.call] = _Open(self._begun(told), event.at)
            self._store.keep(call.record.to_dict())
        if event.state is CallState.ACTIVE:
            self._answered(call, told)
        elif event.state is CallState.TERMINATING:  # its parties may take their time to agree to that
            call.over_at, call.record.ended_utc = event.at, self._now()
        elif event.state is CallState.TERMINATED:
            del self._open[event.call]
            self._ended(call, event)

    def _begun(self, told: _Told) -> CallRecord:
        event = told.event
        return CallRecord(
            id=f"{self._now()}-{self._run_id}-{event.call}",
            kind=told.kind,
            direction=event.direction,
            caller=told.caller,
            callee=told.callee,
            account=event.account,
            began_utc=self._now(),
        )

    def _answered(self, call: _Open, told: _Told) -> None:
        record, event = call.record, told.event
        record.answered_by, record.account = told.answered_by, event.account
        record.codec = told.codec or record.codec
        record.encryption = told.encryption or record.encryption
        record.cipher = told.cipher or record.cipher
        if call.answered_at is None:
            call.answered_at = event.at
            record.answered_utc = self._now()
            record.ring_s = round(event.at - call.began_at, 3)
        self._store.keep(record.to_dict())

    def _ended(self, call: _Open, event: CallChanged | ExchangeCallChanged) -> None:
        record = call.record
        over_at = event.at if call.over_at is None else call.over_at
        record.ended_utc = record.ended_utc or self._now()
        record.reason, record.status, record.detail = event.reason.value, event.status, event.detail
        if call.answered_at is not None:
            record.outcome = "answered"
            record.talk_s = round(over_at - call.answered_at, 3)
        else:
            record.outcome = OUTCOMES.get(event.reason, "given up")
            record.ring_s = round(over_at - call.began_at, 3)
        self._store.keep(record.to_dict())

    def _quality(self, event: CallQuality) -> None:
        call = self._open.get(event.call)
        if call is not None and event.answered:
            call.record.heard.append(
                Heard(
                    remote=event.remote,
                    codec=event.codec,
                    loss_percent=event.loss_percent,
                    jitter_ms=event.jitter_ms,
                    round_trip_ms=event.round_trip_ms,
                    mos=event.mos,
                    remote_mos=event.remote_mos,
                    packets_received=event.packets_received,
                    packets_sent=event.packets_sent,
                )
            )

    def _door_opened(self, event: DoorOpened) -> None:
        """It belongs to the call with who opened it, or else to all calls of the door, which see it open."""
        calls = list(self._open.values())
        own = [call for call in calls if event.who in (call.record.answered_by, call.record.caller)]
        calls = [call for call in calls if call.record.kind == "door"]
        for call in own or calls:
            if len(call.record.openings) < MAX_OPENINGS:
                call.record.openings.append(Opening(port=event.port, who=event.who, how=event.how, at_utc=self._now()))
                self._store.keep(call.record.to_dict())

    def _now(self) -> str:
        return self._utc_now().isoformat(timespec="milliseconds")[:23] + "Z"
