"""Which of several answers a caller is told (RFC 3261 §16.7); how the end of one leg reads on the other (RFC 3326)."""

from __future__ import annotations

from collections.abc import Sequence

from voipnode.calls.call import Outcome
from voipnode.calls.events import CallReason
from voipnode.calls.outcome import reason_of
from voipnode.sipstack import events as sip

UNAVAILABLE = 480
# What says most about the people first; of the others the lowest class counts (RFC 3261 §16.7, step 6).
_TELLING = (486, 480, 408)
# Between us and the called party: what the caller could do nothing about. A 503 of one server is not the caller's
# (§16.7, step 6), a challenge that our password did not answer is none to the caller.
_OURS = {401: 502, 407: 502, 421: 502, 494: 502, 503: 500}
_ENDS = {
    sip.EndCause.TIMEOUT: 408,
    sip.EndCause.TRANSPORT: 503,
    sip.EndCause.GONE: UNAVAILABLE,
    sip.EndCause.EXPIRED: UNAVAILABLE,
}
MAX_REASONS = 4


def status_of(event: sip.SessionEnded) -> int:
    """The final status that the end of a called leg stands for."""
    if event.cause is sip.EndCause.REJECTED:
        return event.status
    return _ENDS.get(event.cause, UNAVAILABLE)


def best_status(statuses: Sequence[int]) -> int:
    """What the caller is answered when all of these came, one from each leg; 480 for none."""
    final = [_OURS.get(status, status) for status in statuses if status >= 400]
    everywhere = [status for status in final if status >= 600]
    if everywhere:
        return everywhere[0]
    return next((status for status in _TELLING if status in final), min(final, default=UNAVAILABLE))


def reason_fields(event: sip.SessionEnded | None, outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The Reason fields that go on to the other leg: what the one that ended gave, else what networks say of it."""
    if event is not None and event.why:
        return tuple(("Reason", str(reason)) for reason in event.why[:MAX_REASONS])
    return reason_of(outcome)


def hung_up(by: str) -> Outcome:
    """Somebody said goodbye."""
    return CallReason.TERMINATED, 0, f"hung up by {by}"
