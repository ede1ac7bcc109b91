"""Who speaks in the DSP benchmark: Debian's asterisk-core-sounds-*-g722, real voices at true 16 kHz."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from dsp_signals import Sound, active, at_level

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.speech import PROMPTS, files, read

# A voice for each language, except that one woman speaks both English and Spanish; so they are of one set.
VOICES = {
    "tuned": ("en_US_f_Allison", "it_IT_m_Carlo", "es_MX_f_Allison"),
    "held-out": ("fr_CA_f_June", "ru_RU_f_IvrvoiceRU"),
}


@cache
def _sentences(voice: str) -> tuple[Path, ...]:
    """Its prompts of two seconds and more, less those that are recorded silence; none where it is not installed."""
    spoken = (path for path in files(PROMPTS / voice) if path.parent.name != "silence")
    return tuple(sorted(path for path in spoken if path.stat().st_size >= 2 * 8000))


def speak(voice: str, seconds: float, rate_hz: int, dice: np.random.Generator, *, pause_s: float = 0.2) -> Sound:
    """A voice's sentences in an order that the dice choose, no pause longer than `pause_s`, at -23 dBFS.

    Raises FileNotFoundError where the voice is not installed.
    """
    if not _sentences(voice):
        raise FileNotFoundError(f"{PROMPTS / voice} (Debian: asterisk-core-sounds-{voice[:2]}-g722)")
    parts, wanted, have = [], round(seconds * rate_hz), 0
    for index in dice.permutation(len(_sentences(voice))):
        said = read(_sentences(voice)[index], rate_hz)
        spoken = np.concatenate(([0], np.cumsum(active(said, rate_hz))))
        before = np.maximum(np.arange(len(said)) - round(pause_s * rate_hz), 0)
        parts.append(at_level(said[spoken[1:] > spoken[before]], -23.0, rate_hz))
        have += len(parts[-1])
        if have >= wanted:
            break
    return at_level(np.concatenate(parts)[:wanted], -23.0, rate_hz)
