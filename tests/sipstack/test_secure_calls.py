"""Calls over TLS and WebSocket as the endpoint sees them: sips from end to end, Via, Contact, framed messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.sip_agents import (
    ANSWER,
    BOB,
    CAROL,
    OFFER,
    Agent,
    FarSide,
    agent_and_far_side,
    call_to,
    field,
    invite_from,
    message,
    response_to,
    status_of,
    tag_of,
    uri,
)
from voipnode.sipstack.endpoint import EndpointConfig
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import CallAnswered, IncomingCall
from voipnode.sipstack.transport import Address, Hop, Packet

TLS_TO_BOB = Hop("TLS", BOB, domain="bob.example", profile="office")
FROM_BROWSER = Hop("WS", Address("192.0.2.9", 50123), 4)


def packets(agent: Agent) -> list[Packet]:
    return agent.outbox(0.0)


def call(target: str, hop: Hop | None) -> tuple[Agent, Packet]:
    """Alice calls; her INVITE."""
    _, alice, _ = agent_and_far_side()
    alice.endpoint.invite(replace(call_to(BOB), target=uri(target), hop=hop), 0.0)
    return alice, packets(alice)[0]


def answered_by(alice: Agent, invite: Packet, contact: str, *more: str) -> list[Packet]:
    """What Alice sends when her INVITE is answered 200 with that Contact."""
    source = replace(invite.hop, connection=9)
    alice.receive(response_to(invite.data, "200 OK", f"Contact: {contact}", *more, body=ANSWER), source, 0.0)
    return packets(alice)


# ---- sips (RFC 3261 §8.1.1.8, §12.1, §26.2.2)


@pytest.mark.parametrize(
    ("target", "hop", "contact"),
    [
        ("sips:bob@bob.example", None, "<sips:alice@192.0.2.1:5060>"),
        ("sips:bob@bob.example;transport=ws", None, "<sips:alice@192.0.2.1:5060;transport=ws>"),
        ("sip:bob@bob.example;transport=tls", None, "<sip:alice@192.0.2.1:5060;transport=tls>"),
        ("sip:bob@bob.example", TLS_TO_BOB, "<sip:alice@192.0.2.1:5060;transport=tls>"),
        ("sip:bob@bob.example;transport=ws", None, "<sip:alice@192.0.2.1:5060;transport=ws>"),
    ],
)
def test_contact_is_a_sips_uri_where_the_target_is_and_names_the_transport(
    target: str, hop: Hop | None, contact: str
) -> None:
    _, invite = call(target, hop)
    assert field(invite.data, "Contact") == contact
    assert field(invite.data, "Via").startswith(f"SIP/2.0/{invite.hop.transport} 192.0.2.1:5060;branch=")


def test_a_sips_route_makes_contact_a_sips_uri_too() -> None:
    _, alice, _ = agent_and_far_side()
    routed = replace(call_to(BOB), routes=("<sips:proxy.example;lr>",))
    alice.endpoint.invite(routed, 0.0)
    assert field(packets(alice)[0].data, "Contact").startswith("<sips:")


@pytest.mark.parametrize("hop", [Hop("UDP", BOB), Hop("TCP", BOB), Hop("WS", BOB)])
def test_a_sips_call_is_not_placed_over_a_hop_without_tls(hop: Hop) -> None:
    _, alice, _ = agent_and_far_side()
    with pytest.raises(LocalError, match="asks for TLS"):
        alice.endpoint.invite(replace(call_to(BOB), target=uri("sips:bob@bob.example"), hop=hop), 0.0)
    assert alice.forgot_all()


def test_a_sip_contact_over_tls_is_tolerated_in_a_sips_dialog_and_keeps_name_and_profile() -> None:
    alice, invite = call("sips:bob@bob.example", TLS_TO_BOB)
    (ack,) = answered_by(alice, invite, "<sip:bob@192.0.2.2:5060;transport=tls>")
    assert ack.data.startswith(b"ACK sip:bob@192.0.2.2:5060;transport=tls SIP/2.0")
    assert ack.hop == replace(TLS_TO_BOB, connection=9)


@pytest.mark.parametrize("contact", ["<sip:bob@192.0.2.3>", "<sip:bob@192.0.2.3;transport=tcp>"])
def test_a_contact_that_leads_out_of_tls_is_not_followed_in_a_sips_dialog(contact: str) -> None:
    alice, invite = call("sips:bob@bob.example", TLS_TO_BOB)
    assert answered_by(alice, invite, contact)[0].hop == replace(TLS_TO_BOB, connection=9)
    alice, invite = call("sip:bob@bob.example", TLS_TO_BOB)  # without sips it is the peer's to choose
    assert not answered_by(alice, invite, contact)[0].hop.secure


def test_another_host_is_verified_by_its_own_name_under_the_same_profile() -> None:
    alice, invite = call("sip:bob@bob.example", TLS_TO_BOB)
    (ack,) = answered_by(alice, invite, "<sip:bob@carol.example;transport=tls>")
    assert ack.hop == Hop("TLS", Address("carol.example", 5061), domain="carol.example", profile="office")


@pytest.mark.parametrize(
    ("request_uri", "source", "extra", "contact"),
    [
        ("sips:alice@192.0.2.1", "TLS", (), "<sips:alice@192.0.2.1:5060>"),
        ("sip:alice@192.0.2.1", "TLS", ("Record-Route: <sips:p.example;lr>",), "<sips:alice@192.0.2.1:5060>"),
        ("sip:alice@192.0.2.1", "TLS", (), "<sip:alice@192.0.2.1:5060;transport=tls>"),
        ("sips:alice@192.0.2.1", "UDP", (), "<sips:alice@192.0.2.1:5060>"),
    ],
)
def test_the_contact_of_an_answer_is_a_sips_uri_where_the_call_is(
    request_uri: str, source: str, extra: tuple[str, ...], contact: str
) -> None:
    _, alice, _ = agent_and_far_side()
    invite = invite_from(BOB, extra=extra).replace(b"sip:alice@192.0.2.1 SIP/2.0", f"{request_uri} SIP/2.0".encode())
    alice.receive(invite, Hop(source, BOB, None if source == "UDP" else 3), 0.0)
    alice.endpoint.ring(alice.one(IncomingCall).session, 0.0)
    assert field(packets(alice)[-1].data, "Contact") == contact


def test_what_came_over_a_tls_connection_is_continued_over_it() -> None:
    _, alice, _ = agent_and_far_side()
    connection = Hop("TLS", BOB, 3)
    alice.receive(invite_from(BOB).replace(b"SIP/2.0/UDP", b"SIP/2.0/TLS"), connection, 0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.accept(session, ANSWER, 0.0)
    tag = tag_of(field(packets(alice)[-1].data, "To"))
    ack = message(
        "ACK sip:alice@192.0.2.1 SIP/2.0", f"Via: SIP/2.0/TLS {BOB};branch=z9hG4bKack", "Max-Forwards: 70",
        "From: <sip:bob@192.0.2.2>;tag=far-tag", f"To: <sip:alice@192.0.2.1>;tag={tag}", "Call-ID: c1", "CSeq: 1 ACK",
    )  # fmt: skip
    alice.receive(ack, connection, 0.0)
    alice.endpoint.hang_up(session, 0.0)
    (bye,) = packets(alice)
    assert bye.data.startswith(b"BYE ")
    assert bye.hop == connection


# ---- WebSocket (RFC 7118)


def test_a_peer_that_only_our_connection_reaches_us_by_is_given_a_name_that_leads_nowhere() -> None:
    alice = Agent("alice", Address("192.0.2.1", 0), EndpointConfig(nowhere="df7jal23ls0d.invalid"))
    alice.endpoint.invite(replace(call_to(BOB), target=uri("sip:bob@bob.example;transport=ws")), 0.0)
    (invite,) = packets(alice)
    assert field(invite.data, "Via").startswith("SIP/2.0/WS df7jal23ls0d.invalid;branch=")
    assert field(invite.data, "Contact") == "<sip:alice@df7jal23ls0d.invalid;transport=ws>"
    # §5.3: the server need not say `received`, and the response is ours all the same.
    acks = answered_by(alice, invite, "<sip:bob@bob.example;transport=ws>")
    assert acks[0].hop == replace(invite.hop, connection=9)
    assert alice.told(CallAnswered)


def test_what_began_over_secure_websocket_stays_there_though_uris_know_but_ws() -> None:
    """RFC 7118 §5.2: `sip:...;transport=ws` is what a server of WSS writes into Record-Route."""
    hop = Hop("WSS", BOB, domain="pbx.example")
    alice, invite = call("sip:bob@pbx.example", hop)
    route = f"Record-Route: <sip:{BOB};transport=ws;r2=on;lr>"
    (ack,) = answered_by(alice, invite, "<sip:bob@192.0.2.9>", route)
    assert replace(ack.hop, connection=None) == hop
    alice, invite = call("sip:bob@pbx.example", hop)
    (ack,) = answered_by(alice, invite, "<sip:bob@192.0.2.9>", "Record-Route: <sip:edge.example;transport=ws;lr>")
    assert ack.hop == Hop("WSS", Address("edge.example", 443), domain="edge.example")


def test_a_message_needs_no_content_length() -> None:
    _, alice, _ = agent_and_far_side()
    invite = invite_from(BOB).replace(f"Content-Length: {len(OFFER)}\r\n".encode(), b"")
    assert b"Content-Length" not in invite
    alice.receive(invite.replace(b"SIP/2.0/UDP", b"SIP/2.0/WS"), FROM_BROWSER, 0.0)
    assert alice.one(IncomingCall).offer == OFFER
    assert [packet.hop for packet in packets(alice)] == [FROM_BROWSER]


def test_two_messages_in_one_are_the_first_alone() -> None:
    _, alice, _ = agent_and_far_side()
    alice.receive(invite_from(BOB) + invite_from(BOB, call_id="c2", branch="z9hG4bKfar2"), FROM_BROWSER, 0.0)
    assert alice.one(IncomingCall).offer == OFFER


def test_a_ping_gets_its_pong_and_other_blanks_get_nothing() -> None:
    _, alice, _ = agent_and_far_side()
    alice.receive(b"\r\n\r\n", FROM_BROWSER, 0.0)
    assert packets(alice) == [Packet(b"\r\n", FROM_BROWSER)]
    alice.receive(b"\r\n", FROM_BROWSER, 0.0)
    alice.receive(b"", FROM_BROWSER, 0.0)
    assert packets(alice) == []
    alice.endpoint.connection_closed(FROM_BROWSER, 0.0)
    assert alice.forgot_all()


def test_a_message_that_is_no_sip_leaves_the_connection_as_it_is() -> None:
    _, alice, _ = agent_and_far_side()
    alice.receive(b"{'hello': 1}", FROM_BROWSER, 0.0)
    alice.receive(invite_from(BOB).replace(b"Max-Forwards: 70", b"Max-Forwards: many"), FROM_BROWSER, 0.0)
    assert [status_of(packet.data) for packet in packets(alice)] == [400]
    assert alice.endpoint.closes() == []
    alice.endpoint.connection_closed(FROM_BROWSER, 0.0)
    assert alice.forgot_all()


@pytest.mark.parametrize(("transport", "retried"), [("TLS", True), ("TCP", True), ("WS", False), ("WSS", False)])
def test_a_response_whose_connection_is_gone_is_tried_anew_unless_nobody_can_be_connected_to(
    transport: str, retried: bool
) -> None:
    """RFC 3261 §18.2.2, RFC 7118 §5.3."""
    _, alice, _ = agent_and_far_side()
    source = Hop(transport, Address("192.0.2.2", 40000), 7)
    via = f"Via: SIP/2.0/{transport} phone.example:5071;branch=z9hG4bKfar1"
    invite = invite_from(BOB).replace(f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKfar1".encode(), via.encode())
    alice.receive(invite, source, 0.0)
    (trying,) = packets(alice)
    alice.endpoint.send_failed(trying.transaction, 0.0, "gone")
    domain = "phone.example" if transport == "TLS" else ""
    again = [Hop(transport, Address("192.0.2.2", 5071), domain=domain)] if retried else []
    assert [packet.hop for packet in packets(alice) if b"100 " in packet.data] == again


def test_nobody_else_may_speak_in_a_call_that_came_over_a_browsers_connection() -> None:
    _, alice, far = agent_and_far_side()
    assert isinstance(far, FarSide)
    alice.receive(invite_from(BOB).replace(b"SIP/2.0/UDP", b"SIP/2.0/WS"), FROM_BROWSER, 0.0)
    session = alice.one(IncomingCall).session
    alice.endpoint.ring(session, 0.0)
    tag = tag_of(field(packets(alice)[-1].data, "To"))
    info = message(
        "INFO sip:alice@192.0.2.1 SIP/2.0", f"Via: SIP/2.0/UDP {CAROL};branch=z9hG4bKinfo", "Max-Forwards: 70",
        "From: <sip:bob@192.0.2.2>;tag=far-tag", f"To: <sip:alice@192.0.2.1>;tag={tag}", "Call-ID: c1", "CSeq: 2 INFO",
        body=b"Signal=1", content_type="application/dtmf-relay",
    )  # fmt: skip
    alice.receive(info, Hop("UDP", CAROL), 0.0)
    assert [status_of(packet.data) for packet in packets(alice)] == [403]
