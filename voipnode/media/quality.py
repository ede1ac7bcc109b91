"""How a call sounds to the one who listens, estimated from losses and delay: the E-model (ITU-T G.107, 2015).

The narrowband model with its default values, R = 93.2 - Id - Ie,eff; codecs by ITU-T G.113 (2007), Appendix I. Wideband
codecs are rated on the same scale, as codecs that take nothing away: the figure compares networks, not codecs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from voipnode.media.losses import LossPattern

_BEST_R = 93.2  # G.107 §7.1: the default values of all parameters
# Equipment impairment Ie and robustness to loss Bpl (G.113 Tables I.1 to I.3); others count as G.711 with concealment.
_IMPAIRMENTS = {"G726-32": (7.0, 25.1), "GSM": (20.0, 10.0), "G729": (11.0, 19.0)}
_DEFAULT = (0.0, 25.1)


@dataclass(frozen=True, slots=True)
class Quality:
    """`r_factor` 0 to 93, `mos_listening` without and `mos_conversation` with the effects of delay, 1.0 to 4.5."""

    r_factor: float
    mos_listening: float
    mos_conversation: float


def rate(codec: str, pattern: LossPattern, one_way_delay_ms: float) -> Quality:
    """The quality of what is heard; `one_way_delay_ms` is from mouth to ear."""
    loss = min(pattern.missing / pattern.packets, 1.0) if pattern.packets else 0.0
    run = pattern.missing / pattern.runs if pattern.runs else 1.0
    burst_ratio = max(1.0, run * (1.0 - loss))  # G.107 §7.4: against the runs of the same loss, were it random
    listening = _BEST_R - _equipment(codec, 100.0 * loss, burst_ratio)
    conversation = listening - delay_impairment(one_way_delay_ms)
    return Quality(max(0.0, conversation), mos(listening), mos(conversation))


def mos(r_factor: float) -> float:
    """The mean opinion score of a rating (G.107 Annex B), 1.0 to 4.5."""
    r = min(max(r_factor, 0.0), 100.0)
    # Below a rating of 6.5 the polynomial dips under 1, which nobody can vote.
    return min(max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6), 4.5)


def delay_impairment(one_way_delay_ms: float) -> float:
    """What delay takes from the rating, echo apart (Idd, G.107 §7.3): nothing up to 100 ms."""
    if one_way_delay_ms <= 100:
        return 0.0
    x = math.log2(one_way_delay_ms / 100)
    return 25 * (math.pow(1 + x**6, 1 / 6) - 3 * math.pow(1 + (x / 3) ** 6, 1 / 6) + 2)


def _equipment(codec: str, loss_percent: float, burst_ratio: float) -> float:
    impairment, robustness = _IMPAIRMENTS.get(codec.upper(), _DEFAULT)
    return impairment + (95 - impairment) * loss_percent / (loss_percent / burst_ratio + robustness)
