"""What goes wrong between two agents, and what strangers try."""

from __future__ import annotations

import itertools
import random

import pytest

from tests.support.virtual_nat import Nat, Side, World, description, meet
from voipnode.media.events import PathFailed, PathFound
from voipnode.media.ice.candidate import Candidate, Kind, local_candidates, usable
from voipnode.media.ice.checklist import Checklist
from voipnode.media.ice.requests import request
from voipnode.media.ice.values import Credentials, Peer, Role, Sent, Times
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Kind as Class
from voipnode.media.stun.message import Method, build, parse, short_term_key, success

STRANGER = ("198.51.100.99", 9)


def two_hosts(seed: int = 1, **times: float) -> tuple[World, Side, Side]:
    world = World(seed)
    patience = Times(**times) if times else None  # type: ignore[arg-type]
    caller = world.add("caller", ("192.0.2.1",), controlling=True, times=patience)
    callee = world.add("callee", ("192.0.2.2",), times=patience)
    return world, caller, callee


def check(side: Side, *, ufrag: str = "", password: str = "", nominates: bool = False, tie: int = 1) -> bytes:
    """A check to that side as its peer sends it."""
    ours, theirs = Credentials("xxxx", "x" * 24), side.agent.credentials
    theirs = Credentials(ufrag or theirs.ufrag, password or theirs.password)
    local = Candidate(Kind.HOST, 1, STRANGER, 2130706431, "1", STRANGER)
    return request(b"t" * 12, local, ours, theirs, Role(True, tie), nominates=nominates)


# -- roles


@pytest.mark.parametrize("controlling", [True, False])
def test_a_role_conflict_is_repaired_whoever_has_the_greater_tie_breaker(controlling: bool) -> None:
    """RFC 8445 §7.3.1.1: third-party call control can have both believe the same. Who is asked yields, or says 487."""
    refused = set()
    for seed in range(6):
        world, caller, callee = two_hosts(seed)
        for side in (caller, callee):
            side.agent.take_role(controlling=controlling)
        meet(world, caller, callee)
        world.run(2.0)
        assert caller.agent.controlling is not callee.agent.controlling
        for side in (caller, callee):
            assert side.words[-1] == "PathFound"
            assert side.agent.completed
        refused.add(any(parse(sent.data).error == (487, "Role Conflict") for _, _, sent in world.sent))
    assert refused == {True, False}


# -- peers that differ


def test_a_lite_peer_is_nominated_to_by_us_though_it_called() -> None:
    """RFC 8445 §6.1.1: it only answers; whoever is full is controlling."""
    world = World()
    ours = world.add("ours", ("192.0.2.1",))
    lite = world.add("lite", ("192.0.2.2",))
    lite.agent.on_deadline = lambda now: None  # type: ignore[method-assign]
    lite.agent.next_deadline = lambda: None  # type: ignore[method-assign]
    ours.agent.begin(description(lite, lite=True), 0.0)
    world.run(1.0)
    assert ours.agent.controlling
    assert ours.agent.completed
    assert all(side is ours or parse(sent.data).kind is Class.SUCCESS for _, side, sent in world.sent)
    nominating = [s for _, _, s in world.sent if parse(s.data).value(Attribute.USE_CANDIDATE) is not None]
    assert len(nominating) == 1


def test_a_peer_that_nominates_every_pair_gets_the_best_one() -> None:
    """RFC 8445 §8.1.1: "aggressive nomination" of RFC 5245; each success may move the choice upwards, none down."""
    world = World()
    caller = world.add("caller", ("192.0.2.1", "192.0.2.3"), controlling=True)
    callee = world.add("callee", ("192.0.2.9",))
    theirs = callee.agent.credentials

    def aggressive(side: Side, sent: Sent) -> bytes:
        message = parse(sent.data)
        if side is not caller or message.kind is not Class.REQUEST:
            return sent.data
        attributes = [a for a in message.attributes if a[0] not in (Attribute.MESSAGE_INTEGRITY, Attribute.FINGERPRINT)]
        attributes.append((Attribute.USE_CANDIDATE, b""))
        key = short_term_key(theirs.password)
        return build(Method.BINDING, Class.REQUEST, message.transaction_id, attributes, key=key, fingerprint=True)

    world.tamper = aggressive
    meet(world, caller, callee)
    world.run(3.0)
    nominated = {sent.base[0] for _, side, sent in world.sent if side is caller and len(sent.data) > 76}
    assert nominated == {"192.0.2.1", "192.0.2.3"}
    pair = callee.agent.selected(1)
    assert pair is not None
    assert pair is callee.agent.route(1)
    assert pair.remote.address[0] == "192.0.2.1"
    assert [event.chosen for event in callee.events if isinstance(event, PathFound)] == [False, True]


def test_an_answer_of_a_fork_begins_anew_with_it_and_the_other_hears_no_more() -> None:
    world, caller, first = two_hosts()
    second = world.add("second", ("192.0.2.3",))
    offer = description(caller)
    first.agent.begin(offer, 0.0)
    caller.agent.begin(description(first), 0.0)
    world.run(1.0)
    second.agent.begin(offer, 1.0)
    caller.agent.begin(description(second), 1.0)
    assert caller.agent.route(1) is None
    assert not caller.agent.admits(1, ("192.0.2.2", 4000))
    world.run(2.0)
    pair = caller.agent.route(1)
    assert pair is not None
    assert pair.remote.address[0] == "192.0.2.3"
    assert second.agent.completed


def test_a_fork_that_is_not_being_talked_to_is_answered_and_not_heard() -> None:
    world, caller, first = two_hosts()
    second = world.add("second", ("192.0.2.3",))
    second.agent.begin(description(caller), 0.0)
    world.run(0.03)
    assert any(side is caller for _, side, _ in world.sent)
    caller.agent.begin(description(first), 0.1)
    world.run(2.0)
    assert not caller.agent.admits(1, ("192.0.2.3", 4000))
    assert caller.agent.admits(1, ("192.0.2.2", 4000))


def test_candidates_that_are_told_later_are_tried_too() -> None:
    """RFC 8839 §4.4.3.1, while nothing has been chosen."""
    world, caller, callee = two_hosts()
    told = description(callee)
    caller.agent.begin(Peer(told.credentials, ()), 0.0)
    world.run(1.0)
    assert caller.agent.route(1) is None
    caller.agent.begin(told, 1.0)
    callee.agent.begin(description(caller), 1.0)
    world.run(2.0)
    assert caller.agent.completed


def test_pairs_that_waited_for_a_like_one_are_tried_when_that_has_failed() -> None:
    """RFC 8445 §6.1.4.2, step 2: frozen pairs of a foundation come one after the other."""
    world, caller, callee = two_hosts()
    theirs = description(callee)
    dead = [
        Candidate(Kind.HOST, 1, ("192.0.2.77", 5000 + n), 2130706431, "1", ("192.0.2.77", 5000 + n)) for n in range(2)
    ]
    live = theirs.candidates[0]._replace(priority=5, foundation="1")
    caller.agent.begin(Peer(theirs.credentials, (*dead, live)), 0.0)
    callee.agent.begin(Peer(caller.agent.credentials, ()), 0.0)
    world.run(40.0)
    asked = [sent.remote for _, side, sent in world.sent if side is caller]
    assert ("192.0.2.77", 5001) in asked


def test_a_far_side_whose_router_gave_it_another_address_is_followed_once_the_old_one_is_dead() -> None:
    world = World()
    home = Nat("198.51.100.1", "port-restricted")
    caller = world.add("caller", ("10.0.0.1",), nat=home, controlling=True)
    callee = world.add("callee", ("192.0.2.9",))
    meet(world, caller, callee)
    world.run(10.0)
    before = callee.agent.route(1)
    home.out.clear()  # as if it had been switched off and on
    home.back.clear()
    home.asked.clear()
    world.run(40.0)
    after = callee.agent.route(1)
    assert before is not None
    assert after is not None
    assert before.remote.address != after.remote.address
    assert callee.agent.admits(1, after.remote.address)
    world.run(200.0)
    assert "PathFailed" not in caller.words + callee.words


def test_a_phone_that_rings_and_answers_no_check_yet_is_tried_again_when_it_is_picked_up() -> None:
    """Its description came with a 183; some begin with ICE no sooner than their user with the call."""
    world, caller, callee = two_hosts()
    callee.cut = True
    caller.agent.begin(description(callee), 0.0, early=True)
    world.run(45.0)
    assert caller.words == []  # 15.5 s of checks, and nothing is said
    callee.cut = False
    caller.agent.expect(45.0)
    world.run(46.0)
    assert caller.words == ["PathFound", "PathFound"]

    caller.agent.begin(Peer(Credentials("othr", "o" * 24), description(callee).candidates), 46.0, early=True)
    world.run(90.0)
    caller.agent.expect(90.0)
    world.run(200.0)
    assert isinstance(caller.events[-1], PathFailed)
    assert caller.events[-1].at == 110.0


# -- restart


def test_after_a_restart_all_goes_on_by_the_old_pair_until_the_new_one_works() -> None:
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(1.0)
    old = caller.agent.credentials
    caller.agent.restart()
    callee.agent.restart()
    assert caller.agent.credentials != old
    for side in (caller, callee):
        assert side.agent.route(1) is not None
        assert side.agent.admits(1, ("192.0.2.1" if side is callee else "192.0.2.2", 4000))
    callee.agent.begin(description(caller), 1.0)
    world.run(1.5)
    assert callee.agent.route(1) is not None
    caller.agent.begin(description(callee), 1.5)
    world.run(3.0)
    for side in (caller, callee):
        assert side.agent.completed
        assert side.words == ["PathFound"] * 4
    # Who still speaks under the old name is a stranger now.
    strangers = callee.agent.strangers
    callee.agent.receive(check(callee, ufrag=old.ufrag), STRANGER, 1, ("192.0.2.2", 4000), 3.0)
    assert callee.agent.strangers == strangers + 1


# -- consent


def test_consent_is_asked_for_every_four_to_six_seconds_at_irregular_intervals() -> None:
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(120.0)
    times = [at for at, side, sent in world.sent if side is caller and parse(sent.data).kind is Class.REQUEST][2:]
    gaps = {round(later - earlier, 3) for earlier, later in itertools.pairwise(times)}
    assert len(gaps) > 15
    assert min(gaps) >= 4.0
    assert max(gaps) <= 6.0


def test_thirty_seconds_without_consent_and_nothing_more_is_sent() -> None:
    """RFC 7675 §5.1."""
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(10.0)
    confirmed = max(at for at, side, sent in world.sent if side is callee and parse(sent.data).kind is Class.SUCCESS)
    callee.cut = True
    world.run(60.0)
    failed = caller.events[-1]
    assert isinstance(failed, PathFailed)
    assert failed.at == pytest.approx(confirmed + 30.0, abs=0.1)
    assert "for 30 s nobody has answered" in failed.detail
    assert caller.agent.route(1) is None
    assert max(at for at, side, _ in world.sent if side is caller) < failed.at


def test_a_few_lost_requests_do_not_matter() -> None:
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(10.0)
    callee.cut = True
    world.run(30.0)
    callee.cut = False
    world.run(100.0)
    assert caller.words == ["PathFound", "PathFound"]


def test_consent_that_is_withdrawn_ends_at_once() -> None:
    """RFC 7675 §5.2."""
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(3.0)
    key = short_term_key(callee.agent.credentials.password)

    def refuse(side: Side, sent: Sent) -> bytes:
        message = parse(sent.data)
        if side is not callee or message.kind is not Class.SUCCESS:
            return sent.data
        forbidden = (Attribute.ERROR_CODE, b"\0\0\x04\x03Forbidden")
        return build(Method.BINDING, Class.ERROR, message.transaction_id, [forbidden], key=key, fingerprint=True)

    world.tamper = refuse
    world.run(10.0)
    assert isinstance(caller.events[-1], PathFailed)
    assert caller.events[-1].at < 8.0


# -- strangers


def test_who_does_not_know_the_password_gets_no_answer_and_changes_nothing() -> None:
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(1.0)
    pair, base = callee.agent.route(1), ("192.0.2.2", 4000)
    assert pair is not None
    forged = [
        check(callee, password="guessed"),
        check(callee, ufrag="nobody"),
        build(Method.BINDING, Class.REQUEST, b"t" * 12),  # what a STUN server would answer
        build(Method.BINDING, Class.INDICATION, b"t" * 12),
        build(Method.ALLOCATE, Class.REQUEST, b"t" * 12),
        success(parse(check(callee)), STRANGER, key=b"guessed"),
        check(callee, nominates=True)[:-1],
        b"\0\1" + bytes(18),
        b"",
    ]
    for data in forged:
        callee.agent.receive(data, STRANGER, 1, base, 1.0)
    assert callee.agent.outbox() == []
    assert callee.agent.route(1) is pair
    assert not callee.agent.admits(1, STRANGER)
    assert callee.agent.strangers == len(forged) - 1  # an indication is nobody's business


def test_a_recorded_check_from_elsewhere_moves_no_sound() -> None:
    """It proves that its writer knew the password; so it is answered, and tried, but nobody there answers our check."""
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(1.0)
    recorded = next(
        sent.data for _, side, sent in world.sent if side is caller and parse(sent.data).kind is Class.REQUEST
    )
    callee.agent.receive(recorded, STRANGER, 1, ("192.0.2.2", 4000), 1.0)
    world.run(5.0)
    pair = callee.agent.route(1)
    assert pair is not None
    assert pair.remote.address == ("192.0.2.1", 4000)


def test_an_answer_from_another_address_than_was_asked_makes_no_pair() -> None:
    """RFC 8445 §7.2.5.2.1."""
    _, caller, callee = two_hosts()
    caller.agent.begin(description(callee), 0.0)
    (sent,) = caller.agent.outbox()
    key = short_term_key(callee.agent.credentials.password)
    answer = success(parse(sent.data), ("192.0.2.1", 4000), key=key)
    caller.agent.receive(answer, STRANGER, 1, ("192.0.2.1", 4000), 0.1)
    assert caller.agent.route(1) is None
    caller.agent.receive(answer, ("192.0.2.2", 4000), 1, ("192.0.2.1", 4000), 0.2)  # its transaction is over
    assert caller.agent.route(1) is None


def test_an_answer_without_proof_never_came() -> None:
    """RFC 8489 §9.1.4: whoever saw the request could write one."""
    _, caller, callee = two_hosts()
    caller.agent.begin(description(callee), 0.0)
    (sent,) = caller.agent.outbox()
    way = (("192.0.2.2", 4000), 1, ("192.0.2.1", 4000))
    for key in (None, b"guessed", short_term_key(caller.agent.credentials.password)):
        caller.agent.receive(success(parse(sent.data), way[2], key=key), *way, 0.1)
        assert caller.agent.route(1) is None
    assert caller.agent.strangers == 3
    key = short_term_key(callee.agent.credentials.password)
    caller.agent.receive(success(parse(sent.data), way[2], key=key), *way, 0.1)
    assert caller.agent.route(1) is not None


def test_a_peer_with_a_flood_of_candidates_has_us_send_a_bounded_number_of_checks() -> None:
    """RFC 8445 §19.5.1: a hammer made of ICE."""
    world = World()
    caller = world.add("caller", ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"), components=2, controlling=True)
    flood = tuple(
        Candidate(Kind.HOST, 1 + n % 2, (f"198.51.100.{n % 250}", 1000 + n), 2130706431 - n, str(n), ("", 0))
        for n in range(500)
    )
    caller.agent.begin(Peer(Credentials("abcd", "p" * 24), flood), 0.0)
    world.run(25.0)
    targets = {sent.remote for _, _, sent in world.sent}
    assert len(targets) <= 32
    assert len(world.sent) <= 100 * 5
    seconds = {int(at): sum(int(other) == int(at) for other, _, _ in world.sent) for at, _, _ in world.sent}
    assert max(seconds.values()) <= 60  # with all repetitions
    assert isinstance(caller.events[-1], PathFailed)


def test_of_too_many_pairs_the_best_hundred_are_kept() -> None:
    """RFC 8445 §6.1.2.5."""
    ours = local_candidates([((f"10.0.{n}.1", 4000),) for n in range(12)], [])
    theirs = [Candidate(Kind.HOST, 1, (f"198.51.100.{n}", 4000), 2130706431 - n, str(n), ("", 0)) for n in range(1, 20)]
    pairs = Checklist(controlling=True)
    pairs.form(ours, theirs)
    assert len(pairs) == 100
    best = max(min(a.priority, b.priority) for a in ours for b in theirs)
    assert next(iter(pairs)).remote.priority == best or next(iter(pairs)).local.priority == best
    kept = {(pair.local.address, pair.remote.address) for pair in pairs}
    lowest = min(pair.priority for pair in pairs)
    everything = Checklist(controlling=True, max_pairs=1000)
    everything.form(ours, theirs)
    assert all(pair.priority <= lowest for pair in everything if (pair.local.address, pair.remote.address) not in kept)


def test_a_peer_that_knows_the_password_and_checks_from_everywhere_is_bounded_too() -> None:
    world, caller, callee = two_hosts()
    callee.agent.begin(description(caller), 0.0)
    caller.cut = True
    theirs, ours = callee.agent.credentials, caller.agent.credentials
    for number in range(400):
        source = (f"203.0.113.{number % 250}", 2000 + number)
        local = Candidate(Kind.HOST, 1, source, 1000 + number, "1", source)
        data = request(number.to_bytes(12, "big"), local, ours, theirs, Role(True, 5), nominates=bool(number % 2))
        callee.agent.receive(data, source, 1, ("192.0.2.2", 4000), 0.1)
    world.run(10.0)
    asked = {sent.remote for _, _, sent in world.sent if parse(sent.data).kind is Class.REQUEST}
    assert len(asked) <= 17


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:10.0.0.1", "phone.local", "127.0.0.1"]
)
def test_addresses_of_nobody_everybody_or_this_very_host_are_not_tried(host: str) -> None:
    theirs = Candidate(Kind.HOST, 1, (host, 6000), 5, "1", (host, 6000))
    ours = local_candidates([(("192.0.2.1", 4000),)], [])
    pairs = Checklist(controlling=True)
    pairs.form(ours, usable([theirs], 2))
    assert len(pairs) == 0


@pytest.mark.fuzz
def test_no_bytes_make_an_agent_raise() -> None:
    world, caller, callee = two_hosts()
    meet(world, caller, callee)
    world.run(1.0)
    dice = random.Random(8445)
    recorded = [sent.data for _, side, sent in world.sent if side is caller]
    key = short_term_key(callee.agent.credentials.password)
    now = 1.0
    for _ in range(4000):
        data = bytearray(dice.choice(recorded))
        for _ in range(dice.randint(1, 5)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        if dice.random() < 0.5:  # with a proof that is right, around values that are not
            attributes = [
                (dice.choice([6, 8, 9, 0x20, 0x24, 0x25, 0x8029, 0x802A, 1]), dice.randbytes(dice.randrange(24)))
            ]
            attributes.append((6, f"{callee.agent.credentials.ufrag}:{caller.agent.credentials.ufrag}".encode()))
            kind = dice.choice(list(Class))
            data = bytearray(build(Method.BINDING, kind, dice.randbytes(12), attributes, key=key, fingerprint=True))
        now += 0.001
        source = ("192.0.2.1", 4000) if dice.random() < 0.7 else ("192.0.2.77", dice.randrange(1, 65_536))
        callee.agent.receive(bytes(data), source, 1, ("192.0.2.2", 4000), now)
        callee.agent.on_deadline(now)
        callee.agent.outbox()
    assert callee.agent.route(1) is not None
