"""A test as the event that tells of it."""

from __future__ import annotations

from collections.abc import Iterable

from voipnode.calls.events import SpeakerState, SpeakerTestFinished
from voipnode.dsp.speaker_analysis import SpeakerMeasurement
from voipnode.dsp.speaker_calibration import SpeakerCalibration
from voipnode.dsp.speaker_verdict import Comparison


def finished(
    calibration: SpeakerCalibration,
    result: Comparison,
    test: SpeakerMeasurement,
    *,
    state: SpeakerState,
    trigger: str,
    runs: int,
) -> SpeakerTestFinished:
    """`test` and its `result`, in plain numbers."""
    return SpeakerTestFinished(
        state=state,
        verdict=result.verdict.value,
        words=result.words,
        trigger=trigger,
        runs=runs,
        bands_hz=calibration.bands.names_hz,
        level_db=_tenths(test.level_db),
        change_db=_tenths(result.change_db),
        tolerance_db=_tenths(result.tolerance_db),
        snr_db=_tenths(test.snr_db),
        counts=tuple(bool(flag) for flag in result.counts),
        offset_db=round(result.offset_db, 1),
        delay_ms=round(test.delay_ms, 2),
        drift_ppm=round(test.drift_ppm, 1),
        distortion_db=round(test.distortion.regular_db, 1),
        harmonics_db=_tenths(test.distortion.orders_db),
        noise_dbfs=round(test.noise_dbfs, 1),
        sameness=round(result.sameness, 3),
    )


def _tenths(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 1) for value in values)
