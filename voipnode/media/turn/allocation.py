"""One relayed address: asked for, kept, given back (RFC 8656 §6 to §12), as an engine without I/O.

One allocation belongs to one way to one server: the RTP socket, the RTCP socket, or a connection of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute, pack_xor_address, unpack_address
from voipnode.media.stun.message import SOFTWARE, Attributes, Kind, Message, Method
from voipnode.media.turn.allocation_table import (
    TABLE,
    Allocated,
    AllocationEvent,
    AllocationFailed,
    AllocationLost,
    Ask,
    Input,
    PeerRefused,
    State,
)
from voipnode.media.turn.login import Login
from voipnode.media.turn.peers import Peers
from voipnode.media.turn.refusals import SILENT, UNPROVEN, Refusal, refusal_of
from voipnode.media.turn.requests import Requests
from voipnode.media.turn.values import Tokens, Way
from voipnode.media.values import Addr

KEEP_ALIVE_S = 3.0  # nothing heard from the server for so long: it is asked whether our relay is still there
DEAD_AFTER_S = 4.5  # and it has gone when that stays unanswered: four datagrams over UDP
RENEW_EARLY_S = 60.0  # before the end of its lifetime (§8)
DEFAULT_LIFETIME_S = 600
MAX_LIFETIME_S = 3600
MAX_TRIES = 4  # of one request: without a login, with one, and with other nonces
UDP = 17
_FAMILY_IPV6 = 0x02
_NO_LIFETIME = ((int(Attribute.LIFETIME), bytes(4)),)  # §8.1: deletes


class Allocation:
    """A relay on the way `way`. `send` is given what goes to the server; events are taken with `next_event`.

    `family` is the IP version of the relayed address, 4 or 6. `even_port` asks for an even port and has the next one
    kept, of which `reservation` is the token that another allocation passes as `reserved` (§7.1).
    """

    def __init__(
        self,
        way: Way,
        send: Callable[[bytes], None],
        tokens: Tokens,
        *,
        patience_s: float = 39.5,
        family: int = 4,
        even_port: bool = False,
        reserved: bytes = b"",
    ) -> None:
        self.way = way
        self.address: Addr | None = None  # the relayed one
        self.mapped: Addr | None = None  # ours, as the server sees it
        self.reservation = b""
        self.peers = Peers(padded=way.reliable)
        self._login = Login(way.server.username, way.server.password)
        self._requests: Requests[Ask] = Requests(tokens, send, reliable=way.reliable)
        self._send = send
        self._patience_s = patience_s
        self._family = family
        self._even_port = even_port
        self._reserved = reserved
        self._state = State.IDLE
        self._refusal = SILENT
        self._unproven = False  # some answers were not signed as they should be
        self._alternate: tuple[Addr | None, str] = (None, "")
        self._heard_at = 0.0
        self._renew_at = 0.0
        self._asked = False  # whether it is still there
        self._cleared = False  # what another had left at our address
        self._events: deque[AllocationEvent] = deque(maxlen=64)
        self._actions: dict[str, Callable[[float], None]] = {
            "allocate": self._allocate,
            "opened": self._opened,
            "renewed": self._ask_for_peers,
            "failed": self._failed,
            "lost": self._lost,
            "delete": self._delete,
        }

    @property
    def is_open(self) -> bool:
        """True while data can be sent and received."""
        return self._state is State.OPEN

    @property
    def is_over(self) -> bool:
        """True when nothing is to be sent or awaited any more."""
        return self._state is State.OVER

    @property
    def refusal(self) -> Refusal:
        """Why it failed or was lost."""
        return self._refusal

    def start(self, now: float) -> None:
        """Ask the server for the relay."""
        self._step(Input.START, now)

    def close(self, now: float) -> None:
        """Give the relay back."""
        self._step(Input.CLOSE, now)

    def broken(self, words: str, now: float) -> None:
        """The connection with the server is gone, or never came about."""
        self._refusal = Refusal(0, words, SILENT.rest_s)
        self._requests.forget()
        self._step(Input.SILENT, now)

    def permit(self, host: str, now: float) -> None:
        """Let that address send to us through the relay (§9), for as long as the relay lives."""
        if self._fits(host):
            self.peers.permit(host)
            self._ask_for_peers(now)

    def bind(self, peer: Addr, now: float) -> None:
        """Permit a peer, and give it a channel (§12)."""
        if self._fits(peer[0]):
            self.peers.permit(peer[0])
            self.peers.bind(peer)
            self._ask_for_peers(now)

    def wrap(self, data: bytes, peer: Addr) -> bytes:
        """A datagram for a peer, as it goes to the server. Raises ValueError for a host that is a name."""
        return self.peers.wrap(data, peer)

    def next_event(self) -> AllocationEvent | None:
        return self._events.popleft() if self._events else None

    def _fits(self, host: str) -> bool:
        try:
            return ip_address(host).version == self._family
        except ValueError:
            return False

    # -- from the server

    def waits_for(self, transaction_id: bytes) -> bool:
        """Whether an answer is of a request of this allocation."""
        return self._requests.waits_for(transaction_id)

    def receive_channel(self, data: bytes, now: float) -> tuple[bytes, Addr] | None:
        """ChannelData from the server; what it carries, and from whom."""
        self._heard_at = now
        if not self.is_open:
            return None
        try:
            return self.peers.unwrap_channel(data)
        except ParseError:
            return None

    def receive(self, message: Message, now: float) -> tuple[bytes, Addr] | None:
        """A STUN message from the server; what a Data indication carries, and from whom."""
        if message.kind is Kind.INDICATION:
            self._heard_at = now
            return self._carried(message)
        ask = self._requests.purpose_of(message.transaction_id)
        if ask is None or message.kind is Kind.REQUEST or message.method is not ask.method:
            return None
        self._heard_at = now
        if message.kind is Kind.ERROR and self._challenged(ask, message, now):
            return None
        if not self._believed(ask, message):
            return None
        self._requests.done(message.transaction_id)
        if message.kind is Kind.SUCCESS:
            self._granted(ask, message, now)
        else:
            self._refused(ask, message, now)
        return None

    def _carried(self, message: Message) -> tuple[bytes, Addr] | None:
        if message.method is not Method.DATA or not self.is_open:
            return None
        try:
            return self.peers.unwrap_indication(message)
        except ParseError:
            return None

    def _believed(self, ask: Ask, answer: Message) -> bool:
        """RFC 8489 §9.2.5: an answer to a signed request is signed too, or counts for nothing."""
        if not ask.signed or self._login.proves(answer):
            return True
        try:
            code = (answer.error or (0, ""))[0]
        except ParseError:
            code = 0
        if code in (300, 401, 438):  # a redirection may be unsigned (§10), a challenge always is
            return True
        self._unproven = True
        if self.way.reliable:  # nothing else will come
            self._requests.done(answer.transaction_id)
            self._refusal = UNPROVEN
            self._step(Input.REFUSED, 0.0)
        return False

    def _challenged(self, ask: Ask, answer: Message, now: float) -> bool:
        """A 401 or 438: the same again with a login, or with the new nonce. False where that cannot help."""
        try:
            code, _ = answer.error or (0, "")
        except ParseError:
            return False
        if code == 508 and (self._even_port or self._reserved) and ask.method is Method.ALLOCATE:
            self._even_port, self._reserved = False, b""  # §7.4: any port is better than none
            self._requests.done(answer.transaction_id)
            self._ask(replace(ask, attributes=self._allocate_attributes()), now)
            return True
        if (code != 401 or ask.signed) and code != 438:
            return False
        if ask.tries >= MAX_TRIES:
            return False
        words = self._login.take(answer)
        if words:
            self._requests.done(answer.transaction_id)
            self._refusal = Refusal(code, words, 300.0)
            self._step(Input.REFUSED, now)
            return True
        self._requests.done(answer.transaction_id)
        self._ask(replace(ask, tries=ask.tries + 1), now)
        return True

    def _granted(self, ask: Ask, answer: Message, now: float) -> None:
        if ask.deletes:
            self._step(Input.DELETED, now)
        elif ask.clears:
            self._allocate(now)
        elif ask.method is Method.CREATE_PERMISSION:
            for host, _ in ask.peers:
                self.peers.granted(host, now)
        elif ask.method is Method.CHANNEL_BIND:
            self.peers.bound(ask.channel, now)
            self.peers.granted(ask.peers[0][0], now)
        else:
            self._take_terms(ask, answer, now)

    def _take_terms(self, ask: Ask, answer: Message, now: float) -> None:
        """What the server granted: the address, and for how long."""
        try:
            lifetime_s = min(answer.number(Attribute.LIFETIME) or DEFAULT_LIFETIME_S, MAX_LIFETIME_S)
            if ask.method is Method.ALLOCATE:
                self.address = answer.address(Attribute.XOR_RELAYED_ADDRESS)
                self.mapped = answer.address(Attribute.XOR_MAPPED_ADDRESS)
                self.reservation = answer.value(Attribute.RESERVATION_TOKEN) or b""
                if self.address is None or ip_address(self.address[0]).version != self._family:
                    raise ParseError("an address of another IP version than was asked for")
        except ParseError as error:
            self._refusal = Refusal(0, f"answered with nonsense: {error}", 300.0)
            self._step(Input.REFUSED, now)
            return
        self._renew_at = now + max(lifetime_s - RENEW_EARLY_S, lifetime_s / 2)
        self._asked = False
        self._step(Input.GRANTED, now)

    def _refused(self, ask: Ask, answer: Message, now: float) -> None:
        refusal = refusal_of(answer)
        if refusal.code == 437 and ask.method is Method.ALLOCATE and not self._cleared:
            # A relay of an earlier call on this port, whose end was lost on the way: end it, and ask again.
            self._cleared = True
            self._ask(Ask(Method.REFRESH, _NO_LIFETIME, clears=True, patience_s=ask.patience_s), now)
        elif ask.clears:
            self._allocate(now)
        elif refusal.code == 437 or ask.essential:  # §5: after 437 the allocation no longer exists
            self._refusal = refusal
            self._alternate = _alternate(answer) if refusal.code == 300 else (None, "")
            self._step(Input.REFUSED, now)
        elif ask.method is Method.CREATE_PERMISSION and len(ask.peers) > 1:
            for peer in ask.peers:  # one of them is not let through: which one?
                self._ask(Ask(Method.CREATE_PERMISSION, essential=False, peers=(peer,)), now)
        elif ask.method is Method.CREATE_PERMISSION:
            self.peers.refused(ask.peers[0][0])
            self._events.append(PeerRefused(ask.peers[0][0], refusal))
        else:
            self.peers.unbound(ask.channel)

    # -- time

    def next_deadline(self) -> float | None:
        times = [self._requests.next_deadline()]
        if self.is_open:
            times.append(self.peers.next_deadline())
            times += [] if self._asked else [self._renew_at, self._heard_at + KEEP_ALIVE_S]
        return min((at for at in times if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for ask in self._requests.on_deadline(now):
            self._unanswered(ask, now)
        if not self.is_open:
            return
        self._ask_for_peers(now)
        if not self._asked and now >= min(self._renew_at, self._heard_at + KEEP_ALIVE_S):
            # A Refresh at any time is allowed (§8). Only what it asks tells a relay that is gone from one that is idle.
            self._asked = True
            software = ((int(Attribute.SOFTWARE), SOFTWARE),)
            self._ask(Ask(Method.REFRESH, software, patience_s=DEAD_AFTER_S), now)

    def _unanswered(self, ask: Ask, now: float) -> None:
        if not ask.essential:  # keep-alives tell whether the server is dead
            self.peers.unanswered([host for host, _ in ask.peers], ask.channel, now)
            return
        if self.is_open and now - self._heard_at < DEAD_AFTER_S:
            self._asked = False  # it lives, as other packets show: the answer itself was lost
            return
        self._refusal = UNPROVEN if self._unproven else SILENT
        self._step(Input.SILENT, now)

    # -- to the server

    def _ask(self, ask: Ask, now: float) -> None:
        def build(token: bytes) -> bytes:
            peers = [(int(Attribute.XOR_PEER_ADDRESS), pack_xor_address(peer, token)) for peer in ask.peers]
            return self._login.request(ask.method, token, (*ask.attributes, *peers))

        self._requests.ask(replace(ask, signed=self._login.challenged), build, now, ask.patience_s)

    def _ask_for_peers(self, now: float) -> None:
        if not self.is_open:
            return
        hosts, channels = self.peers.due(now)
        if hosts:
            self._ask(Ask(Method.CREATE_PERMISSION, essential=False, peers=tuple([(host, 0) for host in hosts])), now)
        for channel in channels:
            number = ((int(Attribute.CHANNEL_NUMBER), channel.number.to_bytes(2, "big") + b"\0\0"),)
            self._ask(
                Ask(Method.CHANNEL_BIND, number, essential=False, peers=(channel.peer,), channel=channel.number), now
            )

    def _allocate_attributes(self) -> Attributes:
        attributes = [(int(Attribute.REQUESTED_TRANSPORT), bytes((UDP, 0, 0, 0))), (int(Attribute.SOFTWARE), SOFTWARE)]
        if self._reserved:  # §7.1: nothing is said of the family, nor of an even port, beside it
            return (*attributes, (int(Attribute.RESERVATION_TOKEN), self._reserved))
        if self._family == 6:  # IPv4 is what a server gives unasked (§7.2)
            attributes.append((int(Attribute.REQUESTED_ADDRESS_FAMILY), bytes((_FAMILY_IPV6, 0, 0, 0))))
        if self._even_port:
            attributes.append((int(Attribute.EVEN_PORT), b"\x80"))
        return tuple(attributes)

    # -- the state

    def _step(self, event: Input, now: float) -> None:
        found = TABLE.get((self._state, event))
        if found is None:
            return
        self._state, action = found
        if action:
            self._actions[action](now)

    def _allocate(self, now: float) -> None:
        self._heard_at = now
        self._ask(Ask(Method.ALLOCATE, self._allocate_attributes(), patience_s=self._patience_s), now)

    def _opened(self, now: float) -> None:
        self._events.append(Allocated())
        self._ask_for_peers(now)

    def _failed(self, now: float) -> None:
        self._requests.forget()
        self._events.append(AllocationFailed(self._refusal, *self._alternate))

    def _lost(self, now: float) -> None:
        self._requests.forget()
        self._events.append(AllocationLost(self._refusal))

    def _delete(self, now: float) -> None:
        """§8.1: a lifetime of nothing."""
        self._requests.forget()
        self._ask(Ask(Method.REFRESH, _NO_LIFETIME, deletes=True, patience_s=DEAD_AFTER_S), now)


def _alternate(answer: Message) -> tuple[Addr | None, str]:
    """Where a 300 sends us: address, and the name that a certificate there must prove (RFC 8489 §10)."""
    try:
        value = answer.value(Attribute.ALTERNATE_SERVER)
        name = answer.text(Attribute.ALTERNATE_DOMAIN) or ""
        return None if value is None else unpack_address(value), name
    except ParseError:
        return None, ""
