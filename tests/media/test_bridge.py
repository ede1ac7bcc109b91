from __future__ import annotations

import numpy as np
import pytest

from tests.support.rtp_network import stream
from voipnode.codecs.registry import find_codec
from voipnode.media.bridge import Bridge, FramePort
from voipnode.media.errors import LocalError


class Leg(FramePort):
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
    bridge, legs = Bridge(), [Leg(level) for level in (0.1, 0.2, 0.3)]
    legs[0].pull = lambda now: (bridge.leave(legs[0]), legs[0].said)[1]  # type: ignore[method-assign]
    for leg in legs:
        bridge.join(leg)
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


class CodedLeg(Leg):
    """Hears what an encoder made that it shares with others."""

    def __init__(self, encoder: CountingEncoder, said: np.ndarray) -> None:
        super().__init__(0.0)
        self.said = said
        self.shared_encoder = encoder
        self.coded: list[bytes] = []

    def push_coded(self, coded: bytes, now: float) -> None:
        self.coded.append(coded)


class CountingEncoder:
    def __init__(self, codec: str) -> None:
        self._encoder = find_codec(codec).encoder(8000)
        self.calls = 0

    def encode_frame(self, frame: np.ndarray) -> bytes:
        self.calls += 1
        return self._encoder.encode_frame(frame)


def test_legs_of_one_codec_are_encoded_in_one_go_and_each_hears_its_own_mix() -> None:
    dice = np.random.default_rng(5)
    laws = CountingEncoder("PCMU"), CountingEncoder("PCMA")
    coded = [CodedLeg(laws[n % 3 == 0], dice.normal(0, 0.02, 80).astype(np.float32)) for n in range(70)]
    plain = Leg(0.1)
    bridge = Bridge()
    for leg in (*coded[:40], plain, *coded[40:]):
        bridge.join(leg)
    for tick in range(3):
        bridge.tick(tick * 0.01)
    assert [law.calls for law in laws] == [3, 3]
    everybody = np.sum([leg.said for leg in (plain, *coded)], axis=0, dtype=np.float64)
    np.testing.assert_allclose(plain.heard[-1], everybody - plain.said, atol=1e-5)
    for leg in coded:
        assert [len(piece) for piece in leg.coded] == [80, 80, 80]
        decoder = find_codec("PCMU" if leg.shared_encoder is laws[0] else "PCMA").decoder(8000)
        off = decoder.decode_frame(leg.coded[-1]) - (everybody - leg.said)
        assert np.abs(off).max() < 0.035  # half a step of the uppermost segment


def test_three_who_shout_are_turned_down_and_not_cut_off() -> None:
    """Two tones of full scale heard by a third: cut off, their sum would be full of harmonics and mixtures."""
    at = np.arange(8000) / 8000
    tones = [np.sin(2 * np.pi * hz * at).astype(np.float32) for hz in (300, 500)]
    bridge, legs = joined(0.0, 0.0, 0.0)
    heard = []
    for begin in range(0, 8000, 80):
        for leg, tone in zip(legs, tones, strict=False):
            leg.said = tone[begin : begin + 80]
        bridge.tick(begin / 8000)
        heard.append(legs[2].heard[-1].copy())
        np.testing.assert_allclose(legs[0].heard[-1], tones[1][begin : begin + 80], atol=1e-6)  # who hears one of them
    sound = np.concatenate(heard)[4000:]
    assert np.abs(sound).max() <= 1.0
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(4000)))
    both = spectrum[[150, 250]].min()
    mixtures = spectrum[[50, 350, 450, 550, 650]].max()
    assert 20 * np.log10(mixtures / both) < -35


def test_two_who_talk_need_no_sharing() -> None:
    law = CountingEncoder("PCMU")
    legs = [CodedLeg(law, np.full(80, level, dtype=np.float32)) for level in (0.1, 0.2)]
    bridge = Bridge()
    for leg in legs:
        bridge.join(leg)
    bridge.tick(0.0)
    assert [leg.coded for leg in legs] == [[], []]
    assert heard([legs[0], legs[1]]) == pytest.approx([0.2, 0.1])


def test_calls_of_one_codec_share_their_encoder() -> None:
    streams = [stream(number + 1, ("192.0.2.1", 4000 + 2 * number)) for number in range(3)]
    assert streams[0].shared_encoder is not None
    assert len({id(leg.shared_encoder) for leg in streams}) == 1
