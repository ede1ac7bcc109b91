"""Session timers (RFC 4028): who refreshes the session how often, and what happens when nobody does.

The refresher asks again at half of the interval; the other side hangs up shortly before the interval ends without
that. What a refresh is, an UPDATE or a re-INVITE, is for `refresher`.
"""

from __future__ import annotations

from voipnode.sipstack.client import Client
from voipnode.sipstack.config import TIMER, Extension
from voipnode.sipstack.core import REFRESH, SESSION_EXPIRES, Core
from voipnode.sipstack.dialog import DialogState
from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.extension_fields import (
    Refresher,
    SessionExpires,
    has_option,
    min_se_of,
    session_expires_of,
)
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.requests import OutgoingRequest, repeat_with
from voipnode.sipstack.session import Input, InviteSession, SessionTimer

FLOOR_S = 90  # RFC 4028 §5: no interval is shorter
CEILING_S = 86_400  # a Min-SE beyond a day is no wish to talk
MAX_ATTEMPTS = 3
MARGIN_S = 32  # §10: "slightly before the session expiration": this, or a third of the interval
EXPIRED = (("Reason", 'SIP;cause=408;text="Session timer expired"'),)  # RFC 3326


class SessionTimers:
    """Negotiates the timers of all sessions and runs them; `refresher` does what is due at `REFRESH`."""

    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client
        client.correct[422] = self._ask_for_longer
        core.session_due[SESSION_EXPIRES] = self._expired

    @property
    def _use(self) -> Extension:
        return self._core.config.session_timer

    # ---- our requests (§7)

    def ask(self, session: InviteSession, request: Request, wanted_s: int | None = None) -> None:
        """Put the fields into an INVITE, re-INVITE or UPDATE of ours; `wanted_s` 0 asks for no timer, None as set.

        Within a dialog what is agreed is asked for again, with the same refresher (§7.4).
        """
        timer, config = session.timer, self._core.config
        if self._use is Extension.OFF:
            return
        dialog = session.dialog
        if dialog is None:
            interval_s = config.session_expires_s if wanted_s is None else wanted_s
            refresher = None
        elif dialog.state is DialogState.EARLY:
            return  # the INVITE itself settles it
        else:
            interval_s, refresher = timer.interval_s, Refresher.UAC if timer.ours else Refresher.UAS
        if timer.min_se_s or config.min_se_s > FLOOR_S:
            request.headers.add("Min-SE", str(max(timer.min_se_s, config.min_se_s)))
        if interval_s:
            least_s = max(FLOOR_S, timer.min_se_s, config.min_se_s)
            request.headers.add("Session-Expires", str(SessionExpires(max(interval_s, least_s), refresher)))

    def granted(self, session: InviteSession, request: Request, response: Response, now: float) -> None:
        """A 2xx to a request of ours came: what it says counts from now on (§7.2)."""
        timer = session.timer
        if self._use is Extension.OFF or (session.dialog is not None and session.dialog.state is DialogState.EARLY):
            return
        got = _readable(response)
        asked = _readable(request)
        if got is not None and got.interval_s > 0:
            timer.peer_knows = True
            self._start(session, got.interval_s, now, ours=got.refresher is not Refresher.UAS)
        elif asked is not None and self._use is Extension.REQUIRED and not timer.peer_knows:
            # The far side knows no timers: "purely for its benefit alone", we refresh.
            self._start(session, asked.interval_s, now, ours=True)
        else:
            self._stop(session)  # none, or "turned off in mid dialog"

    def _ask_for_longer(self, outgoing: OutgoingRequest, response: Response, now: float) -> bool:
        """422: the same request again with the interval that is wanted (§7.3, §7.4); False where that cannot be."""
        session, asked, least_s = outgoing.session, _readable(outgoing.request), min_se_of(response)
        if session is None or asked is None or least_s is None or outgoing.attempts >= MAX_ATTEMPTS:
            return False
        if not asked.interval_s < least_s <= CEILING_S:
            return False
        session.timer.min_se_s = max(session.timer.min_se_s, least_s)
        request = repeat_with(outgoing, ())
        if session.digest is not None:
            self._client.sign(request, session.digest)
        request.headers.set("Session-Expires", str(SessionExpires(least_s, asked.refresher)))
        request.headers.set("Min-SE", str(session.timer.min_se_s))
        return self._client.repeat(outgoing, request, now)

    # ---- their requests (§9)

    def check(self, request: Request) -> None:
        """RemoteError 422 where an INVITE or UPDATE asks for a shorter interval than we take."""
        if self._use is Extension.OFF:
            return
        asked, least_s = session_expires_of(request), max(FLOOR_S, self._core.config.min_se_s)
        min_se_of(request)  # a malformed one is 400
        if asked is not None and asked.interval_s < least_s and has_option(request.supported, TIMER):
            raise RemoteError(422, "Session Interval Too Small", (("Min-SE", str(least_s)),))

    def grant(self, session: InviteSession, request: Request, response: Response, now: float) -> None:
        """Put the fields into our 2xx, and let the time run from its sending (§9, table 2)."""
        timer = session.timer
        if self._use is Extension.OFF:
            return
        peer_min_s = min_se_of(request) or 0
        timer.min_se_s = max(timer.min_se_s, peer_min_s)  # §7.4: also from what we receive
        asked, knows = session_expires_of(request), has_option(request.supported, TIMER)
        chosen = self._choose(timer, asked, max(FLOOR_S, peer_min_s), knows=knows)
        if chosen is None:
            self._stop(session)
            return
        timer.peer_knows = timer.peer_knows or knows
        response.headers.add("Session-Expires", str(chosen))
        if knows:
            response.headers.add("Require", TIMER)  # MUST for uac, SHOULD for uas
        self._start(session, chosen.interval_s, now, ours=chosen.refresher is Refresher.UAS)

    def _choose(
        self, timer: SessionTimer, asked: SessionExpires | None, least_s: int, *, knows: bool
    ) -> SessionExpires | None:
        """The Session-Expires of our 2xx: never above what was asked for, never below Min-SE and 90 s."""
        ours_s = max(self._core.config.session_expires_s, least_s)
        if asked is not None:
            if asked.interval_s < FLOOR_S:
                return None  # may neither be raised nor be so short; who asked knows no 422
            named = asked.refresher or (Refresher.UAS if timer.ours and timer.interval_s else Refresher.UAC)
            return SessionExpires(min(asked.interval_s, ours_s), named if knows else Refresher.UAS)
        if not knows:  # nobody asks: we may refresh by ourselves
            return SessionExpires(ours_s, Refresher.UAS) if self._use is Extension.REQUIRED else None
        kept = Refresher.UAS if timer.ours and timer.interval_s else Refresher.UAC
        return SessionExpires(max(timer.interval_s, least_s) if timer.interval_s else ours_s, kept)

    # ---- time

    def _start(self, session: InviteSession, interval_s: int, now: float, *, ours: bool) -> None:
        if session.id not in self._core.sessions:
            return  # it ended while its answer was on the way
        # A peer that names seconds would have us refresh without a pause (§11.1): half of 90 s is the least.
        interval_s = max(interval_s, FLOOR_S)
        timer, deadlines = session.timer, self._core.deadlines
        timer.interval_s, timer.ours, timer.failures = interval_s, ours, 0
        if ours:
            timer.expires_at = now + interval_s
            deadlines.set((REFRESH, session.id), now + interval_s / 2)
        else:
            timer.expires_at = now + interval_s - min(MARGIN_S, interval_s / 3)
            deadlines.cancel((REFRESH, session.id))
        deadlines.set((SESSION_EXPIRES, session.id), timer.expires_at)

    def _stop(self, session: InviteSession) -> None:
        session.timer.interval_s = 0
        self._core.deadlines.cancel((REFRESH, session.id))
        self._core.deadlines.cancel((SESSION_EXPIRES, session.id))

    def _expired(self, session: InviteSession, now: float) -> None:
        """§10: the session was not refreshed; its dialog is ended with BYE."""
        session.parting_headers = EXPIRED
        self._core.run(session, Input.SESSION_EXPIRED, now)


def _readable(message: Request | Response) -> SessionExpires | None:
    """The Session-Expires of a message that cannot be refused any more; one that is malformed counts as none."""
    try:
        return session_expires_of(message)
    except ParseError:
        return None
