"""From runs to a result: a fault counts when two runs show one, noise is tried again, nothing else is ever "OK"."""

from __future__ import annotations

from collections import Counter

from voipnode.dsp.speaker_analysis import SpeakerMeasurement
from voipnode.dsp.speaker_verdict import Comparison, Verdict

MAX_RUNS = 4


class Trial:
    """Takes the runs of one test in order, and says when it is over.

    One clean run is "OK" as long as none before showed a fault; after one that did, the better of three counts. A run
    in too much noise says nothing. After `MAX_RUNS` without a decision it is too noisy.
    """

    def __init__(self) -> None:
        self.runs: list[Comparison] = []
        self._tests: list[SpeakerMeasurement] = []

    def add(self, run: Comparison, test: SpeakerMeasurement) -> None:
        """One more run: a measurement, and how it compares."""
        self.runs.append(run)
        self._tests.append(test)

    def measured(self, run: Comparison) -> SpeakerMeasurement:
        """The measurement behind a run of this trial."""
        return next(test for other, test in zip(self.runs, self._tests, strict=True) if other is run)

    @property
    def result(self) -> Comparison | None:
        """The run that speaks for all of them; None: another is needed."""
        fine = [run for run in self.runs if run.verdict is Verdict.OK]
        faulty = [run for run in self.runs if run.verdict not in (Verdict.OK, Verdict.TOO_NOISY)]
        if len(faulty) >= 2:
            often = Counter(run.verdict for run in faulty).most_common(1)[0][0]
            return next(run for run in reversed(faulty) if run.verdict is often)
        if len(fine) > len(faulty):
            return fine[-1]
        if len(self.runs) < MAX_RUNS:
            return None
        return next(run for run in reversed(self.runs) if run.verdict is Verdict.TOO_NOISY)
