"""A TURN server without I/O, for ladders in virtual time: it grants, refuses, forgets and keeps silent on demand.

Written after RFC 8656 §7 to §12 from the server's side; coturn is the independent one (tests/interop/test_coturn.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from voipnode.media.stun.attributes import Attribute, pack_address, pack_error, pack_xor_address
from voipnode.media.stun.message import Kind, Message, Method, build, long_term_key, parse
from voipnode.media.turn.channel_data import is_channel_data, pack, unpack
from voipnode.media.turn.login import user_hash
from voipnode.media.values import Addr

REALM = "example.org"
Sent = tuple[bytes, Addr]  # a datagram, and where it goes


@dataclass
class Lent:
    """One allocation: of which client, until when, for whom."""

    client: Addr
    relayed: Addr
    username: bytes
    ends_at: float
    permissions: dict[str, float] = field(default_factory=dict)
    channels: dict[int, Addr] = field(default_factory=dict)


class TurnServer:
    """`receive` gives what the server sends: to clients, and from relayed addresses to peers (in `relayed`)."""

    def __init__(self, host: str = "203.0.113.20", users: dict[str, str] | None = None) -> None:
        self.host = host
        self.users = {"user": "pass"} if users is None else users
        self.lifetime_s = 600
        self.nonce = "nonce-1"
        self.algorithms = b""  # PASSWORD-ALGORITHMS that it offers
        self.chosen: bytes | None = None  # PASSWORD-ALGORITHM of the last request
        self.anonymous = False  # wants USERHASH instead of USERNAME
        self.sees: Callable[[Addr], Addr] = lambda client: client  # how a NAT shows the client
        self.refuse: dict[Method, tuple[int, str]] = {}
        self.forbidden: set[str] = set()
        self.alternate: Addr | None = None
        self.signs = True
        self.silent = False
        self.no_pairs = False  # knows no even ports
        self.asked: list[tuple[float, str]] = []  # requests in words, with their times
        self.relayed: list[tuple[Addr, Addr, bytes]] = []  # from a relayed address, to a peer, what
        self.lent: dict[Addr, Lent] = {}
        self._reserved: dict[bytes, int] = {}
        self._port = 50000

    def receive(self, data: bytes, client: Addr, now: float) -> list[bytes]:
        if self.silent:
            return []
        if is_channel_data(data):
            self._from_channel(data, client)
            return []
        message = parse(data)
        if message.kind is Kind.INDICATION:
            self._from_indication(message, client)
            return []
        self.asked.append((now, message.method.name.lower()))
        if message.method is Method.BINDING:
            mapped = ((Attribute.XOR_MAPPED_ADDRESS, pack_xor_address(self.sees(client), message.transaction_id)),)
            return [build(message.method, Kind.SUCCESS, message.transaction_id, mapped)]
        return [self._answer(message, client, now)]

    def from_peer(self, relayed: Addr, peer: Addr, data: bytes, now: float) -> list[Sent]:
        """A datagram comes to a relayed address: what the client gets, if its permissions let it through."""
        lent = next((one for one in self.lent.values() if one.relayed == relayed), None)
        if lent is None or now > lent.permissions.get(peer[0], -1.0):
            return []
        for number, bound in lent.channels.items():
            if bound == peer:
                return [(pack(number, data), lent.client)]
        attributes = ((Attribute.XOR_PEER_ADDRESS, pack_xor_address(peer, bytes(12))), (Attribute.DATA, data))
        return [(build(Method.DATA, Kind.INDICATION, bytes(12), attributes), lent.client)]

    # -- requests

    def _answer(self, request: Message, client: Addr, now: float) -> bytes:
        user = self._user_of(request)
        if request.signed is None and request.signed_sha256 is None:
            return self._error(request, 401, "Unauthenticated", challenge=True)
        if user is None:
            return self._error(request, 401, "Unauthenticated", challenge=True)
        if request.text(Attribute.NONCE) != self._nonce():
            return self._error(request, 438, "Stale Nonce", challenge=True)
        key = self._key(request, user)
        proven = request.proves_sha256(key) if self.algorithms else request.proves(key)
        if not proven:
            return self._error(request, 401, "Unauthenticated", challenge=True)
        if request.method in self.refuse:
            return self._error(request, *self.refuse[request.method], key=key)
        if request.method is Method.ALLOCATE:
            return self._allocate(request, client, user, key, now)
        lent = self.lent.get(client)
        if lent is None or lent.ends_at < now:
            return self._error(request, 437, "Allocation Mismatch", key=key)
        return self._within(request, lent, key, now)

    def _within(self, request: Message, lent: Lent, key: bytes, now: float) -> bytes:
        if request.method is Method.REFRESH:
            return self._refresh(request, lent, key, now)
        peers = request.addresses(Attribute.XOR_PEER_ADDRESS)
        if any(host in self.forbidden for host, _ in peers):
            return self._error(request, 403, "Forbidden", key=key)
        for host, _ in peers:
            lent.permissions[host] = now + 300
        if request.method is Method.CHANNEL_BIND:
            value = request.value(Attribute.CHANNEL_NUMBER) or b""
            lent.channels[int.from_bytes(value[:2], "big")] = peers[0]
        return self._success(request, (), key)

    def _allocate(self, request: Message, client: Addr, user: str, key: bytes, now: float) -> bytes:
        if self.alternate is not None:
            return self._error(request, 300, "Try Alternate", key=key)
        if client in self.lent and self.lent[client].ends_at > now:
            return self._error(request, 437, "Allocation Mismatch", key=key)
        if self.no_pairs and request.value(Attribute.EVEN_PORT) is not None:
            return self._error(request, 508, "Insufficient Capacity", key=key)
        port = self._port + 1
        token = request.value(Attribute.RESERVATION_TOKEN)
        reserved = b""
        if token is not None:
            if token not in self._reserved:
                return self._error(request, 508, "Insufficient Capacity", key=key)
            port = self._reserved.pop(token)
        elif request.value(Attribute.EVEN_PORT) is not None:
            port += port % 2
            reserved = port.to_bytes(8, "big")
            self._reserved[reserved] = port + 1
        self._port = max(self._port, port)
        relayed = ("2001:db8::20" if request.value(Attribute.REQUESTED_ADDRESS_FAMILY) else self.host, port)
        self.lent[client] = Lent(client, relayed, user.encode(), now + self.lifetime_s)
        attributes = [
            (Attribute.XOR_RELAYED_ADDRESS, pack_xor_address(relayed, request.transaction_id)),
            (Attribute.XOR_MAPPED_ADDRESS, pack_xor_address(self.sees(client), request.transaction_id)),
            (Attribute.LIFETIME, self.lifetime_s.to_bytes(4, "big")),
        ]
        if reserved:
            attributes.append((Attribute.RESERVATION_TOKEN, reserved))
        return self._success(request, tuple(attributes), key)

    def _refresh(self, request: Message, lent: Lent, key: bytes, now: float) -> bytes:
        wished = request.number(Attribute.LIFETIME)
        if wished == 0:
            del self.lent[lent.client]
            self.asked[-1] = (now, "delete")
        lent.ends_at = now + self.lifetime_s
        lifetime = 0 if wished == 0 else self.lifetime_s
        return self._success(request, ((Attribute.LIFETIME, lifetime.to_bytes(4, "big")),), key)

    # -- data

    def _from_channel(self, data: bytes, client: Addr) -> None:
        number, content = unpack(data)
        lent = self.lent.get(client)
        if lent is not None and number in lent.channels:
            self.relayed.append((lent.relayed, lent.channels[number], content))

    def _from_indication(self, message: Message, client: Addr) -> None:
        lent, peer = self.lent.get(client), message.address(Attribute.XOR_PEER_ADDRESS)
        content = message.value(Attribute.DATA)
        if lent is not None and peer is not None and content is not None and peer[0] in lent.permissions:
            self.relayed.append((lent.relayed, peer, content))

    # -- the login

    def _nonce(self) -> str:
        features = (0x800000 if self.algorithms else 0) | (0x400000 if self.anonymous else 0)
        return f"obMatJos2{_base64(features)}{self.nonce}" if features else self.nonce

    def _user_of(self, request: Message) -> str | None:
        hashed = request.value(Attribute.USERHASH)
        if hashed is not None:
            found = [user for user in self.users if hmac.compare_digest(user_hash(user, REALM), hashed)]
            return found[0] if found else None
        name = request.text(Attribute.USERNAME)
        return name if name in self.users and not self.anonymous else None

    def _key(self, request: Message, user: str) -> bytes:
        chosen = self.chosen = request.value(Attribute.PASSWORD_ALGORITHM)
        assert chosen is None or request.value(Attribute.PASSWORD_ALGORITHMS) == self.algorithms
        return long_term_key(user, REALM, self.users[user], sha256=chosen is not None and chosen[:2] == b"\0\2")

    def _error(self, request: Message, code: int, reason: str, *, key: bytes = b"", challenge: bool = False) -> bytes:
        attributes = [(int(Attribute.ERROR_CODE), pack_error(code, reason))]
        if challenge:
            attributes += [(Attribute.REALM, REALM.encode()), (Attribute.NONCE, self._nonce().encode())]
            attributes += [(Attribute.PASSWORD_ALGORITHMS, self.algorithms)] if self.algorithms else []
        if code == 300 and self.alternate is not None:
            attributes.append((Attribute.ALTERNATE_SERVER, pack_address(self.alternate)))
        return self._signed(request, Kind.ERROR, attributes, key)

    def _success(self, request: Message, attributes: tuple[tuple[int, bytes], ...], key: bytes) -> bytes:
        return self._signed(request, Kind.SUCCESS, list(attributes), key)

    def _signed(self, request: Message, kind: Kind, attributes: list[tuple[int, bytes]], key: bytes) -> bytes:
        signing = key if key and self.signs else None
        return build(
            request.method, kind, request.transaction_id, attributes, key=signing, sha256=bool(self.algorithms)
        )


def _base64(features: int) -> str:
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return "".join(digits[features >> shift & 63] for shift in (18, 12, 6, 0))
