"""How a leg sounded, as an event for its end."""

from __future__ import annotations

from voipnode.calls.events import CallQuality
from voipnode.calls.sip_leg import SipLeg


def leg_quality(call: str, leg: SipLeg, remote: str, *, answered: bool, at: float) -> CallQuality | None:
    """What is told at the end of a leg of `call` to `remote`; None where no sound went either way.

    To be asked before the leg closes.
    """
    stats = leg.stream.stats()
    if leg.agreed is None or not (stats.packets_sent or stats.packets_received):
        return None
    expected = stats.packets_received + stats.lost
    return CallQuality(
        at=at,
        call=call,
        remote=remote,
        answered=answered,
        codec=leg.agreed.format.name,
        packets_sent=stats.packets_sent,
        packets_received=stats.packets_received,
        loss_percent=round(100 * max(0, stats.lost) / expected, 2) if expected > 0 else 0.0,
        jitter_ms=round(stats.jitter_ms, 2),
        round_trip_ms=None if stats.round_trip_ms is None else round(stats.round_trip_ms, 1),
        mos=None if stats.mos is None else round(stats.mos, 2),
        remote_mos=stats.remote_mos,
    )
