"""Who is listened to: a ladder of packets from the peer, its NAT, and people who should not be heard."""

from __future__ import annotations

from voipnode.media.rtp import RtpPacket
from voipnode.media.source import SourceLatch

PEER = ("192.0.2.1", 4000)
NAT = ("198.51.100.7", 31000)
STRANGER = ("203.0.113.66", 5555)


def latch(*, symmetric: bool = True) -> SourceLatch:
    made = SourceLatch(symmetric=symmetric)
    made.signal(PEER)
    return made


def feed(
    made: SourceLatch, source: tuple[str, int], count: int, *, ssrc: int = 1, first: int = 0, at: float = 0.0
) -> list[int]:
    """Sequence numbers that came through."""
    passed = []
    for number in range(first, first + count):
        packet = RtpPacket(0, number & 0xFFFF, number * 160, ssrc, b"")
        passed += [admitted.sequence for admitted, _ in made.admit(packet, source, at + (number - first) * 0.02)]
    return passed


def test_the_signalled_peer_is_heard_from_its_second_packet_and_nothing_is_lost() -> None:
    made = latch()
    assert feed(made, PEER, 1, first=65535) == []
    assert feed(made, PEER, 2, first=65536) == [65535, 0, 1]
    assert (made.current, made.ssrc, made.strangers) == (PEER, 1, 0)


def test_a_held_packet_keeps_the_time_it_came() -> None:
    made = latch()
    made.admit(RtpPacket(0, 5, 0, 1, b""), PEER, 1.0)
    assert [at for _, at in made.admit(RtpPacket(0, 6, 0, 1, b""), PEER, 1.02)] == [1.0, 1.02]


def test_an_address_behind_nat_is_learnt_after_four_packets_in_sequence() -> None:
    made = latch()
    assert feed(made, NAT, 3) == []
    assert feed(made, NAT, 1, first=3) == [0, 1, 2, 3]
    assert made.current == NAT


def test_packets_out_of_sequence_prove_nothing() -> None:
    made = latch()
    for number in (0, 7, 3, 90, 20, 4):
        assert feed(made, PEER, 1, first=number) == []
    assert made.current is None


def test_a_stranger_is_not_heard_while_the_peer_speaks() -> None:
    made = latch()
    feed(made, NAT, 10)
    for number in range(10, 200):
        assert feed(made, NAT, 1, first=number, at=number * 0.02) == [number]
        assert feed(made, STRANGER, 1, ssrc=2, first=number, at=number * 0.02) == []
        assert feed(made, STRANGER, 1, ssrc=1, first=number, at=number * 0.02) == []
    assert (made.current, made.strangers) == (NAT, 380)


def test_who_was_learnt_is_never_replaced_however_long_he_is_silent() -> None:
    made = latch()
    feed(made, NAT, 10)
    for at in (0.2, 3.5, 60.0, 3600.0):
        assert feed(made, STRANGER, 200, ssrc=2, at=at) == []
        assert feed(made, (NAT[0], 40_000), 200, ssrc=1, first=10, at=at) == []  # his own host, and not his port
    assert feed(made, NAT, 2, first=10, at=4000.0) == [10, 11]


def test_after_a_hold_the_address_is_learnt_anew() -> None:
    made = latch()
    feed(made, NAT, 10)
    made.signal(PEER, frozenset({NAT[0]}), resumed=True)
    assert made.current is None
    assert feed(made, STRANGER, 10, ssrc=2, at=60.0) == []
    moved = (NAT[0], 40_000)
    assert feed(made, moved, 5, first=10, at=60.0) == [10, 11, 12, 13, 14]
    assert feed(made, NAT, 5, ssrc=1, first=15, at=61.0) == []


def test_the_signalled_address_outranks_a_learnt_one() -> None:
    made = latch()
    feed(made, STRANGER, 10, ssrc=2)
    assert feed(made, PEER, 3) == [0, 1, 2]
    assert made.current == PEER
    assert feed(made, STRANGER, 10, ssrc=2, first=10) == []


def test_a_new_ssrc_of_the_peer_takes_over_only_when_the_old_one_stops() -> None:
    made = latch()
    feed(made, PEER, 5)
    for number in range(5, 50):
        assert feed(made, PEER, 1, ssrc=2, first=number) == []
        assert feed(made, PEER, 1, ssrc=1, first=number) == [number]
    assert feed(made, PEER, 3, ssrc=2, first=50, at=0.02) == [50, 51, 52]


def test_two_forged_packets_between_the_peers_do_not_take_over() -> None:
    made = latch()
    feed(made, PEER, 5)
    for number in range(5, 200):
        assert feed(made, PEER, 1, first=number, at=number * 0.02) == [number]
        for forged in range(number * 5, number * 5 + 5):
            assert made.admit(RtpPacket(0, forged & 0xFFFF, 0, 2, b""), PEER, number * 0.02 + 0.019) == []
    assert made.ssrc == 1


def test_a_flood_of_another_ssrc_is_not_held_without_bound() -> None:
    made = latch()
    feed(made, PEER, 5)
    for number in range(1000):
        assert made.admit(RtpPacket(0, number, 0, 2, b""), PEER, 0.08) == []
    passed = made.admit(RtpPacket(0, 1000, 0, 2, b""), PEER, 0.3)
    assert len(passed) < 20
    assert passed[-1][0].sequence == 1000


def test_many_strangers_cannot_keep_the_peer_from_being_learnt() -> None:
    made = latch()
    passed = []
    for number in range(20):
        passed += feed(made, PEER, 1, first=number)
        feed(made, (STRANGER[0], 1000 + number), 1, ssrc=number + 10)
        feed(made, (STRANGER[0], 3000 + number), 1, ssrc=number + 50)
    assert passed == list(range(20))


def test_a_changed_signalled_address_ends_the_old_claim() -> None:
    made = latch()
    feed(made, NAT, 10)
    made.signal(PEER)  # a re-INVITE that changes nothing
    assert made.current == NAT
    made.signal(("192.0.2.9", 4000))
    assert made.current is None
    assert feed(made, NAT, 6, first=10) == [10, 11, 12, 13, 14, 15]  # behind its NAT it may be learnt again


def test_a_signalled_address_that_was_learnt_already_changes_nothing() -> None:
    made = latch()
    feed(made, NAT, 10)
    made.signal(NAT)
    assert feed(made, NAT, 1, first=10) == [10]


def test_without_symmetry_only_the_signalled_host_is_heard() -> None:
    made = latch(symmetric=False)
    assert feed(made, NAT, 10) == []
    assert len(feed(made, (PEER[0], 9999), 10)) == 10


def test_rtcp_is_trusted_from_the_peers_hosts() -> None:
    made = latch()
    feed(made, NAT, 10)
    assert made.trusts_host(PEER[0])
    assert made.trusts_host(NAT[0])
    assert not made.trusts_host(STRANGER[0])
