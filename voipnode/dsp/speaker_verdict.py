"""What is wrong with a loudspeaker, by one measurement of it and how it was when it was well.

A band counts where the loudspeaker of the calibration would stand out of the present noise: one that does not, there,
has lost its level, however little of it can be measured. Where too few bands count, or where the noise would hide a
rattle, nothing is said, least of all that all is well.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.speaker_analysis import SpeakerMeasurement
from voipnode.dsp.speaker_calibration import CLEAR_DB, MIN_SAME_BANDS, SAME_HZ, SpeakerCalibration, sameness
from voipnode.dsp.speaker_distortion import LEAST_DB

Floats = NDArray[np.float64]

EXPECTED_DB = 12.0  # over the noise, for a band to count
ENOUGH = 0.6  # of the calibrated bands, and of those above `UPPER_HZ`, must count
UPPER_HZ = 1000.0
GONE_DB = -25.0  # so much softer is not weak, but dead
LOST_DB = -10.0  # with no more than this left of the level, or few of the bands that count heard,
DEAD = 0.2
UNLIKE = 0.75  # it is dead where what there is has less in common with the calibration than this
FILTERED = 0.97  # what is muffled is the same as before, filtered: it has more in common than this, and then
SLIGHT = 0.7  # of the tolerance is a tilt that counts;
DEEP_TILT_DB = -10.0  # else only one that no other place makes
HISS_DBFS, QUIETER_DB = -76.0, 8.0  # a microphone that hears less than a room is, and less than it did
RESTLESS_DB = 10.0  # a noise that is so much louder while the sweep plays comes from what it shakes
DISTORTED_DB = -32.0  # 2.5 %: distortion below this is nobody's concern
AUDIBLE_DB = -26.0  # 5 %: where noise would hide this, nothing is said
CLEAN_DB = -60.0  # nor is it told apart from none
SURE_DB = 4.0  # distortion over the doubt about it, where it is the same each time,
SURER_DB = 10.0  # and where it is not
STRAY = 3.0  # spreads of the calibration within which a band may always stray


class Verdict(StrEnum):
    """What a test found, in a word."""

    OK = "ok"
    MOVED = "moved"
    MUFFLED = "muffled"
    RATTLING = "rattling"
    WEAK = "weak"
    DEAD_LOUDSPEAKER = "dead loudspeaker"
    DEAD_MICROPHONE = "dead microphone"
    TOO_NOISY = "too noisy to tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerances:
    """How far a test may be off the calibration. `level_db` for all bands together, `shape_db` for each of `share` of
    the bands apart from that, `distortion_db` for the rise of distortion, `sameness` for the early response."""

    level_db: float = 6.0
    shape_db: float = 6.0
    share: float = 0.8
    distortion_db: float = 10.0
    sameness: float = 0.993


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One test against its calibration. Arrays are per band.

    `change_db` is what a band has more than then, at most so much where it is not heard; `offset_db` the median of
    those that count, `counts`. `tilt_db` is how much more the highest third of the bands has than the lower half.
    """

    verdict: Verdict
    words: str
    offset_db: float
    tilt_db: float
    change_db: Floats
    tolerance_db: Floats
    counts: NDArray[np.bool_]
    sameness: float


def compare(test: SpeakerMeasurement, calibration: SpeakerCalibration, tolerances: Tolerances) -> Comparison:
    """The verdict on one test. Both must be of the same signal."""
    at_most = 10.0 * np.log10(10.0 ** (test.level_db / 10.0) + 10.0 ** (test.noise_db / 10.0))
    change = np.where(test.heard, test.level_db, at_most) - calibration.level_db
    trusted = ~test.heard | test.steady
    counts = calibration.used & trusted & (calibration.level_db - test.noise_db >= EXPECTED_DB)
    offset = float(np.median(change[counts])) if counts.any() else 0.0
    finding = _Finding(test, calibration, tolerances, change, counts, offset)
    verdict, words = finding.verdict()
    return Comparison(verdict, words, offset, finding.tilt_db, change, finding.tolerance_db, counts, finding.sameness)


class _Finding:
    """The questions that lead to a verdict, each answered once."""

    def __init__(
        self,
        test: SpeakerMeasurement,
        calibration: SpeakerCalibration,
        tolerances: Tolerances,
        change_db: Floats,
        counts: NDArray[np.bool_],
        offset_db: float,
    ) -> None:
        self._test = test
        self._calibration = calibration
        self._tolerances = tolerances
        self._counts = counts
        self._names = np.array(calibration.bands.names_hz)
        self._offset = offset_db
        self.tolerance_db = np.maximum(tolerances.shape_db, STRAY * calibration.spread_db)
        self.tilt_db = self._tilt(change_db)
        strays = np.abs(change_db - offset_db) > self.tolerance_db
        self._in_shape = counts.any() and float(np.mean(~strays[counts])) >= tolerances.share
        self.sameness = sameness(calibration.early, test.early)

    def verdict(self) -> tuple[Verdict, str]:
        if not self._enough(self._counts):
            return self._too_noisy()
        few = float(np.mean(self._test.heard[self._counts])) <= DEAD
        unlike = self.sameness < UNLIKE or self._offset <= GONE_DB
        if (few or self._offset <= LOST_DB) and unlike:
            return self._dead()
        if few:
            return self._weak()
        if self._rattles():
            return Verdict.RATTLING, f"it rattles: distortion is {self._percent()}, {self._risen_db:.0f} dB more"
        if self.tilt_db <= (-SLIGHT * self._tolerances.shape_db if self.sameness >= FILTERED else DEEP_TILT_DB):
            words = f"it sounds muffled: high tones are {-self.tilt_db:.0f} dB lower against deep ones; is it covered?"
            return Verdict.MUFFLED, words
        return self._by_level_and_place()

    def _by_level_and_place(self) -> tuple[Verdict, str]:
        is_same = self.sameness >= self._tolerances.sameness
        if self._offset <= -self._tolerances.level_db and self._in_shape and is_same:
            return self._weak()
        if self._offset >= self._tolerances.level_db:
            words = f"it is {self._offset:.0f} dB louder than it was: moved, or its volume was changed; calibrate anew"
            return Verdict.MOVED, words
        if not (self._in_shape and is_same) and not self._hides_place():
            later = self._test.delay_ms - self._calibration.delay_ms
            how = f", its sound takes {later:+.1f} ms" if 0.2 <= abs(later) < 5.0 else ""
            return Verdict.MOVED, f"it sounds otherwise than it did: moved{how}; calibrate anew if that is right"
        if self._offset <= -self._tolerances.level_db:
            return self._weak()
        if self._hides_rattle() or self._hides_place():
            return self._too_noisy()
        return Verdict.OK, f"it sounds as it did: within {abs(self._offset):.1f} dB"

    def _weak(self) -> tuple[Verdict, str]:
        return Verdict.WEAK, f"it is weak: {-self._offset:.0f} dB softer than it was"

    def _enough(self, counting: NDArray[np.bool_]) -> bool:
        """Whether these bands are enough of the calibrated ones, and of the upper ones of them."""
        used, upper = self._calibration.used, self._calibration.used & (self._names >= UPPER_HZ)
        return all(counting[of].mean() >= ENOUGH for of in (used, upper) if of.any())

    def _too_noisy(self) -> tuple[Verdict, str]:
        """It may be the loudspeaker itself that makes the noise: one that is there only while it plays, beside a sweep
        that is the same each time."""
        if self._test.is_unsteady:
            return Verdict.TOO_NOISY, "the sound was interrupted while it was measured, so it cannot be told"
        used = self._calibration.used
        is_quiet = self._enough(used & (self._calibration.level_db - self._test.silence_db >= EXPECTED_DB))
        if is_quiet and self._test.restless_db >= RESTLESS_DB and self._test.steady[used].mean() >= ENOUGH:
            return Verdict.RATTLING, f"it rattles: while it plays there is {self._test.restless_db:.0f} dB more noise"
        return Verdict.TOO_NOISY, f"it is too noisy to tell ({self._test.noise_dbfs:.0f} dBFS)"

    def _dead(self) -> tuple[Verdict, str]:
        noise, then = self._test.noise_dbfs, self._calibration.noise_dbfs
        if noise < HISS_DBFS and noise <= then - QUIETER_DB:
            return Verdict.DEAD_MICROPHONE, "nothing is heard, not even the room: the microphone is dead"
        return Verdict.DEAD_LOUDSPEAKER, "the room is heard, but nothing that is played: the loudspeaker is dead"

    @property
    def _limit_db(self) -> float:
        """The distortion that is too much."""
        return max(DISTORTED_DB, self._calibration.distortion_db + self._tolerances.distortion_db)

    @property
    def _distortion_db(self) -> float:
        """The distortion that is sure: alike in all passes, or in each of them some."""
        found = self._test.distortion
        regular = found.regular_db if found.regular_db >= found.regular_doubt_db + SURE_DB else LEAST_DB
        rough = found.rough_db if found.rough_db >= found.rough_doubt_db + SURER_DB else LEAST_DB
        return max(regular, rough)

    @property
    def _risen_db(self) -> float:
        return self._distortion_db - max(CLEAN_DB, self._calibration.distortion_db)

    def _rattles(self) -> bool:
        return self._distortion_db >= self._limit_db

    def _hides_rattle(self) -> bool:
        return self._test.distortion.regular_doubt_db + SURE_DB > max(AUDIBLE_DB, self._limit_db)

    def _hides_place(self) -> bool:
        """Whether noise may be all that the early response differs by."""
        inside = self._counts & (self._names >= SAME_HZ[0]) & (self._names <= SAME_HZ[1])
        clear = inside & (self._test.snr_db >= CLEAR_DB)
        return int(clear.sum()) < MIN_SAME_BANDS

    def _percent(self) -> str:
        return f"{100.0 * 10.0 ** (self._distortion_db / 20.0):.0f} %"

    def _tilt(self, change_db: Floats) -> float:
        """How much more the highest third of the bands that count has gained than the lower half of them."""
        values = change_db[self._counts]
        if len(values) < 3:
            return 0.0
        return float(np.median(values[-(len(values) // 3) :]) - np.median(values[: len(values) // 2]))
