"""Two agents find each other through NATs: by which pair, and when."""

from __future__ import annotations

import pytest

from tests.support.virtual_nat import Filtering, Nat, World, meet
from voipnode.media.events import PathFound
from voipnode.media.ice.candidate import Kind


def nat(number: int, behaviour: Filtering) -> Nat:
    return Nat(f"198.51.100.{number}", behaviour)


def test_two_hosts_on_one_network_talk_after_one_check() -> None:
    """
    0.00  callee answers, and checks               -> at the caller 0.02: answered, remembered
    0.04  the answer is at the caller: it checks the same way back, then nominates
    """
    world = World()
    caller = world.add("caller", ("192.0.2.1",), controlling=True)
    callee = world.add("callee", ("192.0.2.2",))
    meet(world, caller, callee)
    world.run(1.0)
    assert callee.words == caller.words == ["PathFound", "PathFound"]
    first, chosen = caller.events
    assert isinstance(first, PathFound)
    assert isinstance(chosen, PathFound)
    assert (first.at, first.chosen) == (0.08, False)
    assert (chosen.at, chosen.chosen) == (pytest.approx(0.13), True)  # Ta after the first, and a round trip
    assert chosen.pair == "host 192.0.2.1:4000 with host 192.0.2.2:4000"
    assert callee.events[0].at == 0.04
    assert caller.agent.admits(1, ("192.0.2.2", 4000))
    assert not caller.agent.admits(1, ("192.0.2.3", 4000))


@pytest.mark.parametrize(
    ("ours", "theirs", "relay", "kinds"),
    [
        ("full cone", "full cone", False, {"srflx"}),
        ("full cone", "port-restricted", False, {"srflx"}),
        ("port-restricted", "port-restricted", False, {"srflx"}),
        ("full cone", "symmetric", False, {"srflx", "prflx"}),
        ("port-restricted", "symmetric", True, {"relay", "srflx", "prflx"}),
        ("symmetric", "symmetric", True, {"relay", "prflx", "srflx"}),
    ],
)
@pytest.mark.parametrize("loss", [0.0, 0.2])
@pytest.mark.parametrize("components", [1, 2])
def test_every_combination_of_nats_that_can_work_does(
    ours: Filtering, theirs: Filtering, relay: bool, kinds: set[str], loss: float, components: int
) -> None:
    for seed in range(5):
        world = World(seed, loss=loss, repeat=loss / 2, jitter_s=loss / 5)
        caller = world.add(
            "caller",
            ("10.0.0.1",),
            nat=nat(1, ours),
            relay="203.0.113.20" if relay else "",
            controlling=True,
            components=components,
        )
        callee = world.add(
            "callee",
            ("10.0.0.2",),
            nat=nat(2, theirs),
            relay="203.0.113.21" if relay else "",
            components=components,
        )
        meet(world, caller, callee)
        world.run(20.0)
        for side in (caller, callee):
            assert side.words[-1] == "PathFound", f"seed {seed}: {side.name} {side.events}"
            last = side.events[-1]
            assert isinstance(last, PathFound)
            assert last.chosen
            for component in range(1, components + 1):
                pair = side.agent.selected(component)
                assert pair is not None
                assert pair.mapped is not None
                assert {str(pair.mapped.kind), str(pair.remote.kind)} <= kinds
            if not loss:
                assert side.events[0].at < 0.6
        for component in range(1, components + 1):
            mine, yours = caller.agent.selected(component), callee.agent.selected(component)
            assert mine is not None
            assert yours is not None
            assert mine.mapped is not None
            assert mine.mapped.address == yours.remote.address  # both ends of one way
            assert caller.agent.admits(component, mine.remote.address)


def test_without_a_relay_two_symmetric_nats_part_them_and_words_say_so() -> None:
    world = World()
    caller = world.add("caller", ("10.0.0.1",), nat=nat(1, "symmetric"), controlling=True)
    callee = world.add("callee", ("10.0.0.2",), nat=nat(2, "symmetric"))
    meet(world, caller, callee)
    world.run(60.0)
    assert caller.words == callee.words == ["PathFailed"]
    assert callee.events[0].at == 20.0
    assert "no check was answered (2 pairs: host to host, host to srflx)" in str(callee.events[0])
    assert caller.agent.next_deadline() is None
    last = max(at for at, _, _ in world.sent)
    assert last < 20.1


def test_hosts_behind_one_nat_keep_their_sound_at_home() -> None:
    world = World()
    home = nat(1, "port-restricted")
    caller = world.add("caller", ("10.0.0.1",), nat=home, controlling=True)
    callee = world.add("callee", ("10.0.0.2",), nat=home)
    meet(world, caller, callee)
    world.run(1.0)
    pair = caller.agent.selected(1)
    assert pair is not None
    assert (pair.local.kind, pair.remote.kind) == (Kind.HOST, Kind.HOST)


def test_checks_are_paced() -> None:
    """RFC 8445 §14.2: 50 ms between two new checks, however many pairs there are."""
    world = World()
    caller = world.add("caller", ("10.0.0.1", "10.0.1.1", "10.0.2.1"), nat=nat(1, "symmetric"), controlling=True)
    callee = world.add("callee", ("10.0.0.2", "10.0.1.2", "10.0.2.2"), nat=nat(2, "symmetric"))
    meet(world, caller, callee)
    world.run(0.5)
    times = [at for at, side, sent in world.sent if side is caller]
    assert [round(at, 3) for at in times] == [round(0.04 + 0.05 * n, 3) for n in range(10)]


def test_a_relay_carries_sound_at_once_and_is_not_chosen_while_a_direct_way_may_yet_work() -> None:
    """
    0.1  the relay works: sound goes by it                       -- the direct checks so far were lost
    0.5  the direct ones are repeated, and succeed               -- within the 0.8 s that a relay has to wait
    """
    world = World()
    pairs = [("caller", "10.0.0.1", 1), ("callee", "10.0.0.2", 2)]
    caller, callee = (
        world.add(name, (host,), nat=nat(n, "port-restricted"), relay=f"203.0.113.2{n}", controlling=n == 1)
        for name, host, n in pairs
    )
    world.drops = lambda source, target: world.now < 0.4 and not (source[0] + target[0]).count("203.0.113.")
    meet(world, caller, callee)
    world.run(0.4)
    first = caller.agent.route(1)
    assert first is not None
    assert first.relayed
    assert caller.agent.selected(1) is None
    world.run(2.0)
    chosen = caller.agent.selected(1)
    assert chosen is not None
    assert not chosen.relayed
    assert caller.events[-1].at < 1.0


def test_ipv6_is_tried_first_and_ipv4_serves_where_it_is_dead() -> None:
    world = World()
    caller = world.add("caller", ("192.0.2.1", "2001:db8::1"), controlling=True)
    callee = world.add("callee", ("192.0.2.2", "2001:db8::2"))
    meet(world, caller, callee)
    world.run(1.0)
    pair = caller.agent.selected(1)
    assert pair is not None
    assert pair.local.address[0] == "2001:db8::1"

    world = World()
    caller = world.add("caller", ("192.0.2.1", "2001:db8::1"), controlling=True)
    callee = world.add("callee", ("192.0.2.2", "2001:db8::2"))
    callee.hosts = ("192.0.2.2",)  # its IPv6 leads nowhere
    meet(world, caller, callee)
    world.run(1.0)
    pair = caller.agent.selected(1)
    assert pair is not None
    assert pair.local.address[0] == "192.0.2.1"
