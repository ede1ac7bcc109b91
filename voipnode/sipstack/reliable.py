"""Reliable provisional responses of ours (RFC 3262 §3): sent in order, repeated until their PRACK comes.

One at a time: the next is sent when the last is acknowledged. A 2xx waits for the PRACK of one that carries SDP.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from zlib import crc32

from voipnode.sipstack.config import RELIABLE, Extension
from voipnode.sipstack.core import FORGET_PRACK, REPEAT_RELIABLE, Core
from voipnode.sipstack.dialog import DialogId
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.extension_fields import RAck, has_option, rack_of
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.session import Input, InviteSession

MAX_WAITING = 8  # responses behind the one that is not acknowledged yet
FIRST_RSEQS = 2**31 - 1  # RFC 3262 §3: the first RSeq is chosen from 1 to this


@dataclass(slots=True, eq=False)
class ReliableSeries:
    """The reliable provisional responses to one INVITE: what waits for its PRACK, and what waits behind it.

    `held` is what the layer above wants done, the 2xx, once the PRACK has come.
    """

    transaction: str
    cseq: int
    rseq: int
    unacknowledged: Response | None = None
    waiting: deque[Response] = field(default_factory=deque)
    held: Callable[[float], None] | None = None
    repeating: bool = False
    interval_s: float = 0.0
    give_up_at: float = 0.0

    @property
    def outstanding(self) -> bool:
        """Whether an answer or offer of ours is not known to have arrived (RFC 3311 §5.1, RFC 6337 §4.3)."""
        return self.unacknowledged is not None or bool(self.waiting)

    def holds_2xx(self) -> bool:
        """Whether SDP is on its way in a response that may have been lost: the 2xx must wait (§3)."""
        last = self.unacknowledged
        return (last is not None and bool(last.body)) or any(response.body for response in self.waiting)


class Reliable:
    """Sends provisional responses reliably, and takes the PRACKs for them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._late: dict[DialogId, RAck] = {}
        core.session_due[REPEAT_RELIABLE] = self._repeat
        core.due[FORGET_PRACK] = lambda dialog_id, now: self._forget(dialog_id)

    def __len__(self) -> int:
        """How many PRACKs are still answered after their call."""
        return len(self._late)

    def applies(self, invite: Request, asked: bool) -> bool:
        """Whether a provisional response to this INVITE is sent reliably (§3).

        It must be where the INVITE requires it, and may be where it supports it: then somebody here has to ask.
        """
        use = self._core.config.reliable
        if use is Extension.OFF:
            return False
        if has_option(invite.require, RELIABLE):
            return True
        return (asked or use is Extension.REQUIRED) and has_option(invite.supported, RELIABLE)

    def send(self, session: InviteSession, transaction: str, invite: Request, response: Response, now: float) -> None:
        """Send this response, or have it wait for the PRACK of the one before. LocalError where too many wait."""
        series = session.reliable
        if series is None:
            first = 1 + crc32(self._core.entropy.tag().encode()) % FIRST_RSEQS
            series = session.reliable = ReliableSeries(transaction, invite.cseq.number, first - 1)
        if len(series.waiting) >= MAX_WAITING:
            raise LocalError(f"session {session.id}: {MAX_WAITING} provisional responses wait for a PRACK already")
        response.headers.add("Require", RELIABLE)
        series.waiting.append(response)
        if series.unacknowledged is None:
            self._next(session, series, now)

    def accepting(self, session: InviteSession, go_on: Callable[[float], None]) -> bool:
        """A 2xx is to be sent: True where it has to wait; `go_on` is called when its time has come."""
        series = session.reliable
        if series is None:
            return False
        if series.holds_2xx():
            series.held = go_on
            return True
        self._stop(session, series)
        return False

    def is_held(self, session: InviteSession) -> bool:
        """Whether the call is answered here, and its 2xx waits for a PRACK."""
        return session.reliable is not None and session.reliable.held is not None

    def acknowledge(self, session: InviteSession, prack: Request) -> None:
        """Take note of a PRACK; RemoteError 481 where it fits nothing, ParseError (400) where its RAck is none."""
        rack, series = rack_of(prack), session.reliable
        if series is None or series.unacknowledged is None or rack != RAck(series.rseq, series.cseq, "INVITE"):
            raise RemoteError(481, "Call/Transaction Does Not Exist")  # RFC 3262 §3
        series.unacknowledged = None
        series.repeating = False
        self._core.deadlines.cancel((REPEAT_RELIABLE, session.id))

    def go_on(self, session: InviteSession, now: float) -> None:
        """After the PRACK was answered: send what waited for it."""
        series = session.reliable
        if series is None or series.unacknowledged is not None:
            return
        if series.waiting:
            self._next(session, series, now)
        elif series.held is not None:
            held, series.held = series.held, None
            held(now)

    def refused(self, session: InviteSession, now: float) -> None:
        """The INVITE is refused while a response waits: its PRACK may still come, and is in order then (§3)."""
        series, dialog = session.reliable, session.dialog
        if series is None or series.unacknowledged is None or dialog is None:
            return
        self._stop(session, series)
        self._late[dialog.id] = RAck(series.rseq, series.cseq, "INVITE")
        self._core.deadlines.set((FORGET_PRACK, dialog.id), now + self._core.config.timers.timeout_s)

    def is_late(self, prack: Request) -> bool:
        """Whether a PRACK is one for a call that was refused before it came; each is taken once."""
        dialog_id = DialogId(prack.call_id, prack.to_tag or "", prack.from_tag or "")
        expected = self._late.get(dialog_id)
        if expected is None or rack_of(prack) != expected:
            return False
        self._forget(dialog_id)
        return True

    def _forget(self, dialog_id: Hashable) -> None:
        """Its PRACK has come, or will not come any more."""
        assert isinstance(dialog_id, DialogId)
        self._late.pop(dialog_id, None)
        self._core.deadlines.cancel((FORGET_PRACK, dialog_id))

    # ---- inside

    def _next(self, session: InviteSession, series: ReliableSeries, now: float) -> None:
        response = series.waiting.popleft()
        series.rseq += 1  # exactly one more, and never wraps: that would take 2**31 responses (§3)
        response.headers.add("RSeq", str(series.rseq))
        series.unacknowledged, series.repeating = response, True
        series.interval_s = self._core.config.timers.t1_s
        series.give_up_at = now + self._core.config.timers.timeout_s
        self._core.layer.send_response(series.transaction, response, now)
        self._core.deadlines.set((REPEAT_RELIABLE, session.id), now + series.interval_s)

    def _repeat(self, session: InviteSession, now: float) -> None:
        """T1, doubling without a cap: PRACK is repeated by its own transaction, not by ours (§3)."""
        series = session.reliable
        if series is None or series.unacknowledged is None or not series.repeating:
            return
        if now >= series.give_up_at:
            self._core.run(session, Input.NO_PRACK, now)
            return
        self._core.layer.send_response(series.transaction, series.unacknowledged, now)
        series.interval_s *= 2
        self._core.deadlines.set((REPEAT_RELIABLE, session.id), min(now + series.interval_s, series.give_up_at))

    def _stop(self, session: InviteSession, series: ReliableSeries) -> None:
        """A final response says it all: nothing is repeated, and nothing new is sent (§3)."""
        series.repeating = False
        series.waiting.clear()
        self._core.deadlines.cancel((REPEAT_RELIABLE, session.id))
