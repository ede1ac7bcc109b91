"""Loudness after BS.1770: the numbers of the recommendation, and FFmpeg's own meter."""

from __future__ import annotations

import av
import av.filter
import numpy as np
import pytest

from voipnode.dsp.loudness import SILENCE_LUFS, loudness_lufs


def sine(hz: float, dbfs: float, seconds: float, rate_hz: int) -> np.ndarray:
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    return (10 ** (dbfs / 20) * np.sin(2 * np.pi * hz * at)).astype(np.float32)


def by_ffmpeg(samples: np.ndarray, rate_hz: int) -> float:
    """The integrated loudness that libavfilter's ebur128 tells with its last frame."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="flt", sample_rate=rate_hz, layout="mono", time_base=f"1/{rate_hz}")
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None, :], format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate_hz, 0
    graph.push(frame)
    graph.push(None)
    told = SILENCE_LUFS
    while True:
        try:
            told = float(graph.pull().metadata["lavfi.r128.I"])
        except (av.EOFError, av.BlockingIOError):
            return told


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_full_scale_sine_of_997_hz_has_minus_3_01(rate_hz: int) -> None:
    assert loudness_lufs(sine(997, 0, 3, rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.1)


def test_pauses_and_what_is_far_softer_do_not_count() -> None:
    loud, soft = sine(997, -23, 6, 48000), sine(997, -60, 6, 48000)
    found = loudness_lufs(np.concatenate([loud, np.zeros(480_000, np.float32), soft]), 48000)
    assert found == pytest.approx(loudness_lufs(loud, 48000), abs=0.15)


def test_ffmpeg_measures_the_same() -> None:
    """Noise and tones of several levels, longer than one segment of ours."""
    noise = np.random.default_rng(1).normal(0, 0.1, 48000 * 7).astype(np.float32)
    sound = np.concatenate([noise, sine(300, -12, 4, 48000), 0.05 * noise, sine(5000, -30, 3, 48000)])
    assert loudness_lufs(sound, 48000) == pytest.approx(by_ffmpeg(sound, 48000), abs=0.1)


def test_silence_has_none_and_a_click_has_some() -> None:
    assert loudness_lufs(np.zeros(8000, np.float32), 8000) == SILENCE_LUFS
    assert loudness_lufs(np.zeros(0, np.float32), 8000) == SILENCE_LUFS
    assert loudness_lufs(sine(997, 0, 0.05, 48000), 48000) == pytest.approx(-3.01, abs=1.0)
