"""Measures sound: frequency, level and purity of a tone; and whether a whole recording carries one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.wav_files import read_wav

# A tone that is measured behind PCM at 8 kHz must be no submultiple of the sampling rate; the field takes 1004 to
# 1020 Hz (ITU-T O.6). 1000 Hz meets 8 distinct samples there, so that its quantising error is no noise but a pattern
# that depends on the phase: an SNR of 29 to 70 dB. 1004 Hz meets 2000, and has 38 dB in either law; so has 440 Hz.
PCM_TONE_HZ = 1004.0
AUDIBLE = 0.02  # of full scale: sound begins and ends here
STRETCH_S, WINDOW_S, GLANCE_S = 1.0, 0.5, 0.1


class Tone(NamedTuple):
    frequency_hz: float
    level_dbfs: float  # against a sine of full scale
    snr_db: float  # the sine against everything else


def measure_tone(samples: NDArray[np.float32], rate_hz: float) -> Tone:
    """The strongest sine in `samples`: its frequency from the spectrum's peak, the rest by a least-squares fit."""
    samples = np.asarray(samples, np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) + 1e-30
    peak = int(np.argmax(spectrum[1:-1])) + 1
    left, middle, right = np.log(spectrum[peak - 1 : peak + 2])
    bend = left - 2 * middle + right  # 0 in digital silence
    guess = (peak + (0.5 * (left - right) / bend if bend else 0.0)) * rate_hz / len(samples)
    # Refine: of the frequencies around the guess, the one whose sine leaves least.
    width, best = 0.2 * rate_hz / len(samples), guess
    for _ in range(3):
        best = min(np.linspace(best - width, best + width, 21), key=lambda hz: fit_at(samples, hz, rate_hz).rest)
        width /= 10
    power, rest = fit_at(samples, float(best), rate_hz)
    return Tone(float(best), 10 * np.log10(2 * power + 1e-30), 10 * np.log10(power / (rest + 1e-30) + 1e-30))


class Fit(NamedTuple):
    power: float  # of the best sine of a given frequency
    rest: float  # power left when that sine is taken out


def fit_at(samples: NDArray[np.float64], hz: float, rate_hz: float) -> Fit:
    """The sine of that frequency, of whatever level and phase, that fits best by least squares."""
    angle = 2 * np.pi * hz / rate_hz * np.arange(len(samples))
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit = basis @ np.linalg.lstsq(basis.T @ basis, basis.T @ samples, rcond=None)[0]
    return Fit(float(np.mean(fit**2)), float(np.mean((samples - fit) ** 2)))


def assert_tone(path: Path, frequency_hz: float, *, at_least_s: float = 2.0) -> None:
    """A WAV file carries this tone and nothing else, see `assert_tone_in`."""
    samples, rate_hz = read_wav(path)
    assert_tone_in(samples, rate_hz, frequency_hz, at_least_s=at_least_s, name=path.name)


def assert_tone_in(
    samples: NDArray[np.float64], rate_hz: int, frequency_hz: float, *, at_least_s: float = 2.0, name: str = "recording"
) -> None:
    """From its first sound to its last, `at_least_s` long, a call carries the tone: within 1 Hz, 30 dB above all else.

    On a busy machine a packet comes late once in a while, in the peer as in the node, and 10 ms are concealed: one such
    frame holds the SNR of 2 s below 30 dB, however clean the rest. So the promise is asked of what the codec and the
    mixing do, which no accident can improve:

    - the best stretch of 1 s has the frequency and the SNR. Permanent noise, a wrong clock, clipping, a wrong codec,
      a frame repeated or dropped periodically are in every stretch, so this fails for them;
    - the median of all windows of 0.5 s has both, too: it must be the rule, not one lucky second;
    - of all pieces of 0.1 s, nine in ten have the tone at its own level within 3 dB: accidents must be rare and short,
      and a gap, half a call of silence or fading fail here.
    """
    sound = _sounding(samples)
    assert len(sound) >= at_least_s * rate_hz, f"{name}: only {len(sound) / rate_hz:.2f} s of sound"
    stretches = [measure_tone(piece, rate_hz) for piece in _pieces(sound, rate_hz, STRETCH_S, hop_s=0.25)]
    windows = [measure_tone(piece, rate_hz) for piece in _pieces(sound, rate_hz, WINDOW_S, hop_s=0.25)]
    best = max(stretches, key=lambda tone: tone.snr_db)
    middle = Tone(*np.median(np.array(windows), axis=0))
    for what, tone in (("best second", best), ("median of half seconds", middle)):
        words = f"{name}, {what}: {tone}; SNR of half seconds {[round(float(window.snr_db)) for window in windows]}"
        assert abs(tone.frequency_hz - frequency_hz) <= 1.0, words
        assert tone.snr_db > 30.0, words
    glances = [
        fit_at(piece, frequency_hz, rate_hz).power for piece in _pieces(sound, rate_hz, GLANCE_S, hop_s=GLANCE_S)
    ]
    levels = 10 * np.log10(2 * np.array(glances) + 1e-30)
    present = float(np.mean(np.abs(levels - middle.level_dbfs) <= 3.0))
    assert present >= 0.9, f"{name}: the tone is there {present:.0%} of the time; levels {np.round(levels).astype(int)}"


def _sounding(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the first audible sample to the last."""
    samples = np.asarray(samples, np.float64)
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples[:0]


def _pieces(samples: NDArray[np.float64], rate_hz: int, length_s: float, *, hop_s: float) -> list[NDArray[np.float64]]:
    """All pieces of that length, beginning `hop_s` apart."""
    length = int(length_s * rate_hz)
    return [samples[at : at + length] for at in range(0, len(samples) - length + 1, int(hop_s * rate_hz))]
