"""Calls at random on a bad network: whatever people, telephones and packets do, one party has the door and all ends.

VOIPNODE_STORMS says how many runs (40 by default); a failure names its seed, which gives the same run again.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.support import switchboard
from tests.support.switchboard import DOOR, Phone, Switchboard, busy, sdp
from tests.support.wire import Link
from voipnode.calls.early_media import EarlySound
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import SipLeg
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutgoingInvite
from voipnode.sipstack.errors import SipError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

RUNS = int(os.environ.get("VOIPNODE_STORMS", "40"))
BUSY_S = 50.0  # so long people act
REST_S = 300.0  # every timer of RFC 3261 is over by then, several in a row
RELAY = "application/dtmf-relay"


class Storm:
    """One run: a door, some telephones, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.board = Switchboard(
            settings=SipSettings(
                max_calls=rng.choice((1, 1, 1, 2, 5)),
                calling_timeout_s=rng.choice((3, 10, 60)),
                incoming_call_timeout_s=rng.choice((3, 10, 60)),
                max_call_duration_s=rng.choice((2, 10, 600, "infinite")),
                dead_call_timeout_s=rng.choice((5, 20, 600)),
                trusted_callers=("192.168.1.0/24",),
            ),
            account=AccountSettings(auto_answer=rng.random() < 0.5, ptime_ms=20),
            rtp_ports=rng.choice((1, 3, 100)),
        )
        self.board.wire._random = random.Random(seed)
        self.phones = [
            self.board.phone(f"p{number}", f"192.168.1.{20 + number}", plan=self.plan)
            for number in range(rng.randint(1, 6))
        ]
        self.gone: set[str] = set()
        for phone in self.phones:
            for pair in ((phone.name, "door"), ("door", phone.name)):
                self.board.wire.set_link(*pair, self.link())

    def link(self) -> Link:
        rng = self.rng
        return Link(
            delay_s=rng.choice((0.0, 0.005, 0.2)),
            jitter_s=rng.choice((0.0, 0.02, 1.0)),
            loss=rng.choice((0.0, 0.0, 0.05, 0.25)),
            duplication=rng.choice((0.0, 0.1, 0.5)),
            segment_bytes=rng.choice((0, 0, 7, 500)),
        )

    def soon(self, action: Callable[[], object], most_s: float = 5.0) -> None:
        """Have somebody do this in a while; what the moment does not allow is not done."""

        def act() -> None:
            with suppress(CallError, SipError):
                action()

        self.board.wire.at(self.board.wire.now + self.rng.choice((0.0, self.rng.uniform(0, most_s))), act)

    # ---- what a telephone does

    def plan(self, phone: Phone, event: sip.Event) -> None:
        with suppress(SipError):
            match event:
                case sip.IncomingCall():
                    self.take(phone, event)
                case sip.CallAnswered() | sip.CallConfirmed():
                    self.talk(phone, event.session)
                    self.answer_in_the_ack(phone, event)
                case sip.ReinviteAnswered() if event.status == 200:
                    self.answer_in_the_ack(phone, event)
                case sip.UpdateReceived():
                    phone.endpoint.accept_update(event.session, sdp(phone.address.host), phone.wire.now)
                case sip.ReinviteReceived():
                    phone.endpoint.accept_reinvite(event.session, sdp(phone.address.host), phone.wire.now)

    def take(self, phone: Phone, event: sip.IncomingCall) -> None:
        endpoint, session, wire = phone.endpoint, event.session, phone.wire
        body = self.rng.choice(
            (sdp(phone.address.host), sdp(phone.address.host), sdp("192.168.1.9", formats="18"), b"?")
        )
        match self.rng.randrange(10):
            case 5 | 6:
                endpoint.ring(session, wire.now, 183, body=body, reliable=True)
                self.soon(lambda: endpoint.update(session, sdp(phone.address.host, more="a=inactive\r\n"), wire.now))
                self.soon(lambda: endpoint.accept(session, None, wire.now))
            case 7:
                endpoint.ring(session, wire.now, reliable=True)
                self.soon(lambda: endpoint.ring(session, wire.now, 182, reliable=True))
                self.soon(lambda: endpoint.accept(session, body, wire.now))
            case 0:
                endpoint.accept(session, body, wire.now)
            case 1:
                endpoint.reject(session, self.rng.choice((302, 401, 407, 480, 486, 503, 603)), wire.now)
            case 2:
                return  # nobody looks at it
            case 3:
                endpoint.ring(session, wire.now)
            case 4:
                endpoint.ring(session, wire.now, 183, body=body)
                self.soon(lambda: endpoint.accept(session, None, wire.now))
            case _:
                endpoint.ring(session, wire.now)
                self.soon(lambda: endpoint.accept(session, body, wire.now))
        if self.rng.random() < 0.3:
            self.soon(lambda: endpoint.hang_up(session, wire.now), 10.0)

    def talk(self, phone: Phone, session: str) -> None:
        endpoint, wire, host = phone.endpoint, phone.wire, phone.address.host
        for _ in range(self.rng.randint(0, 4)):
            match self.rng.randrange(8):
                case 6:
                    self.soon(lambda: endpoint.update(session, sdp(host, port=7002), wire.now))
                case 7:
                    self.soon(lambda: endpoint.update(session, None, wire.now))
                case 0:
                    self.soon(lambda: endpoint.hang_up(session, wire.now), 20.0)
                case 1:
                    self.soon(lambda: endpoint.reinvite(session, sdp(host, more="a=sendonly\r\n"), wire.now))
                case 2:
                    self.soon(
                        lambda: endpoint.reinvite(
                            session, sdp(host, formats=self.rng.choice(("0 101", "18"))), wire.now
                        )
                    )
                case 3:
                    self.soon(lambda: endpoint.reinvite(session, None, wire.now))
                case _:
                    self.soon(lambda: endpoint.info(session, RELAY, b"Signal=1\r\n", wire.now))

    def answer_in_the_ack(
        self, phone: Phone, event: sip.CallAnswered | sip.CallConfirmed | sip.ReinviteAnswered
    ) -> None:
        """Where the door made the offer, and mostly."""
        if self.rng.random() < 0.8:
            phone.endpoint.acknowledge(event.session, sdp(phone.address.host), phone.wire.now)

    def call_the_door(self, phone: Phone) -> None:
        assert isinstance(phone.uri, SipUri)
        offer = self.rng.choice((sdp(phone.address.host), sdp(phone.address.host), None, b"v=0\r\n"))
        invite = OutgoingInvite(
            target=SipUri(user="door", host=DOOR.host),
            from_=NameAddr(None, phone.uri),
            contact_user=phone.name,
            offer=offer,
            hop=Hop(self.rng.choice(("UDP", "UDP", "TCP")), DOOR),
            headers=self.rng.choice(((), (), (("Require", "100rel"),))),
            session_expires_s=self.rng.choice((None, 0, 90)),
        )
        session = phone.endpoint.invite(invite, phone.wire.now)
        if self.rng.random() < 0.3:
            self.soon(lambda: phone.endpoint.hang_up(session, phone.wire.now))

    def vanish(self, phone: Phone) -> None:
        if phone.name not in self.gone:
            self.gone.add(phone.name)
            self.board.wire.detach(phone.address)

    # ---- what people at the door do

    def ring(self) -> None:
        board, rng = self.board, self.rng
        some = rng.sample(self.phones, rng.randint(1, len(self.phones)))
        ways = [board.way(phone, Hop(rng.choice(("UDP", "UDP", "UDP", "TCP")), phone.address)) for phone in some]
        board.switch.ring(ways, board.wire.now, authorised=True)

    def act(self) -> None:
        switch, wire, rng = self.board.switch, self.board.wire, self.rng
        calls = switch.calls
        match rng.randrange(8):
            case 0 | 1:
                self.ring()
            case 2 | 3:
                self.call_the_door(rng.choice(self.phones))
            case 4 if calls:
                switch.hang_up(rng.choice(calls).id, wire.now)
            case 5 | 6 if calls:
                switch.answer(rng.choice(calls).id, wire.now)
            case 7 if calls:
                switch.send_digits(rng.choice(calls).id, "12#", wire.now)
            case _ if rng.random() < 0.05:
                self.vanish(rng.choice(self.phones))

    def run(self) -> None:
        wire = self.board.wire
        for _ in range(self.rng.randint(5, 40)):
            self.soon(self.act, BUSY_S)
        while wire.now < BUSY_S:
            wire.run(wire.now + 1.0)
            self.check()
        self.board.switch.hang_up_all(wire.now)
        for phone in self.phones:
            phone.plan = busy
        wire.run(BUSY_S + 1.0)
        self.board.switch.hang_up_all(wire.now)
        wire.run(BUSY_S + REST_S / 2)
        # A telephone rings until somebody takes or refuses the call when all that it said before was lost.
        for phone in self.phones:
            for ringing in phone.of(sip.IncomingCall):
                if phone.endpoint.is_waiting(ringing.session):
                    phone.endpoint.reject(ringing.session, 480, wire.now)
        wire.run(BUSY_S + REST_S)
        self.check_the_end()

    # ---- what must hold

    def check(self) -> None:
        """At any time: no more calls than allowed have the door, each with one party; only that one's sound flows."""
        switch = self.board.switch
        active = [call for call in switch.calls if call.state is CallState.ACTIVE]
        assert len(active) <= self.board.settings.max_calls
        for call in active:
            assert call.winner is not None
            assert call.winner.session in call.legs
        parties = switch._core.door._legs
        joined = {party.session for party in parties if isinstance(party, SipLeg)}
        assert joined <= {call.winner.session for call in active if call.winner is not None}
        early = [party for party in parties if isinstance(party, EarlySound)]
        assert len(joined) + len(early) == len(parties)
        assert len(early) <= sum(call.direction == "outgoing" and call not in active for call in switch.calls)
        assert all(leg.session not in joined for party in early for leg in party.legs)
        assert self.board.device.running == bool(parties or switch._core.door._ends)

    def check_the_end(self) -> None:
        board = self.board
        board.assert_quiet()
        counts = board.endpoint.counts()
        del counts["connections"]  # the wire's stay open
        assert not any(counts.values()), counts
        states: dict[str, list[CallState]] = {}
        for event in board.events:
            if isinstance(event, CallChanged):
                states.setdefault(event.call, []).append(event.state)
        for call, passed in states.items():
            assert passed[-1] is CallState.TERMINATED, (call, passed)
            assert max(Counter(passed).values()) == 1, (call, passed)
        assert all(event.authorised for event in board.digits)
        for phone in self.phones:
            if phone.name not in self.gone:
                assert phone.endpoint.counts()["sessions"] == 0, (phone.name, phone.events[-3:])
                assert phone.endpoint.counts()["transactions"] == 0


@pytest.mark.parametrize("first", range(0, RUNS, 10))
def test_one_party_has_the_door_and_everything_ends(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "TICK_S", 0.5)  # nobody listens: the clock need not cost a hundred turns a second
    for seed in range(first, min(first + 10, RUNS)):
        storm = Storm(seed)
        try:
            storm.run()
        except BaseException as error:
            error.add_note(f"seed {seed}, at {storm.board.wire.now:.3f} s")
            raise
