"""Refreshes of ours (RFC 4028 §7.4, §10): an UPDATE where the far side takes it, else a re-INVITE that
changes nothing.
"""

from __future__ import annotations

from functools import partial

from voipnode.sipstack.calling import Calling
from voipnode.sipstack.client import DIALOG_GONE
from voipnode.sipstack.core import REFRESH, Core
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import SessionRefreshed
from voipnode.sipstack.message import Response
from voipnode.sipstack.session import InviteSession, State
from voipnode.sipstack.updating import Updating

NO_SUCH_METHOD = (405, 501)
BUSY_S = 5.0  # another request is under way, which refreshes as well when it succeeds: look again then
MAX_FAILURES = 3  # §10: the UAC SHOULD NOT continuously retry


class Refresher:
    """Sends the refreshes that are ours and hears their answers; the layer above is told only of the end."""

    def __init__(self, core: Core, calling: Calling, updating: Updating) -> None:
        self._core = core
        self._calling = calling
        self._updating = updating
        core.session_due[REFRESH] = self._refresh

    def _refresh(self, session: InviteSession, now: float) -> None:
        dialog = session.dialog
        if dialog is None or session.state is not State.CONFIRMED:
            return
        exchange = dialog.exchange
        answered = partial(self._answered, session, exchange.theirs)
        try:
            if dialog.takes_update or not exchange.ours:
                self._updating.refresh(session, answered, now)
            else:
                self._calling.refresh(session, exchange.ours, answered, now)
        except LocalError:
            self._again(session, now + BUSY_S)

    def _answered(
        self, session: InviteSession, theirs: bytes, response: Response, body: bytes | None, now: float
    ) -> None:
        """A 2xx has started the timer again already; what failed is tried again while there is time."""
        dialog = session.dialog
        if dialog is None or session.state is not State.CONFIRMED or response.status in DIALOG_GONE:
            return
        if response.status < 300:
            if body is not None and body != theirs:
                self._core.tell(SessionRefreshed(session.id, body))
            return
        if response.status in NO_SUCH_METHOD and dialog.takes_update:
            dialog.takes_update = False
            self._refresh(session, now)
            return
        timer = session.timer
        timer.failures += 1
        if response.status == 491:
            self._again(session, now + self._core.glare_wait_s(session))
        elif timer.failures < MAX_FAILURES:
            self._again(session, now + (timer.expires_at - now) / 2)

    def _again(self, session: InviteSession, at: float) -> None:
        if at < session.timer.expires_at:
            self._core.deadlines.set((REFRESH, session.id), at)
