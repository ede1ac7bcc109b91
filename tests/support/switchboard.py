"""A switch and its far sides on the virtual wire: calls without sockets, clocks or sound cards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.support.wire import Wire
from voipnode.calls.clips.player import ClipPlayer
from voipnode.calls.door_bridge import DoorBridge
from voipnode.calls.events import CallChanged, DtmfReceived, Event
from voipnode.calls.exchange.ports import Groups
from voipnode.calls.exchange.settings import NO_RULES, SwitchSettings
from voipnode.calls.hooks import Bus, Frame
from voipnode.calls.number_memory import NumberMemory
from voipnode.calls.registrar.settings import ExtensionSettings
from voipnode.calls.schedules.active import ActiveSchedules
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia
from voipnode.calls.switch import OPTION_TAGS, Switch
from voipnode.calls.vms.settings import VmsSettings
from voipnode.calls.ways import Way, straight
from voipnode.media.dtls import DtlsIdentity
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.values import Server
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig, OutgoingInvite
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.routing import hop_to
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri, parse_uri

RATE_HZ = 8000
DOOR = Address("192.168.1.10", 5060)
TICK_S = 0.010
START_UTC_S = 1_795_305_600.0  # Sun, 22 Nov 2026 00:00:00 GMT, the time of day when the wire's clock stands at 0


class CountingEntropy:
    """Tokens that differ and can be read in a ladder."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._name}-{self._count}"

    def call_id(self) -> str:
        return self._next("call")

    def tag(self) -> str:
        return self._next("tag")

    def branch(self) -> str:
        return f"z9hG4bK{self._next('branch')}"

    def cnonce(self) -> str:
        return self._next("cnonce")


class Path:
    """A media path that keeps what was sent."""

    def __init__(self, port: int, engine: MediaTransport, on_events: Callable[[], None], paths: Paths) -> None:
        self.rtp_port, self.rtcp_port = port, port + 1
        self.engine, self.on_events = engine, on_events
        self.sent: list[Any] = []
        self.beside: list[str] = []
        self.hurried = False
        self._paths = paths

    def flush(self, now: float) -> None:
        self.sent += self.engine.outbox(now)

    send = send_now = flush

    def hurry(self, *, wanted: bool) -> None:
        self.hurried = wanted

    def receive(self, data: bytes, source: tuple[str, int], now: float) -> None:
        self.engine.receive(data, source, now)
        self.on_events()

    def open_beside(self, host: str) -> int:
        self.beside.append(host)
        return -len(self.beside)

    def open_stream(self, server: Server) -> int:
        raise OSError(f"no connections on this wire: {server}")

    def close(self) -> None:
        self._paths.open_now.remove(self)


class Paths:
    """Hands out paths from port 4000 up, `limit` at a time."""

    def __init__(self, limit: int = 100) -> None:
        self.open_now: list[Path] = []
        self.all: list[Path] = []
        self._limit = limit

    def open(self, local_host: str, engine: MediaTransport, on_events: Callable[[], None]) -> Path:
        if len(self.open_now) >= self._limit:
            raise OSError("no port is free")
        path = Path(4000 + 2 * len(self.all), engine, on_events, self)
        self.open_now.append(path)
        self.all.append(path)
        return path


class Device:
    """The door's microphone and loudspeaker: says a constant, counts what it hears."""

    rate_hz = RATE_HZ
    description = "test"

    def __init__(self) -> None:
        self.running = False
        self.heard: list[Frame] = []

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def exchange(self, loudspeaker: Frame) -> Frame:
        self.heard.append(loudspeaker.copy())
        return np.full(RATE_HZ // 100, 0.25, np.float32)


class Clock:
    """The media clock as an engine on the wire: ticks while somebody listens."""

    def __init__(self) -> None:
        self.tick: Callable[[float], None] | None = None
        self._at: float | None = None
        self.now = 0.0

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        self.tick, self._at = tick, self.now + TICK_S

        def cancel() -> None:
            self.tick = self._at = None

        return cancel

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        raise AssertionError("nobody sends to a clock")

    def outbox(self, now: float) -> list[Any]:
        self.now = now
        return []

    def next_deadline(self) -> float | None:
        return self._at

    def on_deadline(self, now: float) -> None:
        self.now = now
        if self.tick is not None and self._at is not None:
            self._at += TICK_S
            self.tick(now)


class MediaTimers:
    """The streams' own deadlines on the wire."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        raise AssertionError("media does not go over this wire")

    def outbox(self, now: float) -> list[Any]:
        return []

    def next_deadline(self) -> float | None:
        deadlines = [path.engine.next_deadline() for path in self._paths.open_now]
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for path in list(self._paths.open_now):
            path.engine.on_deadline(now)
            path.flush(now)
            path.on_events()


class ClipsInMemory:
    """Clips that are constants, by name: what is heard at the door tells which one it is."""

    def __init__(self, levels: dict[str, float], seconds: float = 1.0) -> None:
        self._levels, self._seconds = levels, seconds

    def player(self, name: str, *, gain_db: float = 0.0, repeat: int = 0) -> ClipPlayer | None:
        if name not in self._levels:
            return None
        samples = np.full(round(self._seconds * RATE_HZ), self._levels[name], np.float32)
        return ClipPlayer(samples, RATE_HZ, gain_db=gain_db, repeat=repeat)


class Phone:
    """A far side: an endpoint that keeps its events. `plan` sees each event and may act on the endpoint."""

    def __init__(
        self, wire: Wire, name: str, host: str, *, plan: Callable[[Phone, sip.Event], None] | None = None
    ) -> None:
        self.wire, self.name = wire, name
        self.address = Address(host, 5060)
        self.uri = parse_uri(f"sip:{name}@{host}")
        assert isinstance(self.uri, SipUri)
        self.endpoint = Endpoint(EndpointConfig(user_agent=name), CountingEntropy(name), lambda hop: self.address)
        self.events: list[sip.Event] = []
        self.plan = plan
        self.session = ""
        self.hop = wire.attach(name, self.address, self)

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.endpoint.receive(data, source, now)
        self._drain()

    def outbox(self, now: float) -> list[Any]:
        return self.endpoint.outbox(now)

    def next_deadline(self) -> float | None:
        return self.endpoint.next_deadline()

    def on_deadline(self, now: float) -> None:
        self.endpoint.on_deadline(now)
        self._drain()

    def _drain(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
            if isinstance(event, sip.IncomingCall):
                self.session = event.session
            if self.plan is not None:
                self.plan(self, event)

    def call(self, to: Address, *, user: str = "door", offer: bytes | None = None) -> str:
        """Call the door."""
        assert isinstance(self.uri, SipUri)
        self.session = self.endpoint.invite(
            OutgoingInvite(
                target=SipUri(scheme="sip", user=user, host=to.host),
                from_=NameAddr(None, self.uri),
                contact_user=self.name,
                offer=sdp(self.address.host) if offer is None else offer,
                hop=Hop("UDP", to),
            ),
            self.wire.now,
        )
        self.wire.flush()
        return self.session

    def of(self, kind: type[sip.Event]) -> list[Any]:
        """Its events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def sdp(host: str, port: int = 7000, formats: str = "0 101", more: str = "") -> bytes:
    """A small offer or answer."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n{more}"
    ).encode()


class Switchboard:
    """A switch at 192.168.1.10:5060 with everything around it in virtual time."""

    def __init__(
        self,
        *,
        settings: SipSettings | None = None,
        account: AccountSettings | None = None,
        rtp_ports: int = 100,
        more_accounts: tuple[AccountSettings, ...] = (),
        names: dict[str, list[Address]] | None = None,
        device: Device | None = None,
        rate_hz: int = RATE_HZ,
        dtls: DtlsIdentity | None = None,
        clips: dict[str, float] | None = None,
        switching: SwitchSettings = NO_RULES,
        groups: Groups | None = None,
        extensions: tuple[ExtensionSettings, ...] = (),
        memory: NumberMemory | None = None,
        vms: VmsSettings | None = None,
    ) -> None:
        self.wire = Wire()
        self.names = names or {}
        self.settings = settings or SipSettings()
        self.paths = Paths(rtp_ports)
        self.device = device or Device()
        self.clock = Clock()
        self.bus = Bus(lambda: self.wire.now)
        self.events: list[Event] = []
        self.bus.subscribe(Event, self.events.append, who="test")
        self.endpoint = Endpoint(EndpointConfig(supported=OPTION_TAGS), CountingEntropy("door"), lambda hop: DOOR)
        accounts = ((account or AccountSettings()).model_copy(update={"default": True}), *more_accounts)
        self.switch = Switch(
            self.settings,
            accounts,
            endpoint=self.endpoint,
            local_address=lambda hop: DOOR,
            media=LegMedia(self.paths, lambda bits: 7, self.settings, rate_hz, "door", dtls),
            door=DoorBridge(self.device, self.clock),
            bus=self.bus,
            find=lambda uri, account, done: done(self.hops_to(uri), self.wire.now),
            clips=ClipsInMemory(clips or {}),
            switching=switching,
            groups=groups,
            extensions=extensions,
            memory=memory,
            utc_s=lambda: START_UTC_S + self.wire.now,
            vms=vms,
            is_active=ActiveSchedules(self.bus).holds,
        )
        self.switch.wake = self.wire.flush
        self.switch.reach_by(
            lambda uri, account, done: done([straight(uri, [hop_to(uri)], account, DOOR.host)], self.wire.now)
        )
        self.wire.attach("door", DOOR, self.switch)
        self.wire.attach("clock", Address("clock", 0), self.clock)
        self.wire.attach("media", Address("media", 0), MediaTimers(self.paths))

    def hops_to(self, uri: SipUri) -> list[Hop]:
        """What DNS says in this test."""
        return [Hop("UDP", place, domain=uri.host) for place in self.names.get(uri.host, ())]

    async def locate(
        self, uri: SipUri, *, transport: str = "", prefer_ipv6: bool = False, profile: str = ""
    ) -> list[Hop]:
        return self.hops_to(uri)

    def phone(self, name: str, host: str, *, plan: Callable[[Phone, sip.Event], None] | None = None) -> Phone:
        return Phone(self.wire, name, host, plan=plan)

    def ring(self, *phones: Phone, authorised: bool = True, button: str = "", vms: bool = False) -> str:
        """Press the button: ring these phones, and clients with `vms`."""
        ways = [self.way(phone, phone.hop) for phone in phones]
        return self.switch.ring(ways, self.wire.now, authorised=authorised, button=button, vms=vms)

    def way(self, phone: Phone, *hops: Hop, account: str = "") -> Way:
        """The way of that account to a phone; the default one's for ""."""
        assert isinstance(phone.uri, SipUri)
        return straight(phone.uri, hops, self.switch.account(account), DOOR.host)

    @property
    def states(self) -> list[str]:
        """The states that calls went through."""
        return [event.state.value for event in self.events if isinstance(event, CallChanged)]

    @property
    def last(self) -> CallChanged:
        return [event for event in self.events if isinstance(event, CallChanged)][-1]

    @property
    def digits(self) -> list[DtmfReceived]:
        return [event for event in self.events if isinstance(event, DtmfReceived)]

    def assert_quiet(self) -> None:
        """Nothing is left of any call: no ports, no device, no clock, no sessions."""
        assert self.switch.calls == ()
        assert self.paths.open_now == []
        assert not self.device.running
        assert self.clock.tick is None
        assert self.endpoint.counts()["sessions"] == 0


def answers(phone: Phone, event: sip.Event) -> None:
    """A plan: answer at once."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.accept(event.session, sdp(phone.address.host), phone.wire.now)


def rings(phone: Phone, event: sip.Event) -> None:
    """A plan: ring, and leave the rest to the test."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.ring(event.session, phone.wire.now)


def busy(phone: Phone, event: sip.Event) -> None:
    """A plan: 486."""
    if isinstance(event, sip.IncomingCall):
        phone.endpoint.reject(event.session, 486, phone.wire.now)
