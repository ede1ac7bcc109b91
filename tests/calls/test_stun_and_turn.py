"""STUN alone and TURN alone in calls: what descriptions say, how sound goes, and how soon a phone rings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.support.switchboard import DOOR, Path, Phone, Switchboard, answers, rings, sdp
from tests.support.turn_server import TurnServer
from voipnode.calls.events import CallPath
from voipnode.calls.ice_settings import IceSettings
from voipnode.calls.network_settings import NatSettings
from voipnode.calls.settings import SipSettings
from voipnode.media.turn.channel_data import is_channel_data
from voipnode.media.turn.values import Server
from voipnode.media.values import Addr
from voipnode.sipstack import events as sip
from voipnode.sipstack.own_address import Inside
from voipnode.sipstack.sdp import parse

STUN = Server(("203.0.113.10", 3478))
TURN = Server(("203.0.113.20", 3478), username="user", password="pass")
OTHER = Server(("203.0.113.21", 3478), username="user", password="pass")
OUTSIDE, INSIDE = "198.51.100.20", "192.168.1.20"
STEP_S = 0.01


@dataclass
class Stage:
    """A switchboard whose media ports reach STUN and TURN servers, in steps of 10 ms."""

    servers: Sequence[Server]
    nat: NatSettings = field(default_factory=NatSettings)
    ice: IceSettings = field(default_factory=IceSettings)

    def __post_init__(self) -> None:
        settings = SipSettings(nat=self.nat, ice=self.ice, incoming_networks=("0.0.0.0/0",))
        self.board = Switchboard(settings=settings)
        media = self.board.switch._core._media
        object.__setattr__(media, "random_bits", random.Random(1).getrandbits)
        object.__setattr__(media, "servers", lambda: self.servers)
        object.__setattr__(media, "inside", Inside(self.nat.local_networks))
        self.turn = {server.address: TurnServer(server.address[0]) for server in self.servers}
        for server in self.turn.values():
            server.sees = lambda client: ("203.0.113.1", client[1] + 20000)
        self.direct: list[tuple[bytes, Addr]] = []  # what went to somebody else than the servers
        self._seen: dict[int, int] = {}

    def run(self, until: float) -> None:
        while self.board.wire.now < until:
            for path in self.board.paths.all:
                self._carry(path)
            self.board.wire.run(round(self.board.wire.now + STEP_S, 3))

    def _carry(self, path: Path) -> None:
        start = self._seen.get(path.rtp_port, 0)
        self._seen[path.rtp_port] = len(path.sent)
        for packet in path.sent[start:]:
            client = (DOOR.host, path.rtcp_port if packet.rtcp else path.rtp_port)
            server = self.turn.get(packet.remote)
            if server is None:
                self.direct.append((packet.data, packet.remote))
                continue
            for answer in server.receive(packet.data, client, self.board.wire.now):
                path.engine.receive(answer, packet.remote, self.board.wire.now, rtcp=packet.rtcp)
            path.on_events()
            path.flush(self.board.wire.now)

    @property
    def told(self) -> list[str]:
        return [event.detail or event.pair for event in self.board.events if isinstance(event, CallPath)]


def told_to(phone: Phone) -> tuple[str, int, str]:
    """The address in the offer that a phone got, and what its a=rtcp says."""
    offer = phone.of(sip.IncomingCall)[0].offer
    return address_in(offer)


def address_in(body: bytes) -> tuple[str, int, str]:
    description = parse(body)
    media = description.media[0]
    connection = description.connection_of(media)
    assert connection is not None
    rtcp = next((attribute.value or "" for attribute in media.attributes if attribute.name == "rtcp"), "")
    return str(connection.ip), media.port, rtcp


def test_stun_alone_tells_the_routers_address() -> None:
    stage = Stage([STUN])
    phone = stage.board.phone("anna", OUTSIDE, plan=answers)
    stage.board.ring(phone)
    stage.run(8.0)
    assert told_to(phone) == ("203.0.113.1", 24000, "")
    assert stage.board.states[-1] == "Active"
    assert {remote for _, remote in stage.direct} == {(OUTSIDE, 7000), (OUTSIDE, 7001)}  # sound goes its own way


def test_turn_alone_tells_the_relays_address_and_all_goes_by_it() -> None:
    stage = Stage([TURN])
    phone = stage.board.phone("anna", OUTSIDE, plan=answers)
    stage.board.ring(phone)
    stage.run(8.0)
    host, port, rtcp = told_to(phone)
    assert (host, port % 2, rtcp) == ("203.0.113.20", 0, "")  # RTCP one above, as everybody expects it
    server = stage.turn[TURN.address]
    assert stage.direct == []
    assert {(relayed, peer) for relayed, peer, _ in server.relayed} == {
        ((host, port), (OUTSIDE, 7000)),
        ((host, port + 1), (OUTSIDE, 7001)),
    }
    path = stage.board.paths.all[0]
    assert any(is_channel_data(packet.data) for packet in path.sent)
    sound = bytes.fromhex("8000000100000000deadbeef") + bytes(160)
    for number in range(1, 4):
        sound = sound[:2] + number.to_bytes(2, "big") + sound[4:]
        for data, _ in server.from_peer((host, port), (OUTSIDE, 7000), sound, stage.board.wire.now):
            path.engine.receive(data, TURN.address, stage.board.wire.now)
    assert stage.board.switch._core.table.calls[0].winner.stream.stats().packets_received == 3
    stage.board.switch.hang_up_all(stage.board.wire.now)
    stage.run(8.5)
    assert not server.lent


@pytest.mark.parametrize("server", [STUN, TURN])
def test_a_stranger_who_finds_a_port_is_not_heard(server: Server) -> None:
    """Without ICE no check proves who sends: the stream looks at the source, as it does without any server."""
    stage = Stage([server])
    phone = stage.board.phone("anna", OUTSIDE, plan=answers)
    stage.board.ring(phone)
    stage.run(1.0)
    path = stage.board.paths.all[0]
    for number in range(60):
        sound = bytes.fromhex("8000") + number.to_bytes(2, "big") + bytes.fromhex("00000000deadbeef") + bytes(160)
        path.engine.receive(sound, ("192.0.2.66", 6666), stage.board.wire.now + number / 10)
    stats = stage.board.switch._core.table.calls[0].winner.stream.stats()
    assert (stats.packets_received, stats.strangers) == (0, 60)


def test_a_phone_behind_a_router_may_send_from_where_its_sip_comes_from() -> None:
    stage = Stage([TURN])

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp("10.0.0.7"), phone.wire.now)

    phone = stage.board.phone("anna", OUTSIDE, plan=answer)
    stage.board.ring(phone)
    stage.run(1.0)
    for lent in stage.turn[TURN.address].lent.values():
        assert set(lent.permissions) == {OUTSIDE, "10.0.0.7"}


def test_who_is_on_our_side_of_the_router_is_called_at_once_by_our_own_address() -> None:
    stage = Stage([STUN, TURN])
    phone = stage.board.phone("anna", INSIDE, plan=rings)
    stage.board.ring(phone)
    stage.board.wire.run(0.02)
    assert told_to(phone) == (DOOR.host, 4000, "")
    assert not stage.turn[TURN.address].asked


def test_networks_beyond_the_router_are_a_setting() -> None:
    stage = Stage([STUN], NatSettings(local_networks=()))
    phone = stage.board.phone("anna", INSIDE, plan=rings)
    stage.board.ring(phone)
    stage.run(0.5)
    assert told_to(phone)[0] == "203.0.113.1"


@pytest.mark.parametrize("servers", [[], [STUN]])
def test_an_address_set_by_hand_needs_no_server(servers: list[Server]) -> None:
    stage = Stage(servers, NatSettings(public_address="203.0.113.5"))
    outside = stage.board.phone("anna", OUTSIDE, plan=rings)
    stage.board.ring(outside)
    stage.run(0.1)
    assert told_to(outside) == ("203.0.113.5", 4000, "")
    assert all(not server.asked for server in stage.turn.values())
    stage.board.switch.hang_up_all(stage.board.wire.now)
    stage.run(1.0)
    inside = stage.board.phone("bob", INSIDE, plan=rings)
    stage.board.ring(inside)
    stage.run(1.1)
    assert told_to(inside)[0] == DOOR.host


def test_a_router_that_forwards_our_ports_is_as_good_as_an_address_set_by_hand() -> None:
    stage = Stage([STUN])
    object.__setattr__(stage.board.switch._core._media, "public", lambda: "203.0.113.7")
    phone = stage.board.phone("anna", OUTSIDE, plan=rings)
    stage.board.ring(phone)
    stage.run(0.1)
    assert told_to(phone) == ("203.0.113.7", 4000, "")


def test_a_relay_goes_before_an_address_set_by_hand() -> None:
    stage = Stage([TURN], NatSettings(public_address="203.0.113.5"))
    phone = stage.board.phone("anna", OUTSIDE, plan=rings)
    stage.board.ring(phone)
    stage.run(0.5)
    assert told_to(phone)[0] == "203.0.113.20"


def rang_at(stage: Stage, phone: Phone) -> float:
    """When the INVITE reached a phone that is called now, and how long that took."""
    began_at = stage.board.wire.now
    count = len(phone.of(sip.IncomingCall))
    stage.board.ring(phone)
    while len(phone.of(sip.IncomingCall)) == count:
        stage.run(stage.board.wire.now + STEP_S)
    took_s = stage.board.wire.now - began_at
    stage.board.switch.hang_up_all(stage.board.wire.now)
    stage.run(stage.board.wire.now + 1.0)
    return took_s


def test_a_dead_server_delays_one_call_by_its_time_and_others_hardly() -> None:
    stage = Stage([TURN])
    stage.turn[TURN.address].silent = True
    phone = stage.board.phone("anna", OUTSIDE, plan=rings)
    assert rang_at(stage, phone) == pytest.approx(1.0, abs=0.05)
    assert rang_at(stage, phone) == pytest.approx(0.2, abs=0.05)
    assert told_to(phone) == (DOOR.host, 4000, "")
    stage.turn[TURN.address].silent = False
    assert rang_at(stage, phone) < 0.15
    assert address_in(phone.of(sip.IncomingCall)[-1].offer)[0] == "203.0.113.20"


def test_a_call_in_rings_at_once_and_is_answered_with_the_relay() -> None:
    stage = Stage([TURN])
    phone = stage.board.phone("anna", OUTSIDE)
    phone.call(DOOR)
    stage.run(0.5)
    assert stage.board.states[-1] == "Ringing"
    stage.board.switch.answer(stage.board.switch.calls[0].id, stage.board.wire.now)
    stage.run(1.0)
    assert address_in(phone.of(sip.CallAnswered)[0].body)[0] == "203.0.113.20"


@pytest.mark.parametrize("ice", [False, True], ids=["without ICE", "with ICE here and none there"])
def test_who_answers_before_the_servers_do_waits_for_them(ice: bool) -> None:
    stage = Stage([TURN], ice=IceSettings(enabled=ice))
    phone = stage.board.phone("anna", OUTSIDE)
    phone.call(DOOR)
    stage.board.wire.run(0.05)  # nothing goes to the servers yet
    stage.board.switch.answer(stage.board.switch.calls[0].id, stage.board.wire.now)
    stage.board.wire.run(0.1)
    assert (stage.board.states[-1], phone.of(sip.CallAnswered)) == ("Ringing", [])
    stage.run(0.5)
    assert stage.board.states[-1] == "Active"
    assert address_in(phone.of(sip.CallAnswered)[0].body)[0] == "203.0.113.20"


def test_a_relay_that_dies_in_a_call_gives_way_to_another_and_the_far_side_is_told() -> None:
    stage = Stage([TURN, OTHER])

    def plan(phone: Phone, event: sip.Event) -> None:
        answers(phone, event)
        if isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, sdp(OUTSIDE), phone.wire.now)

    phone = stage.board.phone("anna", OUTSIDE, plan=plan)
    stage.board.ring(phone)
    stage.run(5.0)
    stage.turn[TURN.address].silent = True
    stage.run(15.0)
    assert stage.told == [
        "relay 203.0.113.20:50002 with 198.51.100.20:7000",
        "the TURN server 203.0.113.20:3478 by UDP does not answer",
        "relay 203.0.113.21:50002 with 198.51.100.20:7000",
    ]
    (reinvite,) = phone.of(sip.ReinviteReceived)
    assert address_in(reinvite.offer)[0] == "203.0.113.21"
    stage.turn[OTHER.address].relayed.clear()
    stage.run(16.0)
    assert stage.turn[OTHER.address].relayed
    assert stage.board.states[-1] == "Active"


def test_a_relay_that_dies_while_a_phone_rings_is_replaced_as_soon_as_it_answers() -> None:
    stage = Stage([TURN, OTHER])

    def plan(phone: Phone, event: sip.Event) -> None:
        rings(phone, event)
        if isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, sdp(OUTSIDE), phone.wire.now)

    phone = stage.board.phone("anna", OUTSIDE, plan=plan)
    stage.board.ring(phone)
    stage.run(2.0)
    stage.turn[TURN.address].silent = True
    stage.run(15.0)
    assert not phone.of(sip.ReinviteReceived)
    phone.endpoint.accept(phone.session, sdp(OUTSIDE), stage.board.wire.now)
    stage.run(17.0)
    (reinvite,) = phone.of(sip.ReinviteReceived)
    assert address_in(reinvite.offer)[0] == "203.0.113.21"


def test_the_far_side_is_told_when_the_router_gives_us_another_address() -> None:
    stage = Stage([STUN])

    def plan(phone: Phone, event: sip.Event) -> None:
        answers(phone, event)
        if isinstance(event, sip.ReinviteReceived):
            phone.endpoint.accept_reinvite(event.session, sdp(OUTSIDE), phone.wire.now)

    phone = stage.board.phone("anna", OUTSIDE, plan=plan)
    stage.board.ring(phone)
    stage.run(5.0)
    stage.turn[STUN.address].sees = lambda client: ("203.0.113.99", client[1])
    stage.run(18.0)
    assert stage.told == [
        "srflx 203.0.113.1:24000 with 198.51.100.20:7000",
        "srflx 203.0.113.99:4000 with 198.51.100.20:7000",
    ]
    assert address_in(phone.of(sip.ReinviteReceived)[-1].offer)[:2] == ("203.0.113.99", 4000)


def test_a_peer_that_the_server_does_not_relay_to_is_told_in_words() -> None:
    stage = Stage([TURN])
    stage.turn[TURN.address].forbidden = {OUTSIDE}
    phone = stage.board.phone("anna", OUTSIDE, plan=answers)
    stage.board.ring(phone)
    stage.run(1.0)
    assert stage.told[1] == (
        f"no sound by the relay for {OUTSIDE}: the TURN server 203.0.113.20:3478 by UDP forbids it (403)"
    )


def test_a_held_call_asks_no_permission_for_nobodys_address() -> None:
    stage = Stage([TURN])

    def answer(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.accept(event.session, sdp("0.0.0.0"), phone.wire.now)

    phone = stage.board.phone("anna", OUTSIDE, plan=answer)
    stage.board.ring(phone)
    stage.run(1.0)
    for lent in stage.turn[TURN.address].lent.values():
        assert set(lent.permissions) == {OUTSIDE}


def test_relays_are_given_back_by_a_node_that_stops_though_the_far_side_is_dead() -> None:
    stage = Stage([TURN])
    phone = stage.board.phone("anna", OUTSIDE, plan=answers)
    stage.board.ring(phone)
    stage.run(1.0)
    assert len(stage.turn[TURN.address].lent) == 2
    stage.board.wire.detach(phone.hop.remote)
    stage.board.switch.hang_up_all(stage.board.wire.now)
    stage.run(2.0)
    stage.board.switch.abandon(stage.board.wire.now)
    stage.run(2.1)
    assert not stage.turn[TURN.address].lent
