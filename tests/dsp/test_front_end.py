"""The whole chain: the same however sound is cut, finite whatever comes, without a click whatever is switched."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voipnode.dsp.frames import Frame
from voipnode.dsp.front_end import CEILING, FrontEnd
from voipnode.dsp.front_end_options import PLAIN, FrontEndOptions

RATES_HZ = (8000, 16000, 48000)
DICE = np.random.default_rng(1)


def talk(rate_hz: int, seconds: float, peak: float = 0.3, seed: int = 1) -> Frame:
    """Syllables of coloured noise."""
    dice, at = np.random.default_rng(seed), np.arange(round(rate_hz * seconds)) / rate_hz
    loud = np.maximum(0, np.sin(2 * np.pi * 3 * at)) * (at % 1.5 < 1.0)
    sound = np.convolve(dice.normal(0, 1, len(at)), np.hanning(8), "same") * loud
    return (peak * sound / np.abs(sound).max()).astype(np.float32)


def with_echo(far: Frame, near: Frame, rate_hz: int) -> Frame:
    """A room: the far end 20 ms late, 12 dB down, with a tail."""
    tail = (
        0.25
        * np.exp(-np.arange(rate_hz // 20) / (rate_hz / 100))
        * np.random.default_rng(2).normal(0, 1, rate_hz // 20)
    )
    echo = np.convolve(far, tail / np.sqrt(np.sum(tail**2)) * 0.25)[: len(far)]
    echo = np.concatenate([np.zeros(rate_hz // 50), echo])[: len(far)]
    return (echo + near).clip(-1, 1).astype(np.float32)


def through(front_end: FrontEnd, far: Frame, near: Frame) -> Frame:
    size = front_end.rate_hz // 100
    pieces = [front_end.process(far[at : at + size], near[at : at + size]) for at in range(0, len(near), size)]
    return np.concatenate(pieces)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@settings(max_examples=5, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(0, 480 * 20), max_size=8))
def test_any_split_gives_the_same_sound(rate_hz: int, cuts: list[int]) -> None:
    far = talk(rate_hz, 0.205, seed=3)
    near = with_echo(far, talk(rate_hz, 0.205, seed=4), rate_hz)
    edges = [0, *sorted(min(cut, len(near)) for cut in cuts), len(near)]
    front_end = FrontEnd(rate_hz)
    pieces = [front_end.process(far[begin:end], near[begin:end]) for begin, end in pairwise(edges)]
    expected = through(FrontEnd(rate_hz), far, near)
    assert len(expected) == rate_hz // 5
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-5)  # sums may differ where arrays begin


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_nothing_that_comes_makes_it_fail(rate_hz: int) -> None:
    size = rate_hz // 100
    front_end = FrontEnd(rate_hz)
    noise = DICE.uniform(-1, 1, size).astype(np.float32)
    hostile = [
        np.zeros(size, np.float32),
        np.ones(size, np.float32),
        np.full(size, np.nan, np.float32),
        np.full(size, np.inf, np.float32),
        np.full(size, 1e38, np.float32),
        np.full(size, 1e-42, np.float32),
        DICE.choice([np.nan, -np.inf, 0.5, 1e30], size).astype(np.float32),
        DICE.integers(-32768, 32767, size, dtype=np.int16),
        np.sign(noise),
        np.zeros(0, np.float32),
        np.zeros((3, 7)),
        np.ones(1),
        [0.5] * (2 * size + 1),
        "sound",
        None,
    ]
    for far in hostile:
        for near in hostile:
            heard = front_end.process(far, near)
            assert heard.dtype == np.float32
            assert heard.ndim == 1
            assert np.isfinite(heard).all()
            assert np.abs(heard).max(initial=0.0) <= np.float32(CEILING)
    for _ in range(100):
        front_end.process(noise * 0, noise * 0)
    assert np.abs(front_end.process(noise * 0, noise * 0)).max(initial=0.0) < 1e-3  # nothing stays poisoned


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_echo_goes_and_the_near_end_stays(rate_hz: int) -> None:
    far = talk(rate_hz, 5.0, seed=3)
    front_end = FrontEnd(rate_hz, replace(PLAIN, echo_cancellation=True))
    near = with_echo(far, np.zeros_like(far), rate_hz)
    heard = through(front_end, far, near)
    last = slice(-rate_hz, None)
    assert 10 * np.log10(np.sum(near[last] ** 2) / (np.sum(heard[last] ** 2) + 1e-9)) > 20
    voice = talk(rate_hz, 2.0, seed=5)
    heard = through(front_end, np.zeros_like(voice), voice)
    assert np.sum(heard**2) > 0.5 * np.sum(voice**2)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_delay_is_what_it_says_and_below_20_ms(rate_hz: int) -> None:
    options = replace(PLAIN, noise_suppression=True)
    for chosen, most_ms in ((PLAIN, 4.0), (options, 20.0)):
        front_end, sound = FrontEnd(rate_hz, chosen), talk(rate_hz, 1.0)
        heard = through(front_end, np.zeros_like(sound), sound)
        size = 1 << (2 * len(sound)).bit_length()
        match = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size)), size)
        assert np.argmax(match) / rate_hz * 1000 == pytest.approx(front_end.latency_ms, abs=0.1)
        assert front_end.latency_ms <= most_ms


def test_both_bands_together_are_the_sound_itself() -> None:
    sound = DICE.uniform(-0.5, 0.5, 48000 // 2).astype(np.float32)
    heard = through(FrontEnd(48000, PLAIN), np.zeros_like(sound), sound)
    np.testing.assert_allclose(heard[180:], sound[:-180], atol=1e-6)


def above_8_khz(sound: Frame) -> float:
    """The power of what lies there, of sound at 48 kHz."""
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    return float(spectrum[len(spectrum) // 3 :].sum())


def test_what_lies_above_8_khz_follows_what_lies_below() -> None:
    """The echo's goes, and the near voice's stays, with both ends of white noise in bursts."""
    at = np.arange(4 * 48000) / 48000
    far, voice = DICE.normal(0, 0.1, (2, len(at))).astype(np.float32)
    far *= at < 2.5
    voice *= (at > 3.0) & (at % 0.4 < 0.2)
    near = with_echo(far, voice, 48000)
    front_end = FrontEnd(48000, FrontEndOptions(automatic_gain_control=False))
    heard = through(front_end, far, near)
    late = round(front_end.latency_ms * 48)
    alone, talks = slice(72000, 118000), slice(160000, 188000)
    assert 10 * np.log10(above_8_khz(near[alone]) / above_8_khz(heard[alone])) > 20
    moved = heard[talks.start + late : talks.stop + late]
    assert abs(10 * np.log10(above_8_khz(near[talks]) / above_8_khz(moved))) < 1.5


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_nothing_of_a_call_is_heard_in_the_next_one(rate_hz: int) -> None:
    front_end, sound = FrontEnd(rate_hz), talk(rate_hz, 0.75, peak=0.9)  # ends in the midst of a syllable
    through(front_end, sound, with_echo(sound, sound, rate_hz))
    front_end.process(sound[:7], sound[:7])
    front_end.pause()
    silence = np.zeros(rate_hz // 2, np.float32)
    assert np.abs(through(front_end, silence, silence)).max() < 1e-4


SWITCHES = [
    {"echo_cancellation": True},
    {"noise_suppression": True},
    {"automatic_gain_control": True},
    {"high_pass_hz": 120.0},
    {"input_gain_db": -12.0},
    {"input_muted": True},
    {"input_enabled": False},
    {"echo_cancellation": True, "noise_suppression": True, "automatic_gain_control": True, "high_pass_hz": 120.0},
]


@pytest.mark.parametrize("change", SWITCHES, ids=lambda change: "+".join(change))
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_what_is_switched_while_it_runs_is_not_heard_as_a_click(rate_hz: int, change: dict[str, float]) -> None:
    """A low tone, switched on and off eleven times: a click would be far above it in frequency."""
    at = np.arange(rate_hz) / rate_hz
    tone = (0.3 * np.sin(2 * np.pi * 250 * at)).astype(np.float32)
    front_end, size, heard = FrontEnd(rate_hz, PLAIN), rate_hz // 100, []
    for number, begin in enumerate(range(0, len(tone), size)):
        if number % 9 == 8:
            front_end.options = PLAIN if front_end.options != PLAIN else replace(PLAIN, **change)
        heard.append(front_end.process(np.zeros(size), tone[begin : begin + size]))
    sound = np.concatenate(heard)
    bend = np.abs(np.diff(sound[200:], 2)).max()  # past the first sample at 48 kHz, which is late
    ramp, step = 0.3 / size, 2 * np.pi * 250 / rate_hz
    assert bend < 0.3 * step**2 + 4 * ramp * step + 3 * ramp  # the tone's own, its fade's, and the fade's two corners


def test_what_is_switched_off_is_put_to_rest() -> None:
    front_end, frame = FrontEnd(16000), np.full(160, 0.1, np.float32)
    for _ in range(5):
        front_end.process(frame, frame)
    assert not front_end.at_rest
    front_end.options = PLAIN
    for _ in range(3):
        heard = front_end.process(frame, frame)
    assert front_end.at_rest
    np.testing.assert_array_equal(heard, frame)


@pytest.mark.parametrize("change", [{"input_muted": True}, {"input_enabled": False}])
def test_a_muted_or_disabled_microphone_is_silent(change: dict[str, bool]) -> None:
    front_end = FrontEnd(16000, FrontEndOptions(**change))
    sound = talk(16000, 0.2)
    assert not through(front_end, sound, sound).any()
    assert front_end.report().output_dbfs == -120.0


def test_gain_is_learnt_from_the_near_end_and_not_from_an_echo() -> None:
    """Of a loudspeaker that rattles, so that much of its echo is left: that is no soft visitor."""
    far = talk(8000, 4.0, seed=3, peak=0.6)
    rattling = far * np.random.default_rng(3).uniform(0.3, 1.7, len(far)).astype(np.float32)
    front_end = FrontEnd(8000)
    through(front_end, far, np.float32(0.3) * with_echo(rattling, np.zeros_like(far), 8000))
    assert abs(front_end.report().gain_db) < 0.5
    voice = talk(8000, 3.0, seed=4, peak=0.2)
    through(front_end, np.zeros_like(voice), voice)
    assert front_end.report().gain_db > 3.0


def test_gain_is_limited_and_never_cut() -> None:
    sound = (0.5 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)).astype(np.float32)
    front_end = FrontEnd(16000, replace(PLAIN, input_gain_db=20.0))
    heard = through(front_end, np.zeros_like(sound), sound)[8000:]
    assert 0.9 * CEILING < np.abs(heard).max() <= np.float32(CEILING)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(8000)))
    assert 20 * np.log10(spectrum[450] / spectrum[150]) < -40  # cut off, its third harmonic would be at -10 dB
    assert front_end.report().limited_db == pytest.approx(14.2, abs=0.5)


def test_it_reports_levels_and_what_its_blocks_found() -> None:
    far = talk(16000, 2.0, seed=3)
    front_end = FrontEnd(16000)
    assert front_end.report().input_dbfs == -120.0
    through(front_end, far, with_echo(far, np.zeros_like(far), 16000))
    report = front_end.report()
    assert -60 < report.input_dbfs < report.far_dbfs < 0
    assert report.input_dbfs <= report.input_peak_dbfs
    assert report.erle_db is not None
    assert report.erle_db > 3
    assert report.latency_ms == 10.0
    front_end.options = PLAIN
    through(front_end, far[:1600], far[:1600])
    assert front_end.report().erle_db is None


@pytest.mark.parametrize(("name", "value"), [("input_gain_db", 31.0), ("target_dbfs", 0.0), ("high_pass_hz", -1.0)])
def test_options_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = .* is right"):
        FrontEndOptions(**{name: value})


def test_rates_that_are_none_of_ours_are_refused() -> None:
    with pytest.raises(ValueError, match="8000, 16000 or 48000"):
        FrontEnd(44100)
