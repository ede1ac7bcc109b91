"""What the web knows of the node: a read model made of events of the bus and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voipnode.calls.events import (
    CallChanged,
    CallPath,
    CallState,
    Event,
    ExchangeCallChanged,
    GuardianChanged,
    InputChanged,
    InputTampered,
    LightChanged,
    NodeStarted,
    PortChanged,
    Problem,
    RegistrationChanged,
    RegistrationState,
    ScheduleChanged,
    SoundChanged,
    SoundLevelPassed,
    SpeakerTestChanged,
    SpeakerTestFinished,
)
from voipnode.web.exchange import ThroughCalls

MAX_CALLS = 200
MAX_ENDED_CALLS = 20
MAX_PROBLEMS = 20
MAX_NAMES = 256  # inputs and ports: far more than any door has


@dataclass(slots=True)
class CallRow:
    """The newest of a call, and when it began, was answered and ended, in the engine's monotonic seconds.

    `path`: the way that its sound goes by ICE; `found_ms`: how long it took until there was one.
    """

    newest: CallChanged
    began_at: float
    began_utc: str
    active_at: float | None = None
    ended_at: float | None = None
    path: str = ""
    found_ms: int = 0


class View:
    """Keeps the newest state of everything; `on_event` is its listener on the bus.

    `clock` is the engine's monotonic clock (for what is left of a lease), `utc_now` the time of day.
    """

    def __init__(self, clock: Callable[[], float], utc_now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._utc_now = utc_now
        self._calls: dict[str, CallRow] = {}
        self._ended: deque[str] = deque()  # of these, the ones that are over, in that order
        self._ports: dict[str, tuple[PortChanged, float]] = {}  # with its time
        self._inputs: dict[str, InputChanged] = {}
        self._tampered: dict[str, InputTampered] = {}
        self._schedules: dict[str, ScheduleChanged] = {}
        self._registrations: dict[str, RegistrationChanged] = {}
        self._problems: deque[dict[str, str]] = deque(maxlen=MAX_PROBLEMS)
        self._light = "off"
        self._loudness: SoundLevelPassed | None = None
        self._guardian: GuardianChanged | None = None
        self._sound: SoundChanged | None = None
        self._speaker_test: SpeakerTestChanged | None = None
        self._tested: SpeakerTestFinished | None = None
        self._started: NodeStarted | None = None
        self._started_utc = ""
        self.through_calls = ThroughCalls(self._time)

    def on_event(self, event: Event) -> None:
        """Take in one event; those that change nothing here are passed over."""
        match event:
            case CallChanged():
                self._call(event)
            case ExchangeCallChanged():
                self.through_calls.on_event(event)
            case CallPath():
                self._path(event)
            case PortChanged():
                self._name(self._ports, event.port, (event, self._at(event)))
            case InputChanged():
                self._name(self._inputs, event.input, event)
            case InputTampered():
                self._name(self._tampered, event.input, event)
            case RegistrationChanged():
                self._name(self._registrations, event.id, event)
            case ScheduleChanged():
                self._name(self._schedules, event.schedule, event)
            case LightChanged():
                self._light = event.colour
            case GuardianChanged():
                self._guardian = event
            case SoundChanged():
                self._sound = event
            case SoundLevelPassed():
                self._loudness = event
            case SpeakerTestChanged():
                self._speaker_test = event
            case SpeakerTestFinished():
                self._tested = event
            case NodeStarted():
                self._started, self._started_utc = event, self._time()
            case Problem():
                self._problems.append({"time": self._time(), "where": event.where, "detail": event.detail})
            case _:
                pass

    def node(self) -> dict[str, Any]:
        """What the start of the node told: version ("" before it), when, and how the run before ended."""
        started = self._started
        return {
            "version": started.version if started else "",
            "started_utc": self._started_utc,
            "previous": started.previous if started else "",
        }

    def light(self) -> str:
        return self._light

    def sound_level(self) -> dict[str, Any] | None:
        """How loud it was when that last changed; None before it has."""
        return self._loudness.to_dict() if self._loudness else None

    def guardian(self) -> dict[str, Any] | None:
        """The process that holds the outputs; None before it has said anything."""
        return {"up": self._guardian.up, "detail": self._guardian.detail} if self._guardian else None

    def sound(self) -> dict[str, Any] | None:
        """How the door's sound is treated; None before it was told."""
        return self._sound.to_dict() if self._sound else None

    def speaker_test(self) -> dict[str, Any] | None:
        """How the speaker test stands, with the last test under "last"; None before it was told."""
        if self._speaker_test is None:
            return None
        return {**self._speaker_test.to_dict(), "last": self._tested.to_dict() if self._tested else None}

    def schedules(self) -> list[dict[str, Any]]:
        """The schedules by name; `until_utc` says when each changes next."""
        known = sorted(self._schedules.items())
        return [{"name": name, "active": each.active, "until_utc": each.until_utc} for name, each in known]

    def problems(self) -> list[dict[str, str]]:
        """The newest problems, newest first."""
        return list(reversed(self._problems))

    def calls(self) -> list[dict[str, Any]]:
        """Calls that go on, then those that ended last; newest first in each."""
        rows = sorted(self._calls.values(), key=lambda row: (row.ended_at is not None, -row.began_at))
        return [self._call_data(row) for row in rows]

    def call(self, name: str) -> dict[str, Any] | None:
        row = self._calls.get(name)
        return self._call_data(row) if row else None

    def ports(self) -> list[dict[str, Any]]:
        """The output lines by name; `remaining_s` is what is left of the lease, 0 when there is none."""
        now = self._clock()
        return [
            {
                "name": name,
                "active": port.active,
                "why": port.why,
                "who": port.who,
                "how": port.how,
                "lease_s": port.until_s if port.active else 0.0,
                "remaining_s": round(max(0.0, port.until_s - (now - at)), 3) if port.active else 0.0,
            }
            for name, (port, at) in sorted(self._ports.items(), key=lambda item: item[0])
        ]

    def registration(self, account: str) -> dict[str, Any]:
        """How the account of that id stands; one that has said nothing does not register."""
        told = self._registrations.get(account)
        if told is None:
            told = RegistrationChanged(account=account, id=account, state=RegistrationState.UNREGISTERED)
        return {
            "state": told.state.value,
            "status": told.status,
            "reason": told.reason,
            "server": told.server,
            "expires_s": told.expires_s,
        }

    def inputs(self) -> list[dict[str, Any]]:
        """The inputs of which something was told, by name; `tampered`: "cut", "short", or ""."""
        found = []
        for name in sorted({*self._inputs, *self._tampered}):
            changed, tampered = self._inputs.get(name), self._tampered.get(name)
            found.append(
                {
                    "name": name,
                    "active": changed is not None and changed.active,
                    "source": changed.source if changed is not None else "",
                    "tampered": tampered.why if tampered is not None else "",
                }
            )
        return found

    def _call(self, event: CallChanged) -> None:
        row = self._calls.get(event.call)
        if row is None:
            self._make_room()
            row = self._calls[event.call] = CallRow(event, self._at(event), self._time())
        row.newest = event
        if event.state is CallState.ACTIVE and row.active_at is None:
            row.active_at = self._at(event)
        if event.state is CallState.TERMINATED and row.ended_at is None:
            row.ended_at = self._at(event)
            self._ended.append(event.call)
            if len(self._ended) > MAX_ENDED_CALLS:
                del self._calls[self._ended.popleft()]

    def _path(self, event: CallPath) -> None:
        row = self._calls.get(event.call)
        if row is not None:
            row.path = event.pair
            row.found_ms = row.found_ms or event.after_ms

    def _make_room(self) -> None:
        if len(self._calls) >= MAX_CALLS:
            for name in self._ended:
                del self._calls[name]
            self._ended.clear()
        if len(self._calls) >= MAX_CALLS:
            del self._calls[next(iter(self._calls))]

    def _call_data(self, row: CallRow) -> dict[str, Any]:
        newest, until = row.newest, row.ended_at if row.ended_at is not None else self._clock()
        return {
            "id": newest.call,
            "state": newest.state.value,
            "reason": newest.reason.value,
            "direction": newest.direction,
            "remote": newest.remote,
            "account": newest.account,
            "status": newest.status,
            "detail": newest.detail,
            "encryption": newest.encryption,
            "cipher": newest.cipher,
            "rejected_packets": newest.rejected_packets,
            "path": row.path,
            "path_found_ms": row.found_ms,
            "began_utc": row.began_utc,
            "active_s": round(max(0.0, until - row.active_at), 3) if row.active_at is not None else 0.0,
        }

    @staticmethod
    def _name(table: dict[str, Any], name: str, newest: object) -> None:
        if name in table or len(table) < MAX_NAMES:
            table[name] = newest

    def _at(self, event: Event) -> float:
        """The event's time, or now for one that was published without."""
        return event.at or self._clock()

    def _time(self) -> str:
        return self._utc_now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
