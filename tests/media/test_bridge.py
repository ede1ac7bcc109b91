from __future__ import annotations

import numpy as np
import pytest

from voipnode.media.bridge import Bridge
from voipnode.media.errors import LocalError


class Leg:
    """Says one constant level and keeps what it hears."""

    def __init__(self, level: float) -> None:
        self.said = np.full(80, level, dtype=np.float32)
        self.heard: list[np.ndarray] = []
        self.at: list[float] = []

    codec_rate_hz = 8000

    def run_at(self, rate_hz: int) -> None:
        assert rate_hz == 8000

    def pull(self, now: float) -> np.ndarray:
        self.at.append(now)
        return self.said

    def push(self, frame: np.ndarray, now: float) -> None:
        assert frame.shape == (80,)
        assert frame.dtype == np.float32
        self.heard.append(frame.copy())


def joined(*levels: float) -> tuple[Bridge, list[Leg]]:
    bridge, legs = Bridge(), [Leg(level) for level in levels]
    for leg in legs:
        bridge.join(leg)
    return bridge, legs


def heard(legs: list[Leg]) -> list[float]:
    for leg in legs:
        assert np.ptp(leg.heard[-1]) == 0
    return [round(float(leg.heard[-1][0]), 6) for leg in legs]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((0.1,), [0.0]),
        ((0.1, 0.2), [0.2, 0.1]),
        ((0.1, 0.2, 0.3), [0.5, 0.4, 0.3]),
        ((0.9, 0.8, -0.7), [0.1, 0.2, 1.0]),
        ((-0.9, -0.8, 0.0, 0.0), [-0.8, -0.9, -1.0, -1.0]),
    ],
)
def test_everybody_hears_the_sum_of_the_others(levels: tuple[float, ...], expected: list[float]) -> None:
    bridge, legs = joined(*levels)
    bridge.tick(1.0)
    assert heard(legs) == expected
    assert all(leg.at == [1.0] for leg in legs)


def test_two_legs_are_exchanged_bit_by_bit() -> None:
    bridge, legs = joined(0.0, 0.0)
    legs[0].said = np.random.default_rng(1).normal(0, 2, 80).astype(np.float32)
    bridge.tick(0.0)
    np.testing.assert_array_equal(legs[1].heard[0], legs[0].said)


def test_legs_come_and_go_between_ticks() -> None:
    bridge, legs = joined(0.1, 0.2, 0.3)
    bridge.tick(0.0)
    bridge.leave(legs[1])
    bridge.leave(legs[1])
    bridge.tick(0.01)
    assert heard([legs[0], legs[2]]) == [0.3, 0.1]
    assert bridge.legs == (legs[0], legs[2])
    bridge.leave(legs[0])
    bridge.leave(legs[2])
    bridge.tick(0.02)


def test_a_leg_that_hangs_up_inside_a_tick_disturbs_nobody() -> None:
    bridge, legs = joined(0.1, 0.2, 0.3)
    legs[0].pull = lambda now: (bridge.leave(legs[0]), legs[0].said)[1]  # type: ignore[method-assign]
    bridge.tick(0.0)
    assert len(bridge.legs) == 2
    assert heard(legs[1:]) == [0.4, 0.3]


def test_a_tap_hears_its_leg_until_cancelled() -> None:
    bridge, legs = joined(0.1, 0.2)
    taped: list[float] = []
    cancel = bridge.tap(legs[1], lambda frame: taped.append(round(float(frame[0]), 6)))
    bridge.tick(0.0)
    cancel()
    cancel()
    bridge.tick(0.01)
    assert taped == [0.2]
    bridge.tap(legs[0], lambda frame: taped.append(0.0))
    bridge.leave(legs[0])
    bridge.tick(0.02)
    assert taped == [0.2]


def test_mistakes_are_refused() -> None:
    bridge, legs = joined(0.1)
    with pytest.raises(LocalError, match="already"):
        bridge.join(legs[0])
    with pytest.raises(LocalError, match="not on the bridge"):
        bridge.tap(Leg(0), lambda frame: None)


def test_a_bridge_is_full_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voipnode.media.bridge.MAX_LEGS", 3)
    bridge, _ = joined(0.1, 0.2, 0.3)
    with pytest.raises(LocalError, match="takes 3"):
        bridge.join(Leg(0.0))


def test_a_hundred_and_fifty_hear_each_other_and_not_themselves() -> None:
    dice = np.random.default_rng(7)
    bridge, legs = joined(*([0.0] * 150))
    for leg in legs:
        leg.said = dice.normal(0, 0.005, 80).astype(np.float32)
    bridge.tick(0.0)
    everybody = np.sum([leg.said for leg in legs], axis=0, dtype=np.float64)
    for leg in legs:
        np.testing.assert_allclose(leg.heard[0], everybody - leg.said, atol=1e-6)
