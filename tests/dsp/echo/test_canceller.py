from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.echo_room import hear, noise, response, through
from tests.support.speech import speech
from voipnode.dsp.echo.canceller import EchoCanceller

QUIET_DBFS = -75.0


@pytest.mark.parametrize("rate_hz", [8000, 16000])
def test_the_echo_of_speech_goes(rate_hz: int) -> None:
    far = speech(5, rate_hz)
    echo = through(far, response(rate_hz, delay_ms=40))
    heard = hear(EchoCanceller(rate_hz), far, echo + noise(len(far), QUIET_DBFS))
    assert heard.erle_db(echo, None, 4, 5) > 20


def test_double_talk_does_not_make_it_diverge() -> None:
    rate_hz = 16000
    sound = speech(12, rate_hz)
    far, near = sound[: 6 * rate_hz], sound[6 * rate_hz :].copy()
    near[: 3 * rate_hz] = near[5 * rate_hz :] = 0
    echo = through(far, response(rate_hz, delay_ms=40))
    heard = hear(EchoCanceller(rate_hz), far, echo + near + noise(len(far), QUIET_DBFS))
    assert heard.erle_db(echo, near, 3, 5) > 7
    assert heard.erle_db(echo, near, 5, 6) > 12


def test_without_an_echo_the_near_end_passes_and_never_grows() -> None:
    rate_hz = 16000
    sound = speech(6, rate_hz)
    far, near = sound[: 3 * rate_hz], sound[3 * rate_hz :]
    heard = hear(EchoCanceller(rate_hz), far, near)
    blocks = heard.error.reshape(-1, 160), near.reshape(-1, 160)
    energies = [np.sum(np.square(block, dtype=np.float64), axis=1) for block in blocks]
    assert np.all(energies[0] <= energies[1] * 1.0001 + 1e-9)
    rest = np.sum((heard.error - near) ** 2) / np.sum(near**2)
    assert 10 * np.log10(rest) < -6


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


@settings(max_examples=30, deadline=None)
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
    for far_kind, near_kind, seed, count in runs:
        for turn in range(count):
            out = canceller.process(bad_frame(far_kind, seed + turn), bad_frame(near_kind, seed + turn + 50))
            for part in (out.error, out.echo, out.far, out.near):
                assert np.all(np.isfinite(part))
            near = float(np.sum(np.square(out.near, dtype=np.float64)))
            assert float(np.sum(np.square(out.error, dtype=np.float64))) <= near * 1.001 + 1e-9
            assert np.isfinite(canceller.erle_db)
    # And it still works.
    far = np.random.default_rng(1).standard_normal(160 * 80).astype(np.float32) * np.float32(0.1)
    heard = hear(canceller, far, far)
    assert heard.erle_db(far, None, 1.2, 1.6) > 0.5
