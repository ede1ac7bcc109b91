"""Calls over connections that are kept, lost and opened anew, as ladders."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    CAROL,
    Agent,
    FarSide,
    address,
    agent_and_far_side,
    call_to,
    field,
    in_dialog,
    invite_from,
    response_to,
    tag_of,
    two_agents,
    uri,
)
from tests.support.wire import Wire
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    ConnectionClosed,
    EndCause,
    HopFailed,
    IncomingCall,
    InfoReceived,
    RequestFinished,
    SessionEnded,
)
from voipnode.sipstack.transport import Hop, Packet

NOWHERE = "Contact: <sip:bob@phone.invalid;transport=tcp>"
TCP = Hop("TCP", BOB)


def connections(wire: Wire, beginning: bytes, engine: Agent) -> list[int | None]:
    """Over which connection each packet of that beginning was told to go."""
    return [packet.hop.connection for packet in wire_packets(wire, engine) if packet.data.startswith(beginning)]


def wire_packets(wire: Wire, engine: Agent) -> list[Packet]:
    return engine.sent  # type: ignore[attr-defined,no-any-return]  # `recorded` put it there


def recorded(alice: Agent) -> Agent:
    """Keeps what Alice hands out, hops and all."""
    alice.sent = []  # type: ignore[attr-defined]  # for this file alone
    outbox = alice.outbox

    def keep(now: float) -> list[Packet]:
        packets = outbox(now)
        alice.sent += packets  # type: ignore[attr-defined]  # as above
        return packets

    alice.outbox = keep  # type: ignore[method-assign]  # as above
    return alice


def refusing(wire: Wire, alice: Agent) -> None:
    """What cannot be sent is told."""
    wire.refused = lambda packet: wire.at(
        0, lambda: alice.endpoint.send_failed(packet.transaction, wire.now, "refused")
    )


def answered_call(contact: str = NOWHERE) -> tuple[Wire, Agent, FarSide, str]:
    """Alice called over TCP, and the far side answered."""
    wire, alice, far = agent_and_far_side()
    recorded(alice)
    refusing(wire, alice)

    def heard(data: bytes, source: Hop) -> None:
        if not data.startswith((b"ACK", b"SIP/2.0")):
            body = ANSWER if data.startswith(b"INVITE") else b""
            far.say(response_to(data, "200 OK", contact, body=body), ALICE, "TCP")

    far.on_message = heard
    session = alice.endpoint.invite(call_to(BOB, hop=TCP), 0.0)
    wire.run(until=1.0)
    alice.one(CallAnswered)
    return wire, alice, far, session


def test_requests_of_a_call_go_over_the_connection_of_its_invite() -> None:
    wire, alice, far, session = answered_call()
    alice.endpoint.info(session, "application/dtmf", b"1", 1.0)
    wire.run(until=2.0)
    alice.endpoint.hang_up(session, 2.0)
    wire.run(until=3.0)
    to_contact = "sip:bob@phone.invalid;transport=tcp SIP/2.0"
    assert far.got_first_lines()[-3:] == [f"ACK {to_contact}", f"INFO {to_contact}", f"BYE {to_contact}"]
    for method in (b"ACK", b"INFO", b"BYE"):
        assert connections(wire, method, alice) == [1]
    wire.cut(ALICE, BOB)
    wire.run(until=100.0)
    assert alice.forgot_all()


def test_when_that_connection_is_gone_a_new_one_to_the_server_is_opened() -> None:
    wire, alice, far, session = answered_call("Contact: <sip:bob@192.0.2.2:5060;transport=tcp>")
    wire.cut(ALICE, BOB)
    assert alice.one(ConnectionClosed).hop == Hop("TCP", BOB, 1)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=2.0)
    assert connections(wire, b"BYE", alice) == [None]
    assert far.got[-1].startswith(b"BYE")
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP


def test_a_request_whose_connection_goes_under_it_is_sent_again_over_a_new_one() -> None:
    wire, alice, far, session = answered_call("Contact: <sip:bob@192.0.2.2:5060;transport=tcp>")
    far.on_message = lambda data, source: None
    alice.endpoint.info(session, "application/dtmf", b"1", 1.0)
    wire.run(until=1.5)
    wire.cut(ALICE, BOB)
    wire.run(until=2.0)
    infos = [data for data in far.got if data.startswith(b"INFO")]
    assert len(infos) == 2
    assert infos[0] == infos[1]  # the same transaction: at worst a retransmission
    far.say(response_to(infos[1], "200 OK"), ALICE, "TCP")
    wire.run(until=3.0)
    assert alice.one(RequestFinished).status == 200


def test_a_2xx_that_is_repeated_over_a_new_connection_gets_its_ack_there() -> None:
    wire, alice, far, session = answered_call("Contact: <sip:bob@192.0.2.2:5060;transport=tcp>")
    ok = response_to(far.last("INVITE"), "200 OK", "Contact: <sip:bob@192.0.2.2:5060;transport=tcp>", body=ANSWER)
    wire.cut(ALICE, BOB)
    far.say(ok, ALICE, "TCP")
    wire.run(until=2.0)
    assert connections(wire, b"ACK", alice) == [1, None]
    assert sum(data.startswith(b"ACK") for data in far.got) == 2
    assert alice.endpoint.knows(session)


@pytest.mark.parametrize("transport", ["TCP", "TLS"])
def test_a_caller_behind_a_nat_is_answered_and_hung_up_over_what_it_opened(transport: str) -> None:
    wire, alice, far = agent_and_far_side()
    recorded(alice)
    invite = invite_from(BOB).replace(b"SIP/2.0/UDP", f"SIP/2.0/{transport}".encode())
    invite = invite.replace(b"<sip:bob@192.0.2.2:5060>", b"<sip:bob@10.9.8.7:5060;transport=tcp>")
    far.say(invite, ALICE, transport)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE, transport)
    wire.run(until=1.0)
    alice.one(CallConfirmed)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    assert far.last("BYE").startswith(b"BYE sip:bob@10.9.8.7:5060;transport=tcp")
    assert connections(wire, b"BYE", alice) == [1]


def test_a_caller_that_came_back_over_another_connection_is_found_there() -> None:
    wire, alice, far = agent_and_far_side()
    invite = invite_from(BOB).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
    far.say(invite.replace(b"<sip:bob@192.0.2.2:5060>", b"<sip:bob@10.9.8.7;transport=tcp>"), ALICE, "TCP")
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE, "TCP")
    wire.run(until=1.0)
    wire.cut(ALICE, BOB)
    far.say(in_dialog("INFO", tag, 2, body=b"Signal=1\r\n"), ALICE, "TCP")
    wire.run(until=2.0)
    alice.one(InfoReceived)
    alice.endpoint.hang_up(session, 2.0)
    wire.run(until=2.0)
    far.last("BYE")


# ---- connections that go while something waits on them


def test_a_request_that_waits_on_a_dead_server_fails_the_moment_its_connection_does() -> None:
    wire, alice, _ = agent_and_far_side()
    refusing(wire, alice)
    token = alice.endpoint.request(OutsideRequest("OPTIONS", uri("sip:192.0.2.2"), address("<sip:a@b>"), hop=TCP), 0.0)
    wire.run(until=3.0)
    wire.detach(BOB)
    wire.cut(ALICE, BOB)
    wire.run(until=3.0)
    assert alice.when(ConnectionClosed) == [3.0]
    assert alice.when(RequestFinished) == [3.0]
    assert alice.one(RequestFinished) == RequestFinished(token, "OPTIONS", 503, "refused")
    assert alice.forgot_all()


def test_a_connection_that_closes_on_every_request_is_tried_twice() -> None:
    wire, alice, far = agent_and_far_side()
    far.on_message = lambda data, source: wire.at(wire.now + 0.1, lambda: wire.cut(ALICE, BOB))
    alice.endpoint.request(OutsideRequest("OPTIONS", uri("sip:192.0.2.2"), address("<sip:a@b>"), hop=TCP), 0.0)
    wire.run(until=10.0)
    assert wire.ladder.times("OPTIONS") == [0.0, 0.1]
    assert alice.when(RequestFinished) == [0.2]
    assert alice.one(RequestFinished).reason == "the connection was closed"
    assert alice.forgot_all()


def ringing(*hops: Hop) -> tuple[Wire, Agent, FarSide, FarSide, str]:
    """Alice's call rings at Bob's server over TCP; Carol's is another."""
    wire, alice, far = agent_and_far_side()
    carol = FarSide(CAROL)
    wire.attach("carol", CAROL, carol)
    refusing(wire, alice)

    def heard(data: bytes, source: Hop) -> None:
        if data.startswith(b"INVITE"):
            far.say(response_to(data, "180 Ringing", "Contact: <sip:bob@192.0.2.2;transport=tcp>"), ALICE, "TCP")

    far.on_message = heard
    session = alice.endpoint.invite(call_to(BOB, hops=hops), 0.0)
    wire.run(until=5.0)
    return wire, alice, far, carol, session


def test_a_ringing_call_whose_server_dies_rings_by_the_next_one_at_once() -> None:
    wire, alice, _, carol, session = ringing(TCP, Hop("TCP", CAROL))
    wire.detach(BOB)
    wire.cut(ALICE, BOB)
    wire.run(until=5.0)
    assert [(event.hop, event.cause) for event in alice.told(HopFailed)] == [(TCP, "the connection was closed")]
    assert [(rung.at, rung.receiver) for rung in wire.ladder.pick("INVITE")] == [(0.0, "far"), (5.0, "carol")]
    ok = response_to(carol.last("INVITE"), "200 OK", "Contact: <sip:bob@192.0.2.3;transport=tcp>", body=ANSWER)
    carol.on_message = lambda data, source: (
        None if data.startswith(b"ACK") else carol.say(response_to(data, "200 OK"), ALICE, "TCP")
    )
    carol.say(ok, ALICE, "TCP")
    wire.run(until=6.0)
    alice.one(CallAnswered)
    alice.endpoint.hang_up(session, 6.0)
    wire.run(until=100.0)
    wire.cut(ALICE, CAROL)
    assert alice.forgot_all()


def test_a_server_that_only_closed_the_connection_is_told_to_stop_ringing() -> None:
    wire, alice, far, carol, _ = ringing(TCP, Hop("TCP", CAROL))
    wire.cut(ALICE, BOB)
    wire.run(until=5.0)
    cancel = far.last("CANCEL")
    assert field(cancel, "Via") == field(far.last("INVITE"), "Via")
    carol.last("INVITE")
    far.say(response_to(cancel, "200 OK"), ALICE, "TCP")
    far.say(response_to(far.last("INVITE"), "487 Request Terminated"), ALICE, "TCP")
    wire.run(until=6.0)
    assert far.got[-1].startswith(b"ACK")
    assert alice.told(SessionEnded) == []
    carol.say(response_to(carol.last("INVITE"), "486 Busy Here"), ALICE, "TCP")
    wire.run(until=100.0)
    assert alice.one(SessionEnded).status == 486
    for server in (BOB, CAROL):
        wire.cut(ALICE, server)
    assert alice.forgot_all()


def test_a_ringing_call_without_a_next_hop_ends_with_the_connection() -> None:
    wire, alice, far, _, session = ringing(TCP)
    wire.cut(ALICE, BOB)
    wire.run(until=5.0)
    assert alice.one(SessionEnded) == SessionEnded(session, EndCause.TRANSPORT, 0, "the connection was closed")
    far.last("CANCEL")
    far.say(
        response_to(far.last("INVITE"), "200 OK", "Contact: <sip:bob@192.0.2.2;transport=tcp>", body=ANSWER),
        ALICE,
        "TCP",
    )
    wire.run(until=6.0)
    assert [line.split(" ")[0] for line in far.got_first_lines()[-2:]] == ["ACK", "BYE"]  # it crossed the CANCEL
    wire.run(until=100.0)
    wire.cut(ALICE, BOB)
    assert alice.forgot_all()


def test_a_call_that_was_hung_up_ends_at_once_with_its_connection() -> None:
    wire, alice, _, _, session = ringing(TCP, Hop("TCP", CAROL))
    alice.endpoint.hang_up(session, 5.0)
    wire.run(until=6.0)
    wire.cut(ALICE, BOB)
    wire.run(until=6.0)
    assert alice.when(SessionEnded) == [6.0]
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert len(wire.ladder.pick("INVITE")) == 1
    wire.run(until=100.0)
    wire.cut(ALICE, BOB)
    assert alice.forgot_all()


def test_another_connection_to_the_same_host_is_nobody_elses_business() -> None:
    wire, alice, far, _, session = ringing(TCP)
    alice.endpoint.connection_closed(Hop("TCP", BOB, 77), 5.0)
    wire.run(until=6.0)
    assert alice.told(SessionEnded) == []
    assert alice.endpoint.knows(session)
    assert not [data for data in far.got if data.startswith(b"CANCEL")]


def test_two_agents_talk_over_one_connection_however_they_hang_up() -> None:
    for hangs_up in (0, 1):
        wire, alice, bob = two_agents()
        bob.on_event = lambda event, now, bob=bob: (  # type: ignore[misc]  # binds the loop's value
            bob.endpoint.accept(event.session, ANSWER, now) if isinstance(event, IncomingCall) else None
        )
        session = alice.endpoint.invite(call_to(BOB, hop=TCP), 0.0)
        wire.run(until=1.0)
        incoming = bob.one(IncomingCall).session
        if hangs_up:
            bob.endpoint.hang_up(incoming, 1.0)
        else:
            alice.endpoint.hang_up(session, 1.0)
        wire.run(until=100.0)
        assert {rung.transport for rung in wire.ladder} == {"TCP"}
        wire.cut(ALICE, BOB)
        assert alice.forgot_all()
        assert bob.forgot_all()
