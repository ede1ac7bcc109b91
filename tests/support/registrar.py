"""A registrar on the virtual wire, and a door's accounts with an endpoint of their own.

The registrar is written from RFC 3261 §10.3 and RFC 2617 on plain text, without the stack's parser or digest: what
the door sends is judged from outside.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import partial

from tests.support.sip_agents import CountingEntropy, field, has_field, response_to
from tests.support.wire import Wire
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.accounts import Accounts
from voipnode.calls.events import Event, RegistrationChanged
from voipnode.calls.hooks import Bus
from voipnode.calls.registration import FlowEvent
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.stun import binding_success, is_stun
from voipnode.sipstack.transport import Address, Hop, Packet
from voipnode.sipstack.uri import SipUri

DOOR = Address("192.168.1.10", 5060)
PRIMARY, SECONDARY = Address("192.0.2.11", 5060), Address("192.0.2.12", 5060)
PASSWORD = "doorpw"
PING = b"\r\n\r\n"  # RFC 5626 §4.4.1


class Registrar:
    """Keeps bindings, asks for a password, answers OPTIONS and pings; `answer` may take any request over.

    `alive` False: it is silent. A test that wants it gone detaches it from the wire.
    """

    def __init__(self, wire: Wire, name: str, address: Address, *, password: str = "") -> None:
        self.wire, self.name, self.address, self.password = wire, name, address, password
        self.alive = True
        self.lost_connection: int | None = None  # nothing comes through it
        self.least_s = 0
        self.granted_s: int | None = None
        self.more: tuple[str, ...] = ()  # fields of each 200 to REGISTER
        self.answer: Callable[[bytes], bytes | None] = lambda request: None
        self.pongs = True
        self.sees: Address | None = None  # where the door's packets come from, seen from here
        self.pings: list[float] = []  # when each came
        self.bindings: dict[str, float] = {}  # contact -> until when
        self.registers: list[bytes] = []
        self.got: list[bytes] = []
        self.nonce = "nonce-1"
        self._out: list[Packet] = []
        wire.attach(name, address, self)

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        if source.connection is not None and source.connection == self.lost_connection:
            return
        if not self.alive or data.startswith((b"SIP/2.0", b"ACK ")):
            return
        if data == PING or is_stun(data):
            self.pings.append(round(now, 3))
            if self.pongs:
                self._out.append(
                    Packet(b"\r\n" if data == PING else binding_success(data[8:20], source.remote), source)
                )
            return
        self.got.append(data)
        if data.startswith(b"REGISTER"):
            self.registers.append(data)
        reply = self.answer(data) or self._reply(data, now)
        if self.sees is not None:  # RFC 3581 §4
            reply = reply.replace(b";rport", f";received={self.sees.host};rport={self.sees.port}".encode(), 1)
        self._out.append(Packet(reply, source))

    def _reply(self, data: bytes, now: float) -> bytes:
        if not data.startswith(b"REGISTER"):
            return response_to(data, "404 Not Here")  # a proxy that is asked OPTIONS for a domain says anything
        if self.password and not self._knows(data):
            ask = f'Digest realm="{self.name}", nonce="{self.nonce}", algorithm=MD5, qop="auth"'
            return response_to(data, "401 Unauthorized", f"WWW-Authenticate: {ask}")
        asked_s = int(field(data, "Expires"))
        if 0 < asked_s < self.least_s:
            return response_to(data, "423 Interval Too Brief", f"Min-Expires: {self.least_s}")
        granted_s = asked_s if self.granted_s is None or asked_s == 0 else self.granted_s
        for contact in re.findall(r"(?im)^Contact: <([^>]*)>(.*)\r$", data.decode()):
            if granted_s == 0 or "expires=0" in contact[1]:
                self.bindings.pop(contact[0], None)
            else:
                self.bindings[contact[0]] = now + granted_s
        contacts = [f"Contact: <{uri}>;expires={until - now:.0f}" for uri, until in self.bindings.items()]
        return response_to(data, "200 OK", *contacts, *self.more)

    def _knows(self, data: bytes) -> bool:
        if not has_field(data, "Authorization"):
            return False
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', field(data, "Authorization")))
        if said["nonce"] != self.nonce:
            return False

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        ha1 = md5(f"{said['username']}:{said['realm']}:{self.password}")
        ha2 = md5(f"REGISTER:{said['uri']}")
        return said["response"] == md5(f"{ha1}:{said['nonce']}:{said['nc']}:{said['cnonce']}:auth:{ha2}")

    def knows_door(self) -> bool:
        """Whether a call would reach the door now."""
        return any(until > self.wire.now for until in self.bindings.values())

    def say(self, data: bytes, to: Address) -> None:
        """Send this when the wire is next flushed."""
        self._out.append(Packet(data, Hop("UDP", to)))

    def of(self, method: str) -> list[bytes]:
        """What came of one method, oldest first."""
        return [data for data in self.got if data.startswith(method.encode() + b" ")]

    def outbox(self, now: float) -> list[Packet]:
        out, self._out = self._out, []
        return out

    def next_deadline(self) -> float | None:
        return None

    def on_deadline(self, now: float) -> None:
        raise AssertionError("a registrar of the tests waits for nothing")


class RegisteringDoor:
    """The accounts of a door on the wire. `names` is its DNS: host to addresses; `chance` what dice say."""

    def __init__(
        self,
        wire: Wire,
        *accounts: AccountSettings,
        names: dict[str, Sequence[Address]] | None = None,
        settings: SipSettings | None = None,
        chance: float = 1.0,
    ) -> None:
        self.wire = wire
        self.address = DOOR
        self.names = dict(names or {})
        self.dns_delay_s: float | None = 0.0  # None: no answer
        self.events: list[Event] = []
        bus = Bus(lambda: wire.now)
        bus.subscribe(Event, self.events.append, who="test")
        self.endpoint = Endpoint(EndpointConfig(), CountingEntropy("door"), lambda hop: self.address)
        self.accounts = Accounts(
            settings or SipSettings(),
            accounts,
            endpoint=self.endpoint,
            find=self._find,
            random_bits=lambda bits: int(chance * (2**bits - 1)),
            bus=bus,
            instance="urn:uuid:00000000-0000-1000-8000-000a95a0e128",
        )
        wire.attach("door", DOOR, self)
        wire.refused = lambda packet: self._refused(packet)

    def start(self) -> None:
        self.accounts.start(self.wire.now)
        self.wire.flush()

    def _find(self, uri: SipUri, account: AccountSettings, done: Callable[[Sequence[Hop], float], None]) -> None:
        transport = account.wire_transport or "UDP"
        places = self.names.get(uri.host)
        if places is None and uri.host[0].isdigit():
            places = [Address(uri.host, uri.port or 5060)]
        hops = [Hop(transport, place, domain=uri.host, profile=account.id) for place in places or ()]
        if self.dns_delay_s is not None:
            self.wire.at(self.wire.now + self.dns_delay_s, lambda: done(hops, self.wire.now))

    def _refused(self, packet: Packet) -> None:
        if packet.transaction:
            self.wire.at(self.wire.now, lambda: self._lost(packet))

    def _lost(self, packet: Packet) -> None:
        self.endpoint.send_failed(packet.transaction, self.wire.now, "connection refused")
        self._drain(self.wire.now)

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.endpoint.receive(data, source, now)
        self._drain(now)

    def connection_closed(self, source: Hop, now: float) -> None:
        self.endpoint.connection_closed(source, now)
        self._drain(now)

    def outbox(self, now: float) -> list[Packet]:
        closes = self.endpoint.closes()
        for hop in closes:
            self.wire.at(now, partial(self.wire.cut, self.address, hop.remote, hop.transport))
        return self.endpoint.outbox(now)

    def next_deadline(self) -> float | None:
        deadlines = (self.endpoint.next_deadline(), self.accounts.next_deadline())
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        self.endpoint.on_deadline(now)
        self._drain(now)
        self.accounts.on_deadline(now)

    def _drain(self, now: float) -> None:
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, FlowEvent):
                self.accounts.on_event(event, now)

    @property
    def told(self) -> list[tuple[float, str, int]]:
        """(when, state, status) of each change."""
        return [(round(event.at, 3), event.state.value, event.status) for event in self.changes]

    @property
    def changes(self) -> list[RegistrationChanged]:
        return [event for event in self.events if isinstance(event, RegistrationChanged)]

    @property
    def last(self) -> RegistrationChanged:
        return self.changes[-1]


def account(**more: object) -> AccountSettings:
    """A registered account at pbx.example."""
    values = {"name": "office", "type": "registered", "domain": "pbx.example", "password": PASSWORD, **more}
    return AccountSettings.model_validate(values)
