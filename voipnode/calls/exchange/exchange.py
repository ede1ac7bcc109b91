"""The exchange: calls between two SIP parties through the node, a back-to-back user agent (RFC 7092).

Each party has a dialog of its own, with its own offers, session timer and PRACKs; what happens on one leg is carried to
the other where it has to know. The table of `through_call` says what may happen; here is what is done about it.
"""

from __future__ import annotations

from collections.abc import Callable

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.accounts import Accounts
from voipnode.calls.call import Outcome
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallReason
from voipnode.calls.exchange.at_door import AtDoor
from voipnode.calls.exchange.board import Board, MakeRoom
from voipnode.calls.exchange.caller_side import CallerSide
from voipnode.calls.exchange.causes import UNAVAILABLE, hung_up, reason_fields
from voipnode.calls.exchange.changes import Changes
from voipnode.calls.exchange.destination import Caller, Destination, Kind
from voipnode.calls.exchange.dial_plan import DialPlan
from voipnode.calls.exchange.identity import Identity
from voipnode.calls.exchange.party import Party
from voipnode.calls.exchange.pickup import Pickup
from voipnode.calls.exchange.ports import Groups, Service
from voipnode.calls.exchange.ringer import Ringer
from voipnode.calls.exchange.search import Search
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.calls.exchange.through_call import Action, Input, State, ThroughCall
from voipnode.calls.exchange.transfers import Transfers
from voipnode.calls.media_host import media_host
from voipnode.calls.outcome import outcome_of, outcome_of_rejection
from voipnode.calls.sip_leg import SipLeg
from voipnode.calls.take_over import TakeOver
from voipnode.calls.ways import OwnTelephones
from voipnode.media.dtmf_info import parse_info
from voipnode.media.events import (
    AddressMoved,
    DigitEnded,
    DigitStarted,
    HandshakeFailed,
    KeysMade,
    MediaEvent,
    PathFailed,
    PathFound,
    RelayFound,
    RemoteSilent,
)
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError

MAX_FORWARDS = 70  # of a caller that says nothing (RFC 3261 §8.1.1.6)
TOO_MANY_HOPS, BUSY = 483, 486


class Exchange:
    """All calls through the node. It is asked first whether a session is one of them."""

    def __init__(
        self,
        core: CallCore,
        settings: SwitchSettings,
        *,
        accounts: Accounts,
        telephones: OwnTelephones,
        plan: DialPlan,
        who_is: Callable[[str], Caller],
        groups: Groups,
        make_room: MakeRoom,
    ) -> None:
        self._core = core
        self._settings = settings
        self.board = Board(core, make_room)
        self.plan = plan
        self._ringer = Ringer(self.board, accounts, telephones, plan, who_is, groups)
        self._changes = Changes(self.board)
        self._caller_side = CallerSide(self.board)
        self.at_door = AtDoor(self.board, accounts, telephones, plan, who_is, groups, end=self.end)
        self._services: dict[Kind, Service] = {}
        self._transfers = Transfers(
            self.board,
            self._ringer,
            self._changes,
            plan,
            end=self.end,
            to_door=self._bring_to_door,
            services=self._services,
            ring_s=settings.ring_s,
        )

    def pickup(self, door: TakeOver) -> Pickup:
        """Who brings extensions into calls that ring; `door` does it for the door's."""
        return Pickup(self._core, self.board, self._ringer, door)

    def serve(self, kind: Kind, service: Service) -> None:
        """Have the node itself answer calls to destinations of this kind, and take them to the service's rooms."""
        self._services[kind] = service

    # ---- a new call

    def on_call(
        self, event: sip.IncomingCall, account: AccountSettings, caller: Caller, shown: Identity, to: Destination
    ) -> None:
        """Somebody who was let in calls what is not the door."""
        status = self._objection(event, caller, to)
        if status:
            self._core.endpoint.reject(event.session, status, self._core.now)
            return
        core, hop = self._core, event.source
        leg = core.new_leg(account, media_host(core.local_address, hop, event.offer), hop, caller.name)
        if leg is None:
            core.endpoint.reject(event.session, 503, core.now)
            return
        leg.session, leg.remote = event.session, str(event.request.from_.uri)
        # A password proves the address: its challenge went there. Others prove theirs with the ACK.
        leg.proven = caller.kind == "extension"
        name = caller.name if caller.kind == "extension" else shown.user or leg.remote
        party = Party(leg, name, caller, shown, event.offer)
        party.offered(event.offer)
        hops = event.request.max_forwards
        call = self.board.new(party, to, event, (MAX_FORWARDS if hops is None else hops) - 1)
        if event.offer is not None and not self._caller_side.agree(call, event.offer):
            return
        # One that wants its sound where it calls from cannot have it sent to anybody else: it hears who rings.
        leg.proven |= leg.agreed is not None and leg.agreed.remote_host == hop.remote.host
        if to.kind != "group":  # which has times of its own
            self.board.limits.set(call.id, core.now + self._settings.ring_s)
        self.board.announce(call)
        if to.kind in self._services:
            self.board.when_ready(call, leg, lambda: self._serve(call, self._services[to.kind]))
        else:
            self._ringer.start(Search(call, to, party, self))

    def _serve(self, call: ThroughCall, service: Service) -> None:
        """The node answers by itself."""
        caller, core = call.caller, self._core
        if not core.endpoint.is_waiting(caller.session):
            return
        room = service.room(call.to)
        if room is None:
            self._caller_side.refuse(call, BUSY, (CallReason.BUSY, BUSY, f"{call.to.words} cannot be had now"))
            return
        self.board.give_room(call, room)
        self._caller_side.answer(call, None)
        self.board.limits.set(call.id, core.now + self._settings.max_call_duration_s)
        words = f"{caller.name} is in {call.to.words}"
        self.board.happens(call, Input.ANSWERED, (CallReason.ACCEPTED_BY_DEVICE, 200, words))
        self.board.sound(call)

    def _objection(self, event: sip.IncomingCall, caller: Caller, to: Destination) -> int:
        """Why a call cannot go on, as a status; 0 where it can."""
        if to.kind == "refused":
            return to.status
        if event.request.max_forwards == 0:
            return TOO_MANY_HOPS
        if self.board.engaged >= self._settings.max_calls:
            return 503
        return BUSY if caller.kind == "extension" and self.board.begun_by(caller) >= caller.max_calls else 0

    # ---- the called party (an errand of the ringer)

    def on_ringing(self, search: Search, party: Party, event: sip.CallProgress) -> None:
        """Somebody rings: the caller is told, with the sound of the first one that has any."""
        call = search.call
        self._caller_side.on_progress(call, party, event)
        self.board.happens(call, Input.RANG)
        self.board.sound(call)

    def on_answered(self, search: Search, party: Party) -> None:
        """The called party answered: so does the node."""
        call = search.call
        self.board.when_ready(call, call.caller.leg, lambda: self._connect(call, party))

    def _connect(self, call: ThroughCall, party: Party) -> None:
        core, caller = self._core, call.caller
        if not core.endpoint.is_waiting(caller.session):  # it gave up in the same moment
            core.hang_up(party.session, reason_fields(None, hung_up(caller.name)))
            return
        if party.session not in call.parties:  # it hung up while our addresses were being found out
            self._caller_side.refuse(call, UNAVAILABLE, outcome_of_rejection(UNAVAILABLE, ""))
            return
        self._caller_side.answer(call, party)
        call.callee, call.early = party, None
        party.leg.expect(core.now)
        self.board.limits.set(call.id, core.now + self._settings.max_call_duration_s)
        self.board.sound(call)
        words = f"{caller.name} talks with {party.name}"
        self.board.happens(call, Input.ANSWERED, (CallReason.ACCEPTED_BY_REMOTE, 200, words))
        self._changes.align(call, party)

    def on_exhausted(self, search: Search, status: int, event: sip.SessionEnded | None) -> None:
        """Nobody answered: the caller is told what says most."""
        self._caller_side.refuse(search.call, status, outcome_of_rejection(status, ""), event)

    # ---- sessions

    def owns(self, session: str) -> bool:
        """Whether this session is a party's of a call through the node."""
        return self.board.of_session(session) is not None

    def on_event(self, event: sip.Event) -> bool:
        """Whether what happened is in one of our sessions, and has been seen to."""
        if isinstance(event, sip.ReferralEnded):  # may come after the end of its session
            return self._transfers.on_referral_ended(event)
        session = getattr(event, "session", "")
        found = self.board.of_session(session)
        if found is None:
            return False
        self._on_session_event(session, *found, event)
        return True

    def _on_session_event(self, session: str, call: ThroughCall, party: Party, event: sip.Event) -> None:
        search = self._ringer.search_of(session)
        match event:
            case sip.SessionEnded():
                self._on_ended(call, party, search, event)
            case sip.CallProgress() if search is not None:
                self._ringer.on_progress(search, event)
            case sip.CallAnswered() if search is not None:
                self._ringer.on_answered(search, event)
            case sip.CallConfirmed():
                party.leg.proven = True  # the ACK carried the tag of our 2xx, which went to the address of the caller
                self._take_answer(call, party, event.body)
            case sip.EarlyAnswer():
                self._take_answer(call, party, event.body)
            case sip.InfoReceived():
                self._on_info(call, party, event)
            case sip.ReferReceived():
                self._transfers.on_refer(call, party, event)
            case _:
                self._changes.on_event(call, party, event)

    def _take_answer(self, call: ThroughCall, party: Party, body: bytes | None) -> None:
        """The answer to our offer of somebody who called and made none (RFC 3264 §4)."""
        leg = party.leg
        if leg.offering and party in (call.caller, call.callee):
            try:
                leg.take_answer(body or b"", self._core.now)
            except RemoteError as error:
                self.end(call, (CallReason.FAILED, error.status, f"no common audio: {error.reason}"))
                return
            party.answered(body)
            self._changes.align(call, party)
            self.board.announce(call)
        self.board.sound(call)

    def _on_ended(self, call: ThroughCall, party: Party, search: Search | None, event: sip.SessionEnded) -> None:
        self._changes.before_end(party)
        self.board.drop(event.session)
        if search is not None:
            if call.early is party:
                call.early = None
                self._caller_side.hear_next(call, search)
                self.board.sound(call)
            self._ringer.on_ended(search, event)
        elif party is call.caller or party is call.callee:
            self._left(call, party, event)
        self.board.settle(call)

    def _left(self, call: ThroughCall, party: Party, event: sip.SessionEnded) -> None:
        """One of the two is gone: so goes the other, unless somebody else is being called in its place."""
        if self._transfers.party_left(call, party):
            return
        reason, status, words = outcome_of(event)
        if event.cause is sip.EndCause.REMOTE_HANGUP:
            words = words.replace("the far side", party.name)
        outcome = (reason, status, words)
        action = self.board.happens(call, Input.LEFT, outcome)
        if action is not None:
            self._carry_out(call, action, reason_fields(event, outcome))

    def _bring_to_door(self, party: Party, door_session: str) -> bool:
        """A transfer leads to the door; who was there before is let go."""
        brought = self.at_door.bring(party, door_session)
        if brought and door_session:
            self._core.hang_up(door_session)
        return brought

    # ---- the end

    def end(self, call: ThroughCall, outcome: Outcome) -> None:
        """Bring all legs down; the call is over when the last one is."""
        action = self.board.happens(call, Input.ENDED_HERE, outcome)
        if action is not None:
            self._carry_out(call, action, reason_fields(None, outcome))
        self.board.settle(call)

    def _carry_out(self, call: ThroughCall, action: Action, headers: tuple[tuple[str, str], ...]) -> None:
        """Say goodbye to whoever is there, with the reason for it."""
        core, caller = self._core, call.caller.session
        self._transfers.give_up(call)
        if action is Action.GIVE_UP and core.endpoint.is_waiting(caller):
            core.endpoint.reject(caller, UNAVAILABLE, core.now, headers=headers)
        for session in list(call.parties):
            search = self._ringer.search_of(session)
            if search is not None:
                self._ringer.stop(search, headers)
            elif action is Action.PART or session != caller:
                core.hang_up(session, headers)
        self.board.sound(call)

    def hang_up(self, call_id: str, detail: str = "hung up here") -> None:
        """End the call of that id. Raises UnknownNameError."""
        self.end(self.board.known(call_id), (CallReason.TERMINATED, 0, detail))

    def abandon(self, now: float) -> None:
        """Let go of calls whose parties have not agreed to their end: of ports, and of relays at servers."""
        for call in self.board.calls:
            for party in call.parties.values():
                party.leg.close(now)

    # ---- media

    def on_media_event(self, leg: SipLeg, event: MediaEvent) -> None:
        """The media of one of our legs tell something."""
        found = self.board.of_session(leg.session)
        if found is None:
            return
        call, party = found
        match event:
            case KeysMade():
                self.board.sound(call)
                self.board.announce(call)
            case HandshakeFailed():
                self._media_failed(call, party, event.why)
            case PathFailed():
                self._media_failed(call, party, f"no way for the sound: {event.detail}")
            case RemoteSilent() if call.state is State.ACTIVE and party in call.talking:
                words = f"{party.name} has been silent for {event.since_s:.0f} s"
                self.end(call, (CallReason.FAILED, 0, words))
            case DigitStarted():
                if (event.road != "rtp" or leg.account.dtmf_rtp) and leg.merger.started(
                    event.road, event.digit, event.at, held=True
                ):
                    self.board.digit(call, party, event.digit, event.road)
            case DigitEnded():
                leg.merger.ended(event.road, event.digit, event.at)
            case PathFound() | RelayFound() | AddressMoved():
                if _has_moved(leg, event, self._core.now):
                    self._changes.tell_again(call, party)

    def _media_failed(self, call: ThroughCall, party: Party, why: str) -> None:
        if party is call.caller or party is call.callee:
            self.end(call, (CallReason.FAILED, 0, f"{party.name}: {why}"))
        else:
            self._core.hang_up(party.session)

    def _on_info(self, call: ThroughCall, party: Party, event: sip.InfoReceived) -> None:
        """Digits that came by INFO; they may come by RTP as well, and count once."""
        leg = party.leg
        leg.proven = True  # it overtook the ACK, and carries the same tag
        digit = parse_info(event.content_type, event.body)
        if digit is not None and leg.account.dtmf_info and leg.merger.started("info", digit, self._core.now):
            self.board.digit(call, party, digit, "info")

    # ---- time

    def next_deadline(self) -> float | None:
        clocks = (self.board.limits, self._ringer.hunts, self._changes, self._transfers)
        deadlines = [clock.next_deadline() for clock in clocks]
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        """End calls whose time is up; say again what met an offer of the far side."""
        while (call_id := self.board.limits.pop_due(now)) is not None:
            call = self.board.known(call_id)
            if call.state is State.ACTIVE:
                words = "longest call duration reached (switch.max_call_duration_s)"
                self.end(call, (CallReason.TERMINATED, 0, words))
            else:
                self.end(call, (CallReason.NO_ANSWER, UNAVAILABLE, "nobody answered (switch.ring_s)"))
        self._ringer.hunts.on_deadline(now)
        self._changes.on_deadline(now)
        self._transfers.on_deadline(now)


def _has_moved(leg: SipLeg, event: PathFound | RelayFound | AddressMoved, now: float) -> bool:
    """Whether the far side has to be told by which way its sound goes."""
    way = leg.connectivity
    if way is None:
        return False
    return event.chosen and way.wants_update if isinstance(event, PathFound) else way.moved(now)
