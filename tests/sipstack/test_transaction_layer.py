"""Two transaction layers on a virtual wire: ladders at exact times, loss, duplication, reordering, matching, bounds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.transactions import ALICE, BOB, User, answering, gone, make_request, pair
from tests.support.wire import Link, Rung, Wire
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import respond
from voipnode.sipstack.timers import Timers
from voipnode.sipstack.transaction import (
    ArrivalKind,
    ServerArrival,
    StrayResponse,
    TransactionEnded,
    TransactionLayer,
    TransactionTimeout,
)
from voipnode.sipstack.transport import Hop

INVITE_LADDER = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
DOUBLING_TO_T2 = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
TO_BOB = Hop("UDP", BOB)
TO_BOB_TCP = Hop("TCP", BOB)
FROM_ALICE = Hop("UDP", ALICE)


def losing(*what: str) -> Callable[[Rung], bool]:
    return lambda rung: rung.what in what


# ---- client ladders


def test_an_invite_that_nobody_answers_is_repeated_on_the_ladder_and_times_out_at_32_s() -> None:
    wire, alice, _ = pair()
    wire.drop = lambda rung: True
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=100)
    assert wire.ladder.times("INVITE") == INVITE_LADDER
    assert alice.named(TransactionTimeout) == [32.0]
    assert alice.named(TransactionEnded) == [32.0]
    assert gone(alice)


def test_a_non_invite_request_that_nobody_answers_is_repeated_every_t2_at_last() -> None:
    wire, alice, _ = pair()
    wire.drop = lambda rung: True
    alice.layer.send_request(make_request("OPTIONS"), TO_BOB, 0.0)
    wire.run(until=100)
    assert wire.ladder.times("OPTIONS") == DOUBLING_TO_T2
    assert alice.named(TransactionTimeout) == [32.0]
    assert gone(alice)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_over_tcp_a_request_is_sent_once_and_still_times_out(method: str) -> None:
    wire, alice, _ = pair()
    wire.drop = lambda rung: True
    alice.layer.send_request(make_request(method, transport="TCP"), TO_BOB_TCP, 0.0)
    wire.run(until=100)
    assert wire.ladder.times(method) == [0.0]
    assert alice.named(TransactionTimeout) == [32.0]
    assert gone(alice)


def test_a_smaller_t1_shrinks_the_ladder() -> None:
    wire = Wire()
    alice = User(t1_s=0.125)
    wire.attach("alice", ALICE, alice)
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=20)
    assert wire.ladder.times() == [at / 4 for at in INVITE_LADDER]
    assert alice.named(TransactionTimeout) == [8.0]


def test_a_100_silences_the_invite_for_good() -> None:
    wire, alice, _ = pair(answering(100), Link(delay_s=0.7))
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=200)
    # One copy left before the 100 came back at 1.4 s; Bob answers it with his 100 again.
    assert wire.ladder.times("INVITE") == [0.0, 0.5]
    assert wire.ladder.times("100 INVITE") == [0.7, 1.2]
    assert alice.statuses() == [100, 100]
    assert alice.named(TransactionTimeout) == []


def test_a_provisional_response_slows_a_non_invite_request_down_to_t2() -> None:
    wire, alice, _ = pair(answering(100), Link(delay_s=0.1))
    alice.layer.send_request(make_request("OPTIONS"), TO_BOB, 0.0)
    wire.run(until=100)
    # Timer E was already running for its 0.5 s when the 100 came at 0.2 s (RFC 3261 §17.1.2.2).
    assert wire.ladder.times("OPTIONS") == [0.0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert alice.named(TransactionTimeout) == [32.0]


def test_a_cancelled_invite_without_a_final_response_ends_64_t1_after_the_cancel() -> None:
    def answer(user: User, arrival: ServerArrival, now: float) -> None:
        user.reply(arrival, 100 if arrival.kind is ArrivalKind.NEW else 200, now)

    wire, alice, bob = pair(answer)
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=5.0)
    alice.layer.send_request(make_request("CANCEL"), TO_BOB, 5.0)
    wire.run(until=100)
    assert alice.named(TransactionTimeout) == [37.0]
    assert [arrival.kind for arrival in bob.arrivals] == [ArrivalKind.NEW, ArrivalKind.CANCEL]
    assert alice.statuses() == [100, 200]


def test_a_cancel_before_any_provisional_response_is_refused() -> None:
    alice = User()
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    with pytest.raises(LocalError, match="CANCEL"):
        alice.layer.send_request(make_request("CANCEL"), TO_BOB, 0.0)
    assert len(alice.layer) == 1


# ---- server ladders


def test_a_busy_that_is_never_acknowledged_is_repeated_and_given_up_at_32_s() -> None:
    wire, alice, bob = pair(answering(486))
    # Only the first INVITE gets through, so that what Bob repeats is timer G's doing alone.
    wire.drop = lambda rung: rung.sender == "bob" or rung.at > 0
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=100)
    assert wire.ladder.times("486 INVITE") == DOUBLING_TO_T2
    assert bob.named(TransactionTimeout) == [32.0]
    assert gone(alice, bob)


def test_a_lost_ack_is_sent_again_for_each_copy_of_the_response() -> None:
    wire, alice, bob = pair(answering(100, 486))
    wire.drop = lambda rung: rung.what == "ACK" and rung.at < 3
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=20)
    assert wire.ladder.times("486 INVITE") == [0, 0.5, 1.5, 3.5]
    assert wire.ladder.times("ACK") == [0, 0.5, 1.5, 3.5]
    assert alice.statuses() == [100, 486]
    assert [arrival.kind for arrival in bob.arrivals] == [ArrivalKind.NEW]
    wire.run(until=100)
    assert bob.named(TransactionEnded) == [8.5]  # timer I, T4 after the ACK
    assert alice.named(TransactionEnded) == [32.0]  # timer D
    assert gone(alice, bob)


def test_over_tcp_a_busy_goes_out_once_and_both_sides_forget_at_once() -> None:
    wire, alice, bob = pair(answering(100, 486))
    alice.layer.send_request(make_request(transport="TCP"), TO_BOB_TCP, 0.0)
    wire.run(until=0)
    assert [rung.what for rung in wire.ladder] == ["INVITE", "100 INVITE", "486 INVITE", "ACK"]
    assert gone(alice, bob)


def test_over_tcp_a_busy_waits_32_s_for_its_ack() -> None:
    wire, alice, bob = pair(answering(486))
    wire.drop = losing("ACK")
    alice.layer.send_request(make_request(transport="TCP"), TO_BOB_TCP, 0.0)
    wire.run(until=100)
    assert wire.ladder.times("486 INVITE") == [0.0]
    assert bob.named(TransactionTimeout) == [32.0]


def test_a_2xx_is_not_repeated_by_the_transaction_and_absorbs_late_invites_until_timer_l() -> None:
    wire, _, bob = pair(answering(200))
    invite = make_request().to_bytes()
    for at in (0.0, 0.5, 31.9):
        wire.at(at, lambda: bob.receive(invite, FROM_ALICE, wire.now))
    wire.run(until=32)
    assert wire.ladder.times("200 INVITE") == [0.0]
    assert len(bob.arrivals) == 1
    assert bob.named(TransactionEnded) == [32.0]
    bob.receive(invite, FROM_ALICE, 33.0)
    assert len(bob.arrivals) == 2


def test_every_2xx_reaches_the_user_until_timer_m_and_is_a_stray_afterwards() -> None:
    alice = User()
    invite = make_request()
    alice.layer.send_request(invite, TO_BOB, 0.0)
    for at, tag in ((1.0, "fork-1"), (1.5, "fork-2"), (32.9, "fork-1")):
        alice.on_deadline(at)
        alice.receive(respond(invite, 200, to_tag=tag).to_bytes(), TO_BOB, at)
    assert alice.statuses() == [200, 200, 200]
    alice.on_deadline(33.0)
    assert alice.named(TransactionEnded) == [33.0]
    alice.receive(respond(invite, 200, to_tag="fork-1").to_bytes(), TO_BOB, 33.5)
    assert alice.named(StrayResponse) == [33.5]
    assert alice.layer.counters.stray_responses == 1
    assert {packet.data[:7] for packet in alice.outbox(33.5)} == {b"INVITE "}  # no ACK from the transaction


def test_a_user_that_repeats_its_2xx_has_it_sent_each_time() -> None:
    wire, _, bob = pair(answering(200))
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    wire.run(until=0.5)
    bob.reply(bob.arrivals[0], 200, 0.5)
    wire.flush()
    assert wire.ladder.times("200 INVITE") == [0.0, 0.5]


def test_a_repeated_request_gets_the_final_response_again_until_timer_j() -> None:
    wire, _, bob = pair(answering(200))
    options = make_request("OPTIONS").to_bytes()
    for at in (0.0, 0.5, 1.5, 31.5):
        wire.at(at, lambda: bob.receive(options, FROM_ALICE, wire.now))
    wire.run(until=100)
    assert wire.ladder.times("200 OPTIONS") == [0.0, 0.5, 1.5, 31.5]
    assert len(bob.arrivals) == 1
    assert bob.named(TransactionEnded) == [32.0]
    assert gone(bob)


def test_a_request_that_the_user_never_answers_is_forgotten_when_its_client_has_given_up() -> None:
    wire, _, bob = pair()
    bob.receive(make_request("OPTIONS").to_bytes(), FROM_ALICE, 0.0)
    wire.run(until=40)
    assert bob.named(TransactionTimeout) == [32.0]
    assert gone(bob)
    bob.reply(bob.arrivals[0], 200, 40.0)
    assert bob.outbox(40.0) == []
    assert bob.layer.counters.late_responses == 1


def test_an_invite_copy_is_answered_with_the_latest_provisional_response() -> None:
    wire, _, bob = pair(answering(100, 180))
    for at in (0.0, 0.5):
        wire.at(at, lambda: bob.receive(make_request().to_bytes(), FROM_ALICE, wire.now))
    wire.run(until=1)
    assert [(rung.at, rung.what) for rung in wire.ladder] == [
        (0.0, "100 INVITE"),
        (0.0, "180 INVITE"),
        (0.5, "180 INVITE"),
    ]


def test_a_second_final_response_to_an_invite_is_the_users_mistake() -> None:
    _, _, bob = pair(answering(486))
    bob.receive(make_request().to_bytes(), FROM_ALICE, 0.0)
    with pytest.raises(LocalError, match="while completed"):
        bob.reply(bob.arrivals[0], 200, 0.0)


# ---- a bad network


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_each_side_hears_once_through_loss_duplication_and_reordering(method: str, seed: int) -> None:
    """With a third of all datagrams lost, a third doubled, and up to 300 ms of jitter."""
    wire = Wire(seed, Link(delay_s=0.02, jitter_s=0.3, loss=0.33, duplication=0.33))
    alice, bob = User(), User(answering(486))
    wire.attach("alice", ALICE, alice)
    wire.attach("bob", BOB, bob)
    alice.layer.send_request(make_request(method), TO_BOB, 0.0)
    wire.run(until=200)
    assert [arrival.kind for arrival in bob.arrivals] == [ArrivalKind.NEW], str(wire.ladder)
    assert alice.statuses() == [486], str(wire.ladder)
    assert alice.named(TransactionTimeout) == []
    assert gone(alice, bob)


def test_the_same_seed_gives_the_same_ladder() -> None:
    ladders = []
    for _ in range(2):
        wire, alice, _ = pair(answering(100, 486), Link(loss=0.4, duplication=0.4, jitter_s=1.0))
        alice.layer.send_request(make_request(), TO_BOB, 0.0)
        ladders.append(wire.run(until=100))
    assert ladders[0] == ladders[1]
    assert any(rung.fate == "lost" for rung in ladders[0])


def test_a_provisional_response_overtaken_by_the_final_one_is_dropped() -> None:
    alice = User()
    invite = make_request()
    alice.layer.send_request(invite, TO_BOB, 0.0)
    for status in (486, 180):
        alice.receive(respond(invite, status, to_tag="x").to_bytes(), TO_BOB, 0.1)
    assert alice.statuses() == [486]
    assert alice.layer.counters.unexpected == 1


# ---- bounds


def test_long_answers_are_not_kept_without_bound() -> None:
    layer = TransactionLayer(Timers(), max_bytes=50_000)
    kinds = []
    for number in range(10):
        request = make_request("OPTIONS", branch=f"z9hG4bK{number}", call_id=f"{number}{'x' * 9_500}")
        arrival = layer.receive_request(request, FROM_ALICE, 0.0)
        assert arrival is not None
        kinds.append(arrival.kind)
        if arrival.transaction_id:
            layer.send_response(arrival.transaction_id, respond(request, 200, to_tag="x"), 0.0)
    assert kinds == [ArrivalKind.NEW] * 6 + [ArrivalKind.OVERLOAD] * 4
    layer.on_deadline(40.0)
    assert len(layer) == 0
    arrival = layer.receive_request(make_request("OPTIONS", branch="z9hG4bKlater"), FROM_ALICE, 40.0)
    assert arrival is not None
    assert arrival.kind is ArrivalKind.NEW


def test_beyond_the_limit_a_request_has_no_transaction_and_says_so() -> None:
    layer = TransactionLayer(Timers(), max_transactions=2)
    for number in range(2):
        arrival = layer.receive_request(make_request(branch=f"z9hG4bK{number}", call_id=str(number)), FROM_ALICE, 0.0)
        assert arrival is not None
        assert arrival.kind is ArrivalKind.NEW
    third = layer.receive_request(make_request(branch="z9hG4bK3"), FROM_ALICE, 0.0)
    assert third is not None
    assert (third.kind, third.transaction_id) == (ArrivalKind.OVERLOAD, "")
    assert layer.counters.refused == 1
    assert len(layer) == 2
    # A known request is still absorbed, and a waiting INVITE can still be cancelled.
    assert layer.receive_request(make_request(branch="z9hG4bK0", call_id="0"), FROM_ALICE, 0.0) is None
    cancel = layer.receive_request(make_request("CANCEL", branch="z9hG4bK0", call_id="0"), FROM_ALICE, 0.0)
    assert cancel is not None
    assert cancel.kind is ArrivalKind.CANCEL
    # Our own requests have a limit of their own.
    layer.send_request(make_request(branch="z9hG4bKa"), TO_BOB, 0.0)
    layer.send_request(make_request(branch="z9hG4bKb"), TO_BOB, 0.0)
    with pytest.raises(LocalError, match="more than 2"):
        layer.send_request(make_request(branch="z9hG4bKc"), TO_BOB, 0.0)


def test_a_branch_in_use_and_a_lone_ack_are_refused() -> None:
    layer = TransactionLayer(Timers())
    layer.send_request(make_request(), TO_BOB, 0.0)
    with pytest.raises(LocalError, match="in use"):
        layer.send_request(make_request(), TO_BOB, 0.0)
    with pytest.raises(LocalError, match="ACK"):
        layer.send_request(make_request("ACK", branch="z9hG4bKack"), TO_BOB, 0.0)
    with pytest.raises(LocalError, match="branch"):
        layer.send_request(make_request(branch=None), TO_BOB, 0.0)
    assert len(layer) == 1


def test_nothing_is_left_of_ten_thousand_calls() -> None:
    layer = TransactionLayer(Timers())
    most = 0
    for number in range(10_000):
        now = number / 100
        layer.on_deadline(now)
        branch, call_id = f"z9hG4bK{number}", f"{number}@host"
        for method, status in (("INVITE", (486, 200)[number % 2]), ("OPTIONS", 200)):
            request = make_request(method, branch=branch + method, call_id=call_id)
            arrival = layer.receive_request(request, FROM_ALICE, now)
            assert arrival is not None
            layer.send_response(arrival.transaction_id, respond(request, status, to_tag="t"), now)
        layer.send_request(make_request("BYE", branch=branch + "bye", call_id=call_id), TO_BOB, now)
        layer.outbox()
        most = max(most, len(layer))
    assert most <= 3 * 32 * 100 + 3
    layer.on_deadline(10_000 / 100 + 33)
    assert len(layer) == 0
    assert layer._by_key == {}
    assert layer.next_deadline() is None
    assert len(layer._runner.deadlines._heap) == 0


def test_a_packet_is_made_once_however_often_it_is_sent() -> None:
    alice = User()
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    (first,) = alice.outbox(0.0)
    alice.on_deadline(0.5)
    (second,) = alice.outbox(0.5)
    assert first is second


# ---- amplification (RFC 3261 §26.3.2.4)


def test_invites_with_forged_addresses_make_us_send_little_more_than_was_sent() -> None:
    wire, _, bob = pair(answering(100, 486))
    wire.drop = lambda rung: True  # whoever is at that address knows nothing of it all
    count = 2000
    for number in range(count):
        forged = make_request(branch=f"z9hG4bK{number}", call_id=f"{number}")
        wire.inject(forged.to_bytes(), FROM_ALICE, BOB)
    wire.run(until=40)
    assert len(wire.ladder.pick("486 INVITE")) - count <= 500 + 50 * 32
    assert bob.layer.counters.unrepeated > 10 * count - 500 - 50 * 33
    assert gone(bob)


def test_a_refusal_that_is_lost_now_and_then_is_repeated_as_ever() -> None:
    wire, alice, _ = pair(answering(486))
    wire.drop = lambda rung: rung.what == "486 INVITE" and rung.at < 7.0
    alice.layer.send_request(make_request(), TO_BOB, 0.0)
    wire.run(until=100)
    assert alice.statuses() == [486]
