"""Where the exchange meets the door: extensions that talk there send it on, and parties of other calls are taken there.

The right to open is each party's own: an extension's digits act at the door where its settings say so, whoever brought
it there; nobody else's do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from voipnode.calls.accounts import Accounts
from voipnode.calls.call import Call
from voipnode.calls.core import CallCore, Found
from voipnode.calls.errors import CallError
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.destination import Caller, Destination, refused
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.lines import number_by
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.calls.registrar.settings import extension_of
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.ways import OwnTelephones
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)


class End(Protocol):
    """Ends a call through the node."""

    def __call__(self, call: ThroughCall, outcome: tuple[CallReason, int, str]) -> None: ...


class AtDoor:
    """What calls of the door and calls through the node have to do with each other."""

    def __init__(
        self,
        board: Board,
        accounts: Accounts,
        telephones: OwnTelephones,
        plan: DialPlan,
        who_is: Callable[[str], Caller],
        *,
        end: End,
    ) -> None:
        self._board = board
        self._core: CallCore = board.core
        self._accounts = accounts
        self._telephones = telephones
        self._plan = plan
        self._who_is = who_is
        self._end = end

    # ---- a far side of the door that is an extension

    def caller(self, leg: SipLeg) -> Caller | None:
        """Which of our extensions this leg leads to; None for anybody else."""
        number = extension_of(leg.account)
        return self._who_is(number) if number in self._telephones.extensions else None

    def opens(self, leg: SipLeg) -> bool:
        """Whether digits of this party open the door in their own right."""
        caller = self.caller(leg)
        return caller is not None and caller.opens

    def destination(self, caller: Caller, uri: SipUri) -> Destination:
        """Where an extension may send the door."""
        found = self._plan.route(caller, uri)
        if found.kind in ("extension", "trunk", "refused"):
            return found
        return refused(403, f"the door cannot be sent to a {found.kind.replace('_', ' ')}")

    def find(self, call: Call, to: Destination, then: Callable[[Found], None]) -> None:
        """The ways to each telephone of this destination, for a call of the door."""
        try:
            if to.kind == "extension":
                then(self._telephones.reach(to.name))
            else:
                target, account = number_by(self._accounts, to.name, to.number)
                self._core.find(call, target, account, then)
        except CallError as error:
            log.info("the door is not sent on: %s", error)
            then(())

    def join(self, leg: SipLeg, session: str) -> bool:
        """Whoever talks with this extension in the call through the node that has this session talks with the door in
        its place. False where there is no such call, or it is another one's."""
        found = self._board.of_session(session)
        if found is None or extension_of(leg.account) != found[1].who.name or found[1].who.kind != "extension":
            return False
        call, party = found
        other = call.other(party)
        if call.callee is None or other is None or not self.bring(other, leg.session):
            return False
        self._end(call, (CallReason.TERMINATED, 0, f"{other.name} is at the door"))
        return True

    # ---- a party that goes to the door

    def bring(self, party: Party, door_session: str) -> bool:
        """A party of a call through the node becomes the far side of the door call that has this session, or of a new
        one ("")."""
        core, opens = self._core, party.who.kind == "extension" and party.who.opens
        call = core.table.of_session(door_session)
        if (door_session and (call is None or call.over)) or (
            call is None and core.table.engaged >= core.settings.max_calls
        ):
            return False
        was_told = party.told
        self._board.release(party.session)
        party.leg.describe("sendrecv")
        if call is None:
            call = core.table.new("incoming", party.leg.account, party.leg.remote, authorised=opens)
            core.table.attach(call, party.leg)
            core.table.enter(call, CallState.RINGING, CallReason.INITIATED, now=core.now)  # all hear of it in order
            core.activate(call, party.leg, CallReason.ACCEPTED_BY_DEVICE)
        else:
            core.table.attach(call, party.leg)
            call.authorised, call.transferred = opens, not opens
            core.hand_over(call, party.leg, f"transferred to {party.name}")
        if not all(was_told):  # it was held by whoever brought it here
            core.say_again(party.leg)
        return True
