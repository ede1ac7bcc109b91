"""Sessions of every kind in virtual time, with twisted messages in the middle of them: nothing escapes, all ends.

VOIPNODE_FUZZ_RUNS says how many runs (20 of each by default); a failure names its seed, which gives the same run again.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.calls import test_registration_storm as registration
from tests.calls import test_switch_storms as calls
from tests.fuzz.twisted import Twister
from tests.support import switchboard
from tests.support.switchboard import DOOR, Phone
from voipnode.calls.events import CallState
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

pytestmark = pytest.mark.fuzz

RUNS = int(os.environ.get("VOIPNODE_FUZZ_RUNS", "20"))


class TwistedCalls(calls.Storm):
    """The storm of calls; people also hold and transfer, phones refer, replace and write texts, and much is twisted."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        board = self.board
        object.__setattr__(board.settings, "allow_transfer", self.rng.choice(("trusted", "always")))
        self.twister = Twister(board.switch, random.Random(seed), calls.BUSY_S)
        board.wire.attach("door", DOOR, self.twister)

    def talk(self, phone: Phone, session: str) -> None:
        super().talk(phone, session)
        endpoint, wire, other = phone.endpoint, phone.wire, self.rng.choice(self.phones)
        assert isinstance(other.uri, SipUri)
        match self.rng.randrange(4):
            case 0:
                self.soon(lambda: endpoint.refer(session, other.uri, wire.now))
            case 1:
                self.soon(lambda: self.outside(phone, "MESSAGE", b"hello"))
            case 2:
                self.soon(lambda: self.outside(phone, "SUBSCRIBE", None))
            case _:
                pass

    def take(self, phone: Phone, event: sip.IncomingCall) -> None:
        if self.rng.random() < 0.15:
            to = self.rng.choice(self.phones)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=(("Contact", f"<{to.uri}>"),))
        else:
            super().take(phone, event)

    def outside(self, phone: Phone, method: str, body: bytes | None) -> None:
        assert isinstance(phone.uri, SipUri)
        phone.endpoint.request(
            OutsideRequest(
                method,
                SipUri(user="door", host=DOOR.host),
                NameAddr(None, phone.uri),
                hop=Hop("UDP", DOOR),
                body=body,
                content_type="text/plain" if body else "",
                headers=(("Event", "refer"), ("Contact", f"<{phone.uri}>")),
            ),
            phone.wire.now,
        )

    def act(self) -> None:
        switch, wire, rng = self.board.switch, self.board.wire, self.rng
        active = [call for call in switch.calls if call.state is CallState.ACTIVE]
        match rng.randrange(6):
            case 0 if active:
                switch.hold(rng.choice(active).id, wire.now, held=rng.random() < 0.6)
            case 1 if active:
                to = rng.choice(self.phones).uri
                assert isinstance(to, SipUri)
                switch.transfer(rng.choice(active).id, wire.now, to=to)
            case 2 if len(active) > 1:
                switch.transfer(active[0].id, wire.now, with_call=active[1].id)
            case _:
                super().act()

    def check(self) -> None:
        """At any time: no more calls than allowed have the door, and nobody hears it but those who have it."""
        switch = self.board.switch
        active = [call for call in switch.calls if call.state is CallState.ACTIVE]
        assert len(active) <= self.board.settings.max_calls
        heard_by = {party.session for party in switch._core.door._legs if isinstance(party, SipLeg)}
        assert heard_by <= {call.winner.session for call in active if call.winner is not None and call.winner.proven}

    def check_the_end(self) -> None:
        """At the door alone: what the phones believe is not for the door to mend."""
        self.board.assert_quiet()
        counts = self.board.endpoint.counts()
        del counts["connections"]
        assert not any(counts.values()), counts
        door = self.board.switch._door
        kept = (door.transfers._under_way, door._referred._wishes, door._redirects._trails)
        assert not any((*kept, door.holds._changes, door._early._sounds)), kept


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, RUNS, 10))
def test_calls_end_and_nothing_is_left(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "TICK_S", 0.5)
    twisted = 0
    for seed in range(first, min(first + 10, RUNS)):
        storm = TwistedCalls(seed)
        try:
            storm.run()
        except BaseException as error:
            error.add_note(f"seed {seed}, at {storm.board.wire.now:.3f} s")
            raise
        twisted += storm.twister.twisted
    assert twisted > 100


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(max(1, RUNS // 5)))
def test_a_registrar_that_answers_nonsense_is_a_registrar_again_once_it_makes_sense(seed: int) -> None:
    storm = registration.Storm(seed)
    twister = Twister(storm.door, random.Random(seed), registration.STORM_S, share=0.5)
    storm.wire.attach("door", switchboard.DOOR, twister)
    storm.door.start()
    for second in range(registration.STORM_S):
        storm.wire.at(float(second), storm.strike)
    storm.wire.run(float(registration.STORM_S))
    storm.calm()
    storm.wire.run(registration.STORM_S + 3600.0 + registration.CALM_S)  # Retry-After is believed for an hour
    assert storm.door.last.state == "registered", storm.door.told[-5:]
    asked = len({(rung.at, rung.receiver) for rung in storm.wire.ladder.pick("REGISTER", "door")})
    assert asked < registration.STORM_S, "a server that says nonsense is not asked without a pause"
    storm.door.accounts.stop(storm.wire.now)
    storm.wire.run(storm.wire.now + 100.0)
    assert storm.door.accounts.stopped
    assert storm.door.next_deadline() is None
    assert not any(storm.door.endpoint.counts().values()), storm.door.endpoint.counts()
    assert twister.twisted > 5
