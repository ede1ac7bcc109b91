"""Tones and their cadences."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.dsp.tones import Cadence, Tone


def test_a_cadence_is_on_and_off_for_its_times_and_begins_on() -> None:
    cadence = Cadence(Tone(425.0), on_ms=1000, off_ms=4000)
    loud = [bool(np.any(cadence.next_frame())) for _ in range(1000)]
    assert loud == ([True] * 100 + [False] * 400) * 2


def test_the_tone_is_what_etsi_names() -> None:
    cadence = Cadence(Tone(425.0, level_dbfs=-16.0), on_ms=1000, off_ms=4000)
    heard = measure_tone(np.concatenate([cadence.next_frame() for _ in range(100)]).astype(np.float64), 8000)
    assert heard.frequency_hz == pytest.approx(425.0, abs=0.5)


def test_after_a_reset_it_begins_anew() -> None:
    cadence = Cadence(Tone(425.0), on_ms=20, off_ms=20)
    first = [cadence.next_frame().copy() for _ in range(3)]
    cadence.reset()
    again = [cadence.next_frame().copy() for _ in range(3)]
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


@pytest.mark.parametrize(("on_ms", "off_ms"), [(0, 100), (5, 100), (100, -10)])
def test_a_cadence_that_cannot_be_heard_is_refused(on_ms: int, off_ms: int) -> None:
    with pytest.raises(ValueError, match="cadence"):
        Cadence(Tone(425.0), on_ms, off_ms)
