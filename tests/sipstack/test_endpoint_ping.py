"""Keep-alives that are answered, lost and refused (RFC 5626 §4.4)."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import ALICE, BOB, CAROL, Agent, FarSide, agent_and_far_side, invite_from
from tests.support.wire import Wire
from voipnode.sipstack.events import IncomingCall, PingFinished
from voipnode.sipstack.gate import TurnedAway
from voipnode.sipstack.message import Request
from voipnode.sipstack.stun import binding_success
from voipnode.sipstack.transport import Address, Hop

TCP, UDP = Hop("TCP", BOB), Hop("UDP", BOB)
US = Address("203.0.113.7", 40000)


def finished(alice: Agent) -> list[tuple[float, bool, str]]:
    return [(round(at, 6), event.ok, event.why) for at, event in alice.events if isinstance(event, PingFinished)]


def stun_server(far: FarSide, *seen_at: Address) -> None:
    """Answers each request with the next address, and the last one for ever."""
    left = list(seen_at)

    def heard(data: bytes, source: Hop) -> None:
        assert data[:2] == b"\0\1"
        at = left.pop(0) if len(left) > 1 else left[0]
        far.say(binding_success(data[8:20], at), ALICE)

    far.on_message = heard


@pytest.mark.parametrize("transport", ["TCP", "TLS", "WS", "WSS"])
def test_over_a_connection_two_line_ends_are_answered_by_one(transport: str) -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: wire.at(wire.now + 1.0, lambda: far.say(b"\r\n", ALICE, transport))
    token = alice.endpoint.ping(Hop(transport, BOB), 0.0)
    wire.run(until=30.0)
    assert far.got == [b"\r\n\r\n"]
    assert alice.one(PingFinished) == PingFinished(token, Hop(transport, BOB), ok=True)
    assert finished(alice) == [(1.0, True, "")]
    wire.cut(ALICE, BOB, transport)
    assert alice.forgot_all()


def test_pongs_in_a_row_are_not_taken_for_a_ping_of_the_peers() -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: far.say(b"\r\n", ALICE, "TCP")
    for at in (0.0, 5.0, 10.0):
        wire.at(at, lambda: alice.endpoint.ping(TCP, wire.now))
    wire.run(until=30.0)
    assert finished(alice) == [(0.0, True, ""), (5.0, True, ""), (10.0, True, "")]
    assert far.got == [b"\r\n\r\n"] * 3, "and nothing is answered"


def test_a_ping_of_the_peers_that_crosses_ours_is_answered() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(TCP, 0.0)
    far.say(b"\r\n\r\n", ALICE, "TCP")
    wire.run(until=1.0)
    assert far.got == [b"\r\n\r\n", b"\r\n"]


@pytest.mark.parametrize("hop", [TCP, UDP])
def test_who_cannot_wait_so_long_says_so(hop: Hop) -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(hop, 0.0, within_s=4.0)
    wire.run(until=30.0)
    assert finished(alice) == [(4.0, False, "no answer")]
    assert len(far.got) == (1 if hop.reliable else 4)


def test_a_pong_that_is_10_s_late_is_none() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(TCP, 0.0)
    wire.run(until=30.0)
    assert finished(alice) == [(10.0, False, "no answer")]
    far.say(b"\r\n", ALICE, "TCP")
    wire.run(until=31.0)
    assert len(finished(alice)) == 1


def test_a_pong_over_another_connection_is_somebody_elses() -> None:
    wire, alice, _ = agent_and_far_side()
    carol = FarSide(CAROL)
    wire.attach("carol", CAROL, carol)
    alice.endpoint.ping(TCP, 0.0)
    carol.say(b"\r\n", ALICE, "TCP")
    wire.run(until=5.0)
    assert finished(alice) == []


def test_a_connection_that_closes_fails_its_ping_at_once() -> None:
    wire, alice, _ = agent_and_far_side()
    alice.endpoint.ping(TCP, 0.0)
    wire.run(until=3.0)
    wire.cut(ALICE, BOB)
    wire.run(until=3.0)
    assert finished(alice) == [(3.0, False, "the connection was closed")]
    assert alice.forgot_all()


@pytest.mark.parametrize("hop", [TCP, UDP])
def test_a_ping_that_cannot_be_sent_has_failed(hop: Hop) -> None:
    wire, alice, _ = agent_and_far_side()
    wire.detach(BOB)
    wire.refused = lambda packet: wire.at(
        0, lambda: alice.endpoint.send_failed(packet.transaction, wire.now, "connection refused")
    )
    alice.endpoint.ping(hop, 0.0)
    wire.run(until=1.0)
    assert finished(alice) == [(0.0, False, "connection refused")]
    assert alice.forgot_all()


def test_over_udp_it_is_a_stun_request() -> None:
    wire, alice, far = agent_and_far_side()
    stun_server(far, US)
    alice.endpoint.ping(UDP, 0.0)
    wire.run(until=100.0)
    assert len(far.got) == 1
    assert finished(alice) == [(0.0, True, "")]
    assert alice.forgot_all()


def test_a_stun_request_is_repeated_for_39_5_s() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(UDP, 0.0)
    wire.run(until=100.0)
    assert [round(rung.at, 6) for rung in wire.ladder] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len(set(far.got)) == 1
    assert finished(alice) == [(39.5, False, "no answer")]
    assert alice.forgot_all()


def test_an_error_response_is_a_failure() -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: far.say(b"\x01\x11" + data[2:], ALICE)
    alice.endpoint.ping(UDP, 0.0)
    wire.run(until=1.0)
    assert finished(alice) == [(0.0, False, "an error response")]


def test_being_seen_at_another_address_is_a_failure_of_the_flow() -> None:
    wire, alice, far = agent_and_far_side()
    stun_server(far, US, US, US._replace(port=40001))
    for at in (0.0, 25.0, 50.0, 75.0):
        wire.at(at, lambda: alice.endpoint.ping(UDP, wire.now))
    wire.run(until=80.0)
    why = "we are seen at 203.0.113.7:40001 and no longer at 203.0.113.7:40000"
    assert finished(alice) == [(0.0, True, ""), (25.0, True, ""), (50.0, False, why), (75.0, True, "")]


def test_an_answer_from_elsewhere_or_to_nothing_is_not_believed() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(UDP, 0.0)
    wire.run(until=0.0)
    answer = binding_success(far.got[0][8:20], US)
    wire.inject(answer, Hop("UDP", CAROL), ALICE)
    wire.inject(binding_success(bytes(12), US), UDP, ALICE)
    assert finished(alice) == []
    wire.inject(answer, UDP, ALICE)
    wire.run(until=0.1)
    assert len(finished(alice)) == 1


# ---- what others ask of us


REQUEST = bytes.fromhex("000100002112a442000102030405060708090a0b")


def test_a_stun_request_at_the_sip_port_is_told_where_it_came_from() -> None:
    """RFC 5626 §8."""
    wire, _, far = agent_and_far_side()
    far.say(REQUEST, ALICE)
    wire.run(until=1.0)
    assert far.got == [binding_success(REQUEST[8:], BOB)]


class ClosedGate:
    """Answers nobody."""

    def request(self, request: Request, source: Hop, now: float) -> TurnedAway | None:
        return TurnedAway(0, "", "nobody")

    def answers(self, source: Hop, now: float) -> bool:
        return False


def test_whoever_is_not_worth_an_answer_gets_none_to_stun_either() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.screen(ClosedGate())
    far.say(REQUEST, ALICE)
    wire.run(until=1.0)
    assert far.got == []


def test_a_sip_message_after_a_ping_is_still_a_sip_message() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.ping(TCP, 0.0)
    invite = invite_from(BOB).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
    far.say(b"\r\n" + invite, ALICE, "TCP")
    wire.run(until=1.0)
    alice.one(IncomingCall)
    assert finished(alice) == [(0.0, True, "")]


def test_pings_of_a_wire_without_anybody_leave_nothing() -> None:
    wire = Wire()
    alice = Agent("alice", ALICE)
    wire.attach("alice", ALICE, alice)
    for hop in (UDP, TCP):
        alice.endpoint.ping(hop, 0.0)
    wire.run(until=100.0)
    assert sorted(at for at, _, _ in finished(alice)) == [10.0, 39.5]
    assert alice.forgot_all()
