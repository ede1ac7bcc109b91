"""Ladders of one allocation against the simulated server, in virtual time (RFC 8656)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.support.turn_server import TurnServer
from voipnode.media.stun.message import Method, parse
from voipnode.media.turn.allocation import Allocation
from voipnode.media.turn.allocation_table import (
    TABLE,
    Allocated,
    AllocationEvent,
    AllocationFailed,
    AllocationLost,
    Input,
    PeerRefused,
    State,
)
from voipnode.media.turn.channel_data import is_channel_data
from voipnode.media.turn.values import RTP, Server, Way
from voipnode.media.values import Addr

CLIENT: Addr = ("10.1.0.2", 4000)
PEER: Addr = ("198.51.100.7", 6000)
SERVER = Server(("203.0.113.20", 3478), username="user", password="pass")


class Ladder:
    """An allocation, its server, and a wire of no delay that may lose datagrams."""

    def __init__(self, *, server: Server = SERVER, stream: int | None = None, family: int = 4, **options: bool) -> None:
        self.server = TurnServer()
        self.now = 0.0
        self.sent: list[bytes] = []
        self.lose: Callable[[bytes], bool] = lambda data: False
        self.lost_back = 0  # answers that do not arrive
        draw = random.Random(1)
        self.client = Allocation(
            Way(server, RTP, stream), self.sent.append, draw.getrandbits, family=family, patience_s=9.5, **options
        )

    def settle(self) -> None:
        while self.sent:
            data = self.sent.pop(0)
            if self.lose(data):
                continue
            for answer in self.server.receive(data, CLIENT, self.now):
                if self.lost_back:
                    self.lost_back -= 1
                else:
                    self.arrive(answer)

    def arrive(self, data: bytes) -> tuple[bytes, Addr] | None:
        if is_channel_data(data):
            return self.client.receive_channel(data, self.now)
        return self.client.receive(parse(data), self.now)

    def run(self, until: float) -> None:
        """Do what is due up to that time, in order."""
        self.settle()
        while (at := self.client.next_deadline()) is not None and at <= until:
            self.now = max(at, self.now)
            self.client.on_deadline(self.now)
            due = self.client.next_deadline()
            assert due is None or due > self.now, "it would be called without end"
            self.settle()
        self.now = until

    def start(self) -> None:
        self.client.start(self.now)
        self.settle()

    @property
    def events(self) -> list[AllocationEvent]:
        found = []
        while (event := self.client.next_event()) is not None:
            found.append(event)
        return found

    def asked(self) -> list[str]:
        found = [f"{at:g} {what}" for at, what in self.server.asked]
        self.server.asked.clear()
        return found


def test_a_relay_is_lent_after_the_challenge_and_given_back() -> None:
    ladder = Ladder()
    ladder.server.sees = lambda client: ("203.0.113.1", 31000)
    ladder.start()
    assert ladder.asked() == ["0 allocate", "0 allocate"]
    assert ladder.events == [Allocated()]
    assert ladder.client.address == ("203.0.113.20", 50001)
    assert ladder.client.mapped == ("203.0.113.1", 31000)
    ladder.client.close(1.0)
    ladder.settle()
    assert ladder.asked() == ["0 delete"]
    assert not ladder.server.lent
    assert ladder.client.is_over
    assert ladder.events == []


def test_a_request_is_repeated_at_half_a_second_then_after_twice_as_long() -> None:
    ladder = Ladder()
    times: list[float] = []

    def lose(data: bytes) -> bool:
        times.append(ladder.now)
        return True

    ladder.lose = lose
    ladder.start()
    ladder.run(20.0)
    assert times == [0.0, 0.5, 1.5, 3.5, 7.5]
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert event.refusal.words == "does not answer"


def test_over_a_stream_nothing_is_repeated() -> None:
    ladder = Ladder(stream=1)
    ladder.server.silent = True
    count = 0

    def lose(data: bytes) -> bool:
        nonlocal count
        count += 1
        return True

    ladder.lose = lose
    ladder.start()
    ladder.run(20.0)
    assert count == 1
    assert isinstance(ladder.events[0], AllocationFailed)


def test_a_wrong_password_is_told_in_words_and_not_tried_again() -> None:
    ladder = Ladder(server=Server(("203.0.113.20", 3478), username="user", password="wrong"))
    ladder.start()
    ladder.run(20.0)
    assert ladder.asked() == ["0 allocate", "0 allocate"]
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert event.refusal.words == "does not accept username and password (401)"


def test_a_stale_nonce_costs_one_more_request() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.server.nonce = "nonce-2"
    ladder.client.permit(PEER[0], ladder.now)
    ladder.settle()
    assert ladder.asked()[2:] == ["0 create_permission", "0 create_permission"]
    assert PEER[0] in next(iter(ladder.server.lent.values())).permissions


def test_a_server_that_calls_every_nonce_stale_is_given_up() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.server.refuse[Method.REFRESH] = (438, "Stale Nonce")
    ladder.run(10.0)
    assert len(ladder.asked()) <= 2 + 4
    assert any(isinstance(event, AllocationLost) for event in ladder.events)


@pytest.mark.parametrize("chosen", ["", "md5", "sha256"])
@pytest.mark.parametrize("anonymous", [False, True])
def test_password_algorithms_and_hidden_names(chosen: str, anonymous: bool) -> None:
    ladder = Ladder()
    ladder.server.algorithms = {"": b"", "md5": b"\0\1\0\0", "sha256": b"\0\1\0\0\0\2\0\0"}[chosen]
    ladder.server.anonymous = anonymous
    ladder.start()
    ladder.run(3.5)
    assert ladder.events == [Allocated()]
    assert ladder.asked() == ["0 allocate", "0 allocate", "3 refresh"]
    assert ladder.server.chosen == {"": None, "md5": b"\0\1\0\0", "sha256": b"\0\2\0\0"}[chosen]


def test_a_challenge_made_weaker_on_the_way_is_not_answered() -> None:
    ladder = Ladder()
    ladder.server.nonce = "obMatJos2gAAAnonce"  # says that algorithms are offered, and none are there
    ladder.start()
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert "weaker" in event.refusal.words
    assert ladder.asked() == ["0 allocate"]


def test_answers_that_are_not_signed_count_for_nothing() -> None:
    ladder = Ladder()
    ladder.server.signs = False
    ladder.start()
    assert ladder.events == []
    ladder.run(20.0)
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert "not signed" in event.refusal.words


def test_a_relay_is_kept_while_data_flows_and_before_its_lifetime_ends() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.client.bind(PEER, 0.0)
    ladder.settle()
    relayed = ladder.client.address
    assert relayed is not None
    ladder.asked()
    for second in range(1, 1201):
        ladder.run(float(second))
        for data, _ in ladder.server.from_peer(relayed, PEER, b"sound", ladder.now):
            assert ladder.arrive(data) == (b"sound", PEER)
    assert ladder.asked() == [
        "240 create_permission",
        "480 create_permission",
        "480 channel_bind",
        "540 refresh",
        "720 create_permission",
        "960 create_permission",
        "960 channel_bind",
        "1080 refresh",
        "1200 create_permission",
    ]


@pytest.mark.parametrize("method", [Method.CREATE_PERMISSION, Method.CHANNEL_BIND])
def test_what_stayed_without_an_answer_is_asked_for_again(method: Method) -> None:
    ladder = Ladder()
    ladder.start()
    ladder.lose = lambda data: not is_channel_data(data) and parse(data).method is method
    ladder.client.bind(PEER, 0.0)
    ladder.run(45.0)
    ladder.lose = lambda data: False
    ladder.run(90.0)
    assert ladder.client.peers.is_granted(PEER[0])
    assert is_channel_data(ladder.client.wrap(b"sound", PEER))


def test_a_silent_relay_is_asked_for_every_three_seconds() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.asked()
    ladder.run(10.0)
    assert ladder.asked() == ["3 refresh", "6 refresh", "9 refresh"]


def test_a_dead_server_is_noticed_within_eight_seconds_and_a_lost_answer_is_not_taken_for_that() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.lost_back = 2
    ladder.run(20.0)
    assert ladder.events == [Allocated()]
    died_at = ladder.now
    ladder.server.silent = True
    ladder.run(died_at + 8.0)
    (event,) = ladder.events
    assert isinstance(event, AllocationLost)
    assert event.refusal.words == "does not answer"
    assert ladder.client.next_deadline() is None


def test_data_shows_that_a_server_lives_whose_answers_are_lost() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.client.bind(PEER, 0.0)
    ladder.settle()
    relayed = ladder.client.address
    assert relayed is not None
    for second in range(1, 600):
        ladder.run(float(second))
        ladder.lost_back = 0 if second < 530 or second > 560 else 100  # around the refresh at 540
        for data, _ in ladder.server.from_peer(relayed, PEER, b"sound", ladder.now):
            ladder.arrive(data)
    assert ladder.events == [Allocated()]
    assert ladder.client.is_open


def test_a_server_that_was_restarted_no_longer_knows_the_relay() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.server.lent.clear()
    ladder.run(3.0)
    assert [type(event) for event in ladder.events] == [Allocated, AllocationLost]
    assert ladder.client.refusal.code == 437


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (403, "forbids it"),
        (437, "something else at our address"),
        (441, "another user's"),
        (442, "relays no UDP"),
        (486, "no more relays for this user"),
        (508, "is full"),
        (599, "refused (599 Odd)"),
    ],
)
def test_refusals_in_words(code: int, words: str) -> None:
    ladder = Ladder()
    ladder.server.refuse[Method.ALLOCATE] = (code, "Odd")
    ladder.start()
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert words in event.refusal.words
    assert event.refusal.rest_s >= 60.0


def test_another_server_is_named() -> None:
    ladder = Ladder()
    ladder.server.alternate = ("203.0.113.21", 3478)
    ladder.start()
    (event,) = ladder.events
    assert isinstance(event, AllocationFailed)
    assert event.alternate == ("203.0.113.21", 3478)


def test_indications_carry_data_until_the_channel_is_there() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.client.permit(PEER[0], 0.0)
    ladder.settle()
    assert not is_channel_data(ladder.client.wrap(b"early", PEER))
    ladder.sent.append(ladder.client.wrap(b"early", PEER))
    ladder.client.bind(PEER, 0.0)
    ladder.sent.append(ladder.client.wrap(b"still early", PEER))
    ladder.settle()
    framed = ladder.client.wrap(b"by channel", PEER)
    assert framed == b"\x40\x00\x00\x0aby channel"
    ladder.sent.append(framed)
    ladder.settle()
    assert [data for _, _, data in ladder.server.relayed] == [b"early", b"still early", b"by channel"]


def test_data_of_strangers_is_not_taken() -> None:
    ladder = Ladder()
    ladder.start()
    ladder.client.permit(PEER[0], 0.0)
    ladder.settle()
    relayed = ladder.client.address
    assert relayed is not None
    ((data, _),) = ladder.server.from_peer(relayed, (PEER[0], 7000), b"hello", 0.0)
    assert ladder.arrive(data) == (b"hello", (PEER[0], 7000))
    ladder.server.lent[CLIENT].permissions["192.0.2.99"] = 300.0  # as if somebody had tricked the server (§11.4)
    ((data, _),) = ladder.server.from_peer(relayed, ("192.0.2.99", 1), b"evil", 0.0)
    assert ladder.arrive(data) is None
    assert ladder.arrive(b"\x40\x07\x00\x04evil") is None
    assert ladder.arrive(b"\x40\x00\x00\x40short") is None


def test_one_forbidden_peer_does_not_keep_the_others_out() -> None:
    ladder = Ladder()
    ladder.server.forbidden = {"192.0.2.66"}
    ladder.client.permit(PEER[0], 0.0)
    ladder.client.permit("192.0.2.66", 0.0)
    ladder.start()
    ladder.run(1.0)
    events = ladder.events
    assert [type(event) for event in events] == [Allocated, PeerRefused]
    assert isinstance(events[1], PeerRefused)
    assert events[1].host == "192.0.2.66"
    assert list(ladder.server.lent[CLIENT].permissions) == [PEER[0]]


def test_an_even_port_and_the_one_above() -> None:
    first = Ladder(even_port=True)
    first.start()
    assert first.client.address == ("203.0.113.20", 50002)
    other: Addr = (CLIENT[0], 4001)
    sent: list[bytes] = []
    second = Allocation(Way(SERVER, 2), sent.append, random.Random(2).getrandbits, reserved=first.client.reservation)
    second.start(0.0)
    while sent:
        for answer in first.server.receive(sent.pop(0), other, 0.0):
            second.receive(parse(answer), 0.0)
    assert second.address == ("203.0.113.20", 50003)


def test_a_relay_of_ipv6_is_asked_for() -> None:
    ladder = Ladder(family=6)
    ladder.start()
    assert ladder.client.address == ("2001:db8::20", 50001)


def test_what_is_granted_after_the_end_is_given_back() -> None:
    ladder = Ladder()
    ladder.client.start(0.0)
    ladder.client.close(0.0)
    ladder.settle()
    assert ladder.asked() == ["0 allocate", "0 allocate", "0 delete"]
    assert ladder.client.is_over


def test_every_pair_of_state_and_input_is_listed_or_ignored_on_purpose() -> None:
    ignored = {(state, event) for state in State for event in Input} - TABLE.keys()
    assert ignored == {
        *((State.IDLE, event) for event in (Input.GRANTED, Input.REFUSED, Input.SILENT, Input.DELETED)),
        *((State.ASKING, event) for event in (Input.START, Input.DELETED)),
        *((State.OPEN, event) for event in (Input.START, Input.DELETED)),
        *((State.CLOSING, event) for event in (Input.START, Input.CLOSE)),
        *((State.OVER, event) for event in Input),
    }
