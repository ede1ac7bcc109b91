"""What a leg gathers from STUN and TURN servers, in which time, and what becomes of it: ladders in virtual time."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.support.turn_server import TurnServer
from voipnode.media.events import MediaEvent, RelayFound, RelayLost
from voipnode.media.stun.message import Method
from voipnode.media.turn.channel_data import Framer
from voipnode.media.turn.gatherer import Carried, Gatherer
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.values import RTCP, RTP, Server
from voipnode.media.values import Addr, MediaPacket

BASES: dict[int, Addr] = {RTP: ("10.1.0.2", 4000), RTCP: ("10.1.0.2", 4001)}
PEER: Addr = ("198.51.100.7", 6000)
STUN = Server(("203.0.113.10", 3478), name="stun.example.com")
TURN = Server(("203.0.113.20", 3478), username="user", password="pass")
OTHER = Server(("203.0.113.21", 3478), username="user", password="pass")
TURN_TCP = Server(("203.0.113.20", 3478), "TCP", username="user", password="pass")
DELAY_S = 0.02  # each way


def mapped(client: Addr) -> Addr:
    return "203.0.113.1", client[1] + 27000


class Lab:
    """A gatherer and its servers, 20 ms apart."""

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        memory: ServerMemory | None = None,
        even_port: bool = False,
        components: Sequence[int] = (RTP, RTCP),
    ) -> None:
        self.servers = {server.address: TurnServer(server.address[0]) for server in servers}
        for server in self.servers.values():
            server.sees = mapped
        self.memory = memory or ServerMemory()
        self.now = 0.0
        self.delays: dict[Addr, float] = {}  # each way, where it is another
        self.opened: list[Server] = []
        self.refused: str = ""  # why no connection comes about
        self._framers: dict[int, Framer] = {}
        self._arrivals: list[tuple[float, int, bytes, Addr, MediaPacket]] = []
        self.gatherer = Gatherer(
            servers,
            {component: BASES[component] for component in components},
            tokens=random.Random(1).getrandbits,
            memory=self.memory,
            open_stream=self._open,
            even_port=even_port,
        )

    def _open(self, server: Server) -> int:
        self.opened.append(server)
        self._framers[len(self.opened)] = Framer()
        return len(self.opened)

    def _send(self) -> None:
        for packet in self.gatherer.outbox(self.now):
            server = self.servers.get(packet.remote)
            if server is None:
                continue
            if packet.stream is None:
                client = BASES[RTCP if packet.rtcp else RTP]
                messages = [packet.data]
            else:
                client = ("10.1.0.2", 30000 + packet.stream)
                messages = self._framers[packet.stream].feed(packet.data)
            delay_s = self.delays.get(packet.remote, DELAY_S)
            for message in messages:
                for answer in server.receive(message, client, self.now + delay_s):
                    self._arrivals.append((self.now + 2 * delay_s, len(self._arrivals), answer, packet.remote, packet))

    def start(self) -> None:
        self.gatherer.start(self.now)
        self._send()

    def run(self, until: float) -> None:
        while True:
            self._arrivals.sort(key=lambda one: one[:2])
            at = self._arrivals[0][0] if self._arrivals else None
            due = self.gatherer.next_deadline()
            nexts = [moment for moment in (at, due) if moment is not None and moment <= until]
            if not nexts:
                break
            self.now = max(self.now, min(nexts))
            if at is not None and at <= self.now:
                self._arrive(*self._arrivals.pop(0))
            else:
                self.gatherer.on_deadline(self.now)
                due = self.gatherer.next_deadline()
                assert due is None or due > self.now, "it would be called without end"
            self._send()
        self.now = until

    def _arrive(self, _at: float, _order: int, data: bytes, source: Addr, request: MediaPacket) -> None:
        if request.stream is not None:
            self.gatherer.receive_stream(request.stream, data, self.now)
        else:
            assert self.gatherer.serves(source)
            self.gatherer.receive(data, source, self.now, rtcp=request.rtcp)

    def until_done(self) -> float:
        """Run to the moment when the gathering is done; that moment."""
        self.start()
        while not self.gatherer.done:
            at = min(m for m in (self.gatherer.next_deadline(), *(a[0] for a in self._arrivals)) if m is not None)
            self.run(at)
        return round(self.now, 3)

    @property
    def found(self) -> list[tuple[str, int, Addr]]:
        return [(one.kind, one.component, one.address) for one in self.gatherer.found]

    @property
    def events(self) -> list[MediaEvent]:
        events = []
        while (event := self.gatherer.next_event()) is not None:
            events.append(event)
        return events


def test_without_servers_it_is_done_at_once() -> None:
    lab = Lab([])
    assert lab.until_done() == 0.0
    assert lab.found == []


def test_stun_tells_the_address_of_each_socket_in_one_round_trip() -> None:
    lab = Lab([STUN])
    assert lab.until_done() == 0.04
    assert lab.found == [("srflx", RTP, ("203.0.113.1", 31000)), ("srflx", RTCP, ("203.0.113.1", 31001))]


def test_turn_lends_a_relay_for_each_socket_in_two_round_trips() -> None:
    lab = Lab([TURN])
    assert lab.until_done() == 0.08
    assert lab.found == [
        ("srflx", RTP, ("203.0.113.1", 31000)),
        ("relay", RTP, ("203.0.113.20", 50001)),
        ("srflx", RTCP, ("203.0.113.1", 31001)),
        ("relay", RTCP, ("203.0.113.20", 50002)),
    ]


def test_an_even_port_and_the_next_one_take_a_round_trip_more() -> None:
    lab = Lab([TURN], even_port=True)
    assert lab.until_done() == 0.16
    relays = [one for one in lab.found if one[0] == "relay"]
    assert relays == [("relay", RTP, ("203.0.113.20", 50002)), ("relay", RTCP, ("203.0.113.20", 50003))]


def test_any_ports_will_do_where_a_server_has_no_even_ones() -> None:
    lab = Lab([TURN], even_port=True)
    lab.servers[TURN.address].no_pairs = True
    lab.until_done()
    relays = [one for one in lab.found if one[0] == "relay"]
    assert relays == [("relay", RTP, ("203.0.113.20", 50001)), ("relay", RTCP, ("203.0.113.20", 50002))]


def test_a_dead_stun_server_costs_its_time_once_and_then_a_fifth_of_a_second() -> None:
    lab = Lab([STUN])
    lab.servers[STUN.address].silent = True
    assert lab.until_done() == 1.0
    again = Lab([STUN], memory=lab.memory)
    again.servers[STUN.address].silent = True
    assert again.until_done() == 0.2
    assert again.gatherer.faults == [
        "the STUN server stun.example.com (203.0.113.10:3478) by UDP does not answer",
    ]


def test_a_fault_is_told_once_and_again_when_it_is_another() -> None:
    told: list[str] = []
    memory = ServerMemory(lambda server, words: told.append(words))
    for users in ({"user": "other"}, {"user": "other"}):
        lab = Lab([TURN], memory=memory)
        lab.servers[TURN.address].users = users
        lab.until_done()
    assert told == ["the TURN server 203.0.113.20:3478 by UDP does not accept username and password (401)"]


def test_a_server_that_is_back_serves_the_next_call() -> None:
    lab = Lab([TURN])
    lab.servers[TURN.address].silent = True
    assert lab.until_done() == 1.0
    again = Lab([TURN], memory=lab.memory)
    assert again.until_done() == 0.08
    assert again.gatherer.faults == []


def test_one_living_stun_server_is_enough() -> None:
    dead = Server(("203.0.113.11", 3478))
    lab = Lab([dead, STUN])
    lab.servers[dead.address].silent = True
    assert lab.until_done() == 0.04


def test_a_wrong_password_is_not_waited_for_and_told() -> None:
    lab = Lab([TURN])
    lab.servers[TURN.address].users = {"user": "other"}
    assert lab.until_done() == 0.08
    assert lab.gatherer.faults == [
        "the TURN server 203.0.113.20:3478 by UDP does not accept username and password (401)"
    ]
    again = Lab([TURN], memory=lab.memory)
    assert again.until_done() == 0.0  # it is left alone for a while


def test_the_second_server_is_asked_a_quarter_of_a_second_later() -> None:
    lab = Lab([TURN, OTHER])
    lab.servers[TURN.address].silent = True
    assert lab.until_done() == 0.33
    assert [one for one in lab.found if one[0] == "relay"] == [
        ("relay", RTP, ("203.0.113.21", 50001)),
        ("relay", RTCP, ("203.0.113.21", 50002)),
    ]


def test_a_slow_server_gets_its_relays_back_when_another_one_was_quicker() -> None:
    lab = Lab([TURN, OTHER])
    lab.delays[TURN.address] = 0.1  # 0.4 s in all
    assert lab.until_done() == 0.33
    assert lab.servers[OTHER.address].lent
    lab.run(2.0)
    assert not lab.servers[TURN.address].lent
    assert ("relay", RTP, ("203.0.113.21", 50001)) in lab.found


def test_what_is_lent_after_the_time_is_given_back() -> None:
    lab = Lab([TURN])
    lab.delays[TURN.address] = 0.3  # 1.2 s in all
    assert lab.until_done() == 1.0
    lab.run(5.0)
    assert not lab.servers[TURN.address].lent
    assert lab.found == []


def test_without_a_router_there_is_no_other_address() -> None:
    lab = Lab([STUN])
    lab.servers[STUN.address].sees = lambda client: client
    assert lab.until_done() == 0.04
    assert lab.found == []


def test_a_full_server_sends_us_to_the_next_at_once() -> None:
    lab = Lab([TURN, OTHER])
    lab.servers[TURN.address].refuse[Method.ALLOCATE] = (486, "Allocation Quota Reached")
    assert lab.until_done() == 0.16
    assert ("relay", RTP, ("203.0.113.21", 50001)) in lab.found


def test_another_server_is_followed_and_a_circle_is_not() -> None:
    lab = Lab([TURN])
    lab.servers[OTHER.address] = TurnServer(OTHER.address[0])
    lab.servers[TURN.address].alternate = OTHER.address
    assert lab.until_done() == 0.16
    assert ("relay", RTP, ("203.0.113.21", 50001)) in lab.found
    circle = Lab([TURN])
    circle.servers[OTHER.address] = TurnServer(OTHER.address[0])
    circle.servers[TURN.address].alternate = OTHER.address
    circle.servers[OTHER.address].alternate = TURN.address
    assert circle.until_done() == 0.16
    assert not [one for one in circle.found if one[0] == "relay"]


def test_a_server_by_tcp_gets_a_connection_for_each_relay() -> None:
    lab = Lab([TURN_TCP])
    assert lab.until_done() == 0.08
    assert lab.opened == [TURN_TCP, TURN_TCP]
    # How it sees a connection says nothing of a UDP socket.
    assert lab.found == [("relay", RTP, ("203.0.113.20", 50001)), ("relay", RTCP, ("203.0.113.20", 50002))]
    packet = lab.gatherer.wrap(("203.0.113.20", 50002), b"report", PEER)
    assert packet is not None
    assert packet.stream == 2


def test_a_refused_connection_is_told_in_its_own_words() -> None:
    lab = Lab([TURN_TCP])
    lab.start()
    lab.gatherer.stream_closed(1, "nobody listens there", lab.now)
    assert lab.gatherer.done
    assert lab.gatherer.faults == ["the TURN server 203.0.113.20:3478 by TCP nobody listens there"]


def test_nonsense_on_a_connection_ends_it() -> None:
    lab = Lab([TURN_TCP])
    lab.until_done()
    assert lab.gatherer.receive_stream(1, b"HTTP/1.1 400 Bad Request\r\n", lab.now) == []
    assert [type(event) for event in lab.events] == [RelayLost]


@pytest.mark.parametrize("component", [RTP, RTCP])
def test_data_by_a_relay_both_ways(component: int) -> None:
    lab = Lab([TURN])
    lab.until_done()
    relay = next(one.address for one in lab.gatherer.found if (one.kind, one.component) == ("relay", component))
    lab.gatherer.bind(relay, PEER, lab.now)
    lab._send()
    lab.run(lab.now + 0.1)
    packet = lab.gatherer.wrap(relay, b"to the peer", PEER)
    assert packet == MediaPacket(b"\x40\x00\x00\x0bto the peer", TURN.address, component == RTCP)
    server = lab.servers[TURN.address]
    server.receive(packet.data, BASES[component], lab.now)
    assert server.relayed == [(relay, PEER, b"to the peer")]
    ((data, client),) = server.from_peer(relay, PEER, b"from the peer", lab.now)
    assert client == BASES[component]
    carried = lab.gatherer.receive(data, TURN.address, lab.now, rtcp=component == RTCP)
    assert carried == Carried(b"from the peer", PEER, component, relay)


def test_a_relay_that_dies_is_lost_and_another_server_takes_its_place() -> None:
    lab = Lab([TURN, OTHER])
    lab.until_done()
    lab.run(10.0)
    lab.servers[TURN.address].silent = True
    lab.run(18.0)
    lost, found = lab.events
    assert isinstance(lost, RelayLost)
    assert lost.words == "the TURN server 203.0.113.20:3478 by UDP does not answer"
    assert lost.at < 18.0
    assert isinstance(found, RelayFound)
    assert found.at - lost.at < 0.5
    assert ("relay", RTP, ("203.0.113.21", 50001)) in lab.found


def test_a_server_that_was_started_anew_lends_again() -> None:
    lab = Lab([TURN])
    lab.until_done()
    lab.servers[TURN.address].lent.clear()
    lab.run(4.0)
    assert [type(event) for event in lab.events] == [RelayLost, RelayFound]
    assert ("relay", RTP, ("203.0.113.20", 50003)) in lab.found


def test_a_dead_server_is_tried_five_times_more_and_no_longer() -> None:
    lab = Lab([TURN])
    lab.until_done()
    server = lab.servers[TURN.address]
    server.silent = True
    lab.run(300.0)
    assert [type(event) for event in lab.events] == [RelayLost]
    assert lab.gatherer.next_deadline() is None


def test_what_an_earlier_call_left_on_our_port_is_cleared_away() -> None:
    lab = Lab([TURN], components=[RTP])
    earlier = Lab([TURN], components=[RTP])
    lab.servers = earlier.servers
    earlier.until_done()
    lab.now = 60.0
    lab.until_done()
    assert ("relay", RTP, ("203.0.113.20", 50002)) in lab.found


def test_at_the_end_the_relays_are_given_back() -> None:
    lab = Lab([TURN])
    lab.until_done()
    lab.gatherer.close(lab.now)
    lab._send()
    assert not lab.servers[TURN.address].lent
    lab.run(60.0)
    assert lab.gatherer.next_deadline() is None
    assert lab.events == []


def test_the_routers_way_to_us_is_kept_open() -> None:
    lab = Lab([STUN])
    lab.until_done()
    server = lab.servers[STUN.address]
    server.asked.clear()
    lab.gatherer.keep_open(lab.now)
    lab.run(60.0)
    assert [round(at, 2) for at, _ in server.asked] == [15.06, 15.06, 30.06, 30.06, 45.06, 45.06]


def test_random_bytes_from_a_servers_address_harm_nothing() -> None:
    lab = Lab([TURN, STUN])
    lab.until_done()
    draw = random.Random(5)
    for _ in range(500):
        data = draw.randbytes(draw.randrange(64))
        first = bytes([draw.choice([0, 1, 64, 65])])
        for source in (TURN.address, STUN.address):
            assert lab.gatherer.receive(first + data, source, lab.now) is None
    assert len(lab.found) == 4
