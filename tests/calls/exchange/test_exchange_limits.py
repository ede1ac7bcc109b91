"""Calls through the node under stress: ends with their reasons, limits, dead parties, a storm of everything at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    CARL_HOST,
    EVERYTHING,
    anna_and_bert,
    answer,
    assert_quiet,
    board_with,
    ended,
    invite,
    last,
    part,
    passes,
    registered,
    talking,
    told,
)
from tests.support.extensions import Telephone, extension
from tests.support.sip_agents import field
from tests.support.switchboard import DOOR, Phone, Switchboard, rings, sdp
from tests.support.wire import Link
from voipnode.calls.errors import NotNowError, UnknownNameError
from voipnode.calls.events import CallReason
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.calls.settings import SipSettings
from voipnode.media.turn.values import Server
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.uri import SipUri


def test_the_reason_of_one_goodbye_goes_on_to_the_other_party() -> None:
    board, anna, bert = talking()
    anna.endpoint.hang_up(anna.session, board.wire.now, (("Reason", 'SIP;cause=487;text="tired"'),))
    passes(board, 1.0)
    assert field(board.wire.ladder.pick("BYE", "door")[0].data, "Reason") == 'SIP;cause=487;text="tired"'
    assert_quiet(board, anna, bert)


def test_a_goodbye_without_a_reason_is_the_usual_one() -> None:
    board, anna, bert = talking()
    bert.endpoint.hang_up(bert.session, board.wire.now)
    passes(board, 1.0)
    goodbye = field(board.wire.ladder.pick("BYE", "door")[0].data, "Reason")
    assert goodbye == 'Q.850;cause=16;text="Normal call clearing"'
    assert_quiet(board, anna, bert)


def test_a_party_that_has_fallen_silent_ends_the_call_of_both() -> None:
    board, anna, bert = talking()
    passes(board, 21.0)
    assert (last(board).reason, last(board).detail) == (CallReason.FAILED, "101 has been silent for 20 s")
    assert (len(ended(anna)), len(ended(bert))) == (1, 1)
    assert_quiet(board, anna, bert)


def test_a_call_lasts_no_longer_than_the_settings_say() -> None:
    board, anna, bert = talking(
        switching=SwitchSettings(max_call_duration_s=60), settings=SipSettings(dead_call_timeout_s=600)
    )
    passes(board, 58.0)
    assert ended(anna) == []
    passes(board, 3.0)
    assert last(board).detail == "longest call duration reached (switch.max_call_duration_s)"
    assert_quiet(board, anna, bert)


def test_a_command_ends_a_call_and_knows_it_by_its_id() -> None:
    board, anna, bert = talking()
    board.switch.hang_up("x1", board.wire.now)
    passes(board, 1.0)
    assert last(board).detail == "hung up here"
    assert (len(ended(anna)), len(ended(bert))) == (1, 1)
    with pytest.raises(UnknownNameError, match="x1"):
        board.switch.hang_up("x1", board.wire.now)
    assert_quiet(board, anna, bert)


def test_commands_of_the_door_say_why_they_are_not_for_a_call_through_the_node() -> None:
    board, anna, bert = talking()
    now, switch = board.wire.now, board.switch
    refused = [
        lambda: switch.answer("x1", now),
        lambda: switch.hold("x1", now, held=True),
        lambda: switch.send_digits("x1", "1", now),
        lambda: switch.transfer("x1", now, to=bert.uri),
    ]
    for command in refused:
        with pytest.raises(NotNowError, match='"x1" goes through the node'):
            command()
    part(board, anna, bert)


@pytest.mark.parametrize("ports", [0, 1])
def test_without_a_port_for_its_sound_a_call_is_refused(ports: int) -> None:
    board, anna, bert = anna_and_bert(rtp_ports=ports)
    anna.call_as("102")
    passes(board, 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 503 if ports == 0 else 500)]
    assert_quiet(board, anna, bert)


def test_an_answer_of_no_use_fails_the_attempt_and_nobody_is_left_in_it() -> None:
    board, anna, bert = anna_and_bert()
    anna.call_as("102")
    passes(board, 0.5)
    answer(board, bert, sdp(BERT_HOST, formats="3"))
    passes(board, 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 488)]
    assert ended(bert) == [(sip.EndCause.REMOTE_HANGUP, 0)]
    assert_quiet(board, anna, bert)


def test_the_node_stops_in_the_middle_of_everything() -> None:
    board, anna, bert = talking()
    carl = registered(board, "103", CARL_HOST)
    carl.call_as("102")
    passes(board, 0.5)
    board.switch.hang_up_all(board.wire.now)
    passes(board, 1.0)
    assert not board.switch.busy
    assert_quiet(board, anna, bert, carl)


class Person:
    """Somebody at a telephone who does anything that comes to mind; what is not possible just then does not happen."""

    def __init__(self, phone: Telephone, chance: random.Random) -> None:
        self.phone = phone
        self.chance = chance
        self.sessions: list[str] = []

        def plan(phone: Phone, event: sip.Event) -> None:
            rings(phone, event)
            if isinstance(event, sip.IncomingCall):
                self.sessions.append(event.session)
            elif isinstance(event, sip.ReinviteReceived):
                phone.endpoint.accept_reinvite(event.session, sdp(phone.address.host), phone.wire.now)
            elif isinstance(event, sip.ReferReceived):
                phone.endpoint.reject_refer(event.token, 603, phone.wire.now)

        phone.plan = plan

    def act(self) -> None:
        phone, chance, now = self.phone, self.chance, self.phone.wire.now
        if not self.sessions or chance.random() < 0.2:
            target = chance.choice(["101", "102", "103", "door", "999"])
            self.sessions.append(invite(phone, target, sdp(phone.address.host) if chance.random() < 0.8 else None))
            return
        session, other = chance.choice(self.sessions), chance.choice(self.sessions)
        body = sdp(phone.address.host, more=f"a={chance.choice(['sendrecv', 'sendonly', 'inactive'])}\r\n")
        endpoint = phone.endpoint
        acts: list[Callable[[], object]] = [
            lambda: endpoint.accept(session, body, now),
            lambda: endpoint.accept(session, body, now),
            lambda: endpoint.reject(session, chance.choice([486, 603, 480]), now),
            lambda: endpoint.ring(session, now, 183, body=body, reliable=True),
            lambda: endpoint.hang_up(session, now),
            lambda: endpoint.reinvite(session, body if chance.random() < 0.7 else None, now),
            lambda: endpoint.update(session, body, now),
            lambda: endpoint.info(session, "application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n", now),
            lambda: endpoint.refer(session, SipUri(user=chance.choice(["103", "102", "door"]), host=DOOR.host), now),
            lambda: endpoint.refer(session, None, now, replaces=other),
        ]
        with suppress(LocalError):  # it cannot be done now
            chance.choice(acts)()


@pytest.mark.parametrize("seed", range(12))
def test_a_storm_leaves_nothing_behind(seed: int) -> None:
    """Three telephones do anything at any time over a network that loses, delays and doubles; then all hang up."""
    chance = random.Random(seed)
    board = board_with(may_call=EVERYTHING, settings=SipSettings(max_calls=2))
    hosts = {"101": ANNA_HOST, "102": BERT_HOST, "103": CARL_HOST}
    people = [Person(registered(board, number, host), chance) for number, host in hosts.items()]
    for person in people:
        for pair in ((person.phone.name, "door"), ("door", person.phone.name)):
            board.wire.set_link(*pair, Link(loss=0.1, delay_s=0.02, jitter_s=0.05, duplication=0.05))
    begun = board.wire.now
    for _ in range(120):
        board.wire.at(begun + chance.uniform(0, 15), chance.choice(people).act)
    board.wire.run(begun + 15.0)
    for call in [*board.switch.calls, *board.switch.exchange.board.calls]:
        board.switch.hang_up(call.id, board.wire.now)
    for person in people:
        for session in person.sessions:
            if person.phone.endpoint.knows(session):
                person.phone.endpoint.hang_up(session, board.wire.now)
    passes(board, 180.0)
    assert not board.switch.busy
    board.assert_quiet()
    assert not any(board.endpoint.counts().values()), board.endpoint.counts()


@pytest.mark.parametrize("servers", [(), (Server(("203.0.113.10", 3478)),)])
def test_six_telephones_ring_at_once_however_many_there_are(servers: tuple[Server, ...]) -> None:
    """As well where each offer waits for a STUN server, which is silent here."""
    anywhere = SipSettings(incoming_networks=("0.0.0.0/0",))
    board = Switchboard(extensions=(extension("101"), extension("102", max_devices=10)), settings=anywhere)
    media = board.switch._core._media
    object.__setattr__(media, "random_bits", random.Random(1).getrandbits)
    object.__setattr__(media, "servers", lambda: servers)
    anna = registered(board, "101", ANNA_HOST)
    phones = [registered(board, "102", f"198.51.100.{host}") for host in range(30, 40)]
    anna.call_as("102")
    passes(board, 3.0)
    assert sum(len(phone.of(sip.IncomingCall)) for phone in phones) == 6
    part(board, anna, *phones)


def test_who_changes_nothing_again_and_again_fills_no_log() -> None:
    board, anna, bert = talking()
    before = len(told(board))
    for _ in range(5):
        anna.endpoint.reinvite(anna.session, sdp(ANNA_HOST), board.wire.now)
        passes(board, 0.5)
    assert len(anna.of(sip.ReinviteAnswered)) == 5
    assert len(told(board)) == before
    part(board, anna, bert)
