"""The hunt as ladders: who rings when, who is let go when, and what follows on which failure."""

from __future__ import annotations

import random
from dataclasses import replace
from heapq import heappop, heappush

import pytest

from voipnode.calls.events import CallReason
from voipnode.calls.ringing.hunt import (
    SILENCE,
    Cause,
    Exhausted,
    Hunt,
    LookUp,
    Miss,
    Ring,
    Stop,
    better_miss,
)
from voipnode.calls.ringing.plan import Recipient, RingPlan, Rules, Stage, Then

BUSY = Miss(Cause.BUSY, 486, "busy")
REFUSED = Miss(Cause.REFUSED, 403, "refused")
DECLINED = Miss(Cause.REFUSED, 603, "refused")
BUSY_EVERYWHERE = Miss(Cause.BUSY, 600, "busy")
GONE = Miss(Cause.UNREACHABLE, 404, "not found")
AWAY = Miss(Cause.UNAVAILABLE, 0, "not at this time")
NO_REPLY = Miss(Cause.SILENT, 480, "no answer")


def party(name: str, fallback: RingPlan | None = None) -> Recipient:
    return Recipient(name, f"sip:{name}@host", fallback=fallback)


def stage(names: str, for_s: float = 20.0, *, keep: bool = False) -> Stage:
    return Stage(tuple(party(name) for name in names), for_s, keep)


def plan(*stages: Stage, name: str = "family", fallback: RingPlan | None = None, **more: object) -> RingPlan:
    rules = Rules(**{key: value for key, value in more.items() if key.startswith("on_")})  # type: ignore[arg-type]  # a test names them
    rest = {key: value for key, value in more.items() if not key.startswith("on_")}
    return RingPlan(name, stages, rules=rules, fallback=fallback, **rest)  # type: ignore[arg-type]  # the same


class Ladder:
    """A hunt in virtual time, and what it wanted when, in words: "0 ring a", "20 stop a silent", "20 nobody silent"."""

    def __init__(self, wanted: RingPlan) -> None:
        self.hunt = Hunt(wanted)
        self.now = 0.0
        self.keys: dict[int, str] = {}
        self.rungs: list[str] = []
        self.looked_up: list[str] = []
        self.hunt.start(0.0)
        self.take()

    def take(self) -> None:
        while (action := self.hunt.next_action()) is not None:
            match action:
                case Ring():
                    self.keys[action.key] = action.recipient.name
                    self.tell(f"ring {action.recipient.name}")
                case Stop():
                    self.tell(f"stop {self.keys[action.key]} {'answered' if action.why is None else action.why.cause}")
                case Exhausted():
                    self.tell(f"nobody {action.miss.cause}")
                case LookUp():
                    self.looked_up.append(f"{self.now:g} {action.recipient.name}")

    def tell(self, words: str) -> None:
        self.rungs.append(f"{self.now:g} {words}")

    def key(self, name: str) -> int:
        """The one that was rung last of that name."""
        return max(key for key, who in self.keys.items() if who == name)

    def fails(self, name: str, miss: Miss) -> None:
        self.hunt.failed(self.key(name), miss, self.now)
        self.take()

    def answers(self, name: str) -> bool:
        first = self.hunt.answered(self.key(name))
        self.take()
        return first

    def run(self, until: float) -> list[str]:
        """What happened since the last time."""
        while (at := self.hunt.next_deadline()) is not None and at <= until:
            self.now = at
            self.hunt.on_deadline(at)
            self.take()
        self.now = until
        done, self.rungs = self.rungs, []
        return done


def test_all_ring_at_once_and_the_first_to_answer_stops_the_others() -> None:
    ladder = Ladder(plan(stage("abc")))
    ladder.run(5.0)
    assert ladder.answers("b")
    assert not ladder.answers("a"), "it answered in the same moment"
    assert ladder.run(100.0) == ["5 stop a answered", "5 stop c answered"]
    assert (ladder.hunt.over, ladder.keys[ladder.hunt.winner or 0], ladder.hunt.next_deadline()) == (True, "b", None)


def test_two_for_20_s_then_all() -> None:
    ladder = Ladder(plan(stage("ab", keep=True), stage("cd")))
    assert ladder.run(39.9) == ["0 ring a", "0 ring b", "20 ring c", "20 ring d"]
    assert [each.name for each in ladder.hunt.ringing.values()] == ["a", "b", "c", "d"]
    assert ladder.run(41.0) == [f"40 stop {name} silent" for name in "abcd"] + ["40 nobody silent"]


def test_in_turn() -> None:
    ladder = Ladder(plan(stage("a"), stage("b", 10.0), stage("c")))
    assert ladder.run(49.0) == ["0 ring a", "20 stop a silent", "20 ring b", "30 stop b silent", "30 ring c"]


def test_who_is_in_the_next_stage_too_rings_on() -> None:
    ladder = Ladder(plan(stage("ab"), stage("bc"), stage("d")))
    assert ladder.run(40.0) == [
        *("0 ring a", "0 ring b", "20 stop a silent", "20 ring c"),
        *("40 stop b silent", "40 stop c silent", "40 ring d"),
    ]


def test_a_stage_of_which_nobody_is_left_is_not_waited_for() -> None:
    ladder = Ladder(plan(stage("ab"), stage("c"), stage("d", keep=True)))
    ladder.run(3.0)
    ladder.fails("a", BUSY)
    assert ladder.run(4.0) == []
    ladder.fails("b", GONE)
    ladder.fails("c", GONE)
    assert ladder.run(5.0) == ["4 ring c", "4 ring d"]
    ladder.fails("d", GONE)
    assert ladder.run(6.0) == ["5 nobody busy"]


def test_in_the_last_stage_those_kept_ring_for_its_time_although_it_has_lost_its_own() -> None:
    ladder = Ladder(plan(stage("a", keep=True), stage("b", 15.0)))
    ladder.run(21.0)
    ladder.fails("b", BUSY)
    assert ladder.run(100.0) == ["35 stop a silent", "35 nobody silent"]


def test_the_time_of_the_plan_bounds_its_stages_together() -> None:
    ladder = Ladder(plan(stage("a", keep=True), stage("b"), stage("c"), calling_timeout_s=30))
    assert ladder.run(100.0)[2:] == ["30 stop a silent", "30 stop b silent", "30 nobody silent"]


def test_nobody_answers_so_the_fallback_rings_and_then_its_own() -> None:
    last = plan(stage("z"), name="neighbour")
    ladder = Ladder(plan(stage("a"), fallback=plan(stage("m"), name="guard", fallback=last)))
    assert ladder.run(25.0) == ["0 ring a", "20 stop a silent", "20 ring m"]
    assert (ladder.hunt.plan.name, ladder.hunt.stage) == ("guard", 1)
    ladder.fails("m", BUSY)
    assert ladder.run(45.0) == ["25 ring z", "45 stop z silent", "45 nobody silent"]


@pytest.mark.parametrize("miss", [BUSY, REFUSED, GONE, AWAY, NO_REPLY])
def test_the_fallback_comes_whatever_the_last_one_failed_of(miss: Miss) -> None:
    ladder = Ladder(plan(stage("ab"), fallback=plan(stage("m"))))
    ladder.fails("a", miss)
    ladder.fails("b", miss)
    assert ladder.run(1.0) == ["0 ring a", "0 ring b", "0 ring m"]
    assert ladder.run(100.0)[-1] == "20 nobody silent"


@pytest.mark.parametrize(
    ("rule", "miss"),
    [
        ("on_busy", BUSY),
        ("on_refused", REFUSED),
        ("on_unreachable", GONE),
        ("on_silent", NO_REPLY),
        ("on_declined_everywhere", DECLINED),
        ("on_declined_everywhere", BUSY_EVERYWHERE),
    ],
)
@pytest.mark.parametrize("then", ["only_this", "fallback", "end_all"])
def test_each_cause_is_decided_by_its_own_rule(rule: str, miss: Miss, then: Then) -> None:
    ladder = Ladder(plan(stage("ab", 90.0), fallback=plan(stage("m")), **{rule: then}))
    ladder.run(1.0)
    ladder.fails("a", miss)
    want = {
        "only_this": [],
        "fallback": ["1 stop b silent", "1 ring m"],
        "end_all": [f"1 stop b {miss.cause}", f"1 nobody {miss.cause}"],
    }
    assert ladder.run(1.0) == want[then]
    other = GONE if rule != "on_unreachable" else BUSY
    assert other.then(ladder.hunt.plan.rules if then != "fallback" else Rules()) == "only_this"


def test_a_603_is_a_refusal_and_a_600_busy_unless_the_rules_tell_them_apart() -> None:
    for miss, rules in ((DECLINED, Rules(on_refused="end_all")), (BUSY_EVERYWHERE, Rules(on_busy="end_all"))):
        assert miss.then(rules) == "end_all"
        assert miss.then(replace(rules, on_declined_everywhere="only_this")) == "only_this"
    assert [miss.then(Rules(on_declined_everywhere="fallback")) for miss in (REFUSED, BUSY)] == ["only_this"] * 2


def test_silence_may_end_all_or_bring_the_fallback_before_the_later_stages() -> None:
    ends = Ladder(plan(stage("a"), stage("b"), fallback=plan(stage("m")), on_silent="end_all"))
    assert ends.run(100.0) == ["0 ring a", "20 stop a silent", "20 nobody silent"]
    falls = Ladder(plan(stage("a"), stage("b"), fallback=plan(stage("m")), on_silent="fallback"))
    assert falls.run(30.0) == ["0 ring a", "20 stop a silent", "20 ring m"]


def test_the_rules_are_those_of_the_plan_under_way() -> None:
    strict = plan(stage("mn"), on_busy="end_all")
    ladder = Ladder(plan(stage("ab"), fallback=strict))
    ladder.fails("a", BUSY)
    ladder.fails("b", BUSY)
    ladder.fails("m", BUSY)
    assert ladder.run(1.0)[2:] == ["0 ring m", "0 ring n", "0 stop n busy", "0 nobody busy"]


def test_a_party_s_own_fallback_rings_in_its_place() -> None:
    gran = plan(Stage((party("gran", plan(stage("u"))),)), name="gran")
    ladder = Ladder(plan(Stage((party("anna", gran), party("ben")), 20.0), stage("c")))
    ladder.run(5.0)
    ladder.fails("anna", AWAY)
    assert ladder.run(5.0) == ["5 ring gran"]
    ladder.fails("gran", BUSY)
    assert ladder.run(20.0) == ["5 ring u", "20 stop ben silent", "20 stop u silent", "20 ring c"]


def test_who_was_silent_in_a_group_is_the_group_s_matter() -> None:
    ladder = Ladder(plan(Stage((party("anna", plan(stage("g"))),), 20.0), stage("c")))
    assert ladder.run(20.0) == ["0 ring anna", "20 stop anna silent", "20 ring c"]


def test_a_fallback_that_rings_already_does_not_ring_twice() -> None:
    ladder = Ladder(plan(Stage((party("anna", plan(stage("b"))), party("b")), 20.0, keep=True), stage("c"), stage("d")))
    ladder.fails("anna", BUSY)
    assert ladder.run(0.0) == ["0 ring anna", "0 ring b"]
    ladder.run(25.0)
    ladder.fails("c", BUSY)
    assert ladder.run(25.0) == ["25 ring d"], "b rings since before, and the stage has nobody of its own"


def test_a_fallback_of_one_before_does_not_take_those_of_this_stage_out_of_it() -> None:
    anna = Stage((party("anna", plan(stage("b"))),), 20.0, keep=True)
    ladder = Ladder(plan(anna, stage("b"), stage("c")))
    ladder.run(25.0)
    ladder.fails("anna", BUSY)
    assert ladder.run(41.0) == ["40 ring c"], "b rings for anna too, who is kept"


def test_those_kept_have_the_last_stage_s_time_where_it_has_nobody_else() -> None:
    ladder = Ladder(plan(stage("ab", 5.0, keep=True), stage("c"), stage("c")))
    ladder.run(5.0)
    ladder.fails("c", REFUSED)
    assert ladder.run(100.0) == ["25 stop a silent", "25 stop b silent", "25 nobody silent"]


def test_who_refused_is_not_asked_again_and_who_was_busy_is() -> None:
    ladder = Ladder(plan(stage("ab"), stage("ab"), fallback=plan(stage("a"), fallback=plan(stage("ab")))))
    ladder.fails("a", REFUSED)
    ladder.fails("b", BUSY)
    assert ladder.run(0.0) == ["0 ring a", "0 ring b", "0 ring b"]
    assert ladder.run(20.0) == ["20 stop b silent", "20 ring b"], "the first fallback has nobody who would be asked"


def test_who_rings_goes_on_where_the_fallback_begins_with_them() -> None:
    ladder = Ladder(plan(stage("abc"), fallback=plan(stage("cd")), on_busy="fallback"))
    ladder.run(5.0)
    ladder.fails("a", BUSY)
    assert ladder.run(6.0) == ["5 stop b silent", "5 ring d"]
    assert ladder.run(60.0) == ["25 stop c silent", "25 stop d silent", "25 nobody silent"]


def test_who_rings_on_in_the_fallback_is_of_its_first_stage_there() -> None:
    ladder = Ladder(
        plan(stage("x", keep=True), stage("ac"), fallback=plan(stage("cd"), stage("e")), on_busy="fallback")
    )
    ladder.run(20.0)
    ladder.fails("a", BUSY)
    ladder.fails("d", GONE)
    assert ladder.run(40.0) == ["20 stop x silent", "20 ring d", "40 stop c silent", "40 ring e"]


def test_who_fails_before_the_next_is_even_called_spares_it_the_call() -> None:
    hunt = Hunt(plan(stage("abc"), on_busy="end_all"))
    hunt.start(0.0)
    first = hunt.next_action()
    assert isinstance(first, Ring)
    hunt.failed(first.key, BUSY, 0.0)
    assert hunt.next_action() == Exhausted(BUSY)
    assert hunt.next_action() is None


def test_an_empty_plan_ends_at_once_and_one_with_a_fallback_goes_there() -> None:
    assert Ladder(plan()).run(0.0) == ["0 nobody unavailable"]
    assert Ladder(plan(fallback=plan(stage("m")))).run(0.0) == ["0 ring m"]
    assert Ladder(plan(Stage(()), stage("a"))).run(0.0) == ["0 ring a"]


def test_who_comes_next_is_looked_up_while_others_ring() -> None:
    ladder = Ladder(plan(stage("ab"), stage("bc"), fallback=plan(stage("m"))))
    assert ladder.looked_up == ["0 c"], "b rings already"
    ladder.run(20.0)
    assert ladder.looked_up == ["0 c", "16 c", "20 m"], "once more before it is needed: DNS may have changed"
    ladder.run(50.0)
    assert ladder.looked_up[3:] == ["36 m"], "m is the last"
    quick = Ladder(plan(stage("a", 8.0), stage("b")))
    quick.run(9.0)
    assert quick.looked_up == ["0 b"]


def test_when_the_visitor_has_gone_nothing_more_happens() -> None:
    ladder = Ladder(plan(stage("ab"), stage("c"), fallback=plan(stage("m"))))
    ladder.run(1.0)
    ladder.hunt.give_up()
    ladder.fails("a", BUSY)
    assert not ladder.answers("b")
    assert ladder.run(500.0) == []
    assert ladder.hunt.next_deadline() is None


@pytest.mark.parametrize(
    ("reason", "status", "cause"),
    [
        (CallReason.BUSY, 486, Cause.BUSY),
        (CallReason.DENIED, 603, Cause.REFUSED),
        (CallReason.NO_ANSWER, 408, Cause.SILENT),
        (CallReason.FAILED, 503, Cause.UNREACHABLE),
        (CallReason.TERMINATED, 0, Cause.UNREACHABLE),
    ],
)
def test_what_the_end_of_a_leg_means(reason: CallReason, status: int, cause: Cause) -> None:
    assert Miss.of(reason, status, "").cause is cause


# ---- races


class Race:
    """A random plan against parties that ring, answer, refuse or vanish, over a network that delays each message."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = 0.0
        self.agenda: list[tuple[float, int, str, int]] = []
        self.count = 0
        self.open: set[int] = set()  # rung, and neither failed, nor answered, nor stopped
        self.talking: set[int] = set()  # parties that believe themselves connected
        self.stopped: set[int] = set()  # parties that the stop has reached
        self.ends: list[Exhausted] = []
        self.hunt = Hunt(self.some_plan(depth=0))

    def some_plan(self, depth: int) -> RingPlan:
        dice = self.dice
        thens: list[Then] = ["only_this", "only_this", "only_this", "fallback", "end_all"]
        names = "abcdefgh"
        stages = tuple(
            Stage(
                tuple(
                    party(name, self.some_plan(9) if depth == 0 and dice.random() < 0.1 else None)
                    for name in dice.sample(names, dice.randint(0 if dice.random() < 0.1 else 1, 3))
                ),
                dice.choice((1.0, 5.0, 20.0)),
                dice.random() < 0.5,
            )
            for _ in range(dice.randint(1, 3))
        )
        return plan(
            *stages,
            calling_timeout_s=dice.choice((3.0, 30.0)),
            fallback=self.some_plan(depth + 1) if depth < 2 and dice.random() < 0.5 else None,
            **{rule: dice.choice(thens) for rule in Rules.__dataclass_fields__},
        )

    def later(self, what: str, key: int, *, most_s: float = 0.3) -> None:
        self.count += 1
        # Half of the time in whole tenths, so that what can coincide does.
        delay = self.dice.uniform(0, most_s) if self.dice.random() < 0.5 else round(self.dice.uniform(0, most_s), 1)
        heappush(self.agenda, (self.now + delay, self.count, what, key))

    def take(self) -> None:
        while (action := self.hunt.next_action()) is not None:
            match action:
                case Ring():
                    assert action.key not in self.open
                    self.open.add(action.key)
                    if self.dice.random() < 0.1:
                        self.fail(action.key)  # at once: it is not even called
                    else:
                        self.later("invite", action.key)
                case Stop():
                    self.open.remove(action.key)
                    self.later("cancel", action.key)
                case Exhausted():
                    self.ends.append(action)

    def fail(self, key: int) -> None:
        self.open.discard(key)
        self.hunt.failed(key, self.dice.choice((BUSY, REFUSED, DECLINED, GONE, AWAY, NO_REPLY)), self.now)

    def happens(self, what: str, key: int) -> None:
        match what:
            case "invite" if key not in self.stopped:
                self.later(self.dice.choice(("picks up", "picks up", "refuses", "nobody")), key, most_s=10.0)
            case "picks up" if key not in self.stopped:
                self.talking.add(key)
                self.later("200", key)
            case "refuses" if key not in self.stopped:
                self.later("486", key)
            case "cancel" if key not in self.talking:  # else it has its final response, and CANCEL has no effect (§9.2)
                self.stopped.add(key)
            case "486":
                self.fail(key)
            case "200":
                if self.hunt.answered(key):
                    self.open.remove(key)
                else:
                    self.later("bye", key)
            case "bye":
                self.talking.remove(key)

    def run(self) -> None:
        self.hunt.start(0.0)
        self.take()
        for _ in range(2000):
            due = self.hunt.next_deadline()
            if self.agenda and (due is None or self.agenda[0][0] <= due):
                self.now, _, what, key = heappop(self.agenda)
                self.happens(what, key)
            elif due is not None:
                self.now = due
                self.hunt.on_deadline(due)
            else:
                break
            self.take()
            assert self.hunt.over or self.open, "a hunt under way has somebody that rings"
            assert len(self.hunt.ringing) == len(self.open)
        assert self.hunt.over
        assert self.open == set()
        winner = self.hunt.winner
        assert (winner is None) == (len(self.ends) == 1)
        assert self.talking == (set() if winner is None else {winner})


@pytest.mark.parametrize("first", range(0, 1000, 250))
def test_a_thousand_races_each_with_one_winner_or_one_end(first: int) -> None:
    wins = 0
    for seed in range(first, first + 250):
        race = Race(seed)
        try:
            race.run()
        except BaseException as error:
            error.add_note(f"seed {seed}, at {race.now:.3f} s")
            raise
        wins += race.hunt.winner is not None
    assert 50 < wins < 200, "both ends come often"


def test_what_is_told_of_all_that_failed() -> None:
    every = [SILENCE, REFUSED, BUSY, NO_REPLY, GONE, AWAY]
    for index, miss in enumerate(every):
        for other in every[index:]:
            assert better_miss(other, miss) == better_miss(miss, other) == miss
