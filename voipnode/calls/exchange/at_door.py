"""Where the exchange meets the door: extensions that talk there send it on, and parties of other calls are taken there.

The right to open is each party's own: an extension's digits act at the door where its settings say so, whoever brought
it there; nobody else's do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from voipnode.calls.accounts import Accounts
from voipnode.calls.call import Call
from voipnode.calls.core import CallCore, Found
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.events import CallReason, CallState
from voipnode.calls.exchange.board import Board
from voipnode.calls.exchange.destination import Caller, Destination, refused
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.lines import number_by
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.ports import Groups
from voipnode.calls.exchange.through_call import ThroughCall
from voipnode.calls.registrar.settings import extension_of
from voipnode.calls.ringing.plan import Recipient
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.vms.ports import VMS
from voipnode.calls.ways import OwnTelephones, Way
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
        groups: Groups,
        *,
        end: End,
    ) -> None:
        self._board = board
        self._core: CallCore = board.core
        self._accounts = accounts
        self._telephones = telephones
        self._plan = plan
        self._who_is = who_is
        self._groups = groups
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
        if found.kind in ("extension", "group", "trunk", "refused"):
            return found
        return refused(403, f"the door cannot be sent to a {found.kind.replace('_', ' ')}")

    def find(self, call: Call, to: Destination, then: Callable[[Found], None]) -> None:
        """The ways to each telephone of this destination, for a call of the door."""
        try:
            if to.kind == "extension":
                then(self._telephones.reach(to.name))
            elif to.kind == "group":
                self._find_group(call, to.name, then)
            else:
                target, account = number_by(self._accounts, to.name, to.number)
                self._core.find(call, target, account, then)
        except CallError as error:
            log.info("the door is not sent on: %s", error)
            then(())

    def _find_group(self, call: Call, name: str, then: Callable[[Found], None]) -> None:
        """All of a group who are there now, at once, whatever its stages: whoever sends the door on waits for them."""
        parties = [party for stage in self._groups.plan(name).stages for party in stage.recipients]
        there = {each.place: each for each in parties if each.address != VMS and not self._groups.hindrance(each)}
        ways: list[Way] = []
        waiting = len(there)

        def found(more: Sequence[Way], why: str) -> None:
            nonlocal waiting
            waiting -= 1
            call.searching -= 1
            ways.extend(more)
            if not waiting:
                then(() if call.over else tuple(ways))
            self._core.settle(call)

        call.searching += waiting
        for party in there.values():
            self._find_party(party, found)
        if not there:
            then(())

    def _find_party(self, party: Recipient, found: Callable[[Sequence[Way], str], None]) -> None:
        if party.address not in self._telephones.extensions:
            self._core.parties.find(party, found)
            return
        try:
            ways, why = self._telephones.reach(party.address), ""
        except NotNowError as error:
            ways, why = (), str(error)
        found(ways, why)

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
