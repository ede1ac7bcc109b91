"""ICE in calls: descriptions, who checks when, and what people are told."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, rings, sdp
from voipnode.calls.events import CallChanged, CallPath
from voipnode.calls.ice_settings import IceSettings
from voipnode.calls.leg_connectivity import _peer
from voipnode.calls.settings import SipSettings
from voipnode.media.ice.agent import IceAgent
from voipnode.media.ice.candidate import local_candidates
from voipnode.media.values import Addr
from voipnode.sipstack import events as sip
from voipnode.sipstack.ice_attributes import read_ice
from voipnode.sipstack.sdp import parse

ICE = SipSettings(ice=IceSettings(enabled=True))
DELAY_S = 0.01


class Draw:
    """Random bits that tests repeat."""

    def __init__(self, seed: int) -> None:
        self._count = itertools.count(seed)

    def __call__(self, bits: int) -> int:
        return next(self._count) * 0x9E3779B97F4A7C15 % (1 << bits)


@dataclass
class IcePhone:
    """The media side of a telephone with ICE: an agent of its own, on the switchboard's first media path."""

    board: Switchboard
    host: str
    ports: tuple[int, ...] = (7000, 7001)
    controlling: bool = False
    path: int = 0
    lines: str = "a=ice-options:ice2\r\n"
    heard: list[tuple[bytes, Addr]] = field(default_factory=list)

    def __post_init__(self) -> None:
        addresses = [tuple((self.host, port) for port in self.ports)]
        self.agent = IceAgent(
            local_candidates(addresses, []),
            controlling=self.controlling,
            random_bits=Draw(1000),
            components=len(self.ports),
        )

    def sdp(self) -> bytes:
        agent = self.agent
        more = f"a=ice-ufrag:{agent.credentials.ufrag}\r\na=ice-pwd:{agent.credentials.password}\r\n{self.lines}"
        for one in agent.candidates:
            more += f"a=candidate:{one.foundation} {one.component} UDP {one.priority} {one.address[0]}"
            more += f" {one.address[1]} typ {one.kind}\r\n"
        return sdp(self.host, self.ports[0], more=more)

    def begin(self, body: bytes) -> None:
        description = parse(body)
        ice = read_ice(description, description.media[0])
        assert ice is not None
        self.agent.begin(_peer(ice), self.board.wire.now, components=len(self.ports))

    def run(self, until: float) -> None:
        """Checks both ways, 10 ms of steps."""
        wire, path = self.board.wire, self.board.paths.all[self.path]
        seen = getattr(self, "_seen", 0)
        while wire.now < until:
            now = wire.now
            for packet in path.sent[seen:]:
                if packet.data[0] < 4:
                    component = 2 if packet.rtcp else 1
                    base = (self.host, self.ports[component - 1])
                    if packet.remote == base:
                        source = (DOOR.host, path.rtcp_port if packet.rtcp else path.rtp_port)
                        self.agent.receive(packet.data, source, component, base, now)
                else:
                    self.heard.append((packet.data, packet.remote))
            seen = len(path.sent)
            self.agent.on_deadline(now)
            for sent in self.agent.outbox():
                if sent.remote[0] == DOOR.host:
                    path.engine.receive(sent.data, sent.base, now, rtcp=sent.remote[1] == path.rtcp_port)
                    path.on_events()
            path.flush(now)
            wire.run(now + DELAY_S)
            path.engine.on_deadline(wire.now)
            path.on_events()
            path.flush(wire.now)
        self._seen = seen


def paths(board: Switchboard) -> list[CallPath]:
    return [event for event in board.events if isinstance(event, CallPath)]


def switchboard(settings: SipSettings = ICE) -> Switchboard:
    board = Switchboard(settings=settings)
    object.__setattr__(board.switch._core._media, "random_bits", Draw(1))
    return board


def test_a_call_out_finds_its_way_and_sends_by_it_alone() -> None:
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20")

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            assert event.offer is not None
            phone.endpoint.accept(event.session, ice.sdp(), phone.wire.now)
            ice.begin(event.offer)

    phone = board.phone("anna", "192.168.1.20", plan=answer)
    board.ring(phone)
    ice.run(1.0)
    offer = phone.of(sip.IncomingCall)[0].offer
    assert b"a=candidate:1 1 UDP 2130706431 192.168.1.10 4000 typ host\r\n" in offer
    assert b"a=candidate:1 2 UDP 2130706430 192.168.1.10 4001 typ host\r\n" in offer
    assert b"a=ice-options:ice2\r\n" in offer
    found, chosen = paths(board)
    assert (found.chosen, chosen.chosen) == (False, True)
    assert chosen.pair == "host 192.168.1.10:4000 with host 192.168.1.20:7000"
    assert found.after_ms <= 100
    assert ice.heard
    assert {remote for _, remote in ice.heard} == {("192.168.1.20", 7000)}
    assert not phone.of(sip.ReinviteReceived)  # it follows RFC 8445: no need to tell it
    engine, rtp = board.paths.all[0].engine, bytes.fromhex("8000000100000000000000ff") + b"\xff" * 160
    for number in range(8):  # from the very host that the peer has, and from a port that no check came from
        engine.receive(rtp[:3] + bytes([number]) + rtp[4:], ("192.168.1.20", 7777), board.wire.now)
    assert (engine.strays, engine.stream.has_heard) == (8, False)
    for number in range(2):
        engine.receive(rtp[:3] + bytes([number]) + rtp[4:], ("192.168.1.20", 7000), board.wire.now)
    assert (engine.strays, engine.stream.has_heard) == (8, True)


def test_a_call_in_is_answered_with_candidates_and_checked_once_the_answer_is_out() -> None:
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20", controlling=True)
    phone = board.phone("anna", "192.168.1.20")
    phone.call(DOOR, offer=ice.sdp())
    board.wire.run(1.0)
    assert not [packet for packet in board.paths.all[0].sent if packet.data[0] < 4]  # it rings: not a word of STUN
    call = board.switch.calls[0].id
    board.switch.answer(call, board.wire.now)
    board.wire.run(1.05)
    ice.begin(phone.of(sip.CallAnswered)[0].body)
    ice.run(2.0)
    assert [event.chosen for event in paths(board)] == [False, True]
    assert ice.heard


def test_who_has_no_ice_gets_none_and_sound_goes_where_the_description_says() -> None:
    board = switchboard()
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(1.0)
    sent = board.paths.all[0].sent
    assert {packet.remote for packet in sent} <= {("192.168.1.20", 7000), ("192.168.1.20", 7001)}
    assert sent
    assert all(packet.data[0] >= 128 for packet in sent)
    assert not paths(board)

    phone = board.phone("bert", "192.168.1.21")
    board.switch.hang_up_all(1.0)
    board.wire.run(2.0)
    phone.call(DOOR, offer=sdp("192.168.1.21"))
    board.wire.run(3.0)
    board.switch.answer(board.switch.calls[0].id, 3.0)
    board.wire.run(4.0)
    assert b"ice" not in phone.of(sip.CallAnswered)[0].body


def test_nothing_is_sent_to_who_never_answers_a_check_and_the_call_ends_with_words() -> None:
    """RFC 8445 §12.1: no word of ours goes to an address that has not shown that it wants it."""
    board = switchboard(SipSettings(ice=IceSettings(enabled=True, give_up_s=6)))
    ice = IcePhone(board, "192.168.1.20")

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, ice.sdp(), phone.wire.now)

    phone = board.phone("anna", "192.168.1.20", plan=answer)
    board.ring(phone)
    board.wire.run(20.0)
    assert board.paths.all[0].sent
    assert all(packet.data[0] < 4 for packet in board.paths.all[0].sent)
    last = [event for event in board.events if isinstance(event, CallChanged)][-1]
    assert last.detail.startswith("no way for the sound: no check was answered (2 pairs: host to host)")
    assert last.at == pytest.approx(6.0, abs=0.1)


def test_an_old_peer_is_told_of_a_choice_that_differs_from_the_default() -> None:
    """RFC 8839 §4.3.4: no "ice2" in its description, and our sound leaves from another address than c= said."""
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20", lines="")

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            assert event.offer is not None
            phone.endpoint.accept(event.session, ice.sdp(), phone.wire.now)
            ice.begin(event.offer)
        elif isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, ice.sdp(), phone.wire.now)

    phone = board.phone("anna", "192.168.1.20", plan=answer)
    board.ring(phone)
    leg = next(iter(board.switch.calls[0].legs.values()))
    assert leg.connectivity is not None
    leg.connectivity._told = (("198.51.100.1", 4000), ("198.51.100.1", 4001))
    ice.run(1.0)
    (event,) = phone.of(sip.ReinviteReceived)
    assert b"c=IN IP4 192.168.1.10\r\n" in event.offer
    assert event.offer.count(b"a=candidate:") == 2
    assert b"a=remote-candidates:1 192.168.1.20 7000 2 192.168.1.20 7001\r\n" in event.offer
    assert not leg.offering
    ice.run(2.0)
    assert len(phone.of(sip.ReinviteReceived)) == 1


def test_a_restart_is_answered_with_credentials_of_our_own_and_sound_goes_on_meanwhile() -> None:
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20", controlling=True)
    phone = board.phone("anna", "192.168.1.20")
    session = phone.call(DOOR, offer=ice.sdp())
    board.wire.run(0.1)
    board.switch.answer(board.switch.calls[0].id, board.wire.now)
    board.wire.run(0.2)
    first = phone.of(sip.CallAnswered)[0].body
    ice.begin(first)
    ice.run(1.0)
    ice.agent.restart()
    phone.endpoint.reinvite(session, ice.sdp(), board.wire.now)
    board.wire.run(1.1)
    second = phone.of(sip.ReinviteAnswered)[-1].body
    ufrags = [line for body in (first, second) for line in body.splitlines() if line.startswith(b"a=ice-ufrag")]
    assert ufrags[0] != ufrags[1]
    assert b"a=candidate:1 1 UDP 2130706431 192.168.1.10 4000 typ host\r\n" in second
    heard = len(ice.heard)
    ice.begin(second)
    ice.run(2.0)
    assert len(ice.heard) > heard + 40
    assert [event.chosen for event in paths(board)] == [False, True, False, True]


def test_every_address_of_this_host_is_offered_and_the_one_towards_the_peer_is_the_default() -> None:
    board = switchboard()
    object.__setattr__(board.switch._core._media, "hosts", lambda: ("192.168.1.10", "10.9.9.9", "2001:db8::10"))
    phone = board.phone("anna", "192.168.1.20", plan=answers)
    board.ring(phone)
    board.wire.run(0.5)
    assert board.paths.all[0].beside == ["10.9.9.9", "2001:db8::10"]
    offer = phone.of(sip.IncomingCall)[0].offer
    description = parse(offer)
    told = read_ice(description, description.media[0])
    assert told is not None
    assert not told.mismatch
    best = sorted((one for one in told.candidates if one.component == 1), key=lambda one: -one.priority)
    assert [one.host for one in best] == ["2001:db8::10", "192.168.1.10", "10.9.9.9"]  # RFC 8421: IPv6 first, in turn
    assert len({one.foundation for one in best}) == 3
    assert b"c=IN IP4 192.168.1.10\r\n" in offer


def test_while_it_rings_we_keep_the_name_that_our_offer_told_whatever_becomes_of_our_addresses() -> None:
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20")
    phone = board.phone("anna", "192.168.1.20", plan=rings)
    board.ring(phone)
    board.wire.run(1.0)
    (leg,) = board.switch.calls[0].legs.values()
    assert leg.connectivity is not None
    assert not leg.connectivity.moved(1.0)
    phone.endpoint.accept(phone.session, ice.sdp(), 1.0)
    ice.begin(phone.of(sip.IncomingCall)[0].offer)
    ice.run(2.0)
    assert [event.chosen for event in paths(board)] == [False, True]
    assert not leg.connectivity.moved(2.0)  # sound goes by no relay


def test_with_rtcp_on_the_port_of_rtp_one_component_is_checked_and_carries_both() -> None:
    board = switchboard()
    ice = IcePhone(board, "192.168.1.20", ports=(7000,), lines="a=ice-options:ice2\r\na=rtcp-mux\r\n")

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            assert event.offer is not None
            assert b"a=rtcp-mux\r\n" in event.offer
            phone.endpoint.accept(event.session, ice.sdp(), phone.wire.now)
            ice.begin(event.offer)

    phone = board.phone("anna", "192.168.1.20", plan=answer)
    board.ring(phone)
    ice.run(8.0)
    assert [event.chosen for event in paths(board)] == [False, True]
    sent = board.paths.all[0].sent
    assert not any(packet.rtcp for packet in sent)
    assert {data[1] for data, _ in ice.heard} >= {0x00, 0xC8}  # PCMU and sender reports
