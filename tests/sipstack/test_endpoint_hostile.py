"""What an endpoint does with input that nobody sane sends, and what it remembers of it: answers, limits, streams."""

from __future__ import annotations

import random

import pytest

from tests.support.sip_agents import (
    ALICE,
    ANSWER,
    BOB,
    OFFER,
    Agent,
    agent_and_far_side,
    call_to,
    field,
    has_field,
    in_dialog,
    invite_from,
    message,
    response_to,
    status_of,
    tag_of,
    two_agents,
)
from voipnode.sipstack.endpoint import EndpointConfig
from voipnode.sipstack.events import CallAnswered, EndCause, IncomingCall, Refused, SessionEnded
from voipnode.sipstack.transport import Address, Hop

FROM_BOB = Hop("UDP", BOB)
STREAM = Hop("TCP", BOB, 1)


def answers(agent: Agent, data: bytes, source: Hop = FROM_BOB) -> list[bytes]:
    """What goes out at once when this comes in."""
    agent.receive(data, source, 0.0)
    return [packet.data for packet in agent.outbox(0.0)]


def statuses(agent: Agent, data: bytes, source: Hop = FROM_BOB) -> list[int]:
    return [status_of(answer) for answer in answers(agent, data, source)]


def request(method: str, *extra: str, body: bytes = b"", content_type: str = "text/plain", **changes: str) -> bytes:
    """A request out of any dialog; a keyword replaces a field, "" leaves it out."""
    fields = {
        "Via": f"SIP/2.0/UDP {BOB};branch=z9hG4bK{method}",
        "Max_Forwards": "70",
        "From": "<sip:bob@192.0.2.2>;tag=far-tag",
        "To": "<sip:alice@192.0.2.1>",
        "Call_ID": "c1",
        "CSeq": f"1 {method}",
        **changes,
    }
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return message(f"{method} sip:alice@192.0.2.1 SIP/2.0", *lines, *extra, body=body, content_type=content_type)


# ---- the answers that RFC 3261 §8.2 lists


@pytest.mark.parametrize(
    ("data", "status", "needs"),
    [
        (request("REGISTER"), 405, "Allow"),
        (request("SUBSCRIBE"), 489, ""),
        (request("FROBNICATE"), 501, "Allow"),
        (request("OPTIONS", "Require: precondition, 100rel"), 420, "Unsupported"),
        (request("OPTIONS", CSeq="1 INVITE"), 400, ""),
        (request("OPTIONS", CSeq="4294967296 OPTIONS"), 400, ""),
        (request("OPTIONS", From=""), 400, ""),
        (request("OPTIONS", Call_ID=""), 400, ""),
        (request("OPTIONS", Max_Forwards="-1"), 400, ""),
        (request("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505, ""),
        (request("OPTIONS").replace(b"Content-Length: 0", b"Content-Length: 9"), 400, ""),
        (request("OPTIONS").replace(b" sip:alice@192.0.2.1 ", b" urn:service:sos ", 1), 416, ""),
        (request("BYE"), 481, ""),
        (request("INFO"), 481, ""),
        (request("BYE", To="<sip:alice@192.0.2.1>;tag=unknown"), 481, ""),
        (request("INVITE", "Contact: <sip:b@h>", To="<sip:alice@192.0.2.1>;tag=unknown"), 481, ""),
        (request("OPTIONS", To="<sip:alice@192.0.2.1>;tag=unknown"), 481, ""),
        (request("INVITE", "Contact: <tel:+4912345>"), 400, ""),
        (request("INVITE", "Contact: <sip:b@h>", body=b"hello"), 415, "Accept"),
        (request("INVITE", "Contact: <sip:b@h>", "Accept: text/html", body=b""), 406, "Warning"),
        (request("INVITE", "Contact: <sip:b@h>", "Accept: ", body=b""), 406, "Warning"),
        (invite_from(BOB, extra=("Accept: text/plain",)), 406, "Warning"),
        (invite_from(BOB).replace(b"1 INVITE", b"1 OPTIONS"), 400, ""),
        (invite_from(BOB).replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1), 505, ""),
        (invite_from(BOB)[:-1], 400, ""),  # the datagram holds less than Content-Length says (§18.3)
    ],
)
def test_a_request_gets_the_answer_that_the_rfc_names(data: bytes, status: int, needs: str) -> None:
    agent = Agent("alice", ALICE)
    sent = answers(agent, data)
    assert [status_of(answer) for answer in sent] == [status]
    assert not needs or has_field(sent[0], needs)
    assert ";tag=" in field(sent[0], "To")
    assert agent.one(Refused).status == status


def test_the_420_lists_only_what_is_not_supported() -> None:
    agent = Agent("alice", ALICE, EndpointConfig(supported=("replaces",)))
    (refusal,) = answers(agent, request("OPTIONS", "Require: replaces, precondition"))
    assert field(refusal, "Unsupported") == "precondition"


def test_a_body_beyond_the_limit_is_413() -> None:
    agent = Agent("alice", ALICE, EndpointConfig(max_body_bytes=100))
    data = request("INVITE", "Contact: <sip:b@h>", body=b"v" * 101, content_type="application/sdp")
    assert statuses(agent, data) == [413]
    assert statuses(Agent("alice", ALICE), data) == [100]


def test_a_bad_request_gets_the_same_answer_every_time() -> None:
    agent = Agent("alice", ALICE)
    first = answers(agent, request("OPTIONS", CSeq="1 INVITE"))
    assert answers(agent, request("OPTIONS", CSeq="1 INVITE")) == first  # RFC 3261 §8.2.7
    assert agent.forgot_all()


def test_a_bad_request_whose_second_via_cannot_be_written_again_is_answered_where_it_came_from() -> None:
    agent = Agent("alice", ALICE)
    bad = request("OPTIONS", Via="SIP/2.0/UDP 192.0.2.99;received=[::1];branch=z9hG4bKa, SIP/2.0/U\x00;ttl=1")
    agent.receive(bad.replace(b" SIP/2.0\r\n", b"\r\n", 1), FROM_BOB, 0.0)
    (packet,) = agent.outbox(0.0)
    assert (status_of(packet.data), packet.hop) == (400, FROM_BOB)


@pytest.mark.parametrize("noise", [b"", b"\r\n\r\n", b"\r\n", b"\x00\x00\x00\x00", b"hello world", b"\xff" * 1500])
def test_noise_is_dropped(noise: bytes) -> None:
    agent = Agent("alice", ALICE)
    assert answers(agent, noise) == []
    assert agent.forgot_all()


def test_a_malformed_response_is_dropped_and_the_call_goes_on() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    good = response_to(far.last("INVITE"), "200 OK", "Contact: <sip:bob@192.0.2.2>", body=ANSWER)
    for bad in (
        good.replace(b"CSeq: 1 INVITE", b"CSeq: 99999999999 INVITE"),
        good.replace(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"),
        good.replace(b"SIP/2.0 200", b"SIP/2.0 2000"),
        good.replace(f"Content-Length: {len(ANSWER)}".encode(), b"Content-Length: 5000"),
    ):
        far.say(bad, ALICE)
    wire.run(until=0.1)
    assert alice.told(CallAnswered) == []
    assert [rung.what for rung in wire.ladder.pick(sender="alice")] == ["INVITE"]
    far.say(good, ALICE)
    wire.run(until=0.2)
    alice.one(CallAnswered)


def test_values_that_cannot_be_written_again_do_not_stop_a_call() -> None:
    wire, alice, far = agent_and_far_side()
    hostile = invite_from(BOB, call_id="nul", extra=("Require: x\x00y",))
    far.say(hostile, ALICE)
    far.say(invite_from(BOB, call_id="nul\x00nul", branch="z9hG4bKnul"), ALICE)
    wire.run(until=0.0)
    assert sorted(status_of(data) for data in far.got) == [400, 420]
    far.say(
        invite_from(BOB, branch="z9hG4bKname").replace(
            b"From: <sip:bob@192.0.2.2>", b'From: "B\\\x00b\xff" <sip:bob@192.0.2.2>'
        ),
        ALICE,
    )
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    far.say(in_dialog("ACK", tag_of(field(far.last("SIP/2.0 200"), "To")), 1), ALICE)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    assert b"far-tag" in far.last("BYE")
    assert b"\x00" not in far.last("BYE")


def test_a_peer_that_names_a_transport_we_do_not_speak_is_answered_over_the_one_it_used() -> None:
    wire, alice, far = agent_and_far_side()
    session = alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    contact = "Contact: <sips:bob@192.0.2.2;transport=sctp>"
    far.say(response_to(far.last("INVITE"), "200 OK", contact, body=ANSWER), ALICE)
    wire.run(until=0.0)
    assert far.last("ACK sips:bob@192.0.2.2;transport=sctp SIP/2.0")
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    assert far.last("BYE")


def test_a_2xx_without_any_contact_still_gets_its_ack() -> None:
    wire, alice, far = agent_and_far_side()
    alice.endpoint.invite(call_to(BOB), 0.0)
    wire.run(until=0.0)
    far.say(response_to(far.last("INVITE"), "200 OK", body=ANSWER), ALICE)
    wire.run(until=0.0)
    assert far.last("ACK sip:bob@192.0.2.2:5060 SIP/2.0")


def test_an_rfc_2543_call_without_contact_branch_and_tags_works() -> None:
    wire, alice, far = agent_and_far_side()
    old = message(
        "INVITE sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB}",
        "From: sip:bob@192.0.2.2",
        "To: sip:alice@192.0.2.1",
        "Call-ID: old",
        "CSeq: 1 INVITE",
        body=OFFER,
    )
    far.say(old, ALICE)
    wire.run(until=0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    wire.run(until=0.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    ack = old.replace(b"INVITE", b"ACK").replace(
        b"To: sip:alice@192.0.2.1", f"To: sip:alice@192.0.2.1;tag={tag}".encode()
    )
    far.say(ack, ALICE)
    wire.run(until=0.0)
    alice.endpoint.hang_up(session, 0.0)
    wire.run(until=0.0)
    assert field(far.last("BYE"), "To") == "sip:bob@192.0.2.2"
    assert alice.one(SessionEnded).cause is EndCause.LOCAL_HANGUP


# ---- streams


def test_a_ping_on_a_stream_gets_its_pong() -> None:
    agent = Agent("alice", ALICE)
    assert answers(agent, b"\r\n\r\n", STREAM) == [b"\r\n"]  # RFC 5626 §3.5.1


def test_a_message_that_takes_too_long_has_its_stream_closed() -> None:
    agent = Agent("alice", ALICE, EndpointConfig(message_within_s=10.0))
    data = request("OPTIONS", Via=f"SIP/2.0/TCP {BOB};branch=z9hG4bKslow")
    for at, piece in ((0.0, data[:1]), (4.0, data[1:9]), (9.9, data[9:]), (12.0, data[:50]), (21.9, data[50:60])):
        agent.endpoint.on_deadline(at)
        assert agent.endpoint.closes() == []
        agent.receive(piece, STREAM, at)
    assert len(agent.outbox(21.9)) == 1, "the first one came in time"
    agent.on_deadline(22.0)
    assert agent.endpoint.closes() == [STREAM]
    assert agent.told(Refused)[-1].reason == "a message was not complete within 10 s"
    agent.receive(data[60:], STREAM, 22.0)
    assert agent.outbox(22.0) == []


def test_a_stream_that_goes_takes_its_half_message_along() -> None:
    agent = Agent("alice", ALICE)
    agent.receive(b"OPT", STREAM, 0.0)
    assert agent.endpoint.next_deadline() == 32.0
    agent.endpoint.connection_closed(STREAM, 1.0)
    assert agent.endpoint.next_deadline() is None


def test_a_stream_that_cannot_be_framed_is_answered_and_closed_once() -> None:
    agent = Agent("alice", ALICE)
    bad = request("OPTIONS").replace(b"Content-Length: 0\r\n", b"")
    assert statuses(agent, bad, STREAM) == [400]
    assert agent.endpoint.closes() == [STREAM]
    assert agent.endpoint.closes() == []
    assert answers(agent, request("OPTIONS"), STREAM) == []  # nothing behind it can be trusted
    agent.endpoint.connection_closed(STREAM, 0.0)
    assert agent.forgot_all()
    assert statuses(agent, request("OPTIONS"), STREAM) == [200]  # the number may come back


def test_a_bad_message_in_a_good_frame_costs_only_itself() -> None:
    agent = Agent("alice", ALICE)
    data = request("OPTIONS", CSeq="1 INVITE") + request("OPTIONS", Via=f"SIP/2.0/TCP {BOB};branch=z9hG4bKnext")
    assert statuses(agent, data, STREAM) == [400, 200]
    assert agent.endpoint.closes() == []


def test_connections_beyond_the_limit_are_closed_unread() -> None:
    agent = Agent("alice", ALICE, EndpointConfig(max_connections=2))
    for number in (1, 2):
        answers(agent, b"OPTIONS sip:a", Hop("TCP", BOB, number))
    third = Hop("TCP", BOB, 3)
    assert answers(agent, request("OPTIONS"), third) == []
    assert agent.endpoint.closes() == [third]
    assert agent.endpoint.counts()["connections"] == 2
    agent.endpoint.connection_closed(Hop("TCP", BOB, 1), 0.0)
    assert statuses(agent, request("OPTIONS"), Hop("TCP", BOB, 4)) == [200]


def test_an_endless_header_ends_the_connection() -> None:
    agent = Agent("alice", ALICE)
    for _ in range(100):
        agent.receive(b"X-Padding: " + b"p" * 1000 + b"\r\n", STREAM, 0.0)
    assert agent.endpoint.closes() == [STREAM]


# ---- memory and mangled bytes


def test_two_thousand_calls_leave_nothing_behind() -> None:
    wire, alice, bob = two_agents()

    def answer(event: object, now: float) -> None:
        if isinstance(event, IncomingCall):
            bob.endpoint.ring(event.session, now)
            bob.endpoint.accept(event.session, ANSWER, now)

    def hang_up(event: object, now: float) -> None:
        if isinstance(event, CallAnswered):
            wire.at(now + 1.0, lambda: alice.endpoint.hang_up(event.session, wire.now))

    bob.on_event, alice.on_event = answer, hang_up
    for number in range(2000):
        wire.at(number * 0.02, lambda: alice.endpoint.invite(call_to(BOB), wire.now))
    wire.run(until=200.0)
    assert len(alice.told(SessionEnded)) == len(bob.told(SessionEnded)) == 2000
    assert {event.cause for event in alice.told(SessionEnded)} == {EndCause.LOCAL_HANGUP}
    assert {event.cause for event in bob.told(SessionEnded)} == {EndCause.REMOTE_HANGUP}
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_calls_that_die_half_way_leave_nothing_behind() -> None:
    """INVITEs answered, refused, cancelled or left alone, each cut off from the network at a random message."""
    chance = random.Random(11)
    wire, alice, bob = two_agents()
    doomed: dict[bytes, int] = {}

    def drop(rung: object) -> bool:
        data = getattr(rung, "data", b"")
        call = field(data, "Call-ID").encode()
        doomed.setdefault(call, chance.randrange(8))
        doomed[call] -= 1
        return doomed[call] < 0

    def bobs_mood(event: object, now: float) -> None:
        if isinstance(event, IncomingCall):
            endpoint, session = bob.endpoint, event.session
            mood = chance.randrange(4)
            if mood == 0:
                endpoint.accept(session, ANSWER, now)
            elif mood == 1:
                endpoint.reject(session, 486, now)
            elif mood == 2:
                endpoint.ring(session, now)

    wire.drop, bob.on_event = drop, bobs_mood

    def give_up(session: str, agent: Agent) -> None:
        if session not in {event.session for event in agent.told(SessionEnded)}:
            agent.endpoint.hang_up(session, wire.now)

    for number in range(300):
        session = alice.endpoint.invite(call_to(BOB), wire.now)
        wire.at(number + chance.random() * 60, lambda session=session: give_up(session, alice))  # type: ignore[misc]
    wire.run(until=500)
    for event in bob.told(IncomingCall):
        give_up(event.session, bob)
    wire.run(until=1000)
    assert len({event.session for event in alice.told(SessionEnded)}) == len(alice.told(SessionEnded)) == 300
    assert len(bob.told(SessionEnded)) == len(bob.told(IncomingCall))
    assert alice.forgot_all()
    assert bob.forgot_all()


def test_a_flood_of_invites_that_nobody_answers_is_bounded() -> None:
    agent = Agent("alice", ALICE, EndpointConfig(max_sessions=50))
    for number in range(500):
        data = invite_from(BOB, call_id=f"flood{number}", branch=f"z9hG4bKflood{number}")
        agent.receive(data, Hop("UDP", Address("198.51.100.9", 1024 + number)), 0.0)
        agent.outbox(0.0)
    assert agent.endpoint.counts()["sessions"] == 50
    assert len(agent.told(IncomingCall)) == 50
    agent.on_deadline(100.0)
    agent.outbox(100.0)
    assert agent.endpoint.counts()["transactions"] == 50  # the 503s ended without an ACK (timer H)


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(8))
def test_mangled_messages_never_raise_and_leave_the_endpoint_serving(seed: int) -> None:
    chance = random.Random(seed)
    agent = Agent("alice", ALICE)
    session = agent.endpoint.invite(call_to(BOB), 0.0)
    (invite,) = agent.outbox(0.0)
    seeds = [
        invite_from(BOB, extra=("Record-Route: <sip:192.0.2.9;lr>", "Expires: 30")),
        request("OPTIONS", "Accept: application/sdp", "Require: a, b"),
        response_to(invite.data, "183 Progress", "Contact: <sip:bob@192.0.2.2>", body=ANSWER),
        response_to(invite.data, "200 OK", "Contact: <sip:bob@192.0.2.2>", "Record-Route: <sip:h;lr>", body=ANSWER),
        response_to(invite.data, "407 Proxy Authentication Required", 'Proxy-Authenticate: Digest realm="r",nonce="n"'),
        in_dialog("BYE", "alice-tag-1", 2),
        in_dialog("INFO", "alice-tag-1", 3, body=b"Signal=1"),
    ]
    alphabet = b'\x00\r\n\t ;,:=<>"@%[]?&()\\/' + bytes(range(128, 140)) + b"aZ09"
    for turn in range(1500):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[at] = chance.choice(alphabet)
                case 1:
                    data[at:at] = bytes([chance.choice(alphabet)]) * chance.randrange(1, 4)
                case 2:
                    del data[at : at + chance.randrange(1, 20)]
                case 3:
                    data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(1, 60)]
        source = FROM_BOB if chance.random() < 0.7 else Hop("TCP", BOB, turn)
        agent.receive(bytes(data), source, turn * 0.001)
        agent.outbox(turn * 0.001)
        agent.endpoint.closes()
        agent.endpoint.connection_closed(source, turn * 0.001)
        if chance.random() < 0.05:
            agent.on_deadline(turn * 0.001)
    for event in agent.told(IncomingCall):
        if event.session not in {ended.session for ended in agent.told(SessionEnded)}:
            agent.endpoint.reject(event.session, 486, 2.0)
    if session not in {ended.session for ended in agent.told(SessionEnded)}:
        agent.endpoint.hang_up(session, 2.0)
    at = 2.0
    while (due := agent.next_deadline()) is not None and at < 500:
        at = max(at, due)
        agent.on_deadline(at)
        agent.outbox(at)
    assert agent.forgot_all(), agent.endpoint.counts()
    assert statuses(agent, request("OPTIONS")) == [200]
