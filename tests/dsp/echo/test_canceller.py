from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.echo_room import drifted, hear, noise, response, through
from tests.support.speech import speech
from voipnode.dsp.echo.canceller import EchoCanceller

QUIET_DBFS = -75.0


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_the_echo_of_speech_goes(rate_hz: int) -> None:
    far = speech(5, rate_hz)
    echo = through(far, response(rate_hz, delay_ms=40))
    heard = hear(EchoCanceller(rate_hz), far, echo + noise(len(far), QUIET_DBFS))
    assert heard.erle_db(echo, None, 4, 5) > 24


def test_double_talk_does_not_make_it_diverge() -> None:
    rate_hz = 16000
    sound = speech(12, rate_hz)
    far, near = sound[: 6 * rate_hz], sound[6 * rate_hz :].copy()
    near[: 3 * rate_hz] = near[5 * rate_hz :] = 0
    echo = through(far, response(rate_hz, delay_ms=40))
    heard = hear(EchoCanceller(rate_hz), far, echo + near + noise(len(far), QUIET_DBFS))
    assert heard.erle_db(echo, near, 3, 5) > 14
    assert heard.erle_db(echo, near, 5, 6) > 18


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_two_clocks_are_brought_together(ppm: float) -> None:
    rate_hz = 16000
    far = speech(9, rate_hz)
    echo = drifted(through(far, response(rate_hz, delay_ms=45)), ppm)
    canceller = EchoCanceller(rate_hz)
    heard = hear(canceller, far, echo + noise(len(far), QUIET_DBFS))
    assert canceller.drift_ppm == pytest.approx(ppm, abs=30)
    assert heard.erle_db(echo, None, 7.5, 9) > 14


@pytest.mark.parametrize(("delay_ms", "within_s"), [(60, 1.0), (90, 2.0), (30, 2.0)])
def test_another_path_is_followed(delay_ms: float, within_s: float) -> None:
    """A door opens beside it; the sound card loses or repeats a period."""
    rate_hz = 16000
    far = speech(6, rate_hz)
    before = through(far, response(rate_hz, delay_ms=60))
    after = through(far, response(rate_hz, delay_ms=delay_ms, seed=1))
    echo = np.concatenate((before[: 3 * rate_hz], after[3 * rate_hz :]))
    canceller = EchoCanceller(rate_hz)
    heard = hear(canceller, far, echo + noise(len(far), QUIET_DBFS))
    assert canceller.delay_ms == pytest.approx(delay_ms, abs=1)
    assert heard.erle_db(echo, None, 3 + within_s, 6) > 18


def test_a_long_delay_is_found_again_after_a_reset() -> None:
    rate_hz = 8000
    far = speech(2, rate_hz)
    echo = through(far, response(rate_hz, delay_ms=320))
    canceller = EchoCanceller(rate_hz)
    assert canceller.delay_ms is None
    for _ in range(2):
        heard = hear(canceller, far, echo)
        assert canceller.delay_ms == pytest.approx(320, abs=1)
        assert heard.erle_db(echo, None, 1.5, 2) > 10
        canceller.reset()
        assert canceller.delay_ms is None


def test_the_far_frame_is_the_one_that_the_echo_came_from() -> None:
    rate_hz = 16000
    far = np.random.default_rng(3).standard_normal(rate_hz).astype(np.float32) * np.float32(0.1)
    echo = np.concatenate((np.zeros(1000, np.float32), far[:-1000]))
    canceller = EchoCanceller(rate_hz)
    hear(canceller, far[:-160], echo[:-160])
    out = canceller.process(far[-160:], echo[-160:])
    assert np.allclose(out.far, out.near, atol=0.01)


def lasting(frames: np.ndarray, size: int) -> np.ndarray:
    """Energies over the last 100 ms, as the guard sums them up."""
    total, sums = 0.0, []
    for energy in np.sum(np.square(frames.reshape(-1, size), dtype=np.float64), axis=1):
        total = 0.9 * total + energy
        sums.append(total)
    return np.array(sums)


def test_without_an_echo_the_near_end_passes_and_never_grows() -> None:
    rate_hz = 16000
    sound = speech(6, rate_hz)
    far, near = sound[: 3 * rate_hz], sound[3 * rate_hz :]
    heard = hear(EchoCanceller(rate_hz), far, near)
    assert np.all(lasting(heard.error, 160) <= lasting(near, 160) * 1.0001 + 1e-9)
    rest = np.sum((heard.error - near) ** 2) / np.sum(near**2)
    assert 10 * np.log10(rest) < -10


def test_reset_forgets_all() -> None:
    rate_hz = 8000
    far = speech(1, rate_hz)
    echo = through(far, response(rate_hz, delay_ms=20))
    canceller = EchoCanceller(rate_hz)
    first = hear(canceller, far, echo).error
    canceller.reset()
    assert canceller.erle_db == 0
    assert np.array_equal(hear(canceller, far, echo).error, first)


@pytest.mark.parametrize("rate_hz", [0, 11025, 48000])
def test_other_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(ValueError, match="8000 and 16000"):
        EchoCanceller(rate_hz)


def test_a_tail_out_of_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="20 to 500"):
        EchoCanceller(8000, tail_ms=1000)


BAD = ["silence", "noise", "full scale", "constant", "NaN", "infinity", "tiny", "huge"]


def bad_frame(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    frame = rng.standard_normal(80).astype(np.float32) * np.float32(0.1)
    match kind:
        case "silence":
            frame[:] = 0
        case "full scale":
            frame = np.sign(frame)
        case "constant":
            frame[:] = 1
        case "NaN":
            frame[rng.integers(80)] = np.nan
        case "infinity":
            frame[rng.integers(80)] = np.inf * rng.choice([-1, 1])
        case "tiny":
            frame *= np.float32(1e-40)
        case "huge":
            frame *= np.float32(1e38)
    return frame


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(BAD), st.sampled_from(BAD), st.integers(0, 99), st.integers(1, 12)),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_comes_in_finite_frames_come_out_and_none_louder_than_the_microphone(
    runs: list[tuple[str, str, int, int]],
) -> None:
    canceller = EchoCanceller(8000)
    microphone, errors = [], []
    for far_kind, near_kind, seed, count in runs:
        for turn in range(count):
            out = canceller.process(bad_frame(far_kind, seed + turn), bad_frame(near_kind, seed + turn + 50))
            for part in (out.error, out.echo, out.far, out.near):
                assert np.all(np.isfinite(part))
            microphone.append(out.near.copy())
            errors.append(out.error.copy())
            assert np.isfinite((canceller.erle_db, canceller.drift_ppm, canceller.delay_ms or 0)).all()
    assert np.all(lasting(np.array(errors), 80) <= lasting(np.array(microphone), 80) * 1.001 + 1e-9)
    # And it still works.
    far = np.random.default_rng(1).standard_normal(300 * 80).astype(np.float32) * np.float32(0.1)
    heard = hear(canceller, far, far)
    assert heard.erle_db(far, None, 2.6, 3) > 6


def test_after_a_silence_of_the_far_end_the_room_is_still_known() -> None:
    rate_hz = 16000
    far = speech(5, rate_hz)
    silence = np.zeros(2 * rate_hz, np.float32)
    far = np.concatenate((far[: 4 * rate_hz], silence, far[4 * rate_hz :]))
    echo = through(far, response(rate_hz, delay_ms=40))
    microphone = echo + noise(len(far), QUIET_DBFS)
    heard = hear(EchoCanceller(rate_hz), far, microphone)
    assert heard.erle_db(echo, None, 6, 7) > 24
    silent = slice(int(5.5 * rate_hz), 6 * rate_hz)
    assert np.array_equal(heard.error[silent], microphone[silent])


@pytest.mark.parametrize(("ppm", "delay_ms"), [(-500.0, 12), (500.0, 439)])
def test_clocks_may_run_apart_for_as_long_as_they_like(ppm: float, delay_ms: float) -> None:
    """The delay slips by whole blocks, and at last out of what is looked at: then all is found anew."""
    rate_hz = 8000
    canceller = EchoCanceller(rate_hz, tail_ms=30)
    far = np.random.default_rng(1).standard_normal(2 * rate_hz).astype(np.float32) * np.float32(0.1)
    hear(canceller, far, through(far, response(rate_hz, delay_ms=delay_ms)))
    assert canceller.delay_ms == pytest.approx(delay_ms, abs=1)
    canceller._clock.running = True
    canceller._clock.drift_ppm = canceller._drift.drift_ppm = ppm
    for _ in range(26):
        canceller._drift.forget()
        heard = hear(canceller, far, noise(len(far), -40.0))
        assert np.isfinite(heard.error).all()
        if not canceller._clock.running:
            break
    assert not canceller._clock.running
    heard = hear(canceller, far, far)
    assert canceller.delay_ms == pytest.approx(0, abs=1)
    assert heard.erle_db(far, None, 1.5, 2) > 15
