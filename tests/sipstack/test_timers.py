"""Timer values against RFC 3261 Table 4 and RFC 6026 §8.11, and the deadline queue against a plain list."""

from __future__ import annotations

import random

import pytest

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.timers import DeadlineQueue, Timer, Timers


def test_default_values_are_those_of_table_4() -> None:
    assert {timer.name: seconds for timer, seconds in Timers().values(reliable=False).items()} == {
        "A": 0.5,
        "B": 32.0,
        "D": 32.0,
        "E": 0.5,
        "F": 32.0,
        "G": 0.5,
        "H": 32.0,
        "I": 5.0,
        "J": 32.0,
        "K": 5.0,
        "L": 32.0,
        "M": 32.0,
        "CANCEL": 32.0,
    }


def test_a_reliable_transport_has_no_retransmissions_and_no_waits_for_them() -> None:
    values = Timers().values(reliable=True)
    assert {timer.name for timer, seconds in values.items() if seconds == 0} == set("ADEGIJK")
    assert {timer.name: seconds for timer, seconds in values.items() if seconds} == dict.fromkeys(
        ["B", "F", "H", "L", "M", "CANCEL"], 32.0
    )


def test_every_timer_has_a_value_over_both_kinds_of_transport() -> None:
    assert set(Timers().values(reliable=False)) == set(Timers().values(reliable=True)) == set(Timer)


def test_a_smaller_t1_scales_all_but_timer_d() -> None:
    timers = Timers(t1_s=0.1)
    values = timers.values(reliable=False)
    assert values[Timer.A] == 0.1
    assert values[Timer.B] == pytest.approx(6.4)
    assert timers.timeout_s == pytest.approx(6.4)
    assert values[Timer.D] == 32.0


def test_timer_d_follows_a_larger_t1() -> None:
    assert Timers(t1_s=1.0).values(reliable=False)[Timer.D] == 64.0


def test_timer_a_doubles_without_limit_and_the_others_stop_at_t2() -> None:
    timers = Timers()
    ladders = {}
    for timer in (Timer.A, Timer.E, Timer.G):
        interval_s, ladder = 0.5, []
        for _ in range(6):
            ladder.append(interval_s)
            interval_s = timers.after(timer, interval_s)
        ladders[timer] = ladder
    assert ladders[Timer.A] == [0.5, 1, 2, 4, 8, 16]
    assert ladders[Timer.E] == ladders[Timer.G] == [0.5, 1, 2, 4, 4, 4]
    assert timers.next_interval_s(2.0) == 4.0
    assert timers.next_interval_s(4.0) == 4.0


@pytest.mark.parametrize("wrong", [{"t1_s": 0}, {"t1_s": -1}, {"t1_s": 5}, {"t4_s": -0.1}, {"t1_s": float("nan")}])
def test_impossible_base_values_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(LocalError, match="out of range"):
        Timers(**wrong)


def test_equal_base_values_make_equal_timers() -> None:
    assert Timers() == Timers(0.5, 4.0, 5.0)
    assert hash(Timers()) == hash(Timers(0.5, 4.0, 5.0))


def drain(queue: DeadlineQueue[str], now: float) -> list[str]:
    keys = []
    while (key := queue.pop_due(now)) is not None:
        keys.append(key)
    return keys


def test_deadlines_come_out_in_order_of_time_and_then_of_setting() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("late", 3.0)
    queue.set("first", 1.0)
    queue.set("second", 1.0)
    assert queue.next_deadline() == 1.0
    assert drain(queue, 0.999) == []
    assert drain(queue, 1.0) == ["first", "second"]
    assert queue.next_deadline() == 3.0
    assert drain(queue, 10.0) == ["late"]
    assert queue.next_deadline() is None


def test_a_new_deadline_replaces_the_old_one_earlier_or_later() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.set("a", 5.0)
    queue.set("b", 6.0)
    queue.set("b", 2.0)
    assert len(queue) == 2
    assert queue.next_deadline() == 2.0
    assert drain(queue, 4.0) == ["b"]
    assert drain(queue, 5.0) == ["a"]
    assert drain(queue, 9.0) == []


def test_a_cancelled_deadline_never_fires_and_cancelling_nothing_is_allowed() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.cancel("a")
    queue.cancel("never set")
    assert "a" not in queue
    assert queue.next_deadline() is None
    assert drain(queue, 2.0) == []


def test_what_one_deadline_does_may_cancel_another_that_is_due() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.set("b", 1.0)
    assert queue.pop_due(1.0) == "a"
    queue.cancel("b")
    assert queue.pop_due(1.0) is None


def test_the_queue_agrees_with_a_plain_search_over_random_work() -> None:
    chance = random.Random(3261)
    queue: DeadlineQueue[str] = DeadlineQueue()
    model: dict[str, float] = {}
    for turn in range(5000):
        key = f"k{chance.randrange(40)}"
        if chance.random() < 0.6:
            at = turn + chance.randrange(1, 200)
            queue.set(key, at)
            model[key] = at
        elif chance.random() < 0.5:
            queue.cancel(key)
            model.pop(key, None)
        due = {key for key, at in model.items() if at <= turn}
        assert set(drain(queue, turn)) == due
        for key in due:
            del model[key]
        assert queue.next_deadline() == min(model.values(), default=None)
        assert len(queue) == len(model)


def test_cancelled_deadlines_take_no_lasting_room() -> None:
    queue: DeadlineQueue[int] = DeadlineQueue()
    for number in range(100_000):
        queue.set(number, 32.0 + number)
        queue.cancel(number)
    assert len(queue._heap) <= 300
