from __future__ import annotations

import random

import pytest

from voipnode.media.dtmf_merger import DigitMerger


def test_a_digit_on_both_roads_is_one_whichever_comes_first() -> None:
    merger = DigitMerger()
    assert merger.started("rtp", "5", 0.0)
    assert not merger.started("info", "5", 0.3)
    assert merger.started("info", "7", 5.0)
    assert not merger.started("rtp", "7", 5.1)


def test_two_presses_on_one_road_are_two_however_fast() -> None:
    merger = DigitMerger()
    assert [merger.started("rtp", "5", at) for at in (0.0, 0.1, 0.2)] == [True, True, True]


@pytest.mark.parametrize("order", ["rrii", "riri", "irri", "iirr", "irir", "riir"])
def test_two_presses_on_both_roads_are_two_in_any_order(order: str) -> None:
    merger = DigitMerger()
    roads = {"r": "rtp", "i": "info"}
    assert sum(merger.started(roads[road], "5", number * 0.1) for number, road in enumerate(order)) == 2


@pytest.mark.parametrize("order", ["rib", "bri", "irb", "bir", "rrbbii", "rbirbi", "rirbbi", "bbrrii", "iibrbr"])
def test_presses_on_all_three_roads_are_as_many_as_each_road_says(order: str) -> None:
    merger = DigitMerger()
    roads = {"r": "rtp", "i": "info", "b": "inband"}
    told = sum(merger.started(roads[road], "5", number * 0.1) for number, road in enumerate(order))
    assert told == len(order) // 3


def test_a_road_that_ends_first_leaves_the_time_of_the_others_running() -> None:
    merger = DigitMerger()
    assert merger.started("rtp", "5", 0.0, held=True)
    assert not merger.started("inband", "5", 0.1, held=True)
    merger.ended("rtp", "5", 0.2)
    assert not merger.started("info", "5", 9.0), "its tone still sounds"
    merger.ended("inband", "5", 9.5)
    assert merger.started("rtp", "5", 9.6), "a second press"


def test_a_press_whose_end_is_never_told_swallows_nothing_a_minute_later() -> None:
    merger = DigitMerger()
    assert merger.started("inband", "5", 0.0, held=True)
    assert not merger.started("rtp", "5", 59.0)
    assert merger.started("inband", "6", 100.0, held=True)
    assert merger.started("rtp", "6", 161.0)


def test_a_code_that_comes_by_both_roads_keeps_its_order() -> None:
    merger = DigitMerger()
    told = [
        merger.started(road, digit, 0.1) for road, digit in [("rtp", "1"), ("rtp", "2"), ("info", "1"), ("rtp", "1")]
    ]
    assert told == [True, True, False, True]
    assert not merger.started("info", "2", 0.4)
    assert not merger.started("info", "1", 0.5)


def test_a_digit_that_one_road_lost_does_not_swallow_the_next_press() -> None:
    merger = DigitMerger()
    assert merger.started("info", "5", 0.0)  # RTP lost every packet of it
    assert merger.started("info", "6", 1.0)
    assert not merger.started("rtp", "6", 1.0)
    assert merger.started("rtp", "5", 4.0)  # pressed again much later


def test_after_two_seconds_the_same_digit_is_another_press() -> None:
    merger = DigitMerger()
    assert merger.started("rtp", "5", 0.0)
    assert not merger.started("info", "5", 2.0)
    assert merger.started("rtp", "5", 10.0)
    assert merger.started("info", "5", 12.1)


def test_a_long_tone_waits_for_its_twin_until_its_end() -> None:
    merger = DigitMerger()
    assert merger.started("rtp", "5", 0.0, held=True)
    merger.ended("rtp", "5", 9.0)
    assert not merger.started("info", "5", 10.9)
    assert merger.started("rtp", "5", 20.0, held=True)
    assert not merger.started("info", "5", 29.0)


def test_an_end_touches_only_the_held_press() -> None:
    merger = DigitMerger()
    merger.started("rtp", "5", 0.0, held=True)
    merger.ended("rtp", "5", 0.2)
    merger.ended("rtp", "5", 9.0)
    merger.ended("info", "5", 9.0)
    assert merger.started("info", "5", 3.0)


@pytest.mark.parametrize("seed", range(30))
def test_random_codes_with_random_delays_between_three_roads_come_once(seed: int) -> None:
    dice = random.Random(seed)
    code = [dice.choice("1122345") for _ in range(40)]
    arrivals: list[tuple[float, int, str, str]] = []
    last = {"rtp": 0.0, "info": 0.0, "inband": 0.0}
    for number, digit in enumerate(code):
        for road in last:
            last[road] = max(last[road], number * 0.3 + dice.random() * 0.8)
            arrivals.append((last[road], number, road, digit))
    merger = DigitMerger()
    told = [digit for at, _, road, digit in sorted(arrivals) if merger.started(road, digit, at)]
    assert told == code


def test_memory_is_bounded() -> None:
    merger = DigitMerger()
    for number in range(10_000):
        merger.started("rtp", "5", number * 1e-6, held=True)
    assert sum(not merger.started("info", "5", 0.1) for _ in range(10_000)) <= 64
