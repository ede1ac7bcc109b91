"""Ring, resampler and drift compensation in virtual time: two clocks that are not one, and a tone that stays whole."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.modules.audio.card_side import MAX_FILL_S, TARGET_S, Capture, Playback
from voipnode.modules.audio.resampler import DriftControl, Resampler
from voipnode.modules.audio.ring import Ring


def sine(count: int, rate_hz: float, hz: float = 1000.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz / rate_hz * np.arange(count))).astype(np.float32)


def test_the_ring_gives_back_what_it_took_in_pieces_of_any_size() -> None:
    random = np.random.default_rng(3)
    ring = Ring(97)
    sent = received = 0
    for _ in range(2000):
        piece = np.arange(sent, sent + random.integers(0, 60), dtype=np.float32)
        sent += ring.write(piece)
        got = ring.read(int(random.integers(0, 60)))
        assert np.array_equal(got, np.arange(received, received + len(got)))
        received += len(got)
        assert 0 <= ring.fill <= 97
    assert received > 10_000


def test_the_ring_drops_what_does_not_fit_and_skips_the_oldest() -> None:
    ring = Ring(4)
    assert ring.write(np.arange(10, dtype=np.float32)) == 4
    assert ring.skip(3) == 3
    assert ring.read(9).tolist() == [3.0]
    assert ring.skip(1) == 0


def test_two_threads_share_the_ring_without_losing_a_sample() -> None:
    ring, count = Ring(1000), 200_000

    def produce() -> None:
        at = 0
        while at < count:
            at += ring.write(np.arange(at, min(at + 77, count), dtype=np.float32))

    writer = threading.Thread(target=produce)
    writer.start()
    at = 0
    while at < count:
        got = ring.read(101)
        assert np.array_equal(got, np.arange(at, at + len(got), dtype=np.float32))
        at += len(got)
    writer.join()


@pytest.mark.parametrize(("in_hz", "out_hz", "hz"), [
    (8000, 8000, 3400), (8000, 48000, 3400), (48000, 8000, 3400), (44100, 8000, 1000), (16000, 44100, 7000),
    (48000, 16000, 300),
])  # fmt: skip
def test_a_tone_is_resampled_whole(in_hz: int, out_hz: int, hz: float) -> None:
    resampler = Resampler(in_hz, out_hz)
    step = resampler.nominal_step * 1.0001
    resampler.push(sine(in_hz * 2, in_hz, hz))
    output = resampler.pull(resampler.available(step), step)
    assert len(output) == pytest.approx(2 * out_hz, rel=0.01)
    tone = measure_tone(output[out_hz // 10 :], out_hz)
    assert tone.frequency_hz == pytest.approx(hz * 1.0001, abs=0.02)
    assert tone.level_dbfs == pytest.approx(-6.02, abs=0.1)
    assert tone.snr_db > 55


def test_a_tone_that_the_lower_rate_cannot_hold_is_taken_out() -> None:
    resampler = Resampler(48000, 8000)
    resampler.push(sine(48000, 48000, 5000.0))
    output = resampler.pull(resampler.available(resampler.nominal_step), resampler.nominal_step)
    assert 20 * np.log10(np.max(np.abs(output[800:])) / 0.5) < -60


def test_any_split_into_pieces_gives_what_one_pass_gives() -> None:
    signal = np.random.default_rng(4).standard_normal(4800).astype(np.float32)
    whole = Resampler(48000, 8000)
    whole.push(signal)
    expected = whole.pull(whole.available(6.0), 6.0)
    pieces, outputs, at = Resampler(48000, 8000), [], 0
    for size in (1, 479, 480, 960, 7, 2000, 873):
        pieces.push(signal[at : at + size])
        at += size
        outputs.append(pieces.pull(pieces.available(6.0), 6.0))
    assert at == 4800
    assert np.allclose(np.concatenate(outputs), expected, atol=1e-6)
    asked, got = Resampler(48000, 8000), []
    at = 0
    for _ in range(7):
        needed = asked.needed(80, 6.0)
        asked.push(signal[at : at + needed])
        at += needed
        got.append(asked.pull(80, 6.0))
    assert np.allclose(np.concatenate(got), expected[:560], atol=1e-6)


@pytest.mark.parametrize("drift_ppm", [-500, 0, 100, 500])
@pytest.mark.parametrize("card_hz", [8000, 48000])
def test_a_card_whose_clock_is_wrong_is_followed_without_an_interruption(card_hz: int, drift_ppm: float) -> None:
    capture, playback = Capture(card_hz, 8000), Playback(8000, card_hz)
    block = card_hz // 100
    true_hz = card_hz * (1 + drift_ppm * 1e-6)
    seconds = 70
    # The card hears a true 1000 Hz; its own seconds are not ours.
    air = sine(int(true_hz * (seconds + 1)), true_hz)
    node = sine(80 * 100 * seconds, 8000).reshape(-1, 80)
    heard, played, blocks = [], [], 0
    for tick, frame in enumerate(node):
        due = 2 * int((tick + 1) * 0.005 * true_hz / block + 1e-9)  # the card takes and gives two blocks at a time
        while blocks < due:
            capture.give(air[blocks * block : (blocks + 1) * block])
            out = np.empty(block, np.float32)
            playback.take(out)
            played.append(out)
            blocks += 1
        heard.append(capture.take())
        playback.give(frame)
    assert (capture.interruptions, playback.interruptions) == (0, 0)
    assert capture.fill_ms == pytest.approx(1000 * TARGET_S, abs=25)
    assert playback.fill_ms == pytest.approx(1000 * TARGET_S, abs=25)
    # A fifth of a second at a time: the steering bends the pitch by less than anybody hears, but over many seconds.
    for sound, rate_hz in ((np.concatenate(heard), 8000.0), (np.concatenate(played), true_hz)):
        for end in np.linspace(len(sound) // 2, len(sound), 12).astype(int):
            tone = measure_tone(sound[end - int(rate_hz) // 5 : end], rate_hz)
            assert tone.frequency_hz == pytest.approx(1000.0, abs=1.0)
            assert tone.snr_db > 40  # one sample lost would leave 8


def test_a_card_that_stood_still_is_brought_back_to_a_short_delay() -> None:
    capture, playback = Capture(8000, 8000), Playback(8000, 8000)
    for _ in range(100):  # nobody takes
        capture.give(np.ones(80, np.float32))
    assert capture.fill_ms > 900
    capture.take()
    assert capture.fill_ms <= 1000 * TARGET_S
    for _ in range(100):  # the card does not take
        playback.give(np.ones(80, np.float32))
    assert playback.fill_ms <= 1000 * MAX_FILL_S + 10


def test_a_card_that_gives_nothing_is_silence() -> None:
    capture, playback = Capture(48000, 8000), Playback(8000, 48000)
    assert not capture.take().any()
    out = np.ones(480, np.float32)
    playback.take(out)
    assert not out.any()


def test_the_correction_is_bounded_and_settles() -> None:
    control = DriftControl(0.03)
    assert control.update(10.0) <= 0.001
    for _ in range(20_000):
        correction = control.update(1.0)
    assert correction == 0.001
    fill, control = 0.03, DriftControl(0.03)
    for _ in range(60_000):
        fill += 0.01 * (200e-6 - control.update(fill))
    assert fill == pytest.approx(0.03, abs=1e-4)
    assert control.update(fill) == pytest.approx(200e-6, abs=5e-6)


def test_what_is_said_before_the_card_plays_does_not_make_the_call_late() -> None:
    """A card that opens a second late begins with the usual fill, not with a second's worth."""
    playback = Playback(8000, 8000)
    for _ in range(100):
        playback.give(np.ones(80, np.float32))
    assert playback.fill_ms <= 1000 * TARGET_S + 10
    for _ in range(50):
        playback.take(np.zeros(80, np.float32))
        playback.give(np.ones(80, np.float32))
    assert playback.fill_ms == pytest.approx(1000 * TARGET_S + 10, abs=1)
    assert playback.interruptions == 0
