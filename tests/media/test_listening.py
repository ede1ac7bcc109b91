"""How speech sounds behind bad networks: a floor for each, a good margin under what was measured.

In virtual time and seeded, so the figures are the same on every machine; `benchmarks/listening.py` measures more.
"""

from __future__ import annotations

import pytest

from tests.support.listening import NETWORKS, RATE, level, listen
from tests.support.speech import speech

SPEECH_S = 16.0


@pytest.mark.parametrize(
    ("network", "least", "most_ms"),
    [
        ("clean", 3.7, 30),
        ("loss5", 3.2, 30),
        ("loss10", 2.8, 30),
        ("jitter30", 3.3, 105),
        ("reorder2", 3.4, 60),
    ],
)
def test_speech_survives(network: str, least: float, most_ms: float) -> None:
    heard = [listen(level(speech(SPEECH_S, RATE)), NETWORKS[network], seed) for seed in (11, 12)]
    assert sum(one.opinion for one in heard) / len(heard) >= least, heard
    assert all(one.delay_ms <= most_ms for one in heard), heard


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_another_clock_is_not_heard(drift: float) -> None:
    heard = listen(level(speech(60.0, RATE)), NETWORKS["clean"], 3, drift=drift, judged_s=16.0)
    assert heard.opinion >= 3.6
    assert heard.delay_ms <= 40
    assert heard.stats.late == 0
