"""Phones that ring with sound, refuse, answer or are silent, beside HTTP clients: the first has the door, alone."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support import switchboard
from tests.support.switchboard import Phone, Switchboard, sdp
from voipnode.calls.clips.settings import EarlyMediaSettings, SoundsSettings
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.settings import SipSettings
from voipnode.calls.vms.settings import VmsSettings
from voipnode.sipstack import events as sip

SEEDS = 80


class Race:
    """One press, and what becomes of it; everything happens at random moments of the first four seconds."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        early = EarlyMediaSettings(
            policy=rng.choice(["first", "last", "heard", "ringback"]), microphone=rng.random() < 0.5
        )
        settings = SipSettings(
            early_media=early,
            calling_timeout_s=5,
            sounds=SoundsSettings(connected_beep=rng.random() < 0.3, nobody_clip="nobody"),
        )
        self.at = Switchboard(settings=settings, vms=VmsSettings(enabled=True), clips={"nobody": 0.4})
        self.phones = [self.phone(number) for number in range(rng.randint(0, 6))]
        self.call = self.at.ring(*self.phones, vms=not self.phones or rng.random() < 0.7)
        for _ in range(rng.randint(0, 2)):
            self.soon(self.speak)
        if rng.random() < 0.3:
            self.soon(self.hang_up)

    def soon(self, act: Callable[[], None]) -> None:
        moment = self.rng.choice([1.0, self.rng.uniform(0.0, 4.0)])  # many at the same one
        self.at.wire.at(self.at.wire.now + moment, act)

    def phone(self, number: int) -> Phone:
        ends = self.rng.choice(["answers", "answers", "refuses", "silent"])
        body = sdp(f"192.168.1.{20 + number}") if self.rng.random() < 0.6 else None

        def plan(phone: Phone, event: sip.Event) -> None:
            if not isinstance(event, sip.IncomingCall):
                return
            session, endpoint, wire = event.session, phone.endpoint, phone.wire
            endpoint.ring(session, wire.now, 180 if body is None else 183, None, body, reliable=self.rng.random() < 0.5)

            def end() -> None:
                if endpoint.is_waiting(session) and ends == "answers":
                    endpoint.accept(session, sdp(phone.address.host), wire.now)
                elif endpoint.is_waiting(session):
                    endpoint.reject(session, self.rng.choice([486, 603, 480, 500]), wire.now)

            if ends != "silent":
                self.soon(end)

        return self.at.phone(f"p{number}", f"192.168.1.{20 + number}", plan=plan)

    def speak(self) -> None:
        try:
            call, leg = self.at.switch.speak("PCMU/8000", "http://192.168.1.50", "", self.at.wire.now)
        except CallError:
            return
        leg.sound.feed(b"\x80" * 800)
        if self.rng.random() < 0.5:
            self.at.switch.vms.stopped(call)

    def hang_up(self) -> None:
        if self.at.switch.calls:
            self.at.switch.hang_up(self.call, self.at.wire.now)

    def run(self) -> None:
        at = self.at
        for _ in range(20):
            at.wire.run(at.wire.now + 0.5)
            self.check()
        if at.switch.calls:
            self.hang_up()
        at.wire.run(at.wire.now + 60.0)
        at.assert_quiet()
        assert at.switch.vms._offered == {}
        told = [event.state for event in at.events if isinstance(event, CallChanged)]
        assert told.count(CallState.ACTIVE) <= 1
        assert told[-1] is CallState.TERMINATED

    def check(self) -> None:
        """Who talks is alone on the bridge; before that there is nobody but what rings."""
        parties = self.at.switch._core.door._legs
        assert len(parties) <= 1
        connected = [phone for phone in self.phones if phone.of(sip.CallConfirmed) and not phone.of(sip.SessionEnded)]
        by_client = any(each.leg is not None for each in self.at.switch.vms._offered.values())
        assert len(connected) + by_client <= 1


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_exactly_one_has_the_door_and_nothing_is_left(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "TICK_S", 0.1)  # nobody listens
    for seed in range(first, first + 20):
        race = Race(seed)
        try:
            race.run()
        except Exception as error:
            error.add_note(f"seed {seed}, at {race.at.wire.now:.3f} s")
            raise
