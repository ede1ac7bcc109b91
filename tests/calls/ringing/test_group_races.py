"""Groups at random on a real network of SIP: whatever crosses whatever, one phone at most is in the call, and all ends.

VOIPNODE_RACES says how many runs (100 by default); a failure names its seed, which gives the same run again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import suppress

import pytest

from tests.calls.ringing.test_group_calls import House
from tests.support import switchboard
from tests.support.switchboard import Phone, busy, sdp
from tests.support.wire import Link
from voipnode.calls.clips.settings import SoundsSettings
from voipnode.calls.events import CallChanged, CallState, RecipientRang
from voipnode.calls.ringing.parties import Found
from voipnode.calls.ringing.plan import Recipient, RingPlan, Rules, Stage, Then
from voipnode.calls.settings import SipSettings
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import SipError

RUNS = int(os.environ.get("VOIPNODE_RACES", "100"))
PEOPLE = ("anna", "ben", "cora", "dora", "emil", "fred")
THENS: tuple[Then, ...] = ("only_this", "only_this", "only_this", "fallback", "end_all")


class Race:
    """One press, and people who answer, refuse, are away or vanish, at moments that like to coincide."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.house = House(
            SipSettings(dead_call_timeout_s=600, max_call_duration_s=600, sounds=SoundsSettings(busy_tone=False))
        )
        self.house.wire._random = random.Random(seed)
        for name in PEOPLE:
            self.house.person(name, self.plan, devices=dice.choice((1, 1, 1, 2, 3)))
        self.house.switch.ring_by(self)
        self.house.away = set(dice.sample(PEOPLE, dice.choice((0, 0, 1, 2))))
        self.gone: set[str] = set()
        for phone in self.phones:
            for pair in ((phone.name, "door"), ("door", phone.name)):
                delay_s, jitter_s = dice.choice((0.0, 0.1, 0.5)), dice.choice((0.0, 0.3))
                loss = dice.choice((0.0, 0.0, 0.0, 0.2))
                self.house.wire.set_link(*pair, Link(delay_s, jitter_s, loss, duplication=dice.choice((0.0, 0.3))))

    # ---- the world, in which some names take their time

    def hindrance(self, recipient: Recipient) -> str:
        return self.house.hindrance(recipient)

    def find(self, recipient: Recipient, done: Found) -> None:
        if self.dice.random() < 0.8:
            self.house.find(recipient, done)
            return

        def later() -> None:
            self.house.switch.resume(self.house.wire.now, lambda: self.house.find(recipient, done))

        self.house.wire.at(self.soon(), later)

    @property
    def phones(self) -> list[Phone]:
        return [phone for phones in self.house.people.values() for phone in phones]

    def ring_plan(self, depth: int = 0) -> RingPlan:
        dice = self.dice
        stages = tuple(
            Stage(
                tuple(Recipient(name, name) for name in dice.sample(PEOPLE, dice.randint(1, 3))),
                dice.choice((1.0, 2.0, 5.0)),
                dice.random() < 0.5,
            )
            for _ in range(dice.randint(1, 3))
        )
        rules = Rules(*(dice.choice(THENS) for _ in range(5)))
        fallback = self.ring_plan(depth + 1) if depth < 2 and dice.random() < 0.5 else None
        return RingPlan(f"g{depth}", stages, dice.choice((3.0, 12.0)), rules=rules, fallback=fallback)

    def soon(self) -> float:
        """A moment at which others may do something, too."""
        return self.house.wire.now + self.dice.choice((0.0, 0.5, 1.0, 1.0, 2.0, 2.0, self.dice.uniform(0, 6)))

    # ---- what a phone does

    def plan(self, phone: Phone, event: sip.Event) -> None:
        if not isinstance(event, sip.IncomingCall):
            return
        dice, endpoint, session, wire = self.dice, phone.endpoint, event.session, phone.wire
        if dice.random() < 0.8:
            endpoint.ring(session, wire.now)
        match dice.randrange(8):
            case 0 | 1 | 2 | 3:
                wire.at(
                    self.soon(), lambda: self.act(lambda: endpoint.accept(session, sdp(phone.address.host), wire.now))
                )
            case 4 | 5:
                status = dice.choice((486, 486, 603, 600, 480, 404, 503))
                wire.at(self.soon(), lambda: self.act(lambda: endpoint.reject(session, status, wire.now)))
            case 6 if dice.random() < 0.3:
                wire.at(self.soon(), lambda: self.vanish(phone))

    @staticmethod
    def act(action: object) -> None:
        with suppress(SipError):
            action()  # type: ignore[operator]  # a thunk

    def vanish(self, phone: Phone) -> None:
        if phone.name not in self.gone:
            self.gone.add(phone.name)
            self.house.wire.detach(phone.address)

    # ---- the run

    def run(self) -> str:
        """How it ended: "Active", or why not."""
        house, wire = self.house, self.house.wire
        house.press(self.ring_plan())
        while wire.now < 60.0:
            wire.run(wire.now + 3.0)
            self.check()
        active = [event for event in house.events if isinstance(event, CallChanged) and event.state is CallState.ACTIVE]
        if active and house.switch.calls:
            self.check_one_talks()
        for phone in self.phones:
            phone.plan = busy
        house.switch.hang_up_all(wire.now)
        wire.run(120.0)
        for phone in self.phones:  # who never heard of the CANCEL rings until somebody refuses
            for ringing in phone.of(sip.IncomingCall):
                if phone.endpoint.is_waiting(ringing.session):
                    phone.endpoint.reject(ringing.session, 480, wire.now)
        wire.run(250.0)
        self.check_the_end()
        return "Active" if active else house.last.reason.value

    def check(self) -> None:
        calls = self.house.switch.calls
        assert len(calls) <= 1
        for call in calls:
            if call.state is CallState.ACTIVE:
                assert call.winner is not None
                assert list(call.legs.values()) == [call.winner], "who was let go is gone at once"
            else:
                assert len(call.legs) <= 6

    def check_one_talks(self) -> None:
        """Half a minute after the answer everybody else has been told."""
        (call,) = self.house.switch.calls
        talking = [
            (phone.name, event.session)
            for phone in self.phones
            if phone.name not in self.gone
            for event in phone.of(sip.CallConfirmed)
            if phone.endpoint.knows(event.session)
        ]
        assert call.winner is not None
        assert len(talking) <= 1, talking
        if talking:
            assert call.winner.remote == f"sip:{talking[0][0]}@{self.of(talking[0][0]).address.host}"

    def of(self, name: str) -> Phone:
        return next(phone for phone in self.phones if phone.name == name)

    def check_the_end(self) -> None:
        house = self.house
        house.assert_quiet()
        assert house.switch._door.outgoing._ringers == {}
        assert house.switch._table.next_deadline() is None
        counts = house.endpoint.counts()
        del counts["connections"]  # the wire's stay open
        assert not any(counts.values()), counts
        states = [event.state for event in house.events if isinstance(event, CallChanged)]
        assert states[-1] is CallState.TERMINATED
        assert Counter(states)[CallState.ACTIVE] <= 1
        told = [event for event in house.events if isinstance(event, RecipientRang)]
        answered = [event for event in told if event.outcome == "answered"]
        assert len(answered) == (CallState.ACTIVE in states)
        for phone in self.phones:
            if phone.name not in self.gone:
                assert phone.endpoint.counts()["sessions"] == 0, (phone.name, phone.events[-3:])


@pytest.mark.parametrize("first", range(0, RUNS, 50))
def test_one_phone_at_most_is_in_the_call_and_everything_ends(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "TICK_S", 5.0)  # nobody listens
    ends: Counter[str] = Counter()
    for seed in range(first, min(first + 50, RUNS)):
        race = Race(seed)
        try:
            ends[race.run()] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}, at {race.house.wire.now:.3f} s")
            raise
    assert ends["Active"] >= 10, ends
    assert len(ends) >= 2, ends
