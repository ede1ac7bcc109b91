"""The speaker test in random rooms and noises: what it says of each fault, and how often it cries wolf.

`python benchmarks/speaker_test.py [--rooms 50] [--rate 16000] [--seed 1]`, ten minutes; the last line is JSON. Each
room is calibrated by three runs in one noise; then the device is tested while it is well, and with each fault, in
others. A test is what the node does: runs until `Trial` has a result. A calibration that is refused for noise is done
again elsewhere in the noise, and then in less of it, as somebody who installs a door would.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from speaker_rooms import FAULTS, NOISES, Door, noise

from voipnode.dsp.speaker_analysis import SpeakerAnalyser, SpeakerMeasurement
from voipnode.dsp.speaker_calibration import MIN_RUNS, SpeakerCalibration, why_no_calibration
from voipnode.dsp.speaker_signal import SpeakerSignal
from voipnode.dsp.speaker_verdict import Comparison, Tolerances, Verdict, compare
from voipnode.modules.speaker_test.trial import Trial

LEVEL_DBFS = -12.0
CALIBRATION_DBFS = (-75.0, -45.0)
TEST_DBFS = (-75.0, -30.0)
TOO_LOUD_DBFS = (-14.0, -6.0)  # all the time: between gusts and cars a test may well succeed
HEALTHY = 6  # tests of each room's device while it is well
NOISE_S = 20.0  # in a loop, of which each run hears another piece


class Bench:
    """One random room after the other, at one rate."""

    def __init__(self, rate_hz: int, *, verbose: bool) -> None:
        self.rate_hz = rate_hz
        self._signal = SpeakerSignal(rate_hz, level_dbfs=LEVEL_DBFS)
        self._played = self._signal.samples
        self._analyser = SpeakerAnalyser(self._signal)
        self._verbose = verbose
        self.said: dict[str, Counter[str]] = {what: Counter() for what in ("well", *FAULTS)}
        self.runs = self.refused = 0

    def room(self, seed: int) -> None:
        dice = np.random.default_rng((seed, self.rate_hz))
        door = Door(self.rate_hz, dice)
        calibration = self._calibrate(door, dice)
        for what in ("well",) * HEALTHY + FAULTS:
            kind, dbfs = str(dice.choice(NOISES)), dice.uniform(*TEST_DBFS)
            if what == FAULTS[-1]:
                kind, dbfs = str(dice.choice(("white", "pink", "fan"))), dice.uniform(*TOO_LOUD_DBFS)
            result = self._test(door, calibration, what, kind, dbfs, dice)
            self.said[what][result.verdict.value] += 1
            if self._verbose and result.verdict != (Verdict.OK if what == "well" else what):
                figures = f"offset {result.offset_db:.1f} tilt {result.tilt_db:.1f} same {result.sameness:.2f}"
                print(f"  room {seed}: {what} in {kind} at {dbfs:.0f} dBFS: {result.words} ({figures})")

    def _calibrate(self, door: Door, dice: np.random.Generator) -> SpeakerCalibration:
        kind, dbfs = str(dice.choice(NOISES)), dice.uniform(*CALIBRATION_DBFS)
        while True:
            runs = [self._run(door, "", around) for around in islice(self._noise(kind, dbfs, dice), MIN_RUNS)]
            calibration = SpeakerCalibration.of(runs, self._signal.bands, self.rate_hz, LEVEL_DBFS)
            if not why_no_calibration(runs, calibration):
                return calibration
            self.refused += 1
            dbfs -= 6.0

    def _test(
        self, door: Door, calibration: SpeakerCalibration, what: str, kind: str, dbfs: float, dice: np.random.Generator
    ) -> Comparison:
        trial, noises = Trial(), self._noise(kind, dbfs, dice)
        fault = "" if what in ("well", FAULTS[-1]) else what
        while (result := trial.result) is None:
            test = self._run(door, fault, next(noises))
            trial.add(compare(test, calibration, Tolerances()), test)
        return result

    def _noise(self, kind: str, dbfs: float, dice: np.random.Generator) -> Iterator[np.ndarray]:
        """Pieces of the same noise, one for each run."""
        whole = noise(kind, round(NOISE_S * self.rate_hz), self.rate_hz, dbfs, dice)
        while True:
            yield np.roll(whole, dice.integers(len(whole)))[: len(self._played)]

    def _run(self, door: Door, fault: str, around: np.ndarray) -> SpeakerMeasurement:
        self.runs += 1
        return self._analyser.analyse(door.record(self._played, around, fault))


def table(said: dict[str, Counter[str]]) -> str:
    heads = [verdict.value for verdict in Verdict]
    lines = ["| the device is | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for what, counts in said.items():
        lines.append(f"| {what} | " + " | ".join(str(counts[head] or "") for head in heads) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=50)
    parser.add_argument("--rate", type=int, default=16000, choices=(8000, 16000, 48000))
    parser.add_argument("--seed", type=int, default=1, help="of the first room; the others count on from it")
    parser.add_argument("--verbose", action="store_true", help="tell each test that came out otherwise")
    options = parser.parse_args()
    bench = Bench(options.rate, verbose=options.verbose)
    for seed in range(options.seed, options.seed + options.rooms):
        bench.room(seed)
    print(table(bench.said))
    well = bench.said["well"]
    alarms = sum(well.values()) - well["ok"] - well["too noisy to tell"]
    false_ok = sum(counts["ok"] for what, counts in bench.said.items() if what != "well")
    named = sum(bench.said[fault][fault] for fault in FAULTS)
    result = {
        "rooms": options.rooms,
        "rate_hz": options.rate,
        "runs": bench.runs,
        "calibrations_refused": bench.refused,
        "tests_well": sum(well.values()),
        "false_alarms": alarms,
        "too_noisy_though_well": well["too noisy to tell"],
        "tests_with_a_fault": options.rooms * len(FAULTS),
        "false_ok": false_ok,
        "named_right": named,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
