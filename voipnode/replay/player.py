"""Plays a script against a fresh switch, in virtual time: the same call, states and digits must come out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from voipnode.calls.call import Call
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallState, Event
from voipnode.calls.hooks import Bus, Frame
from voipnode.calls.registration import Registration
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia
from voipnode.calls.switch import Switch
from voipnode.calls.ways import Way, straight, through
from voipnode.media.dtls import Keys
from voipnode.replay.dtls_keys import RecordedIdentity
from voipnode.replay.registrations import aor_text
from voipnode.replay.stand_ins import RATE_HZ, TICK_S, Ear, RecordedEntropy, RecordedPaths, VirtualClock, recorded_bits
from voipnode.replay.steps import (
    Answer,
    Digit,
    FarMedia,
    FarSip,
    HangUp,
    OwnRequest,
    Ring,
    Script,
    Step,
    describe,
    digests_of,
)
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.message import Request, parse_message
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri

__all__ = ["RATE_HZ", "Outcome", "Player"]

log = logging.getLogger(__name__)

LINGER_S = 40.0  # after the last step, while a call goes on: longer than 64*T1, so that every transaction ends
EVERYBODY = ("0.0.0.0/0", "::/0")
NO_HANDSHAKES = (
    "keys were agreed on by DTLS, and are in no capture: sound that has them is not played back without the key log"
    " that the node wrote meanwhile ([sip.tls] key_log)"
)


@dataclass(slots=True)
class Outcome:
    """What came of a replay.

    `events` in order, `sent` the node's SIP in words without repeats and `digests` its answers to challenges, `heard`
    what the loudspeaker played (float32 at 8 kHz), `refused` the commands that could not be carried out, in words.
    """

    events: list[Event] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    heard: list[Frame] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def audio(self) -> Frame:
        """What the loudspeaker played, in one piece."""
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.float32)


class Player:
    """One replay. `play` runs it to its end and returns what came of it.

    `accounts` are the node's, with their passwords, and `settings` its `[sip]`; without, they are what the capture
    shows of them, and answers to challenges are not those of then. `handshakes`: what came of those by DTLS, from the
    key log (`dtls_keys.recorded_keys`).
    """

    def __init__(
        self,
        script: Script,
        *,
        user_agent: str,
        settings: SipSettings | None = None,
        accounts: Sequence[AccountSettings] = (),
        handshakes: Mapping[bytes, Keys] | None = None,
    ) -> None:
        self._script = script
        self._outcome = Outcome()
        self._clock = VirtualClock()
        self._paths = RecordedPaths(script.rtp_ports)
        self._sent: set[bytes] = set()
        self._requests: Counter[str] = Counter()  # how many REGISTER or OPTIONS of each Call-ID were sent
        self._placed: dict[str, str] = {}  # Call-ID to the id of the call that the node placed under it
        self._leaving = False
        bus = Bus(lambda: self._clock.now)
        bus.subscribe(Event, self._outcome.events.append, who="replay")
        settings = settings or SipSettings()
        settings = settings.model_copy(
            update={
                "incoming_networks": EVERYBODY,
                "max_calls": 64,
                "max_call_duration_s": "infinite",
                "ice": settings.ice.model_copy(update={"enabled": settings.ice.enabled or bool(script.ice)}),
            }
        )

        def local_address(hop: Hop) -> Address:
            return script.local.get(hop.transport, script.node)

        self._switch = Switch(
            settings,
            tuple(accounts) or _accounts_of(script),
            endpoint=Endpoint(EndpointConfig(user_agent=user_agent), RecordedEntropy(script), local_address),
            local_address=local_address,
            media=LegMedia(
                self._paths,
                recorded_bits(script),
                settings,
                RATE_HZ,
                "replay",
                dtls=RecordedIdentity(handshakes) if handshakes else None,
            ),
            door=DoorBridge(Ear(self._outcome.heard), self._clock),
            bus=bus,
            find=self._find,
        )
        self._switch.wake = self._collect
        if "dtls" in script.keying and not handshakes:
            self._outcome.refused.append(NO_HANDSHAKES)

    def play(self) -> Outcome:
        """Run every step, timer and tick in order of time, then let the calls that are left come to their end.

        What the accounts' timers would do after the capture's end was not recorded, and is not waited for.
        """
        steps = self._script.steps
        position = 0
        end_at = (steps[-1].at if steps else 0.0) + LINGER_S
        while True:
            step_at = steps[position].at if position < len(steps) else None
            if step_at is None and self._is_over():
                return self._outcome
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

    def _is_over(self) -> bool:
        return not self._switch.calls and not (self._leaving and not self._switch.accounts.stopped)

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
                    self._placed[step.call_id] = self._switch.ring([self._way(step)], step.at, authorised=True)
                case OwnRequest():
                    self._by_itself(step)
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

    def _by_itself(self, step: OwnRequest) -> None:
        """Have the accounts ask when they did then, unless a timer, or an answer, has led to it already."""
        registration = self._registration(step.aor)
        if registration is None or self._requests[step.call_id] >= step.number:
            return
        binding = registration.binding
        if step.method == "OPTIONS":
            registration.probe(step.at)
        elif step.removes:
            self._leaving = True
            self._switch.unregister(step.at)
        elif registration.stopped:
            self._switch.register(step.at)
        elif binding is not None and binding.server.rank and binding.hop.remote != step.server:
            registration.fail_back(step.at)
        else:
            registration.refresh(step.at)

    def _registration(self, aor: str) -> Registration | None:
        for registration in self._switch.accounts.registrations:
            if any(aor_text(server.aor) == aor for server in registration.servers):
                return registration
        return None

    def _way(self, step: Ring) -> Way:
        """The way that the call took, from the account that it was placed from."""
        registration = self._registration(step.caller)
        if registration is not None:
            roads = registration.roads() or [(registration.servers[0], (step.hop,))]
            return through(step.target, roads, registration)
        account = self._switch.account("")
        return straight(step.target, [step.hop], account, self._script.node.host)

    def _find(self, uri: SipUri, account: AccountSettings, done: Callable[[Sequence[Hop], float], None]) -> None:
        done(self._script.places.get(Address(uri.host, uri.port or 0), ()), self._clock.now)

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
                message = parse_message(packet.data)
            except ParseError:
                continue  # a keep-alive
            self._outcome.sent.append(describe(message))
            self._outcome.digests += digests_of(message)
            if isinstance(message, Request) and message.method in ("REGISTER", "OPTIONS"):
                self._requests[message.call_id] += 1
        self._switch.closes()


def _accounts_of(script: Script) -> tuple[AccountSettings, ...]:
    """The accounts that the capture shows, and the peer-to-peer one."""
    own: dict[str, object] = {
        "auto_answer": script.answers_by_itself,
        "media_encryption": script.media_encryption,
        "media_keying": tuple(way for way in ("sdes", "dtls") if way in script.keying) or ("sdes",),
        "sdes_in_clear_signalling": True,  # whatever was given then, was given
    }
    if script.codecs:
        own["audio_codecs"] = tuple(script.codecs)
    registered = (account.model_copy(update=own) for account in script.accounts)
    return (*registered, AccountSettings(default=True).model_copy(update=own))
