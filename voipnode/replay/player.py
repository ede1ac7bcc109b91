"""Plays a script against a fresh switch, in virtual time: the same call, states and digits must come out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from voipnode.calls.call import Call
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallState, Event
from voipnode.calls.hooks import Bus, Frame
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia
from voipnode.calls.switch import Switch
from voipnode.calls.ways import straight
from voipnode.media.stream import AudioStream
from voipnode.replay.script import Answer, Digit, FarMedia, FarSip, HangUp, Ring, Script, Step, describe
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.message import parse_message
from voipnode.sipstack.transport import Address, Hop

log = logging.getLogger(__name__)

RATE_HZ = 8000
TICK_S = 0.010
LINGER_S = 40.0  # after the last step: longer than 64*T1, so that every transaction comes to its end
EVERYBODY = ("0.0.0.0/0", "::/0")


@dataclass(slots=True)
class Outcome:
    """What came of a replay.

    `events` in order, `sent` the node's SIP in words without repeats, `heard` what the loudspeaker played (float32 at
    8 kHz), `refused` the commands that could not be carried out, in words.
    """

    events: list[Event] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    heard: list[Frame] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def audio(self) -> Frame:
        """What the loudspeaker played, in one piece."""
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.float32)


class RecordedEntropy:
    """Hands out the tokens that the node drew then, in their order; fresh ones of its own when there are no more."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._count = 0

    def call_id(self) -> str:
        return self._script.call_ids.popleft() if self._script.call_ids else self._fresh("call")

    def tag(self) -> str:
        return self._script.tags.popleft() if self._script.tags else self._fresh("tag")

    def branch(self) -> str:
        return self._script.branches.popleft() if self._script.branches else self._fresh("z9hG4bKreplay")

    def cnonce(self) -> str:
        return self._fresh("cnonce")

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"


class _Path:
    """A media path whose ports are the recorded ones; what the stream sends goes nowhere."""

    def __init__(self, port: int, engine: AudioStream, on_events: Callable[[], None], paths: _Paths) -> None:
        self.rtp_port = port
        self.rtcp_port = port + 1
        self.engine = engine
        self.on_events = on_events
        self._paths = paths

    def receive(self, step: FarMedia) -> None:
        self.engine.receive(step.data, step.source, step.at, rtcp=step.port == self.rtcp_port)
        self.on_events()

    def on_deadline(self, now: float) -> None:
        self.engine.on_deadline(now)
        self.flush(now)
        self.on_events()

    def flush(self, now: float) -> None:
        self.engine.outbox(now)

    def close(self) -> None:
        self._paths.open_paths.pop(self.rtp_port, None)


class _Paths:
    """Opens media paths on the recorded ports, in the order in which the node used them."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = iter(ports)
        self._free = 60000
        self.open_paths: dict[int, _Path] = {}

    def open(self, local_host: str, engine: AudioStream, on_events: Callable[[], None]) -> _Path:
        port = next(self._ports, None)
        if port is None:
            port, self._free = self._free, self._free + 2
        path = _Path(port, engine, on_events, self)
        self.open_paths[port] = path
        return path

    def at_port(self, port: int) -> _Path | None:
        return self.open_paths.get(port - port % 2)

    def next_deadline(self) -> tuple[float, _Path] | None:
        deadlines = [(at, path) for path in self.open_paths.values() if (at := path.engine.next_deadline()) is not None]
        return min(deadlines, key=lambda item: item[0], default=None)


class _Clock:
    """The media clock in virtual time."""

    def __init__(self) -> None:
        self.tick: Callable[[float], None] | None = None
        self.next_at: float | None = None
        self.now = 0.0

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        self.tick, self.next_at = tick, self.now + TICK_S

        def cancel() -> None:
            self.tick = self.next_at = None

        return cancel


class _Ear:
    """An audio device that says nothing and keeps what it is told."""

    rate_hz = RATE_HZ
    description = "replay"

    def __init__(self, heard: list[Frame]) -> None:
        self._heard = heard
        self._silence = np.zeros(RATE_HZ // 100, np.float32)

    def start(self) -> None:
        """Nothing to wake."""

    def stop(self) -> None:
        """Nothing to put to rest."""

    def exchange(self, loudspeaker: Frame) -> Frame:
        self._heard.append(loudspeaker.copy())
        return self._silence


class Player:
    """One replay. `play` runs it to its end and returns what came of it."""

    def __init__(self, script: Script, *, user_agent: str) -> None:
        self._script = script
        self._outcome = Outcome()
        self._clock = _Clock()
        self._paths = _Paths(script.rtp_ports)
        self._sent: set[bytes] = set()
        self._placed: dict[str, str] = {}  # Call-ID to the id of the call that the node placed under it
        bus = Bus(lambda: self._clock.now)
        bus.subscribe(Event, self._outcome.events.append, who="replay")
        settings = SipSettings(incoming_networks=EVERYBODY, max_calls=64, max_call_duration_s="infinite")

        def local_address(_hop: Hop) -> Address:
            return script.node

        self._switch = Switch(
            settings,
            (AccountSettings(default=True, auto_answer=script.answers_by_itself),),
            endpoint=Endpoint(EndpointConfig(user_agent=user_agent), RecordedEntropy(script), local_address),
            local_address=local_address,
            media=LegMedia(self._paths, _counting_bits(), settings, RATE_HZ, "replay"),
            door=DoorBridge(_Ear(self._outcome.heard), self._clock),
            bus=bus,
            find=lambda uri, account, done: done((), self._clock.now),
        )
        self._switch.wake = self._collect

    def play(self) -> Outcome:
        """Run every step, timer and tick in order of time, then let the last transactions end."""
        steps = self._script.steps
        position = 0
        end_at = (steps[-1].at if steps else 0.0) + LINGER_S
        while True:
            step_at = steps[position].at if position < len(steps) else None
            due = [at for at in (step_at, *self._timers()) if at is not None and at <= end_at]
            if not due:
                return self._outcome
            now = max(min(due), self._clock.now)
            self._clock.now = now
            if step_at is not None and step_at <= now:
                self._do(steps[position])
                position += 1
            else:
                self._on_time(now)
            self._collect()

    def _timers(self) -> tuple[float | None, ...]:
        media = self._paths.next_deadline()
        return self._switch.next_deadline(), self._clock.next_at, media[0] if media else None

    def _on_time(self, now: float) -> None:
        deadline = self._switch.next_deadline()
        if deadline is not None and deadline <= now:
            self._switch.on_deadline(now)
        media = self._paths.next_deadline()
        if media is not None and media[0] <= now:
            media[1].on_deadline(now)
        if self._clock.tick is not None and self._clock.next_at is not None and self._clock.next_at <= now:
            self._clock.next_at += TICK_S
            self._clock.tick(now)

    def _do(self, step: Step) -> None:
        try:
            match step:
                case FarSip():
                    self._switch.receive(step.data, step.source, step.at)
                case FarMedia():
                    if (path := self._paths.at_port(step.port)) is not None:
                        path.receive(step)
                case Ring():
                    account = self._switch.account("")
                    way = straight(step.target, [step.hop], account, self._script.node.host)
                    self._placed[step.call_id] = self._switch.ring([way], account, step.at, authorised=True)
                case Answer():
                    if (call := self._call(step.call_id)) is not None and call.state is CallState.RINGING:
                        self._switch.answer(call.id, step.at)
                case HangUp():
                    if (call := self._call(step.call_id)) is not None and not call.over:
                        self._switch.hang_up(call.id, step.at)
                case Digit():
                    if (call := self._call(step.call_id)) is not None:
                        self._switch.send_digits(call.id, step.digit, step.at)
        except (CallError, LocalError) as error:
            self._outcome.refused.append(f"{step.at:.3f} s, {type(step).__name__}: {error}")

    def _call(self, call_id: str) -> Call | None:
        """The call that this Call-ID names, if it is not over yet."""
        for call in self._switch.calls:
            if not call.over and (call.sip_call_id == call_id or self._placed.get(call_id) == call.id):
                return call
        return None

    def _collect(self) -> None:
        for packet in self._switch.outbox(self._clock.now):
            if packet.data in self._sent:
                continue
            self._sent.add(packet.data)
            try:
                self._outcome.sent.append(describe(parse_message(packet.data)))
            except ParseError:
                continue  # a keep-alive
        self._switch.closes()


def _counting_bits() -> Callable[[int], int]:
    count = 0

    def bits(width: int) -> int:
        nonlocal count
        count += 1
        return count % (1 << width)

    return bits
