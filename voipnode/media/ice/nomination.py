"""When the controlling side has seen enough, and which pair it takes (RFC 8445 §8.1.1).

Sound goes by every valid pair at once, so a moment's patience costs nobody a word; and the choice is for good.
"""

from __future__ import annotations

from voipnode.media.ice.checklist import Checklist
from voipnode.media.ice.pair import Pair
from voipnode.media.ice.values import Times


def ready(checklist: Checklist, component: int, valid_at: float, times: Times, now: float) -> Pair | None:
    """The pair to nominate for that component now; None: not yet, or there is none. `valid_at`: its first one was."""
    best = _best(checklist, component)
    if best is None or (now < _settled_at(best, valid_at, times) and _better_may_come(checklist, best)):
        return None
    return best


def settled_at(checklist: Checklist, component: int, valid_at: float, times: Times) -> float | None:
    """When the best valid pair so far is taken whatever may yet come."""
    best = _best(checklist, component)
    return None if best is None else _settled_at(best, valid_at, times)


def _best(checklist: Checklist, component: int) -> Pair | None:
    return next(iter(checklist.valid(component)), None)


def _settled_at(best: Pair, valid_at: float, times: Times) -> float:
    """A relay costs delay and somebody's money: a direct way gets time for its first repetition."""
    settle_s = times.relay_settle_s if best.relayed else times.settle_s
    return valid_at + max(settle_s, 2 * best.round_trip_s)


def _better_may_come(checklist: Checklist, best: Pair) -> bool:
    return any(
        pair.component == best.component and pair.priority > best.valid_priority and not pair.over for pair in checklist
    )
