"""The virtual wire does to messages what its link says, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.wire import Link, Wire, describe
from voipnode.sipstack.transport import Address, Hop, Packet

A, B = Address("192.0.2.1", 5060), Address("192.0.2.2", 5060)


class Box:
    """An engine that sends what it is told to and keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[float, bytes, Hop]] = []
        self.to_send: list[Packet] = []
        self.due_at: float | None = None
        self.stubborn = False

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.got.append((round(now, 6), data, source))

    def outbox(self, now: float) -> list[Packet]:
        packets, self.to_send = self.to_send, []
        return packets

    def next_deadline(self) -> float | None:
        return self.due_at

    def on_deadline(self, now: float) -> None:
        if not self.stubborn:
            self.due_at = None
            self.to_send.append(Packet(b"due", Hop("UDP", B)))


def pair(link: Link, seed: int = 1) -> tuple[Wire, Box, Box]:
    wire, a, b = Wire(seed, link), Box(), Box()
    wire.attach("a", A, a)
    wire.attach("b", B, b)
    return wire, a, b


def send(wire: Wire, box: Box, transport: str, *messages: bytes) -> None:
    box.to_send += [Packet(data, Hop(transport, B)) for data in messages]
    wire.flush()


def test_a_datagram_arrives_after_the_delay_from_its_sender() -> None:
    wire, a, b = pair(Link(delay_s=0.25))
    send(wire, a, "UDP", b"one")
    wire.run(until=0.2)
    assert b.got == []
    wire.run(until=1)
    assert b.got == [(0.25, b"one", Hop("UDP", A))]
    assert wire.now == 1


@pytest.mark.parametrize(("link", "copies"), [(Link(loss=1.0), 0), (Link(duplication=1.0), 2)])
def test_loss_and_duplication_are_what_the_link_says(link: Link, copies: int) -> None:
    wire, a, b = pair(link)
    send(wire, a, "UDP", b"one")
    wire.run(until=1)
    assert len(b.got) == copies
    assert [rung.fate for rung in wire.ladder] == ["sent" if copies else "lost"]


def test_jitter_reorders_datagrams_and_never_a_stream() -> None:
    numbers = [str(number).encode() for number in range(50)]
    for transport, in_order in (("UDP", False), ("TCP", True)):
        wire, a, b = pair(Link(jitter_s=1.0, loss=0.0))
        send(wire, a, transport, *numbers)
        wire.run(until=2)
        arrived = [data for _, data, _ in b.got]
        assert sorted(arrived) == sorted(numbers)
        assert (arrived == numbers) is in_order


def test_a_stream_comes_in_pieces_on_one_connection_without_loss() -> None:
    wire, a, b = pair(Link(delay_s=0.1, loss=1.0, duplication=1.0, segment_bytes=3))
    send(wire, a, "TCP", b"12345678", b"abc")
    wire.run(until=1)
    assert [data for _, data, _ in b.got] == [b"123", b"456", b"78", b"abc"]
    assert {source for _, _, source in b.got} == {Hop("TCP", A, 1)}


def test_a_packet_for_nobody_is_refused_and_reported() -> None:
    wire, a, b = pair(Link())
    refused: list[Packet] = []
    wire.refused = refused.append
    wire.detach(B)
    send(wire, a, "UDP", b"one")
    assert [rung.fate for rung in wire.ladder] == ["refused"]
    assert len(refused) == 1
    assert b.got == []


def test_deadlines_and_actions_happen_at_their_exact_times() -> None:
    wire, a, b = pair(Link())
    a.due_at = 1.25
    wire.at(0.5, lambda: a.to_send.append(Packet(b"said", Hop("UDP", B))))
    wire.run(until=10)
    assert [(at, data) for at, data, _ in b.got] == [(0.5, b"said"), (1.25, b"due")]


def test_an_engine_that_is_due_for_ever_fails_the_test() -> None:
    wire, a, _ = pair(Link())
    a.due_at, a.stubborn = 1.0, True
    with pytest.raises(AssertionError, match="for ever"):
        wire.run(until=10)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"INVITE sip:b@h SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", "INVITE"),
        (b"SIP/2.0 180 Ringing\r\nVia: x\r\ncseq : 7  INVITE\r\n\r\n", "180 INVITE"),
        (b"SIP/2.0 200 OK\r\n\r\n", "200 ?"),
    ],
)
def test_messages_are_named_without_the_parser_under_test(data: bytes, what: str) -> None:
    assert describe(data) == what
