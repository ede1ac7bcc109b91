from __future__ import annotations

import random

import pytest

from voipnode.media.arrivals import CALM, WINDOW, Arrivals

BASE = 160


def noted(*leads: int) -> Arrivals:
    arrivals = Arrivals(BASE, 8)
    for lead in leads:
        arrivals.note(lead)
    arrivals._look()
    return arrivals


def test_packets_that_all_come_a_base_early_lack_nothing() -> None:
    arrivals = noted(*[BASE] * 50)
    assert arrivals.excess == 0
    assert arrivals.spread == 0
    assert not arrivals.calm


@pytest.mark.parametrize("lead", [-400, -80, 0, 80, 400])
def test_what_is_lacking_or_spare_is_told_in_samples(lead: int) -> None:
    assert noted(*[lead] * 50).excess == lead - BASE


def test_one_late_packet_counts_at_first_and_is_forgiven_among_many() -> None:
    assert noted(*[400] * 50, -80).excess < -80
    assert noted(*[400] * 400, -80).excess == 400 - BASE


def test_a_packet_is_waited_for_where_the_delay_is_worth_it() -> None:
    """Of 400 packets one is a quarter of a hundredth, for which 15 ms are waited and not more."""
    assert noted(*[400] * 400, 400 - 14 * 8).spread == 14 * 8
    assert noted(*[400] * 400, 400 - 16 * 8).spread == 0
    assert noted(*[400] * 400, *[400 - 40 * 8] * 3).spread == 40 * 8


def test_long_delays_are_worth_less() -> None:
    """5 of 500: 60 ms are paid for them, but what is beyond 90 ms counts two and a half times."""
    many = [1600] * 485
    assert noted(*many, *[1600 - 90 * 8] * 10, *[1600 - 112 * 8] * 5).spread == 112 * 8
    assert noted(*many, *[1600 - 90 * 8] * 10, *[1600 - 116 * 8] * 5).spread == 90 * 8


def test_few_packets_have_not_shown_the_worst_yet() -> None:
    dice = random.Random(5)
    leads = [round(dice.gauss(400, 80)) for _ in range(1000)]
    for count in (5, 20, 60):
        few = noted(*leads[:count])
        assert few.excess < min(leads[:count]) - 0.1 * 80, count
        assert few.excess > 400 - 5 * 80, count
    assert noted(*leads).excess >= min(leads)


def test_a_late_packet_is_looked_at_at_once() -> None:
    arrivals = noted(*[400] * 50)
    assert arrivals.note(-80)
    assert arrivals.excess < -80


def test_leads_are_compared_across_moves_of_the_playing_place() -> None:
    arrivals = noted(*[BASE] * 50)
    arrivals.moved(-100)  # a splice that gave 100 samples more
    assert arrivals.excess == 100
    for _ in range(50):
        arrivals.note(BASE + 100)
    assert arrivals.excess == 100
    assert arrivals.spread == 0


def test_what_is_older_than_the_window_is_forgotten() -> None:
    arrivals = noted(*[-800] * 100)
    for _ in range(WINDOW):
        arrivals.note(BASE)
    arrivals._look()
    assert arrivals.excess == 0
    assert arrivals.calm
    assert WINDOW > CALM


def test_hostile_leads_take_no_more_memory_than_the_window() -> None:
    dice = random.Random(1)
    arrivals = Arrivals(BASE, 8)
    for _ in range(5 * WINDOW):
        arrivals.note(dice.randrange(-(10**6), 10**6))
    assert len(arrivals._recent) == WINDOW
    assert sum(arrivals._counts.values()) == WINDOW
