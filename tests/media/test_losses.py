"""Bursts and gaps: the RFC's own example, and what a shuffled, lossy numbering comes to."""

from __future__ import annotations

import random

import pytest

from voipnode.media.losses import Losses, LossPattern

# RFC 3611 §4.7.2: 1 came, 0 was lost, X was thrown away.
EXAMPLE = "11110111111111111111111X111X1011110111111111111111111X111111111"


def counted(outcomes: str, *, first: int = 0, tail: int = 64) -> LossPattern:
    """The pattern of these packets, with enough good ones behind them for the last to be settled."""
    losses = Losses(first)
    for position, outcome in enumerate(outcomes, start=first):
        if outcome == "0":
            losses.gap(position, position + 1)
        elif outcome == "X":
            losses.discard(position)
    return losses.pattern(first + len(outcomes) + tail)


def test_the_example_of_the_rfc() -> None:
    assert counted(EXAMPLE) == LossPattern(
        lost=3, discarded=3, runs=6, bursts=1, burst_packets=12, burst_losses=4, gap_packets=51, gap_losses=2
    )


@pytest.mark.parametrize(("between", "bursts"), [(15, 1), (16, 0)])
def test_sixteen_packets_between_two_losses_part_them(between: int, bursts: int) -> None:
    found = counted("1" * 30 + "0" + "1" * between + "0" + "1" * 30)
    assert (found.bursts, found.gap_losses) == (bursts, 2 - 2 * bursts)


def test_what_comes_late_is_not_lost_and_the_latest_packets_wait() -> None:
    losses = Losses(100)
    losses.gap(110, 114)
    losses.filled(111)
    assert losses.pattern(113).lost == 0
    assert losses.pattern(200).lost == 3
    assert losses.pattern(200) == losses.pattern(200)
    losses.filled(110)  # too late to matter
    assert losses.pattern(300).runs == 2


def test_no_gap_makes_it_remember_without_bound() -> None:
    losses = Losses(0)
    for start in range(0, 3_000_000, 3000):
        losses.gap(start, start + 2999)
    assert len(losses._open) <= 4096
    assert losses.pattern(3_000_000 + 64).lost >= 2_900_000


@pytest.mark.parametrize("seed", range(8))
def test_a_random_network_is_counted_as_by_hand(seed: int) -> None:
    dice = random.Random(seed)
    outcomes = "1" + "".join(dice.choices("10X", (90, 6, 4), k=4000))
    found = counted(outcomes)
    assert (found.lost, found.discarded) == (outcomes.count("0"), outcomes.count("X"))
    assert found.runs == len([run for run in outcomes.replace("X", "0").split("1") if run])
    assert found.burst_losses + found.gap_losses == found.lost + found.discarded
    assert found.burst_packets + found.gap_packets == len(outcomes)
    clusters: list[list[int]] = []
    for position in (index for index, outcome in enumerate(outcomes) if outcome != "1"):
        if clusters and position - clusters[-1][-1] <= 16:
            clusters[-1].append(position)
        else:
            clusters.append([position])
    bursts = [cluster for cluster in clusters if len(cluster) > 1]
    assert found.bursts == len(bursts)
    assert found.burst_packets == sum(cluster[-1] - cluster[0] + 1 for cluster in bursts)
