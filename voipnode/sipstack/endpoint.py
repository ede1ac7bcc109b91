"""The SIP user agent as one engine: bytes and commands in, packets and events out; no clock, no sockets, no randomness.

An `Endpoint` is both a UAC and a UAS (RFC 3261 §8). Its five verbs are those of every engine here: `receive`, `outbox`,
`next_deadline`, `on_deadline`, `next_event`. Beside them stand the commands of the layer above; each acts at once, and
what it has to send is in the next `outbox`. `now` is any monotonic clock in seconds, the same one in every call.

A session is named by the string that `invite` returned or that `IncomingCall` carried. It ends with exactly one
`SessionEnded`; from then on its name is unknown, and a command that uses it raises `LocalError`. So does every command
that the session's state does not allow; nothing has been sent then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from voipnode.sipstack.answering import Answering
from voipnode.sipstack.calling import Calling
from voipnode.sipstack.client import Client
from voipnode.sipstack.config import EndpointConfig, OutgoingInvite, OutsideRequest
from voipnode.sipstack.core import Core
from voipnode.sipstack.dialog import Dialog
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.entropy import Entropy
from voipnode.sipstack.events import Event, NoticeReceived
from voipnode.sipstack.gate import Gate
from voipnode.sipstack.message import Headers, Request
from voipnode.sipstack.notifications import Notifications
from voipnode.sipstack.notifier import Notifier
from voipnode.sipstack.outside import Outside
from voipnode.sipstack.pinging import Pinging
from voipnode.sipstack.pracks import Pracks
from voipnode.sipstack.receiver import Receiver
from voipnode.sipstack.referrals import Referrals
from voipnode.sipstack.referring import Referring
from voipnode.sipstack.refresher import Refresher
from voipnode.sipstack.reliable import Reliable
from voipnode.sipstack.replaces import Replaces
from voipnode.sipstack.replacing import find_replacement
from voipnode.sipstack.series import Series
from voipnode.sipstack.server import Server, no_dialog
from voipnode.sipstack.serving import Package, Serving
from voipnode.sipstack.session import UAC_TABLE, Input, InviteSession
from voipnode.sipstack.session_timer import SessionTimers
from voipnode.sipstack.subscribing import Subscribing
from voipnode.sipstack.texts import Texts
from voipnode.sipstack.transaction.events import ServerArrival
from voipnode.sipstack.transport import Address, Hop, Packet
from voipnode.sipstack.updating import Updating
from voipnode.sipstack.uri import SipUri

__all__ = ["Endpoint", "EndpointConfig", "OutgoingInvite", "OutsideRequest", "Registrar", "Series"]


class Registrar(Protocol):
    """Who keeps bindings, if anybody does."""

    def register(self, request: Request, source: Hop, now: float) -> tuple[tuple[str, str], ...]:
        """Carry out a REGISTER, all of it or nothing (RFC 3261 §10.3), and give the fields of its 200.

        Raises RemoteError with any other answer.
        """
        ...


class Endpoint:
    """One SIP user agent over any number of peers, connections and calls.

    `local_address(hop)` names the address and port under which the peer behind `hop` reaches us, for Via and Contact;
    port 0 where it does so over the connection that we opened, and in no other way.
    """

    def __init__(self, config: EndpointConfig, entropy: Entropy, local_address: Callable[[Hop], Address]) -> None:
        self._core = Core(config, entropy, local_address)
        self._client = Client(self._core)
        pracks = Pracks(self._core, self._client)
        timers = SessionTimers(self._core, self._client)
        self._calling = Calling(self._core, self._client, pracks, timers)
        self._outside = Outside(self._core, self._client)
        self._pinging = Pinging(self._core)
        self._reliable = Reliable(self._core)
        self._answering = Answering(self._core, self._reliable, timers)
        server = self._server = Server(self._core, self._answering)
        server.find_replacement = partial(find_replacement, self._core)
        self._updating = Updating(self._core, self._client, pracks, self._reliable, timers, server)
        Refresher(self._core, self._calling, self._updating)
        self._notifications = Notifications(self._core, server)
        self._notifier = Notifier(self._core, self._client, server)
        self._serving = Serving(self._core, server, self._notifier)
        self._referring = Referring(self._core, self._client, self._notifications)
        self._referrals = Referrals(self._core, server, self._notifier)
        self._subscribing = Subscribing(self._core, self._client, self._outside, self._notifications)
        Texts(self._core, server)
        self._receiver = Receiver(
            *(self._core, self._client, self._calling, self._pinging),
            *(server, self._answering, self._updating),
        )

    def forwarded_at(self, host: str) -> None:
        """A router forwards our ports, and has this address outside; "": it does so no more."""
        self._core.own_addresses.forwarded = host

    def screen(self, gate: Gate) -> None:
        """Have `gate` asked for every request outside the dialogs and transactions that there are.

        Who is turned away gets one answer or none; nothing of him is kept or told but `Refused`.
        """
        self._core.gate = gate

    # ---- the five verbs, and what net has to tell

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """Take one datagram (UDP), or the next piece of a stream (`source.connection` says which). Never raises."""
        self._receiver.receive(data, source, now)

    def connection_closed(self, source: Hop, now: float) -> None:
        """The stream connection `source.connection` is gone; what was half received is forgotten.

        Requests that wait for an answer over it are sent over a new one, once; told: `ConnectionClosed`. A call that
        got no further than to a provisional response turns to its next hop, and is cancelled here.
        """
        self._receiver.connection_closed(source, now)

    def send_failed(self, transaction: str, now: float, why: str = "") -> None:
        """Sending a packet failed (`Packet.transaction`; "" is ignored): unreachable, refused (RFC 3261 §18.4).

        `why` says it in words; it is the reason of the `SessionEnded` or `RequestFinished` that comes of it.
        """
        self._receiver.send_failed(transaction, now, why)

    def outbox(self, now: float) -> list[Packet]:
        """What is to be sent now, in order; each packet is handed out once."""
        self._receiver.drain(now)  # a command may have ended transactions
        return self._core.outbox()

    def closes(self) -> list[Hop]:
        """Stream connections to close: what came over them can no longer be framed. Each is handed out once."""
        return self._core.connections.closes()

    def next_deadline(self) -> float | None:
        """When `on_deadline` wants to be called, or None."""
        return self._receiver.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Do everything that is due at `now`; calling it too early or twice does no harm."""
        self._receiver.on_deadline(now)

    def next_event(self) -> Event | None:
        """The oldest event that was not handed out yet, or None."""
        return self._core.next_event()

    # ---- commands for calls that we place

    def invite(self, call: OutgoingInvite, now: float) -> str:
        """Place a call: send an INVITE and return its session's name.

        Told: `CallProgress` for each 101-199, `CallAnswered`, `SessionEnded`, and `HopFailed` for each hop that did not
        serve it. A 401 or 407 is answered with `call.credentials` by itself. Raises `LocalError` at `max_sessions`,
        and where sips would go over a hop without TLS.
        """
        return self._calling.invite(call, now)

    def abandon_hop(self, hop: Hop, now: float) -> None:
        """`hop` serves nobody any more: every call of ours that waits there for its answer turns to its next hop.

        A call without a next hop goes on waiting. What was sent to `hop` is CANCELled as soon as a sign of life allows.
        """
        self._calling.hunting.abandon(hop, now)

    def acknowledge(self, session: str, body: bytes, now: float, tag: str = "") -> None:
        """Give the SDP answer in the ACK: only after an INVITE or re-INVITE sent without an offer was answered.

        Or in the PRACK, where a provisional response brought the offer (`CallProgress.is_offer`); `tag` says of which
        fork. The ACK to an INVITE that carried an offer has been sent by then and needs no command.
        """
        self._calling.acknowledge(self._core.session(session), body, now, tag)

    # ---- commands for calls that came in

    def ring(
        self,
        session: str,
        now: float,
        status: int = 180,
        reason: str | None = None,
        body: bytes | None = None,
        *,
        reliable: bool = False,
    ) -> None:
        """Send a provisional response (101-199), with SDP for early media where `body` is given.

        May be repeated. The endpoint repeats the last one every minute, against proxies that give up after three
        (RFC 3261 §13.3.1.1). `reliable` has it acknowledged where the caller can do that (RFC 3262); where the caller
        requires that it is so in any case. To an INVITE without an offer the first reliable one holds ours, told as
        `EarlyAnswer`, and an unreliable one no SDP. Nobody's PRACK for 64*T1 ends the call with 504.
        """
        self._answering.ring(self._core.session(session), now, status, reason, body, reliable)

    def accept(self, session: str, body: bytes | None, now: float, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer the call: 200 with SDP, repeated until the ACK comes. Told: `CallConfirmed`, or `SessionEnded`.

        Where a reliable provisional response carried the SDP, the 200 waits for its PRACK and holds none (RFC 3262 §3).
        `headers` adds fields (Answer-Mode, for one).
        """
        Headers(headers)  # refuses what cannot be written before anything has happened
        self._core.session(session).answer_headers = headers
        self._answering.accept(self._core.session(session), body, now)

    def reject(
        self,
        session: str,
        status: int,
        now: float,
        reason: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Refuse the call with a final status 300-699; `headers` adds fields (Contact with 302, Warning with 488)."""
        self._answering.reject(self._core.session(session), status, now, reason, headers)

    def hold_to_source(self, session: str) -> None:
        """Who called is reached where his INVITE came from: he has proven to receive there, and may be behind a NAT."""
        dialog = self._core.session(session).dialog
        if dialog is not None and dialog.flow is not None:
            dialog.flow = dialog.flow.held(dialog.remote_target)

    # ---- commands for any call

    def hang_up(self, session: str, now: float, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """End the call with what its state asks for; `headers` (Reason, for one) go into the BYE, CANCEL or 480.

        Outgoing and unanswered: CANCEL, held back until a provisional response came (RFC 3261 §9.1); a 2xx that
        crosses it gets ACK and BYE. Incoming and unanswered: 480. Answered: BYE, which waits for the ACK of our 2xx
        (§15). `SessionEnded` follows at once or, with CANCEL or a missing ACK, within 64*T1.
        """
        call = self._core.session(session)
        Headers(headers)  # refuses what cannot be written before anything has happened
        call.parting_headers = headers
        self._core.run(call, Input.HANG_UP, now)

    def info(self, session: str, content_type: str, body: bytes, now: float) -> str:
        """Send an INFO in the dialog, early or confirmed; returns the token that `RequestFinished` will carry."""
        return self._client.info(self._core.session(session), content_type, body, now)

    def reinvite(self, session: str, offer: bytes | None, now: float) -> str:
        """Change the session: re-INVITE; returns the token that `ReinviteAnswered` will carry.

        `offer` None asks the far side for one; its answer then goes into `acknowledge`. Raises `LocalError` while
        another INVITE of this dialog is under way in either direction (RFC 3261 §14.1).
        """
        return self._calling.reinvite(self._core.session(session), offer, now)

    def accept_reinvite(self, session: str, body: bytes, now: float) -> None:
        """Answer `ReinviteReceived` with 200 and SDP (an offer where it brought none)."""
        self._answering.accept_reinvite(self._core.session(session), body, now)

    def reject_reinvite(self, session: str, status: int, now: float, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer `ReinviteReceived` with a final status 300-699 (488 as a rule); the session stays as it was."""
        self._answering.reject_reinvite(self._core.session(session), status, now, headers)

    def update(self, session: str, offer: bytes | None, now: float, tag: str = "") -> str:
        """Change the session by UPDATE, while it rings or later; returns the token that `UpdateAnswered` will carry.

        `offer` None only confirms our address. `tag` names the fork while our call rings; "" = heard of last. Raises
        `LocalError` while another offer, or another UPDATE of ours, is under way in that dialog, and before the first
        exchange is complete and acknowledged (RFC 3311 §5.1).
        """
        return self._updating.update(self._core.session(session), offer, now, tag)

    def accept_update(self, session: str, body: bytes, now: float) -> None:
        """Answer `UpdateReceived` with 200 and SDP."""
        self._updating.accept(self._core.session(session), body, now)

    def reject_update(self, session: str, status: int, now: float, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer `UpdateReceived` with a final status 300-699 (488, or 504 where a person would have to be asked)."""
        self._updating.reject(self._core.session(session), status, now, headers)

    # ---- subscriptions

    def subscribe(self, call: OutsideRequest, event: str, now: float, *, accept: str, expires_s: int = 3600) -> str:
        """Ask to be told of `event` (an event package) for as long as nobody ends it; returns the subscription's name.

        `call` says whom to ask and how; its method is SUBSCRIBE, and its headers hold our Contact (see `contact`).
        It is refreshed by itself. Told: `NotifyReceived`, and at the end one `SubscriptionEnded` (RFC 6665 §4.1).
        """
        return self._subscribing.subscribe(call, event, accept, expires_s, now)

    def serve_subscriptions(self, package: Package) -> None:
        """Take subscriptions of others to this event package (RFC 6665 §4.2), which are 489 until then."""
        self._serving.serve(package)

    def watched(self, package: str) -> tuple[str, ...]:
        """What others watch of this package now, by the names that its server gave."""
        return self._serving.watched(package)

    def state_changed(self, package: str, name: str, now: float) -> None:
        """What `name` stands for has changed: whoever watches it is sent a new picture."""
        self._serving.changed(package, name, now)

    def dialog_of(self, session: str) -> Dialog | None:
        """The dialog of a session, the early one that was heard of last before the answer; to look at."""
        found = self._core.sessions.get(session)
        if found is None:
            return None
        return found.dialog or next(reversed(found.early.values()), None)

    def unsubscribe(self, subscription: str, now: float) -> None:
        """End a subscription of ours; `SubscriptionEnded` follows. LocalError where there is none of that name."""
        self._subscribing.unsubscribe(subscription, now)

    def welcome_notices(self, package: str, accepts: Callable[[Hop], bool]) -> None:
        """Take NOTIFYs of this event package without a subscription, from the sources that `accepts` names.

        Told: `NoticeReceived`. Others are answered 481, as RFC 6665 §4.1.3 wants.
        """

        def take(request: Request, source: Hop, now: float) -> None:
            if not accepts(source):
                raise no_dialog()
            self._core.tell(NoticeReceived(request, source, package, request.body))

        self._notifications.unasked[package] = take

    # ---- registrations of others

    def serve_registrations(self, registrar: Registrar) -> None:
        """Have `registrar` answer REGISTER (RFC 3261 §10.3), which is 405 until then."""

        def take(arrival: ServerArrival, now: float) -> None:
            headers = registrar.register(arrival.request, arrival.source, now)
            self._server.respond(arrival, 200, now, headers=headers)

        self._server.methods["REGISTER"] = take

    # ---- transfer

    def refer(
        self,
        session: str,
        refer_to: SipUri | None,
        now: float,
        *,
        replaces: str = "",
        referred_by: str = "",
    ) -> str:
        """Ask the far side to call somebody else (RFC 3515); returns the token that `TransferProgress` will carry.

        `replaces` names another answered session of ours: the new call takes its place at that session's far side,
        which is called where its Contact says unless `refer_to` says otherwise (attended transfer, RFC 5589 §7).
        `referred_by` is our address as a name-addr (RFC 3892). The call goes on until somebody ends it. Raises
        LocalError while the call is not answered, or another REFER of ours is under way in it.
        """
        other = self._core.session(replaces) if replaces else None
        call = self._core.session(session)
        return self._referring.refer(call, refer_to, now, replaces=other, referred_by=referred_by)

    def accept_refer(self, token: str, now: float) -> None:
        """Answer `ReferReceived` with 202; the far side is told 100 at once (RFC 3515 §2.4.4)."""
        self._referrals.accept(token, now)

    def reject_refer(self, token: str, status: int, now: float, reason: str | None = None) -> None:
        """Answer `ReferReceived` with a final status 300-699 (603 as a rule)."""
        self._referrals.reject(token, status, now, reason)

    def refer_progress(self, token: str, status: int, reason: str, now: float) -> bool:
        """Tell the far side how the call that it asked for goes; a status from 200 is the last word.

        False where nobody wants to hear it, or any more; where True, `ReferralEnded` follows the last word.
        """
        return self._referrals.progress(token, status, reason, now)

    # ---- what may have changed since an event was told: one piece of a stream can hold several messages

    def knows(self, session: str) -> bool:
        """Whether the session has not ended yet."""
        return session in self._core.sessions

    def placed(self, call_id: str) -> bool:
        """Whether a call of ours that goes on has this Call-ID: an INVITE that brings it has come back to us."""
        sessions = self._core.sessions.values()
        return any(session.table is UAC_TABLE and call_id in _call_ids(session) for session in sessions)

    def session_replaced_by(self, wanted: Replaces) -> str:
        """The session whose dialog this names, "" where there is none."""
        found = [self._core.dialogs[each] for each in wanted.dialog_ids if each in self._core.dialogs]
        return found[0][0].id if len(found) == 1 else ""

    def takes_info(self, session: str) -> bool:
        """Whether the far side serves INFO, as far as it has told; an early dialog is not asked."""
        found = self._core.sessions.get(session)
        return found is not None and found.dialog is not None and found.dialog.takes_info

    def is_waiting(self, session: str) -> bool:
        """Whether an INVITE or re-INVITE of the session still waits for our answer."""
        found = self._core.sessions.get(session)
        if found is None or found.incoming is None or found.incoming.accepted:
            return False
        return not self._reliable.is_held(found)

    def is_updating(self, session: str) -> bool:
        """Whether an UPDATE of the session, told as `UpdateReceived`, still waits for our answer."""
        found = self._core.sessions.get(session)
        return found is not None and self._updating.is_waiting(found)

    # ---- commands outside a dialog

    def series(self, credentials: tuple[Credentials, ...] = ()) -> Series:
        """Begin a series of requests that share Call-ID, From tag, rising CSeq and digest state (RFC 3261 §10.2)."""
        return self._outside.series(credentials)

    def request(self, call: OutsideRequest, now: float) -> str:
        """Send a request outside a dialog; returns the token that `RequestFinished` will carry.

        A 401 or 407 is answered with the credentials by itself, each set once. Raises LocalError for what cannot be
        written, for a target that names no transport of ours, and where there is no room for a transaction.
        """
        return self._outside.request(call, now)

    def ping(self, hop: Hop, now: float, within_s: float | None = None) -> str:
        """Ask whether the flow along `hop` lives; returns the token that `PingFinished` will carry.

        Two line ends over a connection, answered within 10 s (RFC 5626 §4.4.1); over UDP a STUN request, repeated for
        39.5 s (§4.4.2), which only a server may be sent that takes them: it says `ob` in the Path of its answer to
        REGISTER, or somebody has set it so (§8). `within_s`: it has failed sooner than that.
        """
        return self._pinging.ping(hop, now, within_s)

    def close_connection(self, hop: Hop) -> None:
        """Close the connection that `hop` names: it leads nowhere any more, though nobody has closed it."""
        self._core.connections.close(hop)

    def contact(self, user: str, hop: Hop, params: tuple[tuple[str, str | None], ...] = ()) -> str:
        """Our Contact value for the peer behind `hop`, for REGISTER and its like.

        `params` follow the URI as they are written: `("reg-id", "1")`, `("+sip.instance", '"<urn:uuid:...>"')`.
        """
        return self._core.contact(user, hop, params)

    def learnt_address(self, hop: Hop) -> Address | None:
        """Where the peer behind `hop` saw our last request come from, as its answer said (RFC 3581); None: unknown."""
        return self._core.own_addresses.learnt(hop)

    # ---- what tests and monitoring look at

    def counts(self) -> dict[str, int]:
        """How much is being remembered: sessions, dialogs, transactions, requests,
        those outside a dialog that wait, pings, INVITEs and UPDATEs being answered, ACKs, PRACKs that are expected,
        deadlines, connections, subscriptions of ours (watches) and of others, of which some are served here, REFERs of
        ours (references) and of others (referrals)."""
        counts = self._core.counts()
        counts["requests"], counts["answering"] = len(self._client), len(self._answering)
        counts["pings"] = len(self._pinging)
        counts["outside"] = len(self._outside)
        counts["acks"], counts["late_pracks"] = len(self._calling.acks), len(self._reliable)
        counts["updates"] = len(self._updating)
        counts["watches"], counts["subscriptions"] = len(self._notifications), len(self._notifier)
        counts["served"] = len(self._serving)
        counts["subscribing"] = len(self._subscribing)
        counts["references"], counts["referrals"] = len(self._referring), len(self._referrals)
        return counts


def _call_ids(session: InviteSession) -> tuple[str, ...]:
    """The Call-ID of a session that we began; it has one, wherever that is known by now."""
    invite = session.outgoing.request.call_id if session.outgoing is not None else ""
    return invite, session.dialog.id.call_id if session.dialog is not None else ""
