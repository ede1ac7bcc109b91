"""What both sides of the endpoint share: transactions, sessions, dialogs, deadlines, and the way out.

`run` is the one runner of the session tables; `client` and `server` register how they carry out the actions that are
theirs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from zlib import crc32

from voipnode.sipstack.config import EndpointConfig
from voipnode.sipstack.connections import Connections
from voipnode.sipstack.dialog import Dialog, DialogId
from voipnode.sipstack.entropy import Entropy
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import EndCause, Event, Refused, SessionEnded
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.gate import Gate, OpenGate
from voipnode.sipstack.message import Message, Response
from voipnode.sipstack.own_address import OwnAddresses
from voipnode.sipstack.session import UAC_TABLE, Action, Input, InviteSession, State, Table
from voipnode.sipstack.timers import DeadlineQueue
from voipnode.sipstack.transaction.layer import TransactionLayer
from voipnode.sipstack.transport import Address, Hop, Packet

Handler = Callable[[InviteSession, float, Message | None], None]
Deadline = tuple[str, Hashable]
"""What is due, and for whom: one of the kinds below with a session's id, a request's token, or an ACK's key."""

REPEAT_2XX = "repeat the 2xx"
REPEAT_1XX = "repeat the provisional response"
EXPIRES = "the INVITE expires"
REPEAT_RELIABLE = "repeat the reliable provisional response"
REFRESH = "refresh the session"
SESSION_EXPIRES = "the session expires"
SLOW = "a message is not complete"
FORGET_ACK = "forget the ACK"
FORGET_PRACK = "expect no PRACK any more"
GIVE_UP = "give up a request"
HOP_SILENT = "the hop says nothing"
PING_DUE = "a ping is answered, repeated or lost"

# WSS has no name of its own in a URI: it is ws of a sips URI, or of one that came over WSS (RFC 7118 §5.2, §8.1).
_WS_PARAMETER = ";transport=ws"
_SIP_PARAMETERS = {
    "UDP": "",
    "TCP": ";transport=tcp",
    "TLS": ";transport=tls",
    "WS": _WS_PARAMETER,
    "WSS": _WS_PARAMETER,
}
_SIPS_PARAMETERS = {"TLS": "", "WSS": _WS_PARAMETER}  # TLS over TCP is what sips means (§26.2.2)

_CAUSES = {
    Action.END_LOCAL: EndCause.LOCAL_HANGUP,
    Action.END_REMOTE: EndCause.REMOTE_HANGUP,
    Action.END_CANCELLED: EndCause.CANCELLED,
    Action.END_REJECTED: EndCause.REJECTED,
    Action.END_TIMEOUT: EndCause.TIMEOUT,
    Action.END_LOST: EndCause.TRANSPORT,
    Action.END_GONE: EndCause.GONE,
    Action.END_EXPIRED: EndCause.EXPIRED,
}


class Core:
    """The endpoint's memory. Everything in it is bounded by sessions, by transactions, or by a deadline."""

    def __init__(self, config: EndpointConfig, entropy: Entropy, local_address: Callable[[Hop], Address]) -> None:
        self.config = config
        self.entropy = entropy
        self.own_addresses = OwnAddresses(config, local_address)
        self.gate: Gate = OpenGate()
        self.is_watched: Callable[[DialogId], bool] = lambda dialog: False  # a subscription of ours lives there
        self.layer = TransactionLayer(config.timers, max_transactions=config.max_transactions)
        self.connections = Connections(config.max_connections)
        self.sessions: dict[str, InviteSession] = {}
        self.dialogs: dict[DialogId, tuple[InviteSession, Dialog]] = {}
        self.deadlines: DeadlineQueue[Deadline] = DeadlineQueue()
        self.handlers: dict[Action, Handler] = {}
        self.due: dict[str, Callable[[Hashable, float], None]] = {}  # who serves a kind of deadline
        self.session_due: dict[str, Callable[[InviteSession, float], None]] = {}  # the same where the key is a session
        self._events: deque[Event] = deque()
        self._packets: list[Packet] = []
        self._numbers = count(1)

    # ---- sessions

    def open_session(self, table: Table, state: State, hop: Hop) -> InviteSession:
        """A new session under a fresh name; LocalError at the limit."""
        if len(self.sessions) >= self.config.max_sessions:
            raise LocalError(f"{self.config.max_sessions} sessions are open, which is the limit")
        session = InviteSession(f"s{next(self._numbers)}", table, state, hop)
        self.sessions[session.id] = session
        return session

    def session(self, name: str) -> InviteSession:
        """The session of that name; LocalError where there is none, or none any more."""
        session = self.sessions.get(name)
        if session is None:
            raise LocalError(f"session {name!r} is unknown or has ended")
        return session

    def forget_session(self, session: InviteSession) -> None:
        """Take back a session that nobody was told of."""
        del self.sessions[session.id]

    def run(self, session: InviteSession, happened: Input, now: float, message: Message | None = None) -> None:
        """Advance the session's table and carry out what it says; LocalError as `InviteSession.advance`."""
        for action in session.advance(happened):
            cause = _CAUSES.get(action)
            if cause is None:
                self.handlers[action](session, now, message)
            else:
                self._end(session, cause, now)

    def add_dialog(self, session: InviteSession, dialog: Dialog) -> None:
        self.dialogs[dialog.id] = (session, dialog)

    def remove_dialog(self, dialog: Dialog) -> None:
        self.dialogs.pop(dialog.id, None)

    def _end(self, session: InviteSession, cause: EndCause, now: float) -> None:
        if session.incoming is not None:
            # A re-INVITE that nobody will answer any more, or a 2xx that nobody need repeat (§15.1.2).
            self.handlers[Action.SEND_487](session, now, None)
        if session.outgoing is not None:
            self.layer.abandon(session.outgoing.transaction, now)
        del self.sessions[session.id]
        for kind in self.session_due:
            self.deadlines.cancel((kind, session.id))
        for dialog in session.early.values():
            self.remove_dialog(dialog)
        if session.dialog is not None and not session.closing:
            self.remove_dialog(session.dialog)
        cause = session.cause or cause
        self.tell(
            SessionEnded(session.id, cause, session.ended_status, session.ended_reason, session.contacts, session.why)
        )

    # ---- the way up

    def tell(self, event: Event) -> None:
        self._events.append(event)

    def refuse(self, source: Hop, status: int, reason: str) -> None:
        """Note that a message went no further; status 0 = dropped without an answer."""
        self._events.append(Refused(source, status, reason))

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # ---- the way out

    def transmit(self, packet: Packet) -> None:
        """Send past the transaction layer (ACK to a 2xx, stateless answers), behind what it has queued so far."""
        self._packets += self.layer.outbox()
        self._packets.append(packet)

    def outbox(self) -> list[Packet]:
        packets = self._packets + self.layer.outbox()
        self._packets = []
        return packets

    def ways_for(self, dialog: Dialog, session: InviteSession | None) -> tuple[Hop, Hop | None]:
        """Where a request of the dialog is sent (§8.1.2), and where once the connection that this names is gone.

        A dialog without a session has a flow from its beginning on.
        """
        flow = dialog.flow
        if flow is None:
            assert session is not None
            flow = Flow(session.hop, theirs=session.hop.connection is not None)
        uri = dialog.next_uri()
        hop = flow.way_to(uri, alive=self.connections.is_alive(flow.hop), secure=dialog.secure)
        if hop.connection is None:
            return hop, None
        other = flow.way_to(uri, alive=False, secure=dialog.secure)
        return hop, other if other.transport == hop.transport else None

    def is_ours(self, response: Response) -> bool:
        """Whether a response came back to an address that we send from (§18.1.2), and is for nobody else (§8.1.3.3).

        Asked before the transaction layer sees it: a response that is discarded must not complete anything.
        """
        return self.own_addresses.is_ours(response.via) and len(response.vias) == 1

    def contact(
        self,
        user: str,
        hop: Hop,
        params: Iterable[tuple[str, str | None]] = (),
        *,
        secure: bool = False,
        ob: bool = False,
    ) -> str:
        """Our Contact value for a peer behind `hop`, a sips URI where `secure` (§8.1.1.8).

        `params` stand behind the URI, as they are written. `ob` asks for requests along our flow (RFC 5626 §4.3).
        """
        if secure and not hop.secure:
            hop = Hop("TLS", hop.remote)  # a sips request that reached us in the clear: by TLS we can be reached too
        at = f"{user}@" if user else ""
        transport = (_SIPS_PARAMETERS if secure else _SIP_PARAMETERS)[hop.transport]
        after = "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])
        within = f"{transport};ob" if ob else transport
        return f"<{'sips' if secure else 'sip'}:{at}{self.own_addresses.contact(hop)}{within}>{after}"

    def glare_wait_s(self, session: InviteSession) -> float:
        """2.1 to 4 s for the side that owns the Call-ID, 0 to 2 s for the other, in steps of 10 ms (§14.1)."""
        chance = crc32(self.entropy.tag().encode())
        return (210 + chance % 191) / 100 if session.table is UAC_TABLE else chance % 201 / 100

    def retry_after(self) -> tuple[tuple[str, str], ...]:
        """Retry-After of 0 to 10 s, by chance (§14.2, RFC 3311 §5.2)."""
        return (("Retry-After", str(crc32(self.entropy.tag().encode()) % 11)),)

    def number(self) -> str:
        """A fresh token for a request."""
        return f"r{next(self._numbers)}"

    def counts(self) -> dict[str, int]:
        return {
            "sessions": len(self.sessions),
            "dialogs": len(self.dialogs),
            "transactions": len(self.layer),
            "deadlines": len(self.deadlines),
            "connections": len(self.connections),
        }
