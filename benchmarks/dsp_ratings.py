"""How well the near end is heard: PESQ and STOI of what came out, aligned, against the clean near end."""

from __future__ import annotations

import warnings

import numpy as np
from dsp_signals import Sound
from pesq import NoUtterancesError, pesq
from pystoi import stoi


def opinion(clean: Sound, heard: Sound, rate_hz: int) -> float:
    """PESQ (ITU-T P.862.2, wide band, at 16 kHz; P.862, narrow band, at 8 kHz) of what came out against the clean near
    end as it arrives at the microphone; 1.0 where PESQ finds no speech at all."""
    try:
        return float(pesq(rate_hz, clean, heard, "wb" if rate_hz == 16000 else "nb"))
    except NoUtterancesError:
        return 1.0


def intelligibility(clean: Sound, heard: Sound, rate_hz: int) -> float:
    """STOI (Taal et al. 2011) of the same, 0 to 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # says so when all is silent, and returns 1e-5
        return float(stoi(clean.astype(np.float64), heard.astype(np.float64), rate_hz))
