"""Calls between two endpoints, and between an endpoint and a far side of plain text: ladders at exact virtual times."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    CAROL,
    OFFER,
    Agent,
    agent_and_far_side,
    call_to,
    field,
    has_field,
    in_dialog,
    invite_from,
    response_to,
    status_of,
    tag_of,
    two_agents,
)
from tests.support.wire import Link
from voipnode.sipstack.endpoint import EndpointConfig, OutsideRequest
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import (
    CallAnswered,
    CallConfirmed,
    CallProgress,
    EndCause,
    Event,
    HopFailed,
    IncomingCall,
    InfoReceived,
    RequestFinished,
    SessionEnded,
)
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uas import ALLOW

DOUBLING_TO_T2 = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def answering(agent: Agent, ring: bool = True) -> None:
    """Bob's habits: ring and answer at once."""

    def on_event(event: Event, now: float) -> None:
        if isinstance(event, IncomingCall):
            if ring:
                agent.endpoint.ring(event.session, now)
            agent.endpoint.accept(event.session, ANSWER, now)

    agent.on_event = on_event


# ---- the whole call


def test_a_call_is_placed_rung_answered_and_hung_up() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.01))
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(2.0, lambda: bob.endpoint.ring(bob.one(IncomingCall).session, 2.0))
    wire.at(5.0, lambda: bob.endpoint.accept(bob.one(IncomingCall).session, ANSWER, 5.0))
    wire.at(9.0, lambda: alice.endpoint.hang_up(session, 9.0))
    wire.run(until=100)
    assert wire.ladder.messages() == [
        ("alice", "INVITE"),
        ("bob", "100 INVITE"),
        ("bob", "180 INVITE"),
        ("bob", "200 INVITE"),
        ("alice", "ACK"),
        ("alice", "BYE"),
        ("bob", "200 BYE"),
    ]
    assert bob.one(IncomingCall).offer == OFFER
    assert alice.one(CallProgress).status == 180
    assert alice.one(CallAnswered).body == ANSWER
    assert alice.one(CallAnswered).tag == alice.one(CallProgress).tag
    assert bob.when(CallConfirmed) == [5.02]
    assert alice.one(SessionEnded) == SessionEnded(session, EndCause.LOCAL_HANGUP)
    assert alice.when(SessionEnded) == [9.0]  # with the BYE, not with its answer (RFC 3261 §15.1.1)
    assert bob.one(SessionEnded).cause is EndCause.REMOTE_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_the_called_side_hangs_up() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.01))
    answering(bob)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(3.0, lambda: bob.endpoint.hang_up(bob.one(IncomingCall).session, 3.0, (("Reason", "Q.850;cause=16"),)))
    wire.run(until=100)
    assert wire.ladder.messages()[-2:] == [("bob", "BYE"), ("alice", "200 BYE")]
    assert field(wire.ladder.pick("BYE")[0].data, "Reason") == "Q.850;cause=16"
    assert alice.one(SessionEnded).cause is EndCause.REMOTE_HANGUP
    assert bob.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_call_over_tcp_stays_on_tcp() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.01, segment_bytes=7))
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB, hop=Hop("TCP", BOB)), 0.0)
    wire.at(3.0, lambda: alice.endpoint.hang_up(session, 3.0))
    wire.run(until=100)
    assert {rung.transport for rung in wire.ladder} == {"TCP"}
    assert ";transport=tcp>" in field(wire.ladder.pick("200 INVITE")[0].data, "Contact")
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    alice.endpoint.connection_closed(Hop("TCP", BOB, 1), 100.0)
    bob.endpoint.connection_closed(Hop("TCP", ALICE, 1), 100.0)
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_early_media_is_told_of_with_the_fork_it_comes_from() -> None:
    wire, alice, bob = two_agents()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    bob.endpoint.ring(bob.one(IncomingCall).session, 1.0, 183, "Listen", ANSWER)
    wire.run(until=2.0)
    progress = alice.one(CallProgress)
    assert (progress.status, progress.reason, progress.body) == (183, "Listen", ANSWER)


def test_a_ringing_call_repeats_its_180_every_minute() -> None:
    wire, alice, bob = two_agents()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    bob.endpoint.ring(bob.one(IncomingCall).session, 1.0)
    wire.run(until=200.0)
    assert wire.ladder.times("180 INVITE") == [1.0, 61.0, 121.0, 181.0]


def test_an_invite_whose_expires_runs_out_is_answered_487() -> None:
    wire, alice, bob = two_agents()
    alice.endpoint.invite(call_to(BOB, headers=(("Expires", "20"),)), 0.0)
    wire.run(until=100.0)
    assert wire.ladder.times("487 INVITE") == [20.0]
    assert bob.one(SessionEnded).cause is EndCause.CANCELLED
    assert alice.one(SessionEnded) == SessionEnded("s1", EndCause.REJECTED, 487, "Request Terminated")


def test_expires_means_nothing_once_the_call_is_answered() -> None:
    wire, alice, bob = two_agents()
    answering(bob)
    alice.endpoint.invite(call_to(BOB, headers=(("Expires", "20"),)), 0.0)
    wire.run(until=100.0)
    assert alice.told(SessionEnded) == []
    assert bob.told(SessionEnded) == []


# ---- refusals


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (603, "Decline"), (480, "Temporarily Unavailable")])
def test_a_refused_call_ends_with_the_status_of_the_refusal(status: int, reason: str) -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.01))
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(1.0, lambda: bob.endpoint.reject(bob.one(IncomingCall).session, status, 1.0))
    wire.run(until=100)
    assert wire.ladder.messages()[-2:] == [("bob", f"{status} INVITE"), ("alice", "ACK")]
    assert alice.one(SessionEnded) == SessionEnded(session, EndCause.REJECTED, status, reason)
    assert bob.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_redirection_tells_where_to_in_its_order() -> None:
    wire, alice, bob = two_agents()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    contacts = (("Contact", "<sip:one@192.0.2.9>"), ("Contact", "<sip:two@192.0.2.10>"))
    bob.endpoint.reject(bob.one(IncomingCall).session, 302, 1.0, "Over There", contacts)
    wire.run(until=2.0)
    ended = alice.one(SessionEnded)
    assert (ended.status, ended.reason) == (302, "Over There")
    assert ended.contacts == ("sip:one@192.0.2.9", "sip:two@192.0.2.10")


def test_hanging_up_on_an_unanswered_incoming_call_is_480() -> None:
    wire, alice, bob = two_agents()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    bob.endpoint.hang_up(bob.one(IncomingCall).session, 1.0)
    wire.run(until=100.0)
    assert alice.one(SessionEnded).status == 480
    assert bob.forgot_all()


def test_beyond_the_session_limit_a_call_gets_503_and_a_command_is_refused() -> None:
    wire, alice, bob = two_agents(bob=EndpointConfig(max_sessions=1))
    alice.endpoint.invite(call_to(BOB), 0.0)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    refused = wire.ladder.pick("503 INVITE")
    assert len(refused) == 1
    assert has_field(refused[0].data, "Retry-After")
    assert len(bob.told(IncomingCall)) == 1
    with pytest.raises(LocalError, match="limit"):
        bob.endpoint.invite(call_to(ALICE), 1.0)


# ---- nobody there


def test_a_call_that_nobody_hears_times_out_at_32_s() -> None:
    wire, alice, _ = two_agents()
    wire.drop = lambda rung: True
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=100)
    assert wire.ladder.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert alice.events == [
        (32.0, HopFailed(session, Hop("UDP", BOB), "no answer")),
        (32.0, SessionEnded(session, EndCause.TIMEOUT)),
    ]
    assert alice.forgot_all()


def test_a_call_that_the_network_refuses_ends_at_once() -> None:
    wire, alice, _ = two_agents()
    why = "nobody listens there"
    wire.refused = lambda packet: alice.endpoint.send_failed(packet.transaction, wire.now, why)
    session = alice.endpoint.invite(call_to(CAROL), 0.0)
    wire.run(until=0.0)
    wire.run(until=1.0)
    alice.outbox(1.0)
    assert alice.told(SessionEnded) == [SessionEnded(session, EndCause.TRANSPORT, 0, why)]
    assert alice.forgot_all()


# ---- 2xx and ACK


def test_a_2xx_is_repeated_until_its_ack_comes_even_over_tcp() -> None:
    for transport in ("UDP", "TCP"):
        wire, alice, bob = two_agents()
        answering(bob, ring=False)
        lost = iter([True, True, False])
        wire.drop = lambda rung, lost=lost: rung.what == "ACK" and next(lost)  # type: ignore[misc]
        alice.endpoint.invite(call_to(BOB, hop=Hop(transport, BOB)), 0.0)
        wire.run(until=10)
        assert wire.ladder.times("200 INVITE") == [0.0, 0.5, 1.5]
        assert wire.ladder.times("ACK") == [0.0, 0.5, 1.5]
        assert len({rung.data for rung in wire.ladder.pick("ACK")}) == 1
        assert bob.when(CallConfirmed) == [1.5]
        assert len(alice.told(CallAnswered)) == 1


def test_a_2xx_that_is_never_acknowledged_ends_in_bye_at_32_s() -> None:
    wire, alice, bob = two_agents()
    answering(bob, ring=False)
    wire.drop = lambda rung: rung.what == "ACK"
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=100)
    assert wire.ladder.times("200 INVITE") == [0.0, *DOUBLING_TO_T2]
    assert wire.ladder.times("BYE") == [32.0]
    assert bob.told(CallConfirmed) == []
    assert bob.one(SessionEnded).cause is EndCause.TIMEOUT
    assert alice.one(SessionEnded).cause is EndCause.REMOTE_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_hanging_up_before_the_ack_holds_the_bye_back_until_it_comes() -> None:
    wire, alice, bob = two_agents()
    answering(bob, ring=False)
    lost = iter([True, True, False])
    wire.drop = lambda rung: rung.what == "ACK" and next(lost)
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(1.0, lambda: bob.endpoint.hang_up(bob.one(IncomingCall).session, 1.0))
    wire.run(until=100)
    assert wire.ladder.times("BYE") == [1.5]  # RFC 3261 §15: not before the ACK
    assert bob.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert bob.told(CallConfirmed) == []


def test_hanging_up_without_any_ack_sends_bye_when_the_2xx_gives_up() -> None:
    wire, alice, bob = two_agents()
    answering(bob, ring=False)
    wire.drop = lambda rung: rung.what == "ACK"
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.at(1.0, lambda: bob.endpoint.hang_up(bob.one(IncomingCall).session, 1.0))
    wire.run(until=100)
    assert wire.ladder.times("BYE") == [32.0]
    assert bob.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert bob.forgot_all()


def test_a_2xx_repeated_after_our_bye_still_gets_its_ack_and_no_second_bye() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    ok = response_to(far.last("INVITE"), "200 OK", "Contact: <sip:bob@192.0.2.2>", body=ANSWER)
    far.say(ok, ALICE)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    far.say(response_to(far.last("BYE"), "200 OK"), ALICE)
    wire.run(until=2.0)
    far.say(ok, ALICE)
    wire.run(until=3.0)
    assert wire.ladder.times("ACK") == [0.0, 2.0]
    assert wire.ladder.times("BYE") == [1.0]


def test_a_call_without_an_offer_lets_the_caller_answer_in_the_ack() -> None:
    wire, alice, bob = two_agents()
    answering(bob, ring=False)
    session = alice.endpoint.invite(call_to(BOB, offer=None), 0.0)
    wire.run(until=2.0)
    assert bob.one(IncomingCall).offer is None
    assert alice.one(CallAnswered).body == ANSWER
    assert wire.ladder.pick("ACK") == []
    assert wire.ladder.times("200 INVITE") == [0.0, 0.5, 1.5]
    alice.endpoint.acknowledge(session, OFFER, 2.0)
    wire.run(until=10.0)
    assert wire.ladder.times("ACK") == [2.0]
    assert bob.one(CallConfirmed).body == OFFER
    with pytest.raises(LocalError, match="no answer"):
        alice.endpoint.acknowledge(session, OFFER, 10.0)


def test_hanging_up_while_the_answer_is_due_sends_ack_and_bye() -> None:
    wire, alice, bob = two_agents()
    answering(bob, ring=False)
    session = alice.endpoint.invite(call_to(BOB, offer=None), 0.0)
    wire.run(until=0.2)
    alice.endpoint.hang_up(session, 0.2)
    wire.run(until=100.0)
    assert wire.ladder.messages()[-3:] == [("alice", "ACK"), ("alice", "BYE"), ("bob", "200 BYE")]
    assert alice.forgot_all()
    assert bob.forgot_all()


# ---- the shape of what we send


def test_the_first_invite_carries_what_rfc_3261_asks_for() -> None:
    wire, alice, far = agent_and_far_side(EndpointConfig(user_agent="doorbell/1"))
    alice.endpoint.invite(call_to(BOB, headers=(("Alert-Info", "<urn:alert:source:external>"),), max_forwards=23), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE sip:bob@192.0.2.2:5060 SIP/2.0")
    assert field(invite, "Via").startswith("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK")
    assert ";rport" in field(invite, "Via")
    assert field(invite, "Max-Forwards") == "23"
    assert field(invite, "From") == '"Alice" <sip:alice@192.0.2.1>;tag=alice-tag-1'
    assert field(invite, "To") == "<sip:bob@192.0.2.2:5060>"
    assert field(invite, "CSeq") == "1 INVITE"
    assert field(invite, "Contact") == "<sip:alice@192.0.2.1:5060>"
    assert "INFO" in field(invite, "Allow")
    assert field(invite, "User-Agent") == "doorbell/1"
    assert field(invite, "Alert-Info") == "<urn:alert:source:external>"
    assert field(invite, "Content-Type") == "application/sdp"
    assert invite.endswith(b"\r\n\r\n" + OFFER)


def test_preloaded_routes_lead_the_invite_to_the_first_of_them() -> None:
    wire, alice, _ = two_agents()
    alice.endpoint.invite(call_to(CAROL, routes=("<sip:192.0.2.2;lr>", "<sip:192.0.2.8;lr>")), 0.0)
    wire.run(until=0.0)
    first = wire.ladder[0]
    assert first.receiver == "bob"
    assert first.data.startswith(b"INVITE sip:bob@192.0.2.3:5060 SIP/2.0\r\n")
    assert b"Route: <sip:192.0.2.2;lr>\r\nRoute: <sip:192.0.2.8;lr>\r\n" in first.data


def test_requests_in_the_dialog_follow_the_record_route_and_the_contact() -> None:
    wire, alice, far = agent_and_far_side()
    proxy_hop = Hop("UDP", BOB)
    session = alice.endpoint.invite(call_to(CAROL, hop=proxy_hop), 0.0)
    wire.run(until=0.0)
    far.say(
        response_to(
            far.last("INVITE"),
            "200 OK",
            "Record-Route: <sip:192.0.2.77;lr>, <sip:192.0.2.2;lr>",
            "Contact: <sip:carol@192.0.2.3:5070>",
            body=ANSWER,
        ),
        ALICE,
    )
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    for beginning in ("ACK sip:carol@192.0.2.3:5070 SIP/2.0", "BYE sip:carol@192.0.2.3:5070 SIP/2.0"):
        routed = far.last(beginning)  # it came to the proxy, whose address is the top route
        assert b"Route: <sip:192.0.2.2;lr>\r\nRoute: <sip:192.0.2.77;lr>\r\n" in routed
    assert field(far.last("ACK"), "CSeq") == "1 ACK"
    assert field(far.last("BYE"), "CSeq") == "2 BYE"


def test_an_uas_copies_record_route_and_answers_through_it() -> None:
    wire, alice, far = agent_and_far_side()
    routes = ("Record-Route: <sip:192.0.2.2;lr;x=1>", "Record-Route: <sip:192.0.2.99;lr>")
    far.say(invite_from(BOB, extra=routes), ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    ok = far.last("SIP/2.0 200")
    assert "\r\n".join(routes).encode() in ok
    assert field(ok, "Contact") == "<sip:alice@192.0.2.1:5060>"
    assert has_field(ok, "Allow")
    far.say(in_dialog("ACK", tag_of(field(ok, "To")), 1), ALICE)
    wire.run(until=1.0)
    alice.endpoint.hang_up(session, 1.0)
    wire.run(until=1.0)
    bye = far.last(f"BYE sip:bob@{BOB} SIP/2.0")
    assert b"Route: <sip:192.0.2.2;lr;x=1>\r\nRoute: <sip:192.0.2.99;lr>\r\n" in bye
    assert field(bye, "To") == "<sip:bob@192.0.2.2>;tag=far-tag"


def test_responses_go_where_rport_and_received_say() -> None:
    behind_nat = Hop("UDP", Address("203.0.113.9", 31337))
    for via, port in (
        ("Via: SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKx;rport", 31337),  # RFC 3581 §4
        ("Via: SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKx", 4540),  # RFC 3261 §18.2.2
        ("Via: SIP/2.0/UDP phone.example.com;branch=z9hG4bKx", 5060),
    ):
        agent = Agent("alice", ALICE)
        request = invite_from(BOB).replace(f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKfar1".encode(), via.encode())
        agent.receive(request, behind_nat, 0.0)
        (packet,) = agent.outbox(0.0)
        assert packet.hop == Hop("UDP", Address("203.0.113.9", port))
        assert ";received=203.0.113.9" in field(packet.data, "Via")
        assert (";rport=31337" in field(packet.data, "Via")) is (port == 31337)


# ---- loss and disorder


@pytest.mark.parametrize("seed", range(12))
def test_calls_survive_a_bad_network_and_everything_is_forgotten(seed: int) -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.05, jitter_s=0.2, loss=0.25, duplication=0.2), seed=seed)
    answering(bob)
    sessions = [alice.endpoint.invite(call_to(BOB), 0.0) for _ in range(5)]

    def hang_up(event: Event, now: float) -> None:
        if isinstance(event, CallAnswered):
            wire.at(now + 5, lambda: alice.endpoint.hang_up(event.session, wire.now))

    alice.on_event = hang_up
    wire.run(until=300)
    assert sorted(event.session for event in alice.told(SessionEnded)) == sorted(sessions)
    assert len(bob.told(SessionEnded)) == len(bob.told(IncomingCall))
    assert alice.forgot_all()
    assert bob.forgot_all()


# ---- INFO and OPTIONS


def test_info_carries_a_digit_and_its_answer_is_told() -> None:
    wire, alice, bob = two_agents()
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    digit = b"Signal=1\r\nDuration=160\r\n"
    token = alice.endpoint.info(session, "application/dtmf-relay", digit, 1.0)
    wire.run(until=2.0)
    assert bob.one(InfoReceived) == InfoReceived(bob.one(IncomingCall).session, "application/dtmf-relay", digit)
    assert alice.one(RequestFinished) == RequestFinished(token, "INFO", 200, "OK", session)


def test_info_of_another_type_is_415_with_the_accepted_ones() -> None:
    wire, alice, bob = two_agents(bob=EndpointConfig(accept_info=("application/dtmf",)))
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    alice.endpoint.info(session, "application/dtmf-relay", b"Signal=1\r\n", 1.0)
    wire.run(until=2.0)
    assert alice.one(RequestFinished).status == 415
    assert field(wire.ladder.pick("415 INFO")[0].data, "Accept") == "application/dtmf"
    assert bob.told(InfoReceived) == []


def test_an_in_dialog_request_that_is_answered_481_ends_the_call_as_gone() -> None:
    wire, alice, bob = two_agents()
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    restarted = Agent("bob", BOB)
    wire.attach("bob", BOB, restarted)
    alice.endpoint.info(session, "application/dtmf", b"1", 1.0)
    wire.run(until=100.0)
    assert alice.one(RequestFinished).status == 481
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert wire.ladder.messages()[-2:] == [("alice", "BYE"), ("bob", "481 BYE")]
    assert alice.forgot_all()
    assert restarted.forgot_all()


def test_an_in_dialog_request_that_nobody_answers_ends_the_call_after_32_s() -> None:
    wire, alice, bob = two_agents()
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    wire.drop = lambda rung: True
    alice.endpoint.info(session, "application/dtmf", b"1", 1.0)
    wire.run(until=200.0)
    assert alice.one(RequestFinished).status == 408
    assert alice.when(SessionEnded) == [33.0]
    assert alice.one(SessionEnded).cause is EndCause.GONE
    assert alice.forgot_all()


def test_options_is_answered_with_what_we_can_do() -> None:
    wire, alice, bob = two_agents()
    caller = call_to(BOB)
    token = alice.endpoint.request(OutsideRequest("OPTIONS", caller.target, caller.from_), 0.0)
    wire.run(until=1.0)
    finished = alice.one(RequestFinished)
    assert (finished.token, finished.method, finished.status, finished.reason) == (token, "OPTIONS", 200, "OK")
    assert finished.response is not None
    assert finished.response.to_tag
    answer = wire.ladder.pick("200 OPTIONS")[0].data
    assert field(answer, "Allow") == ALLOW
    assert "application/sdp" in field(answer, "Accept")
    assert has_field(answer, "Supported")
    wire.run(until=100.0)
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_options_to_nobody_is_told_as_408_after_32_s() -> None:
    wire, alice, _ = two_agents()
    wire.drop = lambda rung: True
    caller = call_to(BOB)
    alice.endpoint.request(OutsideRequest("OPTIONS", caller.target, caller.from_), 0.0)
    wire.run(until=100.0)
    assert alice.one(RequestFinished).status == 408
    assert alice.one(RequestFinished).response is None
    assert alice.when(RequestFinished) == [32.0]


# ---- BYE


def test_a_second_bye_is_481() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 1), ALICE)
    far.say(in_dialog("BYE", tag, 2), ALICE)
    wire.run(until=0.0)
    assert field(far.last("SIP/2.0 200"), "CSeq") == "2 BYE"
    far.say(in_dialog("BYE", tag, 3), ALICE)
    wire.run(until=1.0)
    assert field(far.last("SIP/2.0 481"), "CSeq") == "3 BYE"
    alice.one(SessionEnded)


def test_byes_that_cross_are_both_answered_200() -> None:
    wire, alice, bob = two_agents(Link(delay_s=0.1))
    answering(bob)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=5.0)
    alice.endpoint.hang_up(session, 5.0)
    bob.endpoint.hang_up(bob.one(IncomingCall).session, 5.0)
    wire.run(until=100.0)
    assert len(wire.ladder.pick("200 BYE")) == 2
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert bob.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_bye_while_it_rings_ends_the_invite_with_487() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB), ALICE)
    wire.run(until=0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0)
    wire.run(until=0.0)
    far.say(in_dialog("BYE", tag_of(field(far.last("SIP/2.0 180"), "To")), 2), ALICE)
    wire.run(until=1.0)
    statuses = [(status_of(data), field(data, "CSeq")) for data in far.got]
    assert (200, "2 BYE") in statuses
    assert (487, "1 INVITE") in statuses
    assert alice.one(SessionEnded).cause is EndCause.REMOTE_HANGUP


def test_a_request_with_an_old_cseq_is_500_and_changes_nothing() -> None:
    wire, alice, far = agent_and_far_side()
    far.say(invite_from(BOB, cseq=7), ALICE)
    wire.run(until=0.0)
    alice.endpoint.accept(alice.one(IncomingCall).session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(in_dialog("ACK", tag, 7), ALICE)
    far.say(in_dialog("BYE", tag, 6), ALICE)
    wire.run(until=1.0)
    assert field(far.last("SIP/2.0 500"), "CSeq") == "6 BYE"
    assert alice.told(SessionEnded) == []
    far.say(in_dialog("BYE", tag, 20), ALICE)  # a gap is no error (§12.2.2)
    wire.run(until=2.0)
    alice.one(SessionEnded)


# ---- commands that do not fit


def test_commands_that_the_state_does_not_allow_raise_and_send_nothing() -> None:
    wire, alice, bob = two_agents()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=1.0)
    incoming = bob.one(IncomingCall).session
    sent = len(wire.ladder)
    for wrong in (
        lambda: alice.endpoint.accept(session, ANSWER, 1.0),
        lambda: alice.endpoint.ring(session, 1.0),
        lambda: alice.endpoint.reject(session, 486, 1.0),
        lambda: alice.endpoint.info(session, "application/dtmf", b"1", 1.0),
        lambda: alice.endpoint.reinvite(session, OFFER, 1.0),
        lambda: bob.endpoint.info(incoming, "application/dtmf", b"1", 1.0),
        lambda: bob.endpoint.ring(incoming, 1.0, 100),
        lambda: bob.endpoint.ring(incoming, 1.0, 200),
        lambda: bob.endpoint.reject(incoming, 200, 1.0),
        lambda: bob.endpoint.accept_reinvite(incoming, ANSWER, 1.0),
        lambda: bob.endpoint.reject_reinvite(incoming, 488, 1.0),
        lambda: alice.endpoint.hang_up("s99", 1.0),
    ):
        with pytest.raises(LocalError):
            wrong()
    wire.flush()
    assert len(wire.ladder) == sent
    bob.endpoint.accept(incoming, ANSWER, 1.0)  # and the call still goes on
    wire.run(until=2.0)
    alice.one(CallAnswered)


def test_a_target_that_wants_an_impossible_or_an_unknown_transport_is_refused() -> None:
    _, alice, _ = two_agents()
    call = call_to(BOB)
    for target in (
        call.target.with_(scheme="sips", params=call.target.params.with_("transport", "udp")),
        call.target.with_(params=call.target.params.with_("transport", "sctp")),
    ):
        with pytest.raises(LocalError):
            alice.endpoint.request(OutsideRequest("OPTIONS", target, call.from_), 0.0)
    assert alice.forgot_all()


def test_an_invite_with_fields_that_cannot_be_written_leaves_no_session() -> None:
    _, alice, _ = two_agents()
    with pytest.raises(LocalError):
        alice.endpoint.invite(call_to(BOB, headers=(("X", "a\r\nb"),)), 0.0)
    with pytest.raises(LocalError):
        alice.endpoint.invite(call_to(BOB, routes=("nonsense",)), 0.0)
    assert alice.forgot_all()


def test_fields_that_cannot_be_written_are_refused_before_anything_happens() -> None:
    wire, alice, bob = two_agents()
    bad = (("Reason", "a\r\nVia: b"),)
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.1)
    incoming = bob.one(IncomingCall).session
    for wrong in (
        lambda: bob.endpoint.reject(incoming, 486, 0.1, None, bad),
        lambda: bob.endpoint.hang_up(incoming, 0.1, bad),
        lambda: alice.endpoint.hang_up(session, 0.1, bad),
    ):
        with pytest.raises(LocalError):
            wrong()
    bob.endpoint.accept(incoming, ANSWER, 0.1)
    wire.run(until=0.2)
    with pytest.raises(LocalError):
        alice.endpoint.hang_up(session, 0.2, bad)
    alice.endpoint.hang_up(session, 0.2)
    wire.run(until=100)
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_provisional_response_that_the_network_refuses_ends_the_call() -> None:
    _, _, bob = two_agents()
    bob.receive(invite_from(CAROL), Hop("UDP", CAROL), 0.0)
    (trying,) = bob.outbox(0.0)
    bob.endpoint.send_failed(trying.transaction, 0.0)
    assert [status_of(packet.data) for packet in bob.outbox(0.0)] == [480]
    assert bob.one(SessionEnded).cause is EndCause.TRANSPORT
    bob.on_deadline(32.0)
    bob.outbox(32.0)
    assert bob.forgot_all()


def test_a_2xx_that_the_network_refuses_is_repeated_all_the_same() -> None:
    _, _, bob = two_agents()
    bob.receive(invite_from(CAROL), Hop("UDP", CAROL), 0.0)
    bob.endpoint.accept(bob.one(IncomingCall).session, ANSWER, 0.0)
    ok = bob.outbox(0.0)[-1]
    bob.endpoint.send_failed(ok.transaction, 0.0)
    bob.on_deadline(0.5)
    assert [status_of(packet.data) for packet in bob.outbox(0.5)] == [200]
    assert bob.told(SessionEnded) == []


def test_info_may_be_sent_to_the_fork_that_rings() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    invite = far.last("INVITE")
    far.say(response_to(invite, "183 Progress", "Contact: <sip:fork@192.0.2.2>", tag="fork"), ALICE)
    wire.run(until=0.0)
    alice.endpoint.info(session, "application/dtmf", b"1", 0.0)
    wire.run(until=0.0)
    info = far.last("INFO sip:fork@192.0.2.2")
    assert field(info, "CSeq") == "2 INFO"
    far.say(response_to(info, "200 OK"), ALICE)
    far.say(response_to(invite, "200 OK", "Contact: <sip:fork@192.0.2.2>", tag="fork", body=ANSWER), ALICE)
    wire.run(until=0.0)
    assert field(far.last("ACK"), "CSeq") == "1 ACK"
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    assert field(far.last("BYE"), "CSeq") == "3 BYE"  # the dialog goes on counting where it was (§13.2.2.4)


def test_a_call_over_a_lost_connection_is_answered_over_a_new_one() -> None:
    """RFC 3261 §18.2.2: the connection of the request first, then the port of sent-by."""
    bob = Agent("bob", BOB)
    source = Hop("TCP", Address("192.0.2.3", 40404), 9)
    bob.receive(invite_from(CAROL).replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP"), source, 0.0)
    (trying,) = bob.outbox(0.0)
    assert trying.hop == source
    bob.endpoint.connection_closed(source, 1.0)
    bob.endpoint.reject(bob.one(IncomingCall).session, 486, 1.0)
    (busy,) = bob.outbox(1.0)
    bob.endpoint.send_failed(busy.transaction, 1.0)
    (again,) = bob.outbox(1.0)
    assert again.hop == Hop("TCP", CAROL)
    assert again.data == busy.data
