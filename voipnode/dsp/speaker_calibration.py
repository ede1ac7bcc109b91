"""How a loudspeaker sounds when it is well: the mean and the spread of several measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.alignment import lag, likeness, put_off
from voipnode.dsp.speaker_analysis import EARLY_AFTER_S, EARLY_BEFORE_S, EARLY_HZ, SpeakerMeasurement
from voipnode.dsp.third_octaves import ThirdOctaves

Floats = NDArray[np.float64]

MIN_RUNS = 3
CLEAR_DB = 15.0  # a band is calibrated where every run heard it so far over the noise
STEADY_DB = 2.0  # and where the runs agree so well
MIN_SHARE = 0.6  # of the bands: with fewer there is no saying what is well
MIN_HEARD, QUIET_DBFS = 0.2, -60.0  # with less than this share heard, in such a silence, something is dead
MAX_DOUBT_DB = -30.0  # about distortion: more would hide a rattle
OVERLOAD = 0.98  # of full scale at the microphone
SAME_HZ = (300.0, 2000.0)  # where the early response is compared: below the reach of small changes around the device
SAME_WITHIN_S = 0.0003  # two clocks put the bands off against each other by so much
MIN_SAME_BANDS = 4
_FINE = 16  # parts of a sample to which two responses are aligned


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerCalibration:
    """What a test is compared with. Arrays are per band; `used` tells the bands that were heard clearly."""

    rate_hz: int
    level_dbfs: float
    bands: ThirdOctaves
    level_db: Floats
    spread_db: Floats
    used: NDArray[np.bool_]
    delay_ms: float
    distortion_db: float
    noise_dbfs: float
    early: Floats

    @classmethod
    def of(
        cls, runs: Sequence[SpeakerMeasurement], bands: ThirdOctaves, rate_hz: int, level_dbfs: float
    ) -> SpeakerCalibration:
        """The calibration that these runs make; whether it can be used, `why_not` says. Levels are means in dB."""
        levels = np.array([run.level_db for run in runs])
        clear = np.all([(run.snr_db >= CLEAR_DB) & run.steady for run in runs], axis=0)
        spread = levels.std(axis=0, ddof=1 if len(runs) > 1 else 0)
        return cls(
            rate_hz=rate_hz,
            level_dbfs=level_dbfs,
            bands=bands,
            level_db=levels.mean(axis=0),
            spread_db=spread,
            used=clear & (spread <= STEADY_DB),
            delay_ms=float(np.median([run.delay_ms for run in runs])),
            distortion_db=float(np.median([run.distortion.regular_db for run in runs])),
            noise_dbfs=float(np.median([run.noise_dbfs for run in runs])),
            early=np.mean([_turned_to(run.early, runs[0].early) for run in runs], axis=0),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `from_dict` reads it."""
        return {
            "rate_hz": self.rate_hz,
            "level_dbfs": self.level_dbfs,
            "bands_hz": list(self.bands.names_hz),
            "edges_hz": [list(edges) for edges in self.bands.edges_hz],
            "level_db": _rounded(self.level_db, 3),
            "spread_db": _rounded(self.spread_db, 3),
            "used": self.used.tolist(),
            "delay_ms": round(self.delay_ms, 3),
            "distortion_db": round(self.distortion_db, 2),
            "noise_dbfs": round(self.noise_dbfs, 2),
            "early": [float(f"{value:.5g}") for value in self.early],
        }

    @classmethod
    def from_dict(cls, data: Any) -> SpeakerCalibration:
        """What `to_dict` made. Raises ValueError for anything else, never another exception."""
        try:
            bands = ThirdOctaves(tuple(data["bands_hz"]), tuple((low, high) for low, high in data["edges_hz"]))
            found = cls(
                rate_hz=int(data["rate_hz"]),
                level_dbfs=float(data["level_dbfs"]),
                bands=bands,
                level_db=np.array(data["level_db"], np.float64),
                spread_db=np.array(data["spread_db"], np.float64),
                used=np.array(data["used"], np.bool_),
                delay_ms=float(data["delay_ms"]),
                distortion_db=float(data["distortion_db"]),
                noise_dbfs=float(data["noise_dbfs"]),
                early=np.array(data["early"], np.float64),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"no calibration of a loudspeaker: {error!r}") from None
        if not found._is_whole():
            raise ValueError("no calibration of a loudspeaker: its parts do not fit each other")
        return found

    def _is_whole(self) -> bool:
        per_band = {array.shape for array in (self.level_db, self.spread_db, self.used)}
        figures = (self.level_dbfs, self.delay_ms, self.distortion_db, self.noise_dbfs)
        return (
            per_band == {(len(self.bands),)}
            and len(self.bands.edges_hz) == len(self.bands)
            and self.early.shape == (round((EARLY_BEFORE_S + EARLY_AFTER_S) * EARLY_HZ),)
            and all(np.isfinite(array).all() for array in (self.level_db, self.spread_db, self.early))
            and all(math.isfinite(figure) for figure in figures)
        )


def why_no_calibration(runs: Sequence[SpeakerMeasurement], calibration: SpeakerCalibration) -> str:
    """Why a device in the state of these runs cannot be taken for one that is well, in words; "" when it can."""
    if np.mean([run.heard.mean() for run in runs]) < MIN_HEARD:
        is_quiet = all(run.noise_dbfs < QUIET_DBFS for run in runs)
        return "the loudspeaker is not heard by the microphone" + (
            "" if is_quiet else ": it is too noisy, or one is dead"
        )
    if max(run.peak for run in runs) >= OVERLOAD:
        return "the microphone is overloaded: set a lower level_dbfs"
    if any(run.is_unsteady for run in runs):
        return "the sound was interrupted: the sound card, or the machine, has too much to do"
    doubt_db = float(np.median([run.distortion.regular_doubt_db for run in runs]))
    if calibration.used.mean() < MIN_SHARE or doubt_db > MAX_DOUBT_DB:
        return "it is too noisy here, or too restless, to tell how the loudspeaker sounds; try again when it is quieter"
    return ""


def sameness(one: Floats, other: Floats) -> float:
    """How much two early responses are the same, whatever their levels: 1 = the same, 0 = nothing in common.

    Over third octaves from 300 Hz to 2 kHz, what all but a quarter of them reach: what stands about the device decides
    it, and where its parts are.
    """
    size = 2 * len(one)
    a, b = np.fft.rfft(one, size), np.fft.rfft(_turned_to(other, one), size)
    step_hz = EARLY_HZ / size
    bands = ThirdOctaves.within(*SAME_HZ).lines(len(a), step_hz)
    return float(np.quantile([likeness(a[lines], b[lines], step_hz, SAME_WITHIN_S) for lines in bands], 0.25))


def _turned_to(response: Floats, reference: Floats) -> Floats:
    """`response`, moved by parts of a sample to where it meets `reference` best."""
    size = 2 * len(reference)
    spectrum = np.fft.rfft(response, size)
    moved = put_off(spectrum, lag(spectrum, np.fft.rfft(reference, size), _FINE))
    return np.fft.irfft(moved, size)[: len(response)]


def _rounded(values: Floats, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
