"""Which message belongs to which transaction, what the ACK is made of, and where things are sent."""

from __future__ import annotations

import pytest

from tests.support.transactions import ALICE, BOB, User, answering, gone, make_request, pair
from tests.support.wire import Wire
from voipnode.sipstack.message import Request, parse_message, respond
from voipnode.sipstack.transaction import (
    ArrivalKind,
    State,
    TransactionEnded,
    TransactionTransportError,
    response_hop,
)
from voipnode.sipstack.transport import Address, Hop

TO_BOB = Hop("UDP", BOB)
FROM_ALICE = Hop("UDP", ALICE)

# ---- the ACK and where things are sent


def test_the_ack_to_a_final_response_is_built_from_invite_and_response() -> None:
    """RFC 3261 §17.1.1.3, with its example's header fields."""
    alice = User()
    extra = (("Route", "<sip:p1.example.com;lr>"), ("Route", "<sip:p2.example.com;lr>"), ("Contact", "<sip:a@b>"))
    invite = make_request(cseq=986759, extra=(*extra, ("Proxy-Authorization", 'Digest username="alice"')))
    alice.layer.send_request(invite, TO_BOB, 0.0)
    alice.outbox(0.0)
    alice.receive(respond(invite, 407, to_tag="99sa0xk").to_bytes(), TO_BOB, 0.1)
    (packet,) = alice.outbox(0.1)
    ack = parse_message(packet.data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri_text) == ("ACK", "sip:bob@192.0.2.2")
    assert ack.headers.get_all("Via") == ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds;rport"]
    assert ack.headers.get_all("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
    assert ack.headers.get("From") == invite.headers.get("From")
    assert ack.headers.get("To") == "<sip:bob@192.0.2.2>;tag=99sa0xk"
    assert ack.headers.get("Call-ID") == invite.call_id
    assert ack.headers.get("CSeq") == "986759 ACK"
    assert ack.headers.get("Max-Forwards") == "70"
    assert ack.headers.get("Content-Length") == "0"
    assert ack.headers.get("Proxy-Authorization") == 'Digest username="alice"'
    assert "Contact" not in ack.headers
    assert packet.hop == TO_BOB


@pytest.mark.parametrize(
    ("via", "source", "goes_to"),
    [
        ("UDP 192.0.2.1:5070;rport", Address("198.51.100.7", 9988), Address("198.51.100.7", 9988)),
        ("UDP 192.0.2.1:5070", Address("198.51.100.7", 9988), Address("198.51.100.7", 5070)),
        ("UDP pc33.example.com", Address("198.51.100.7", 9988), Address("198.51.100.7", 5060)),
        ("UDP 192.0.2.1:5070;maddr=233.252.0.1;rport", Address("192.0.2.1", 6000), Address("192.0.2.1", 6000)),
        ("UDP 192.0.2.1:5070;maddr=198.51.100.9", Address("192.0.2.1", 6000), Address("192.0.2.1", 5070)),
        ("UDP [2001:db8::9]:5070;rport", Address("2001:db8::1", 6000), Address("2001:db8::1", 6000)),
    ],
)
def test_a_response_goes_where_the_via_and_the_source_say(via: str, source: Address, goes_to: Address) -> None:
    request = make_request()
    request.headers.set("Via", f"SIP/2.0/{via};branch=z9hG4bKx")
    assert response_hop(request, Hop("UDP", source)) == Hop("UDP", goes_to)


def test_over_a_stream_a_response_goes_back_on_its_connection() -> None:
    source = Hop("TCP", Address("198.51.100.7", 40000), 3)
    assert response_hop(make_request(transport="TCP"), source) == source


def test_a_response_whose_connection_is_gone_tries_the_port_of_sent_by_and_then_tells_the_user() -> None:
    _, _, bob = pair(answering(486))
    bob.receive(make_request(transport="TCP", sent_by="pc33:5080").to_bytes(), Hop("TCP", ALICE, 3), 0.0)
    (first,) = bob.outbox(0.0)
    bob.send_failed(first.transaction, 0.0)
    (second,) = bob.outbox(0.0)
    assert (second.data, second.hop) == (first.data, Hop("TCP", Address("192.0.2.1", 5080)))
    assert bob.named(TransactionTransportError) == []
    bob.send_failed(first.transaction, 1.0)
    assert bob.outbox(1.0) == []
    assert bob.named(TransactionTransportError) == [1.0]
    assert bob.layer.state(first.transaction) is State.COMPLETED  # RFC 6026 §8.8


def test_a_refused_request_ends_its_transaction() -> None:
    wire = Wire()
    alice = User()
    wire.attach("alice", ALICE, alice)
    wire.refused = lambda packet: alice.send_failed(packet.transaction, wire.now)
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=1)
    assert alice.named(TransactionTransportError) == alice.named(TransactionEnded) == [0.0]
    assert gone(alice)
    for echo in ("c1", ""):
        alice.send_failed(echo, 1.0)
    assert len(alice.events) == 2


# ---- matching


def test_a_response_matches_by_branch_sent_by_and_method_only() -> None:
    """RFC 3261 §17.1.3, §18.1.2: not by Call-ID, not by CSeq number, not by source."""
    alice = User()
    invite = make_request()
    alice.layer.send_request(invite, TO_BOB, 0.0)
    wrong_method = make_request("CANCEL")
    wrong_branch = make_request(branch="z9hG4bKother")
    wrong_sent_by = make_request(sent_by="192.0.2.1:5062")
    for stranger in (wrong_method, wrong_branch, wrong_sent_by):
        alice.receive(respond(stranger, 180).to_bytes(), TO_BOB, 0.1)
    assert alice.statuses() == []
    assert alice.layer.counters.stray_responses == 3
    odd = make_request(sent_by="192.0.2.1", call_id="other", cseq=99, branch="Z9HG4BK776asdhds")
    alice.receive(respond(odd, 180).to_bytes(), Hop("UDP", Address("203.0.113.5", 5060)), 0.2)
    assert alice.statuses() == [180]


def test_a_request_matches_by_branch_sent_by_and_method() -> None:
    _, _, bob = pair()
    requests = [
        make_request(),
        make_request(call_id="other", cseq=9),  # a retransmission by §17.2.3, whatever else it says
        make_request(sent_by="192.0.2.1:5061"),
        make_request("OPTIONS"),
        make_request(branch="z9hG4bKother"),
    ]
    for request in requests:
        bob.receive(request.to_bytes(), FROM_ALICE, 0.0)
    assert [(arrival.request.method, arrival.request.via.branch) for arrival in bob.arrivals] == [
        ("INVITE", "z9hG4bK776asdhds"),
        ("INVITE", "z9hG4bK776asdhds"),
        ("OPTIONS", "z9hG4bK776asdhds"),
        ("INVITE", "z9hG4bKother"),
    ]


def test_the_ack_to_a_busy_is_absorbed_and_an_ack_with_its_own_branch_is_the_users() -> None:
    _, _, bob = pair(answering(486))
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    bob.receive(make_request("ACK").to_bytes(), FROM_ALICE, 0.1)
    assert bob.layer.state(bob.arrivals[0].transaction_id) is State.CONFIRMED
    bob.receive(make_request("ACK").to_bytes(), FROM_ALICE, 0.2)
    assert len(bob.arrivals) == 1
    bob.receive(make_request("ACK", branch="z9hG4bKack").to_bytes(), FROM_ALICE, 0.3)
    assert (bob.arrivals[1].kind, bob.arrivals[1].transaction_id) == (ArrivalKind.ACK_2XX, "")


def test_an_ack_to_a_2xx_that_reuses_the_branch_still_reaches_the_user() -> None:
    _, _, bob = pair(answering(200))
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    bob.receive(make_request("ACK").to_bytes(), FROM_ALICE, 0.1)
    invite, ack = bob.arrivals
    assert (ack.kind, ack.transaction_id) == (ArrivalKind.ACK_2XX, invite.transaction_id)


def test_an_ack_before_any_response_is_dropped_and_counted() -> None:
    _, _, bob = pair()
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    bob.receive(make_request("ACK").to_bytes(), FROM_ALICE, 0.0)
    assert len(bob.arrivals) == 1
    assert bob.layer.counters.unexpected == 1


def test_a_cancel_names_its_target_and_is_a_transaction_of_its_own() -> None:
    wire, _, bob = pair()
    for request in (make_request(), make_request("CANCEL"), make_request("CANCEL", branch="z9hG4bKnone")):
        bob.receive(request.to_bytes(), FROM_ALICE, 0.0)
    invite, cancel, lost = bob.arrivals
    assert cancel.target == invite.transaction_id != cancel.transaction_id
    assert (lost.kind, lost.target) == (ArrivalKind.CANCEL, None)
    bob.reply(cancel, 200, 0.0)
    bob.reply(invite, 487, 0.0)
    wire.flush()
    assert [rung.what for rung in wire.ladder] == ["200 CANCEL", "487 INVITE"]


def test_a_cancel_of_another_request_names_it_too() -> None:
    """RFC 3261 §9.2: any method but CANCEL and ACK is a target; it is answered 200 and has no effect."""
    _, _, bob = pair()
    for method in ("OPTIONS", "CANCEL"):
        bob.receive(make_request(method).to_bytes(), FROM_ALICE, 0.0)
    assert bob.arrivals[1].target == bob.arrivals[0].transaction_id


def test_the_same_request_by_another_path_is_merged_while_the_first_is_served() -> None:
    wire, _, bob = pair(answering(486))
    by_another_path = make_request(branch="z9hG4bKother").to_bytes()
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    bob.receive(by_another_path, FROM_ALICE, 0.1)
    bob.receive(make_request("CANCEL", branch="z9hG4bKother").to_bytes(), FROM_ALICE, 0.2)
    bob.receive(make_request(branch="z9hG4bKthird", cseq=2).to_bytes(), FROM_ALICE, 0.2)
    bob.receive(make_request(branch="z9hG4bKfourth", to_tag="known").to_bytes(), FROM_ALICE, 0.2)
    assert [arrival.merged for arrival in bob.arrivals] == [False, True, False, False, False]
    wire.run(until=100)
    assert gone(bob)
    bob.receive(make_request(branch="z9hG4bKlater").to_bytes(), FROM_ALICE, 100.0)
    assert bob.arrivals[-1].merged is False


# ---- clients of RFC 2543, whose branch says nothing


@pytest.mark.parametrize("branch", [None, "1", "constant"])
def test_an_old_clients_requests_are_matched_by_their_header_fields(branch: str | None) -> None:
    _, _, bob = pair()
    first = make_request(branch=branch)
    others = [
        make_request(branch=branch, cseq=2),
        make_request(branch=branch, call_id="other"),
        make_request(branch=branch, from_tag="other"),
        make_request(branch=branch, to_tag="other"),
        make_request(branch=branch, uri="sip:carol@192.0.2.2"),
        make_request(branch=branch, sent_by="192.0.2.3"),
        make_request("OPTIONS", branch=branch),
    ]
    for request in (first, *others, first, *others):
        bob.receive(request.to_bytes(), FROM_ALICE, 0.0)
    assert len(bob.arrivals) == 1 + len(others)


@pytest.mark.parametrize("branch", [None, "constant"])
def test_an_old_clients_ack_finds_its_invite_by_the_to_tag_of_the_response(branch: str | None) -> None:
    wire, _, bob = pair(answering(100, 486))
    bob.receive(make_request(branch=branch).to_bytes(), FROM_ALICE, 0.0)
    bob.receive(make_request("ACK", branch=branch, to_tag="wrong").to_bytes(), FROM_ALICE, 0.1)
    assert bob.layer.state(bob.arrivals[0].transaction_id) is State.COMPLETED
    bob.receive(make_request("ACK", branch=branch, to_tag="314159").to_bytes(), FROM_ALICE, 0.1)
    assert bob.layer.state(bob.arrivals[0].transaction_id) is State.CONFIRMED
    wire.run(until=100)
    assert gone(bob)


def test_an_old_clients_ack_to_a_2xx_is_passed_up_from_the_accepted_state() -> None:
    """RFC 6026 §6."""
    _, _, bob = pair(answering(200))
    bob.receive(make_request(branch=None).to_bytes(), FROM_ALICE, 0.0)
    bob.receive(make_request("ACK", branch=None, to_tag="314159").to_bytes(), FROM_ALICE, 0.1)
    invite, ack = bob.arrivals
    assert (ack.kind, ack.transaction_id) == (ArrivalKind.ACK_2XX, invite.transaction_id)


def test_an_old_clients_cancel_finds_its_invite() -> None:
    _, _, bob = pair()
    for method in ("INVITE", "CANCEL"):
        bob.receive(make_request(method, branch=None).to_bytes(), FROM_ALICE, 0.0)
    assert bob.arrivals[1].target == bob.arrivals[0].transaction_id
