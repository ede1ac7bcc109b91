"""One call over several hops: refused, silent, dying, overloaded and late ones (RFC 3263 §4.3)."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    Agent,
    FarSide,
    call_to,
    field,
    response_to,
)
from tests.support.wire import Wire
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.events import CallAnswered, CallProgress, EndCause, HopFailed, SessionEnded
from voipnode.sipstack.transport import Address, Hop, Packet

ONE = Address("192.0.2.11", 5060)
TWO = Address("192.0.2.12", 5060)
THREE = Address("192.0.2.13", 5060)
NOBODY = Address("192.0.2.99", 5060)
PHONE = Address("192.0.2.2", 5060)
CONTACT = "Contact: <sip:bob@192.0.2.2:5060>"


class Servers:
    """Alice, servers of plain text at ONE, TWO and THREE, and a phone behind them that takes in-dialog requests."""

    def __init__(self) -> None:
        self.wire = Wire(seed=7)
        self.wire.refused = self._refuse
        self.alice = Agent("alice", ALICE)
        self.one, self.two, self.three, self.phone = (FarSide(at) for at in (ONE, TWO, THREE, PHONE))
        for name, engine in (
            ("alice", self.alice),
            ("one", self.one),
            ("two", self.two),
            ("three", self.three),
            ("phone", self.phone),
        ):
            self.wire.attach(name, engine.address, engine)
        self.phone.on_message = lambda data, source: self.phone.say(response_to(data, "200 OK"), ALICE)
        for server in (self.one, self.two, self.three):
            self.settle(server)

    def _refuse(self, packet: Packet) -> None:
        self.wire.at(0, lambda: self.alice.endpoint.send_failed(packet.transaction, self.wire.now, "refused"))

    def settle(self, server: FarSide, *says: tuple[float, str], body: bytes = b"") -> None:
        """What a server does: answer every INVITE after so many seconds, and CANCEL with 200 and 487."""
        known: set[bytes] = set()

        def heard(data: bytes, source: object) -> None:
            method = data.split(b" ", 1)[0]
            if method == b"CANCEL":
                server.say(response_to(data, "200 OK", tag=server.address.host), ALICE)
                invite = next(each for each in known if field(each, "Via") == field(data, "Via"))
                self.say(server, "487 Request Terminated", invite)
            elif method == b"INVITE" and data not in known:
                known.add(data)
                for delay_s, status in says:
                    self.wire.at(self.wire.now + delay_s, lambda status=status: self.say(server, status, data))  # type: ignore[misc]  # binds the loop's value

        server.on_message = heard

    def say(self, server: FarSide, status: str, invite: bytes = b"") -> None:
        """A response to the last INVITE at that server."""
        tag = "" if status.startswith("100") else server.address.host
        fields = () if status[0] in "3456" else (CONTACT,)
        body = ANSWER if status.startswith("2") else b""
        server.say(response_to(invite or server.last("INVITE"), status, *fields, tag=tag, body=body), ALICE)

    def call(self, *hops: Address, transport: str = "UDP", **more: object) -> str:
        return self.alice.endpoint.invite(call_to(PHONE, hops=tuple(Hop(transport, at) for at in hops), **more), 0.0)

    def failed(self) -> list[tuple[float, Address, str]]:
        return [
            (round(at, 6), event.hop.remote, event.cause)
            for at, event in self.alice.events
            if isinstance(event, HopFailed)
        ]

    def invites(self) -> list[tuple[float, str]]:
        return [(round(rung.at, 6), rung.receiver) for rung in self.wire.ladder.pick("INVITE")]

    def ended(self) -> SessionEnded:
        """The end of the call, after which nothing is remembered."""
        self.wire.run(until=self.wire.now + 200.0)
        assert self.alice.forgot_all()
        return self.alice.one(SessionEnded)


def test_a_hop_that_refuses_packets_is_passed_over_at_once() -> None:
    net = Servers()
    net.settle(net.two, (0.0, "180 Ringing"), (1.0, "200 OK"))
    session = net.call(NOBODY, TWO)
    net.wire.run(until=2.0)
    assert net.invites() == [(0.0, str(NOBODY)), (0.0, "two")]
    assert net.failed() == [(0.0, NOBODY, "refused")]
    assert net.alice.when(CallAnswered) == [1.0]
    net.alice.endpoint.hang_up(session, 2.0)
    assert net.ended().cause is EndCause.LOCAL_HANGUP


def test_the_next_hop_gets_the_same_request_with_a_branch_of_its_own() -> None:
    net = Servers()
    net.settle(net.two, (0.0, "486 Busy Here"))
    net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=3.0)
    first, second = net.one.got[0], net.two.got[0]
    for name in ("From", "To", "Call-ID", "CSeq", "Contact", "Content-Type"):
        assert field(first, name) == field(second, name)
    assert field(first, "Via") != field(second, "Via")
    assert net.ended() == SessionEnded("s1", EndCause.REJECTED, 486, "Busy Here")


def test_a_silent_hop_is_left_after_its_time_and_its_invite_repeated_no_more() -> None:
    net = Servers()
    net.settle(net.two, (0.0, "100 Trying"), (0.5, "180 Ringing"), (3.0, "200 OK"))
    session = net.call(ONE, TWO, THREE, no_answer_s=2.0)
    net.wire.run(until=60.0)
    assert net.invites() == [(0.0, "one"), (0.5, "one"), (1.5, "one"), (2.0, "two")]
    assert net.failed() == [(2.0, ONE, "no answer within 2 s")]
    assert net.alice.when(CallAnswered) == [5.0]
    assert net.three.got == []
    net.alice.endpoint.hang_up(session, 60.0)
    net.ended()


def test_without_a_time_of_its_own_a_silent_hop_has_timer_b() -> None:
    net = Servers()
    net.settle(net.two, (0.0, "486 Busy Here"))
    net.call(ONE, TWO)
    net.wire.run(until=40.0)
    assert net.failed() == [(32.0, ONE, "no answer")]
    assert net.invites()[-1] == (32.0, "two")
    assert net.ended().status == 486


def test_a_hop_that_said_100_and_died_is_left_when_the_call_gets_no_further() -> None:
    net = Servers()
    net.settle(net.one, (0.1, "100 Trying"))
    net.settle(net.two, (0.0, "180 Ringing"), (1.0, "200 OK"))
    session = net.call(ONE, TWO, no_answer_s=2.0, no_progress_s=8.0)
    net.wire.at(1.0, lambda: net.wire.detach(ONE))
    net.wire.refused = lambda packet: None
    net.wire.run(until=10.0)
    assert net.invites() == [(0.0, "one"), (8.0, "two")]
    assert net.failed() == [(8.0, ONE, "no answer within 8 s")]
    assert net.alice.when(CallAnswered) == [9.0]
    assert [rung.at for rung in net.wire.ladder.pick("CANCEL")][:1] == [8.0]
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_a_hop_that_rings_has_all_the_time_it_wants() -> None:
    net = Servers()
    net.settle(net.one, (0.1, "100 Trying"), (1.0, "180 Ringing"), (60.0, "200 OK"))
    session = net.call(ONE, TWO, no_answer_s=2.0, no_progress_s=8.0)
    net.wire.run(until=70.0)
    assert net.alice.when(CallAnswered) == [60.0]
    assert net.invites() == [(0.0, "one")]
    net.alice.endpoint.hang_up(session, 70.0)
    net.ended()


def test_an_abandoned_hop_loses_every_call_that_has_somewhere_else_to_go() -> None:
    net = Servers()
    net.settle(net.one, (0.1, "100 Trying"), (1.0, "180 Ringing"))
    net.settle(net.two, (0.0, "180 Ringing"), (1.0, "200 OK"))
    with_next, without = net.call(ONE, TWO), net.call(ONE)
    elsewhere = net.call(THREE, ONE, TWO, no_answer_s=10.0)
    net.wire.run(until=5.0)
    net.alice.endpoint.abandon_hop(Hop("UDP", ONE), 5.0)
    net.wire.run(until=7.0)
    assert [event.session for event in net.alice.told(CallAnswered)] == [with_next]
    assert net.wire.ladder.times("CANCEL") == [5.0]
    assert net.alice.endpoint.knows(without)  # it goes on ringing there: there is nowhere else
    net.wire.run(until=12.0)
    assert [event.session for event in net.alice.told(CallAnswered)] == [with_next, elsewhere]  # not by way of ONE
    assert len([data for data in net.one.got if data.startswith(b"INVITE")]) == 2
    for session in (with_next, without, elsewhere):
        net.alice.endpoint.hang_up(session, 12.0)
    net.wire.run(until=200.0)
    assert net.alice.forgot_all()


def test_forks_of_a_hop_that_was_left_are_forgotten() -> None:
    net = Servers()
    net.settle(net.one, (0.0, "180 Ringing"))
    net.settle(net.two, (0.5, "183 Session Progress"), (1.0, "200 OK"))
    session = net.call(ONE, TWO)
    net.wire.run(until=1.0)
    assert net.alice.endpoint.counts()["dialogs"] == 1
    net.alice.endpoint.abandon_hop(Hop("UDP", ONE), 1.0)
    net.wire.run(until=1.2)
    assert net.alice.endpoint.counts()["dialogs"] == 0
    net.wire.run(until=3.0)
    assert [event.tag for event in net.alice.told(CallProgress)] == [ONE.host, TWO.host]
    assert net.alice.one(CallAnswered).tag == TWO.host
    net.alice.endpoint.hang_up(session, 3.0)
    net.ended()


def test_503_is_the_next_hops_turn_and_its_retry_after_is_told() -> None:
    net = Servers()
    net.one.on_message = lambda data, source: (
        net.one.say(response_to(data, "503 Service Unavailable", "Retry-After: 120 (maintenance)"), ALICE)
        if data.startswith(b"INVITE")
        else None
    )
    net.settle(net.two, (0.0, "486 Busy Here"))
    net.call(ONE, TWO)
    net.wire.run(until=1.0)
    hop = Hop("UDP", ONE)
    assert net.alice.one(HopFailed) == HopFailed("s1", hop, "503 Service Unavailable", 120)
    assert net.invites() == [(0.0, "one"), (0.0, "two")]
    assert net.ended().status == 486


@pytest.mark.parametrize("status", ["500 Server Internal Error", "504 Server Time-out", "408 Request Timeout"])
def test_other_statuses_pass_a_call_on_where_the_settings_say_so(status: str) -> None:
    number = int(status[:3])
    for also, hops in (((503,), 1), ((503, number), 2)):
        net = Servers()
        net.settle(net.one, (0.0, status))
        net.settle(net.two, (0.0, "486 Busy Here"))
        net.call(ONE, TWO, failover_statuses=also)
        net.wire.run(until=1.0)
        assert len(net.invites()) == hops
        assert net.ended().status == (number if hops == 1 else 486)


def test_a_late_180_of_a_hop_that_was_left_is_cancelled() -> None:
    net = Servers()
    net.settle(net.one, (3.0, "180 Ringing"))
    net.settle(net.two, (0.0, "180 Ringing"), (5.0, "200 OK"))
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=10.0)
    (cancel,) = net.wire.ladder.pick("CANCEL")
    assert (cancel.at, cancel.receiver) == (3.0, "one")
    assert field(cancel.data, "Via") == field(net.one.got[0], "Via")
    assert [event.tag for event in net.alice.told(CallProgress)] == [TWO.host]
    assert net.alice.one(CallAnswered).tag == TWO.host
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


@pytest.mark.parametrize("late_s", [2.5, 4.0, 20.0])
def test_a_late_200_of_a_hop_that_was_left_is_acknowledged_and_hung_up(late_s: float) -> None:
    net = Servers()
    net.settle(net.one, (late_s, "200 OK"))
    net.settle(net.two, (0.0, "180 Ringing"), (1.0, "200 OK"))
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=30.0)
    assert net.alice.one(CallAnswered).tag == TWO.host
    heard = [(data[:3], field(data, "To").rpartition("=")[2]) for data in net.phone.got]
    assert sorted(heard) == [(b"ACK", ONE.host), (b"ACK", TWO.host), (b"BYE", ONE.host)]
    assert net.alice.endpoint.knows(session)
    net.alice.endpoint.hang_up(session, 30.0)
    net.ended()


def test_a_phone_that_was_reached_twice_answers_by_the_first_road() -> None:
    """Hop 1 is slow: the phone had its INVITE all along and says 482 to the one that came by hop 2."""
    net = Servers()
    net.settle(net.one, (2.5, "180 Ringing"), (6.0, "200 OK"))
    net.settle(net.two, (0.0, "100 Trying"), (0.1, "482 Loop Detected"))
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=10.0)
    assert net.invites() == [(0.0, "one"), (0.5, "one"), (1.5, "one"), (2.0, "two"), (2.1, "one")]
    assert net.wire.ladder.pick("CANCEL") == []
    assert net.alice.when(CallProgress) == [2.5]
    assert net.alice.when(CallAnswered) == [6.0]
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_a_phone_that_was_reached_by_a_hop_that_died_since_is_asked_anew() -> None:
    """Hop 1 passed the INVITE on and died; the phone's 482 by hop 2 leaves nothing but a call under a new CSeq."""
    net = Servers()

    def phone_behind_two(data: bytes, source: object) -> None:
        if data.startswith(b"INVITE"):
            net.say(net.two, "482 Loop Detected" if field(data, "CSeq") == "1 INVITE" else "200 OK", data)

    net.two.on_message = phone_behind_two
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=10.0)
    assert net.invites() == [
        *((0.0, "one"), (0.5, "one"), (1.5, "one"), (2.0, "two")),
        *((2.0, "one"), (2.5, "one"), (3.5, "one"), (4.0, "two")),
    ]
    assert [field(data, "CSeq") for data in net.two.got if data.startswith(b"INVITE")] == ["1 INVITE", "2 INVITE"]
    assert net.alice.when(CallAnswered) == [4.0]
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_a_phone_whose_first_road_was_cancelled_is_asked_anew_at_once() -> None:
    net = Servers()
    net.settle(net.one, (0.0, "180 Ringing"))

    def phone_behind_two(data: bytes, source: object) -> None:
        if data.startswith(b"INVITE"):
            net.say(net.two, "482 Loop Detected" if field(data, "CSeq") == "1 INVITE" else "200 OK", data)

    net.two.on_message = phone_behind_two
    session = net.call(ONE, TWO)
    net.wire.run(until=1.0)
    net.alice.endpoint.abandon_hop(Hop("UDP", ONE), 1.0)
    net.wire.run(until=2.0)
    assert net.invites() == [(0.0, "one"), (1.0, "two"), (1.0, "two")]
    assert net.alice.when(CallAnswered) == [1.0]
    net.alice.endpoint.hang_up(session, 2.0)
    net.ended()


def test_482_for_ever_ends_the_call() -> None:
    net = Servers()
    net.settle(net.one, (0.0, "180 Ringing"))
    net.settle(net.two, (0.0, "482 Loop Detected"))
    net.call(ONE, TWO)
    net.wire.run(until=1.0)
    net.alice.endpoint.abandon_hop(Hop("UDP", ONE), 1.0)
    net.wire.run(until=2.0)
    assert len(net.invites()) == 3
    assert net.ended() == SessionEnded("s1", EndCause.REJECTED, 482, "Loop Detected")


def test_a_loop_at_the_only_hop_is_told_as_such() -> None:
    net = Servers()
    net.settle(net.one, (0.0, "482 Loop Detected"))
    net.call(ONE, TWO)
    net.wire.run(until=1.0)
    assert net.invites() == [(0.0, "one")]
    assert net.ended().status == 482


@pytest.mark.parametrize("one_says", ["180 Ringing", "200 OK", "486 Busy Here", ""])
def test_hanging_up_at_hop_two_leaves_nothing_at_hop_one(one_says: str) -> None:
    net = Servers()
    if one_says:
        net.settle(net.one, (10.0, one_says))
    net.settle(net.two, (0.0, "180 Ringing"))
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=3.0)
    net.alice.endpoint.hang_up(session, 3.0)
    net.wire.run(until=4.0)
    assert net.alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert net.wire.ladder.pick("CANCEL").times() == [3.0]
    net.wire.run(until=20.0)
    later = [(rung.what, rung.receiver) for rung in net.wire.ladder.pick(sender="alice") if rung.at >= 10.0]
    expected = {
        "180 Ringing": [("CANCEL", "one"), ("ACK", "one")],
        "200 OK": [("ACK", "phone"), ("BYE", "phone")],
        "486 Busy Here": [("ACK", "one")],
        "": [],
    }
    assert later == expected[one_says]
    assert net.alice.told(CallAnswered) == []
    net.ended()


def test_hanging_up_while_both_are_silent_ends_at_once_when_hop_two_is_heard() -> None:
    net = Servers()
    net.settle(net.two, (4.0, "180 Ringing"))
    session = net.call(ONE, TWO, no_answer_s=2.0)
    net.wire.run(until=3.0)
    net.alice.endpoint.hang_up(session, 3.0)
    net.wire.run(until=10.0)
    assert net.invites()[-1] == (5.5, "two")
    assert net.alice.when(SessionEnded) == [6.0]
    assert len(net.failed()) == 1
    net.ended()


@pytest.mark.parametrize(
    ("one_says", "two_says", "cause", "status"),
    [
        ("", "", EndCause.TIMEOUT, 0),
        ("503 Service Unavailable", "", EndCause.TIMEOUT, 0),  # 408 says more than 503 (RFC 3261 §16.7 item 6)
        ("503 Service Unavailable", "refused", EndCause.REJECTED, 503),
        ("500 Server Internal Error", "503 Service Unavailable", EndCause.REJECTED, 500),
        ("503 Service Unavailable", "404 Not Found", EndCause.REJECTED, 404),
        ("refused", "refused", EndCause.TRANSPORT, 0),
    ],
)
def test_when_all_hops_fail_the_call_ends_with_what_says_most(
    one_says: str, two_says: str, cause: EndCause, status: int
) -> None:
    net = Servers()
    hops = []
    for server, says in ((net.one, one_says), (net.two, two_says)):
        hops.append(NOBODY if says == "refused" else server.address)
        net.settle(server, *([(0.0, says)] if says else []))
    net.call(*hops, failover_statuses=(500, 503))
    ended = net.ended()
    assert (ended.cause, ended.status) == (cause, status)
    assert len(net.failed()) == (1 if status == 404 else 2)


def test_a_silent_hop_is_waited_for_again_when_all_others_refuse() -> None:
    net = Servers()
    net.settle(net.one, (2.5, "180 Ringing"), (5.0, "200 OK"))
    session = net.call(ONE, NOBODY, no_answer_s=2.0)
    net.wire.run(until=10.0)
    assert net.failed() == [(2.0, ONE, "no answer within 2 s"), (2.0, NOBODY, "refused")]
    assert net.alice.when(CallAnswered) == [5.0]
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_each_hop_may_ask_for_a_password_and_silence_after_it_counts_anew() -> None:
    net = Servers()

    def asks(server: FarSide, realm: str, *, dies: bool) -> None:
        def heard(data: bytes, source: object) -> None:
            if not data.startswith(b"INVITE"):
                return
            if f'realm="{realm}"'.encode() not in data:
                value = f'WWW-Authenticate: Digest realm="{realm}", nonce="n", qop="auth"'
                answer = response_to(data, "401 Unauthorized", value)
                net.wire.at(net.wire.now + (1.0 if dies else 0.0), lambda: server.say(answer, ALICE))
            elif not dies:
                net.say(server, "200 OK", data)

        server.on_message = heard

    asks(net.one, "one", dies=True)
    asks(net.two, "two", dies=False)
    session = net.call(ONE, TWO, no_answer_s=2.0, credentials=(Credentials("alice", "pw"),))
    net.wire.run(until=10.0)
    at_two = [data for data in net.two.got if data.startswith(b"INVITE")]
    assert net.failed() == [(3.0, ONE, "no answer within 2 s")]
    assert [field(data, "CSeq") for data in net.one.got if data.startswith(b"INVITE")][-1] == "2 INVITE"
    # The phone behind both of them sees one number, and can tell that it is one call.
    assert [field(data, "CSeq") for data in at_two] == ["1 INVITE", "2 INVITE"]
    assert net.alice.when(CallAnswered) == [3.0]
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_a_challenge_from_a_hop_that_was_left_is_not_answered() -> None:
    net = Servers()
    value = 'WWW-Authenticate: Digest realm="one", nonce="n", qop="auth"'
    net.settle(net.two, (0.0, "180 Ringing"), (5.0, "200 OK"))
    session = net.call(ONE, TWO, no_answer_s=2.0, credentials=(Credentials("alice", "pw"),))
    net.wire.run(until=3.0)
    net.one.say(response_to(net.one.got[0], "401 Unauthorized", value), ALICE)
    net.wire.run(until=10.0)
    assert [at for at, receiver in net.invites() if receiver == "one"] == [0.0, 0.5, 1.5]
    net.alice.one(CallAnswered)
    net.alice.endpoint.hang_up(session, 10.0)
    net.ended()


def test_the_contact_and_via_are_those_of_each_hop() -> None:
    net = Servers()
    net.settle(net.two, (0.0, "486 Busy Here"))
    hops = (Hop("UDP", ONE), Hop("TCP", TWO))
    net.alice.endpoint.invite(call_to(PHONE, hops=hops, no_answer_s=1.0), 0.0)
    net.wire.run(until=2.0)
    assert field(net.two.got[0], "Via").startswith("SIP/2.0/TCP ")
    assert "transport=tcp" in field(net.two.got[0], "Contact")
    assert "transport" not in field(net.one.got[0], "Contact")


def test_a_call_by_way_of_an_outbound_registration_asks_for_requests_along_its_flow() -> None:
    net = Servers()
    net.call(ONE, outbound=True)
    net.wire.run(until=1.0)
    assert field(net.one.got[0], "Contact") == "<sip:alice@192.0.2.1:5060;ob>"  # RFC 5626 §4.3


def test_no_more_hops_are_tried_than_anybody_has() -> None:
    net = Servers()
    net.call(*(Address(f"192.0.2.{number}", 5060) for number in range(100, 200)))
    net.ended()
    assert len(net.failed()) == 16
