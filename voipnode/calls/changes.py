"""Changes of a session that the far side asks for, by re-INVITE, UPDATE or PRACK, and what its refreshes bring."""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError

log = logging.getLogger(__name__)

NOT_IN_FORCE = 488


class Changes:
    """Answers offers at once, as UPDATE demands (RFC 3311 §5.2): nobody is asked, codec and address just move."""

    def __init__(self, core: CallCore) -> None:
        self._core = core

    def on_reinvite(self, call: Call, event: sip.ReinviteReceived) -> None:
        """A re-INVITE, with an offer or with the wish for one."""
        core, leg = self._core, call.legs[event.session]
        if not core.endpoint.is_waiting(event.session):
            return  # withdrawn, or the call ended, in the same piece of a stream
        try:
            body = leg.take_offer(event.offer, core.now) if event.offer is not None else leg.make_offer()
        except RemoteError as error:
            core.endpoint.reject_reinvite(event.session, error.status, core.now, error.headers)
            return
        core.endpoint.accept_reinvite(event.session, body, core.now)
        leg.answer_sent(core.now)
        core.direction_changed(call, leg)

    def on_reinvite_confirmed(self, call: Call, event: sip.ReinviteConfirmed) -> None:
        """The ACK to a re-INVITE; it brings the answer where our 2xx brought the offer (RFC 3264 §4)."""
        leg = call.legs[event.session]
        if not leg.offering:
            return
        try:
            leg.take_answer(event.body or b"", self._core.now)
        except RemoteError as error:
            log.debug("call %s: no answer to our offer, the session stays as it was: %s", call.id, error.reason)
            leg.abandon_offer()
            return
        self._core.direction_changed(call, leg)

    def on_update(self, call: Call, event: sip.UpdateReceived) -> None:
        """An UPDATE or PRACK brought an offer."""
        core, leg = self._core, call.legs[event.session]
        if not core.endpoint.is_updating(event.session):
            return  # the call ended in the same piece of a stream
        if call.direction == "outgoing" and call.winner is None and leg.early_tag != event.tag:
            core.endpoint.reject_update(event.session, NOT_IN_FORCE, core.now)  # a fork that nobody hears
            return
        try:
            answer = leg.take_offer(event.offer, core.now)
        except RemoteError as error:
            core.endpoint.reject_update(event.session, error.status, core.now, error.headers)
            return
        core.endpoint.accept_update(event.session, answer, core.now)
        leg.answer_sent(core.now)
        core.direction_changed(call, leg)

    def on_refreshed(self, call: Call, event: sip.SessionRefreshed) -> None:
        """The far side answered a refresh otherwise than before: it moved, or holds."""
        leg = call.legs[event.session]
        try:
            leg.take_refreshed(event.body, self._core.now)
        except RemoteError as error:
            log.debug("call %s: the refresh brought nothing of use, all stays as it was: %s", call.id, error.reason)
            return
        self._core.direction_changed(call, leg)
