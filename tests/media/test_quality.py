"""The E-model against figures that ITU-T publishes, and the order that listeners would find."""

from __future__ import annotations

import pytest

from voipnode.media.losses import LossPattern
from voipnode.media.quality import delay_impairment, mos, rate


def heard(**losses: int) -> LossPattern:
    return LossPattern(gap_packets=1000, **losses)


@pytest.mark.parametrize(
    # G.107 Table B.1: the limits of user satisfaction.
    ("r_factor", "score"),
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (-20, 1.0), (100, 4.5)],
)
def test_scores_of_ratings_are_those_of_the_table(r_factor: float, score: float) -> None:
    assert mos(r_factor) == pytest.approx(score, abs=0.01)


def test_a_score_never_falls_as_the_rating_rises() -> None:
    scores = [mos(r / 10) for r in range(1001)]
    assert scores == sorted(scores)


def test_delay_takes_nothing_up_to_100_ms_and_about_24_points_at_400_ms() -> None:
    assert delay_impairment(100) == 0
    assert delay_impairment(150) < 2
    assert 20 < delay_impairment(400) < 30  # G.107 Figure: R falls from 93 to below 70
    assert delay_impairment(300) < delay_impairment(301)


def test_losses_in_runs_are_worse_than_single_ones() -> None:
    clean = rate("PCMU", heard(), 40.0)
    single = rate("PCMU", heard(lost=50, runs=50), 40.0)
    bursty = rate("PCMU", heard(lost=50, runs=12), 40.0)
    assert clean.mos_listening == pytest.approx(4.41, abs=0.01)  # R 93.2
    assert clean.mos_listening > single.mos_listening > bursty.mos_listening > 1
    # G.711 with concealment at 5 % random loss: Ie,eff = 95 * 5 / (5 + 25.1)
    assert single.r_factor == pytest.approx(93.2 - 95 * 5 / 30.1, abs=0.05)


def test_thrown_away_counts_as_lost_and_delay_only_in_conversation() -> None:
    lost = rate("PCMA", heard(lost=20, runs=20), 300.0)
    discarded = rate("PCMA", heard(discarded=20, runs=20), 300.0)
    assert lost == discarded
    assert lost.mos_conversation < lost.mos_listening
    assert rate("GSM", heard(), 0.0).mos_listening < rate("PCMA", heard(), 0.0).mos_listening
    assert rate("PCMA", heard(lost=1000, runs=1), 0.0).mos_listening < 1.2
    assert rate("PCMA", LossPattern(), 0.0).r_factor == pytest.approx(93.2)
