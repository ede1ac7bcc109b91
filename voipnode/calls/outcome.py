"""What the end of a SIP session means for people: reason, status and words, the far side's own where it gave any."""

from __future__ import annotations

from voipnode.calls.call import Outcome
from voipnode.calls.events import CallReason
from voipnode.sipstack import events as sip
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.reason_field import Reason


def outcome_of(event: sip.SessionEnded) -> Outcome:
    """What the end of a SIP session means for people."""
    if event.cause is sip.EndCause.REJECTED:
        reason, status, detail = outcome_of_rejection(event.status, event.reason)
        return reason, status, detail + _why(event.why)
    words = {
        sip.EndCause.LOCAL_HANGUP: (CallReason.TERMINATED, "hung up here"),
        sip.EndCause.REMOTE_HANGUP: (CallReason.TERMINATED, "hung up by the far side"),
        sip.EndCause.CANCELLED: (CallReason.TERMINATED, "the caller gave up"),
        sip.EndCause.TIMEOUT: (CallReason.FAILED, "the far side does not reply"),
        sip.EndCause.TRANSPORT: (CallReason.FAILED, printable(event.reason) or "the network refused our packets"),
        sip.EndCause.EXPIRED: (CallReason.FAILED, "the far side did not refresh the session (session timer)"),
        sip.EndCause.GONE: (CallReason.FAILED, "the far side does not know the call any more"),
    }
    reason, detail = words[event.cause]
    if event.cause is sip.EndCause.CANCELLED and _elsewhere(event.why):
        return reason, event.status, "answered elsewhere"
    return reason, event.status, detail + _why(event.why)


# ITU-T Q.850 §2.2: what telephone networks say of the same.
_Q850 = {
    CallReason.TERMINATED: Reason("Q.850", 16, "Normal call clearing"),
    CallReason.BUSY: Reason("Q.850", 17, "User busy"),
    CallReason.NO_ANSWER: Reason("Q.850", 19, "No answer from user"),
    CallReason.DENIED: Reason("Q.850", 21, "Call rejected"),
    CallReason.FAILED: Reason("Q.850", 41, "Temporary failure"),
}


def reason_of(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """The Reason field of the BYE, CANCEL or rejection that ends a call so (RFC 3326).

    The words for people here stay here: they may name others.
    """
    reason = _Q850.get(outcome[0])
    return (("Reason", str(reason)),) if reason is not None else ()


def _elsewhere(why: tuple[Reason, ...]) -> bool:
    """RFC 3326 §2: the CANCEL for everybody else when one of several answered."""
    return any(reason.protocol == "SIP" and reason.cause == 200 for reason in why)


def _why(why: tuple[Reason, ...]) -> str:
    """What the far side gave as its reason, in brackets."""
    told = [reason.text or f"{reason.protocol} {reason.cause}" for reason in why if reason.text or reason.cause]
    return f" ({', '.join(told)})" if told else ""


def outcome_of_rejection(status: int, reason: str) -> Outcome:
    """What a final non-2xx response to our INVITE means for people (RFC 3261 §21.4-21.6)."""
    reason = printable(reason)
    if status in (486, 600):
        return CallReason.BUSY, status, f"busy ({status} {reason})"
    if status in (403, 603, 607, 608):
        return CallReason.DENIED, status, f"refused ({status} {reason})"
    if status in (408, 480):
        return CallReason.NO_ANSWER, status, f"no answer ({status} {reason})"
    return CallReason.FAILED, status, f"failed ({status} {reason})"


# Of several legs that failed, the one that says most about the people is told: somebody refused, or is busy.
_RANK = {CallReason.DENIED: 0, CallReason.BUSY: 1, CallReason.NO_ANSWER: 2, CallReason.FAILED: 3}


def better_outcome(one: Outcome | None, other: Outcome) -> Outcome:
    """The outcome to tell when several legs failed, each in its way."""
    if one is None or _RANK.get(other[0], 9) < _RANK.get(one[0], 9):
        return other
    return one
