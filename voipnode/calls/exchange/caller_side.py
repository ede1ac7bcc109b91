"""What the caller of a call through the node is told, as the called party rings, sends sound, answers or does not."""

from __future__ import annotations

from voipnode.calls.call import Outcome
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.causes import reason_fields
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.search import Search
from voipnode.calls.exchange.through_call import Input, ThroughCall
from voipnode.sipstack import events as sip
from voipnode.sipstack.config import RELIABLE
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.extension_fields import has_option


class CallerSide:
    """Answers the callers' INVITEs."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._core = board.core

    def agree(self, call: ThroughCall, offer: bytes) -> bool:
        """Look at the offer before anything rings: what cannot be talked is refused at once."""
        core, leg = self._core, call.caller.leg
        try:
            leg.take_offer(offer, core.now)
        except RemoteError as error:
            call.happens(Input.ENDED_HERE)
            core.endpoint.reject(leg.session, error.status, core.now, headers=error.headers)
            return False
        return True

    def on_progress(self, call: ThroughCall, party: Party, event: sip.CallProgress) -> None:
        """A called party rings: the caller is told, with the sound of the first one that has any."""
        in_force = call.early is party and party.leg.early_tag == event.tag
        if event.body is not None and (call.early is None or in_force):
            self._take_early(call, party, event.tag, event.body)
        self._tell_ringing(call, event.status, event.reason)

    def _take_early(self, call: ThroughCall, party: Party, tag: str, body: bytes) -> None:
        try:
            party.leg.take_early(tag, body, self._core.now)
        except RemoteError:
            return  # of no use
        party.leg.proven = True  # it knows what only the INVITE that we sent to its address told
        party.answered(body)
        call.early = party

    def hear_next(self, call: ThroughCall, search: Search) -> None:
        """Whom the caller heard is gone: another one that sends sound before its answer takes its place."""
        for party in search.ringing.values():
            if call.early is None and party.leg.agreed is not None:
                call.early = party  # it was in force before, and what was agreed with it stands
            for tag, body in party.leg.early_bodies.items():
                if call.early is None and not search.over:
                    self._take_early(call, party, tag, body)

    def _tell_ringing(self, call: ThroughCall, status: int, reason: str) -> None:
        """Pass a provisional response on; one of the same status, once and once more where it brings sound."""
        core, caller, endpoint = self._core, call.caller, self._core.endpoint
        brings_sound = call.early is not None and not call.answer
        if not endpoint.is_waiting(caller.session) or (status == call.told_status and not brings_sound):
            return
        required = call.invite.offer is None and has_option(call.invite.request.require, RELIABLE)
        if (brings_sound and caller.offer is not None) or (required and not call.answer):
            self._describe(call, call.early)
        body = call.answer if call.early is not None or required else None
        call.told_status = status
        endpoint.ring(caller.session, core.now, status, reason, body or None, reliable=bool(body))
        if body:
            caller.leg.answer_sent(core.now)

    def _describe(self, call: ThroughCall, other: Party | None) -> None:
        """Our description for the caller: with the codec of whom it is to hear, and as that one wants sound to flow."""
        caller, core = call.caller, self._core
        if other is not None:
            caller.told = other.wants
        caller.leg.describe(caller.told.direction, () if other is None else other.codecs)
        if caller.offer is not None:
            call.answer = caller.leg.take_offer(caller.offer, core.now, again=True)
            caller.settled = True
        else:
            call.answer = caller.leg.make_offer()

    def answer(self, call: ThroughCall, other: Party | None) -> None:
        """200, with what was described before, or is now for whom the caller will hear (None: the node's own room)."""
        core, caller = self._core, call.caller
        if not call.answer:
            self._describe(call, other)
        core.endpoint.accept(caller.session, call.answer, core.now)
        caller.leg.answer_sent(core.now)
        caller.leg.expect(core.now)

    def refuse(self, call: ThroughCall, status: int, outcome: Outcome, event: sip.SessionEnded | None = None) -> None:
        """Nobody answered; `event` is the end of the last leg, whose reason goes on to the caller."""
        core = self._core
        if self._board.happens(call, Input.EXHAUSTED, outcome) is None:
            return
        if core.endpoint.is_waiting(call.caller.session):
            core.endpoint.reject(call.caller.session, status, core.now, headers=reason_fields(event, outcome))
        self._board.sound(call)
        self._board.settle(call)
