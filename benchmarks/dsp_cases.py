"""Echo at a door, case by case: `python benchmarks/dsp_cases.py --subject ours speex --set tuned [--case small]`.

Each case is a call of some thirty seconds: the far end alone, (where it is the case's point: the echo's path changes,)
both ends, the far end alone again, the near end alone. Rooms, seeds and voices of the held-out set are others than
those of the tuned one. A line per subject and case, then the medians of each group of cases.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import dsp_measures as measures
import numpy as np
from dsp_ratings import intelligibility, opinion
from dsp_signals import Sound, active, at_level, drifted, rms_db, soft_clipped
from dsp_stage import LOUDSPEAKER_M, room_response, street, through
from dsp_subjects import SUBJECTS, Scene, available, run
from dsp_voices import VOICES, speak

FAR_S, CHANGED_S, BOTH_S, AFTER_S, NEAR_S = 10.0, 5.0, 8.0, 1.2, 6.0
RING_S = 0.2
CONVERGED_S = 5.0  # the last ones of the far end alone
ECHO_DBFS, NEAR_DBFS, SELF_NOISE_DBFS = -21.0, -27.0, -76.0
SETS = ("tuned", "held-out")
TARGET_DB = 20.0
MOST_DELAY_S = 0.04  # that a subject may take


@dataclass(frozen=True, slots=True)
class Case:
    """A door: `delay_ms` from the loudspeaker's frame to the microphone's; `knee` see `soft_clipped`; `snr_db` of the
    near end's speech over street noise; the path `changes` and its delay `jumps_ms` on after the far end alone. Every
    other draw drifts the other way. `at_once`: both speak from the first word on, the far end never alone before.
    """

    name: str
    rt60_s: float = 0.3
    delay_ms: float = 40.0
    knee: float | None = 2.0
    drift_ppm: float = 0.0
    snr_db: float | None = None
    changes: bool = False
    jumps_ms: float = 0.0
    at_once: bool = False
    rate_hz: int = 16000

    @property
    def group(self) -> str:
        """Medians are taken over the cases of a group: what is heard at 8 kHz, or through noise, is another matter."""
        if self.rate_hz == 8000:
            return "8 kHz"
        return "at once" if self.at_once else "echo" if self.snr_db is None else "noisy"


GROUPS = ("echo", "at once", "noisy", "8 kHz")
CASES = (
    Case("small", 0.12, 20.0, None),
    Case("middle", 0.3, 60.0),
    Case("large", 0.6, 40.0, None),
    Case("clipping", 0.25, 120.0, 0.5),
    Case("drift20", 0.3, 30.0, drift_ppm=20.0),
    Case("drift100", 0.25, 60.0, drift_ppm=100.0),
    Case("change", 0.25, 40.0, changes=True),
    Case("jump", 0.25, 40.0, changes=True, jumps_ms=30.0),
    Case("at-once", 0.3, 50.0, at_once=True),
    Case("street20", 0.3, 50.0, snr_db=20.0),
    Case("street10", 0.2, 30.0, snr_db=10.0),
    Case("street0", 0.4, 70.0, snr_db=0.0),
    Case("narrow", 0.3, 60.0, rate_hz=8000),
    Case("narrow-large", 0.5, 100.0, drift_ppm=50.0, rate_hz=8000),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A case's signals, all as the microphone's clock has them; `begins` has each stretch's first sample."""

    far: Sound
    near: Sound  # microphone: echo, clean and noise
    echo: Sound
    clean: Sound  # the near end as it arrives at the microphone
    parts: dict[str, slice]


@dataclass(slots=True)
class Figures:
    """What one subject made of one case; see `dsp_measures`. NaN: not a figure of this case."""

    erle_db: float
    erle_after_double_talk_db: float
    seconds_to_20_db: float
    path_change_seconds: float
    pesq_double_talk: float
    stoi_double_talk: float
    near_end_pesq: float
    delay_ms: float


def make_call(case: Case, which: str, draw: int = 0) -> Call:
    """The signals of a case in one of the `SETS`; each draw has another room, other sentences and other noise."""
    dice = np.random.default_rng(zlib.crc32(f"{case.name} {which} {draw}".encode()))
    rate, voices = case.rate_hz, [VOICES[which][i] for i in dice.permutation(len(VOICES[which]))]
    stretches = _stretches(case, rate)
    count = stretches["near"].stop
    far = np.zeros(count, np.float32)
    ring = round(RING_S * rate)
    spoken = stretches["near"].start - ring
    far[:spoken] = speak(voices[0], spoken / rate, rate, dice)
    near = np.zeros(count, np.float32)
    for part in ("both", "near"):
        # Both ends' rooms ring on when they fall silent; that is to be over before the next stretch is looked at.
        begin, end = stretches[part].start, stretches[part].stop
        near[begin : end - ring] = speak(voices[1], (end - ring - begin) / rate, rate, dice)
    mouth = room_response(case.rt60_s, dice.uniform(0.4, 0.8), rate, dice, to_mouth=True)
    clean = at_level(through(near, mouth), NEAR_DBFS, rate)
    drift_ppm = -case.drift_ppm if draw % 2 else case.drift_ppm
    echo = at_level(_echo(case, far, drift_ppm, stretches["both"].start, dice), ECHO_DBFS, rate)
    noise = 10 ** (SELF_NOISE_DBFS / 20) * dice.standard_normal(count)
    if case.snr_db is not None:
        cars = street(count, rate, dice)
        noise = noise + cars * 10 ** ((NEAR_DBFS - case.snr_db - rms_db(cars)) / 20)
    microphone = np.clip(echo + clean + noise, -1, 1).astype(np.float32)
    return Call(far, microphone, echo, clean, stretches)


def _stretches(case: Case, rate_hz: int) -> dict[str, slice]:
    parts = {} if case.at_once else {"far": FAR_S}
    parts |= {"changed": CHANGED_S} if case.changes else {}
    parts |= {"both": BOTH_S, "after": AFTER_S, "near": NEAR_S}
    ends = np.round(np.cumsum(list(parts.values())) * rate_hz).astype(int)
    return {
        name: slice(int(end - round(parts[name] * rate_hz)), int(end)) for name, end in zip(parts, ends, strict=True)
    }


def _echo(case: Case, far: Sound, drift_ppm: float, both_at: int, dice: np.random.Generator) -> Sound:
    """What the loudspeaker gives to the microphone, on either side of a change of the path."""
    rate, played = case.rate_hz, soft_clipped(far, case.knee)

    def path(metres: float, delay_ms: float) -> Sound:
        delay = round(delay_ms * rate / 1000)
        later = np.concatenate((np.zeros(delay, np.float32), played[: len(played) - delay]))
        return drifted(through(later, room_response(case.rt60_s, metres, rate, dice)), drift_ppm)

    echo = path(LOUDSPEAKER_M, case.delay_ms)
    if case.changes:
        at = both_at - round(CHANGED_S * rate)
        echo[at:] = path(1.4 * LOUDSPEAKER_M, case.delay_ms + case.jumps_ms)[at:]
    return echo


@cache
def subject_delay(name: str, scene: Scene) -> int:
    """By how many samples a subject is later than the microphone, found with a second of speech and no far end."""
    said = speak(VOICES["tuned"][0], 1.0, scene.rate_hz, np.random.default_rng(5))
    heard = run(SUBJECTS[name](scene), np.zeros_like(said), said, scene.rate_hz)
    return measures.found_delay(said, heard, round(MOST_DELAY_S * scene.rate_hz))


def process_call(name: str, case: Case, call: Call) -> tuple[Sound, int]:
    """What comes out of a subject, moved back by its delay, and that delay in samples."""
    scene = Scene(case.rate_hz, case.delay_ms)
    delay = subject_delay(name, scene)
    return measures.moved_back(run(SUBJECTS[name](scene), call.far, call.near, case.rate_hz), delay), delay


def rate_call(name: str, case: Case, call: Call) -> tuple[Figures, Sound]:
    """A subject's figures of a case, and what came out of it, moved back by its delay."""
    rate, nan, parts = case.rate_hz, float("nan"), call.parts
    out, delay = process_call(name, case, call)
    loud = active(call.echo, rate)
    quiet = case.snr_db is None  # otherwise what comes out is noise more than echo

    def erle(part: str, last_s: float) -> float:
        if not quiet or part not in parts:
            return nan
        at = slice(parts[part].stop - round(last_s * rate), parts[part].stop)
        return measures.erle_db(call.echo[at], out[at], loud[at])

    def until(part: str) -> float:
        if not quiet or part not in parts:
            return nan
        at = parts[part]
        return measures.seconds_to(TARGET_DB, measures.erle_over_time(call.echo[at], out[at], loud[at], rate))

    both, near = parts["both"], parts["near"]
    return (
        Figures(
            erle("far", CONVERGED_S),
            erle("after", AFTER_S),
            until("far"),
            until("changed"),
            opinion(call.clean[both], out[both], rate),
            intelligibility(call.clean[both], out[both], rate),
            opinion(call.clean[near], out[near], rate),
            1000 * delay / rate,
        ),
        out,
    )


def medians(figures: Iterable[Figures]) -> Figures:
    """Each figure's median over the cases that have it."""
    columns = np.array([list(asdict(one).values()) for one in figures]).T
    there = (column[~np.isnan(column)] for column in columns)
    return Figures(*(float(np.median(some)) if len(some) else float("nan") for some in there))


HEAD = f"{'case':16}{'subject':11} ERLE  after   t20  change  PESQ  STOI  near  delay"


FORMS = ((".1f", 5), (".1f", 7), (".2f", 6), (".2f", 8), (".2f", 6), (".3f", 6), (".2f", 6), (".1f", 7))


def line(case: str, subject: str, one: Figures) -> str:
    """A row of the table under `HEAD`."""
    pairs = zip(asdict(one).values(), FORMS, strict=True)
    values = "".join(f"{'-' if np.isnan(value) else format(value, form):>{width}}" for value, (form, width) in pairs)
    return f"{case:16}{subject:11}{values}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subject", nargs="+", choices=SUBJECTS, default=["none", "linear", "ours", "speex"])
    parser.add_argument("--set", dest="which", choices=SETS, default="tuned")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--draws", type=int, default=1, help="of each case: other rooms, sentences, noise")
    options = parser.parse_args(arguments)
    names = available(options.subject)
    found: dict[tuple[str, str], list[Figures]] = {(group, name): [] for group in GROUPS for name in names}
    print(HEAD)
    for case in CASES:
        if options.case and case.name not in options.case:
            continue
        for draw in range(options.draws):
            call = make_call(case, options.which, draw)
            for name in names:
                one, _ = rate_call(name, case, call)
                found[case.group, name].append(one)
                print(line(case.name, name, one), flush=True)
    for (group, name), some in found.items():
        if some:
            print(line(f"median, {group}", name, medians(some)))


if __name__ == "__main__":
    main()
