"""Noise at a door: `python benchmarks/dsp_noise.py --subject ours speex --set tuned [--noise street]`.

Nobody speaks at the far end. Four noises, each at five distances from the near end's speech; PESQ and STOI of what
comes out, less those of the microphone itself. A line per subject and noise with the mean over the distances, then
means over all.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import dsp_measures as measures
import numpy as np
from dsp_cases import NEAR_DBFS, SETS, subject_delay
from dsp_ratings import intelligibility, opinion
from dsp_signals import Sound, at_level, rms_db
from dsp_stage import babble, fan, room_response, street, through, wind
from dsp_subjects import SUBJECTS, Scene, available, run
from dsp_voices import VOICES, speak

ALONE_S, SPEECH_S, RATE = 1.5, 8.0, 16000
SNR_DB = (0, 5, 10, 15, 20)
NOISES: dict[str, Callable[[int, str, np.random.Generator], Sound]] = {
    "street": lambda count, which, dice: street(count, RATE, dice),
    "babble": lambda count, which, dice: babble(count, RATE, dice, of=which),
    "wind": lambda count, which, dice: wind(count, RATE, dice),
    "fan": lambda count, which, dice: fan(count, RATE, dice),
}


@dataclass(frozen=True, slots=True)
class Gain:
    """PESQ and STOI of what came out, and how much better they are than the microphone's."""

    pesq: float
    stoi: float
    pesq_gain: float
    stoi_gain: float


def make_noisy(noise: str, snr_db: float, which: str, draw: int = 0) -> tuple[Sound, Sound]:
    """The near end as it arrives at the microphone, and the microphone; `ALONE_S` of noise come first."""
    dice = np.random.default_rng(zlib.crc32(f"{noise} {snr_db} {which} {draw}".encode()))
    count, alone = round((ALONE_S + SPEECH_S) * RATE), round(ALONE_S * RATE)
    said = np.zeros(count, np.float32)
    said[alone:] = speak(VOICES[which][dice.integers(len(VOICES[which]))], SPEECH_S, RATE, dice)
    mouth = room_response(0.25, 0.5, RATE, dice, to_mouth=True)
    clean = at_level(through(said, mouth), NEAR_DBFS, RATE)
    sound = NOISES[noise](count, which, dice)
    noisy = clean + sound * 10 ** ((NEAR_DBFS - snr_db - rms_db(sound)) / 20)
    return clean, np.clip(noisy, -1, 1).astype(np.float32)


def rate_noisy(names: Sequence[str], noise: str, snr_db: float, which: str, draw: int = 0) -> dict[str, Gain]:
    """Each subject's gain in one noise."""
    clean, noisy = make_noisy(noise, snr_db, which, draw)
    scene, speech = Scene(RATE, 0.0), slice(round(ALONE_S * RATE), None)
    before = _scores(clean[speech], noisy[speech])
    gains = {}
    for name in names:
        out = run(SUBJECTS[name](scene), np.zeros_like(noisy), noisy, RATE)
        after = _scores(clean[speech], measures.moved_back(out, subject_delay(name, scene))[speech])
        gains[name] = Gain(*after, after[0] - before[0], after[1] - before[1])
    return gains


def _scores(clean: Sound, heard: Sound) -> tuple[float, float]:
    return opinion(clean, heard, RATE), intelligibility(clean, heard, RATE)


def mean(gains: Iterable[Gain]) -> Gain:
    """Of all conditions."""
    return Gain(*np.mean([(g.pesq, g.stoi, g.pesq_gain, g.stoi_gain) for g in gains], axis=0))


HEAD = f"{'noise':14}{'subject':11} PESQ   STOI   gained"


def line(noise: str, subject: str, one: Gain) -> str:
    """A row of the table under `HEAD`."""
    return f"{noise:14}{subject:11}{one.pesq:5.2f} {one.stoi:6.3f} {one.pesq_gain:+6.2f} {one.stoi_gain:+7.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subject", nargs="+", choices=SUBJECTS, default=["none", "ours", "speex", "rnnoise"])
    parser.add_argument("--set", dest="which", choices=SETS, default="tuned")
    parser.add_argument("--noise", nargs="+", choices=NOISES, default=list(NOISES))
    options = parser.parse_args()
    names = available(options.subject)
    all_gains: dict[str, list[Gain]] = {name: [] for name in names}
    print(HEAD)
    for noise in options.noise:
        rows = [rate_noisy(names, noise, snr_db, options.which) for snr_db in SNR_DB]
        for name in names:
            print(line(noise, name, mean(row[name] for row in rows)), flush=True)
            all_gains[name] += [row[name] for row in rows]
    for name in names:
        print(line("mean", name, mean(all_gains[name])))


if __name__ == "__main__":
    main()
