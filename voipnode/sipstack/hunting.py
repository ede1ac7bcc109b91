"""Hunting: one call over several hops, one after the other, until one of them serves it.

A hop has not served the call when the network refuses our bytes, when nobody answers (timer B, or sooner where the
call says so) or when it says 503: then the same INVITE goes to the next one with a branch of its own (RFC 3263 §4.3).
Call-ID, From tag and CSeq stay, so that a phone which hears of the call by two roads says 482 to the second (RFC 3261
§8.2.2.2). That it may hear the same CSeq although each server asks for a password first, every hop gets the INVITE as
the first one got it, without credentials: its challenge raises the number alike (§22.2).

What was sent to a hop that we turned away from lives on as a session that is hung up: CANCEL as soon as a provisional
response allows it (§9.1), ACK and BYE for a 2xx, and nobody is told. Its INVITE is repeated no longer, lest a server
that comes back ring a phone for a call that is over.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from voipnode.sipstack.bodies import SDP
from voipnode.sipstack.client import Client
from voipnode.sipstack.config import RELIABLE, Extension, OutgoingInvite
from voipnode.sipstack.core import HOP_SILENT, Core
from voipnode.sipstack.digest import DigestSession
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.events import HopFailed
from voipnode.sipstack.fields import RetryAfter, read_field
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Message, Response
from voipnode.sipstack.reason_field import Reason, reasons_of
from voipnode.sipstack.requests import (
    Kind,
    OutgoingRequest,
    add_capabilities,
    parse_routes,
    request_outside,
    set_body,
)
from voipnode.sipstack.routing import demands_tls, first_hop
from voipnode.sipstack.session import LEFT_TABLE, UAC_TABLE, Action, Input, InviteSession, State
from voipnode.sipstack.session_timer import SessionTimers
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")  # RFC 3261 §25.1
FIRST_CSEQ = 1
MAX_HOPS = 16  # what DNS says is not ours to trust
LOOP_DETECTED = 482


@dataclass(frozen=True, slots=True)
class Failure:
    """How the call ended at one hop; `status` 0 where nobody answered."""

    happened: Input
    status: int = 0
    reason: str = ""
    contacts: tuple[str, ...] = ()
    why: tuple[Reason, ...] = ()
    retry_after_s: int | None = None

    @classmethod
    def of(cls, response: Response) -> Failure:
        """What a final response of 300-699 says."""
        contacts = sorted(response.contacts, key=_by_q) if response.status < 400 else []
        return cls(
            Input.FAILURE,
            response.status,
            response.reason,
            tuple([str(contact.uri) for contact in contacts]),
            reasons_of(response),  # RFC 6432 lets responses have one too
            _retry_after_s(response),
        )

    @property
    def cause(self) -> str:
        """In words."""
        if self.happened is Input.TIMEOUT:
            return self.reason or "no answer"
        if self.happened is Input.LOST:
            return self.reason or "nothing could be sent there"
        return f"{self.status} {self.reason}"

    @property
    def rank(self) -> tuple[int, bool, bool]:
        """The smallest says most: the lowest class, 503 only where there is nothing else (RFC 3261 §16.7 item 6).

        Silence counts as 408 and a transport error as 503 (§8.1.3.1).
        """
        status = self.status or (408 if self.happened is Input.TIMEOUT else 503)
        return status // 100, status == 503, self.happened is Input.LOST


@dataclass(frozen=True, slots=True)
class Course:
    """One hop, and what the call's INVITE says there."""

    hop: Hop
    target: SipUri
    routes: tuple[NameAddr, ...]
    from_: str
    to: str
    headers: tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Hunt:
    """Where one call has been, and where it can still go."""

    call: OutgoingInvite
    call_id: str
    hops: tuple[Hop, ...]  # all of them
    course: Course  # the present one
    ahead: deque[Course]  # not tried yet
    behind: list[tuple[InviteSession, Course]] = field(default_factory=list)  # those that we turned away from
    failures: list[Failure] = field(default_factory=list)
    cseq: int = FIRST_CSEQ  # of the INVITE under way
    highest_cseq: int = FIRST_CSEQ  # of all
    tries: int = 0
    sent_at: float = 0.0
    met: Course | None = None  # the phone said there that the call had reached it by another road
    recalls: bool = False  # that other road is to be taken again
    renumbered: bool = False  # the call was sent there once more under a new CSeq

    @property
    def goes_on(self) -> bool:
        """Whether there is a hop to turn to."""
        return bool(self.ahead) or self._may_renumber

    @property
    def _may_renumber(self) -> bool:
        return self.met is not None and not self.renumbered

    def take_unheard(self) -> tuple[InviteSession, Course] | None:
        """Of those that we turned away from, the first that has said nothing, good or bad; taken off `behind`."""
        self.behind = [left for left in self.behind if left[0].state is not State.ENDED]
        waiting = (left for left in self.behind if left[0].state is State.CANCEL_WAITING and left[0].outgoing)
        found = next(waiting, None)
        if found is not None:
            self.behind.remove(found)
        return found

    def next_course(self) -> Course | None:
        if self._may_renumber:
            self.renumbered = True
            self.cseq = self.highest_cseq = self.highest_cseq + 1
            return self.met
        self.cseq = FIRST_CSEQ
        return self.ahead.popleft() if self.ahead else None


class Hunting:
    """Sends a call's INVITE to one hop after the other."""

    def __init__(self, core: Core, client: Client, timers: SessionTimers) -> None:
        self._core = core
        self._client = client
        self._timers = timers
        core.handlers |= {
            Action.LEAVE_UNHEARD: self._leave_unheard,
            Action.LEAVE_HEARD: self._leave_heard,
            Action.NEXT_HOP: self._next_hop,
        }
        core.session_due[HOP_SILENT] = self.silent

    def begin(self, call: OutgoingInvite, now: float) -> InviteSession:
        """Open the session of a call and send its INVITE to the first hop; LocalError where that cannot be done."""
        core = self._core
        ahead = deque(_courses(call, core.entropy.tag()))
        hops = tuple([course.hop for course in ahead])
        first = ahead.popleft()
        session = core.open_session(UAC_TABLE, State.CALLING, first.hop)
        session.digest = DigestSession(call.credentials) if call.credentials else None
        session.hunt = Hunt(call, core.entropy.call_id(), hops, first, ahead)
        try:
            self._send(session, session.hunt, first, now)
        except LocalError:
            core.forget_session(session)
            raise
        return session

    # ---- what happens at a hop

    def heard(self, session: InviteSession, status: int, now: float) -> None:
        """A provisional response came: the hop lives, and with 101-199 it gets the call on."""
        self._watch(session, now, status)

    def asked_again(self, session: InviteSession, number: int, now: float) -> None:
        """The INVITE was sent again with credentials, under the next CSeq: the hop has to answer that one now."""
        if session.hunt is not None:
            session.hunt.cseq = number
            session.hunt.highest_cseq = max(number, session.hunt.highest_cseq)
            session.hunt.sent_at = now
            self._watch(session, now)

    def silent(self, session: InviteSession, now: float) -> None:
        """The time that the call gives a hop is over."""
        hunt, outgoing = session.hunt, session.outgoing
        if hunt is None or outgoing is None or not hunt.goes_on or not session.allows(Input.HOP_LEFT):
            return
        failure = Failure(Input.TIMEOUT, reason=f"no answer within {now - hunt.sent_at:g} s")
        hunt.failures.append(Failure(Input.TIMEOUT))
        self._core.tell(HopFailed(session.id, outgoing.hop, failure.cause))
        self._core.run(session, Input.HOP_LEFT, now)

    def disconnected(self, session: InviteSession, now: float) -> None:
        """The connection over which the hop answered is gone, and the hop itself perhaps.

        It is told to stop, over a new connection: where it lives on, a telephone is ringing for us.
        """
        hunt, outgoing = session.hunt, session.outgoing
        if hunt is None or outgoing is None:
            return
        failure = Failure(Input.LOST, reason="the connection was closed")
        if not session.allows(Input.HOP_LEFT):
            self._core.run(session, failure.happened, now)  # hung up: it ends without the answer to its CANCEL
            return
        hunt.failures.append(failure)
        self._core.tell(HopFailed(session.id, outgoing.hop, failure.cause))
        self._core.run(session, Input.HOP_LEFT, now)

    def abandon(self, hop: Hop, now: float) -> None:
        """This hop serves nobody any more: every call that waits there turns to its next one, if it has any."""
        for session in list(self._core.sessions.values()):
            hunt, outgoing = session.hunt, session.outgoing
            if hunt is None or outgoing is None or outgoing.kind is not Kind.INVITE:
                continue
            there = [course for course in hunt.ahead if hop.same_place(course.hop)]  # last of all
            hunt.ahead = deque([*(course for course in hunt.ahead if course not in there), *there])
            if outgoing.hop.same_place(hop) and hunt.goes_on and session.allows(Input.HOP_LEFT):
                self._core.run(session, Input.HOP_LEFT, now)

    def failed(self, session: InviteSession, hop: Hop, failure: Failure, now: float) -> None:
        """The INVITE is over at `hop` without a 2xx: the call turns to the next hop, or ends."""
        hunt = session.hunt
        assert hunt is not None
        self._core.deadlines.cancel((HOP_SILENT, session.id))
        if not session.allows(Input.HOP_FAILED):
            self._end(session, failure, now)  # hung up: whose fault it was is nobody's business any more
        elif failure.status == LOOP_DETECTED and hunt.tries > 1 and not hunt.renumbered:
            # The phone has the call already, from a hop that we turned away from. Where that one was silent it may
            # yet bring the phone's answer; where it was cancelled the phone is told so, and has to be asked anew.
            hunt.met, hunt.recalls = hunt.course, True
            self._core.run(session, Input.HOP_FAILED, now)
        elif failure.happened is Input.FAILURE and failure.status not in hunt.call.failover_statuses:
            self._end(session, failure, now)
        else:
            hunt.failures.append(failure)
            self._core.tell(HopFailed(session.id, hop, failure.cause, failure.retry_after_s))
            self._core.run(session, Input.HOP_FAILED, now)

    # ---- the tables' actions

    def _leave_unheard(self, session: InviteSession, now: float, message: Message | None) -> None:
        outgoing = self._put_aside(session).outgoing
        assert outgoing is not None
        self._core.layer.give_up(outgoing.transaction, now)

    def _leave_heard(self, session: InviteSession, now: float, message: Message | None) -> None:
        self._core.run(self._put_aside(session), Input.PROVISIONAL, now)

    def _put_aside(self, session: InviteSession) -> InviteSession:
        """Give the INVITE under way a session of its own, which is hung up and that nobody knows of."""
        hunt, outgoing = session.hunt, session.outgoing
        assert hunt is not None
        assert outgoing is not None
        left = InviteSession(f"{session.id} at {outgoing.hop.remote}", LEFT_TABLE, State.CANCEL_WAITING, outgoing.hop)
        left.digest, left.outgoing = session.digest, outgoing
        outgoing.session = left
        session.outgoing = None
        hunt.behind.append((left, hunt.course))
        return left

    def _next_hop(self, session: InviteSession, now: float, message: Message | None) -> None:
        hunt = session.hunt
        assert hunt is not None
        for dialog in session.early.values():  # of the hop before
            self._core.remove_dialog(dialog)
        session.early.clear()
        recalls, hunt.recalls = hunt.recalls, False
        if recalls and self._take_back(session, hunt, now):
            return
        while (course := hunt.next_course()) is not None:
            try:
                self._send(session, hunt, course, now)
            except LocalError as error:
                hunt.failures.append(Failure(Input.LOST, reason=str(error)))
            else:
                return
        # Nobody is left to turn to but those who said nothing at all: one of them may only be slow.
        if not self._take_back(session, hunt, now):
            self._end(session, min(hunt.failures, key=lambda failure: failure.rank), now)

    # ---- inside

    def _take_back(self, session: InviteSession, hunt: Hunt, now: float) -> bool:
        """Wait for a hop again that nothing was heard of; False where there is none."""
        found = hunt.take_unheard()
        if found is None:
            return False
        left, hunt.course = found
        outgoing, left.outgoing = left.outgoing, None
        assert outgoing is not None
        outgoing.session, session.outgoing, session.hop = session, outgoing, outgoing.hop
        hunt.sent_at = now
        self._core.layer.resume(outgoing.transaction, now)
        self._watch(session, now)
        return True

    def _send(self, session: InviteSession, hunt: Hunt, course: Course, now: float) -> None:
        call, core = hunt.call, self._core
        target, routes, hop = course.target, course.routes, course.hop
        request = request_outside(
            "INVITE", target, course.from_, course.to, hunt.call_id, routes, call.max_forwards, hunt.cseq
        )
        secure = demands_tls(target, routes)
        request.headers.add("Contact", core.contact(call.contact_user, hop, secure=secure, ob=call.outbound))
        add_capabilities(request, core.config)
        if core.config.reliable is Extension.REQUIRED:
            request.headers.add("Require", RELIABLE)
        self._timers.ask(session, request, call.session_expires_s)
        for name, value in course.headers:
            request.headers.add(name, value)
        set_body(request, call.offer, SDP)
        if session.digest is not None and hunt.renumbered:
            self._client.sign(request, session.digest)
        outgoing = OutgoingRequest(Kind.INVITE, request, hop, session, digest=session.digest)
        self._client.send(outgoing, now)
        session.hop, session.outgoing, hunt.course = outgoing.hop, outgoing, course
        hunt.tries += 1
        hunt.sent_at = now
        self._watch(session, now)

    def _watch(self, session: InviteSession, now: float, status: int = 0) -> None:
        """Set when to turn to the next hop, having heard `status` last; without a next hop there is no hurry."""
        hunt = session.hunt
        if hunt is None:
            return
        waits = (hunt.call.no_progress_s,) if status == 100 else (hunt.call.no_answer_s, hunt.call.no_progress_s)
        wait_s = min((wait for wait in waits if wait is not None), default=None)
        if wait_s is None or status > 100 or not hunt.goes_on:
            self._core.deadlines.cancel((HOP_SILENT, session.id))
        else:
            self._core.deadlines.set((HOP_SILENT, session.id), hunt.sent_at + wait_s)

    def _end(self, session: InviteSession, failure: Failure, now: float) -> None:
        session.ended_status, session.ended_reason = failure.status, failure.reason
        session.contacts, session.why = failure.contacts, failure.why
        self._core.run(session, failure.happened, now)


def _courses(call: OutgoingInvite, tag: str) -> list[Course]:
    """The hops of a call in their order, with one From tag for all of them."""
    courses = []
    given = call.hops or (call.hop,)
    roads = [(given, call.target, call.from_, call.routes, call.headers)]
    roads += [(road.hops, road.target, road.from_, road.routes, road.headers) for road in call.detours]
    for hops, target, from_, route_values, headers in roads:
        routes = parse_routes(route_values)
        to = str((call.to or NameAddr(None, target)).without_tag())
        for hop in hops:
            first = first_hop(target, routes, hop)
            courses.append(Course(first, target, routes, str(from_.with_tag(tag)), to, headers))
    return courses[:MAX_HOPS]


def _retry_after_s(response: Response) -> int | None:
    try:
        value = read_field(response.headers, "Retry-After")
    except ParseError:
        return None
    return value.seconds if isinstance(value, RetryAfter) else None


def _by_q(contact: NameAddr) -> float:
    """Sorts the most wanted first; without a q, or with none that can be read, a contact is wanted most (§20.10)."""
    text = contact.params.get("q") or "1"
    return -float(text) if QVALUE.fullmatch(text) else -1.0
