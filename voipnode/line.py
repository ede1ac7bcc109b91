"""The telephone line of a node: SIP sockets, RTP ports, media clock and switch, wired together.

The node has one; `voipnode call` opens one for a single call.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from voipnode import __version__
from voipnode.calls.desk import Desk
from voipnode.calls.do_not_disturb import DoNotDisturb
from voipnode.calls.events import Event
from voipnode.calls.exchange.ports import GroupsOf
from voipnode.calls.exchange.settings import NO_RULES, SwitchSettings
from voipnode.calls.finder import Finder
from voipnode.calls.hooks import Bus, Commands, Subscription
from voipnode.calls.network_settings import DnsSettings
from voipnode.calls.number_memory import NumberMemory
from voipnode.calls.registrar.settings import ExtensionSettings
from voipnode.calls.ringing.bell import utc_now
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.sip_leg import LegMedia
from voipnode.calls.switch import OPTION_TAGS, Switch
from voipnode.calls.vms.settings import VmsSettings
from voipnode.calls.ways import Ways
from voipnode.door import Door
from voipnode.net.connection import ConnectionLimits
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import DnsServers, system_servers
from voipnode.net.driver import EngineDriver
from voipnode.net.entropy import SystemEntropy
from voipnode.net.hosts_file import HostsFile
from voipnode.net.instance import instance_urn
from voipnode.net.interfaces import Interfaces
from voipnode.net.local_address import WILDCARDS
from voipnode.net.locator import Locator
from voipnode.net.media_certificate import media_identity
from voipnode.net.relay_servers import RelayServers
from voipnode.net.relay_streams import RelayStreams
from voipnode.net.resolver import Resolver
from voipnode.net.rtp_ports import RtpPorts
from voipnode.net.sip_sockets import MorePorts, SipSockets
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.web_socket import Origins
from voipnode.sipstack.config import MAX_CONNECTIONS, MAX_TRANSACTIONS
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.own_address import Inside
from voipnode.sipstack.routing import DEFAULT_PORTS
from voipnode.sipstack.transport import Address, Hop
from voipnode.tls_profiles import client_profiles, relay_profiles, server_profile
from voipnode.traversal import port_mapping, rtp_pairs, server_memory, wanted_servers

# Nobody's addresses (RFC 5737): the way to the first is the default route, so our address there is the network's.
ANYWHERE = ("198.51.100.1", "127.0.0.1")
TRANSPORTS = ("UDP", "TCP", "TLS", "WS", "WSS")
LONGEST_DATAGRAM = 1300  # bytes of a request whose way has an unknown MTU (RFC 3261 §18.1.1)
TRANSACTIONS_PER_CALL = 80  # calls of one second, one after the other: two transactions each, known for 32 s
SESSIONS_PER_THROUGH_CALL = 4  # two that talk, and those of others that ring or are ending
CONNECTIONS_PER_EXTENSION = 2  # telephones that register over TCP, TLS or WebSocket
HANG_UP_S = 1.0  # how long goodbyes may take when the node stops


class Line:
    """SIP and media of one node. Make it in a running loop, `open` it, `close` it; calls are asked for by commands.

    With `port` it listens for UDP and TCP there, and for nothing else. `own_certificate` is the PEM file that it shows
    where the settings name no certificate. `registers` False: its accounts call through their servers and are
    registered at none. `door`: where its calls are heard. `extensions` are the telephones that register here, `memory`
    keeps where they are, `switching` says how they call each other. `directory` knows contacts and groups. Where SIP is
    off it opens no port, and serves clients (`vms`) alone.
    """

    def __init__(
        self,
        settings: SipSettings,
        accounts: tuple[AccountSettings, ...],
        *,
        door: Door,
        bus: Bus,
        commands: Commands,
        port: int | None = None,
        registers: bool = True,
        own_certificate: Path | None = None,
        switching: SwitchSettings = NO_RULES,
        extensions: tuple[ExtensionSettings, ...] = (),
        directory: Directory | None = None,
        memory: NumberMemory | None = None,
        vms: VmsSettings | None = None,
        quiet: DoNotDisturb | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        entropy = SystemEntropy()
        dns = dns_of(settings.dns)
        families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in settings.hosts]
        resolver = Resolver(families, dns, HostsFile(self._loop.time), system=not settings.dns.servers)
        more = MorePorts() if port is not None else _more_ports(settings)
        is_node = port is None
        port = settings.port if port is None else port
        layers = _stream_layers(settings, accounts, own_certificate)
        self._sockets = SipSockets(
            settings.hosts,
            port,
            _connection_limits(len(extensions)),
            resolver=resolver,
            dscp=settings.qos.signalling_dscp,
            more=more,
            layers=layers,
        )
        self._streams = RelayStreams(StreamLayers(relay_profiles(settings)), dscp=settings.qos.media_dscp)
        self._servers = RelayServers(wanted_servers(settings), resolver, dns, entropy.draw)
        self._paths = RtpPorts(
            settings.hosts[0],
            settings.rtp_start_port,
            rtp_pairs(settings),
            resolver=resolver,
            dscp=settings.qos.media_dscp,
            streams=self._streams,
            sockets=door.sockets,
        )
        config = EndpointConfig(
            user_agent=f"voipnode/{__version__}",
            supported=OPTION_TAGS,
            max_sessions=settings.max_calls + SESSIONS_PER_THROUGH_CALL * switching.max_calls + 64,
            max_transactions=max(MAX_TRANSACTIONS, TRANSACTIONS_PER_CALL * settings.max_calls),
            max_connections=MAX_CONNECTIONS + CONNECTIONS_PER_EXTENSION * len(extensions),
            reliable=settings.session.reliable_extension,
            session_timer=settings.session.timer_extension,
            session_expires_s=settings.session.expires_s,
            min_se_s=settings.session.min_se_s,
            tcp_above_bytes=LONGEST_DATAGRAM if settings.udp_to_tcp else 0,
            keep_local_via=settings.nat.keep_local_via,
            keep_local_contact=settings.nat.keep_local_contact,
            public_address=Address(*settings.nat.public) if settings.nat.public else None,
            local_networks=settings.nat.local_networks,
            nowhere=f"{entropy.tag()}.invalid",
        )
        own = any(extension.media_encryption != "none" for extension in extensions)
        encrypts = own or any(account.active and account.media_encryption != "none" for account in accounts)
        key_log = Path(settings.tls.key_log) if settings.tls.key_log else None
        dtls = media_identity(key_log) if encrypts else None
        local_address = self._sockets.local_address
        endpoint = Endpoint(config, entropy, local_address)
        mapping = port_mapping(settings, port, local_address, bus, endpoint.forwarded_at) if is_node else None
        self._mapping = mapping
        locator = Locator(resolver, dns, entropy.draw, TRANSPORTS)
        self._finder = Finder(locator, self._loop.time)
        self.switch = Switch(
            settings,
            accounts,
            endpoint=endpoint,
            local_address=local_address,
            media=LegMedia(
                self._paths,
                entropy.bits,
                settings,
                door.rate_hz,
                entropy.cname(),
                dtls,
                servers=self._servers.known,
                hosts=_hosts(settings, Interfaces(self._loop.time)),
                public=lambda: mapping.outer if mapping is not None else "",
                inside=Inside(settings.nat.local_networks),
                server_memory=server_memory(bus),
            ),
            door=door.bridge,
            bus=bus,
            clips=door.clips,
            vms=vms,
            quiet=quiet,
            is_active=door.schedules.holds,
            find=self._finder,
            instance=instance_urn(f"{settings.hosts[0]} {port}"),
            switching=switching,
            groups=None if directory is None else GroupsOf(directory, utc_now),
            extensions=extensions,
            memory=memory,
            utc_s=time.time,
        )
        self._sockets.is_stranger = self.switch.is_stranger
        self._driver = EngineDriver(self.switch, self._sockets)
        self.switch.wake = self._finder.wake = self._driver.flush
        ways = Ways(self.switch.accounts, locator, self._sockets.local_address, self.switch.registrar)
        self._desk = Desk(self.switch, ways, self._loop.time, directory)
        self._accounts = accounts
        self._has_sip = settings.enabled
        self._registers = registers and settings.enabled
        self._clients = door.vms
        self._bus = bus
        self._commands = commands
        self._registered: list[Subscription] = []

    async def open(self, before_commands: Callable[[], None] = lambda: None) -> None:
        """Bind the sockets, take commands, register the accounts; `before_commands` is called in between.

        Raises ListenError when a port is taken, TlsError for certificates that cannot be used.
        """
        if self._has_sip:
            await self.switch.registrar.restore(self._loop.time)
            await self._sockets.open(self._driver)
            await self._servers.look_up()  # a first call knows them, too
            if self._mapping is not None:
                self._mapping.start()
        before_commands()
        self._registered = self._desk.register(self._commands)
        self._clients.use(self.switch)
        if self._registers:
            self.switch.register(self._loop.time())

    def reload_certificates(self) -> None:
        """Read certificates and keys again, as happens by itself when their files change. Raises TlsError."""
        self._sockets.reload()

    def addresses(self) -> list[str]:
        """The SIP URIs at which this node can be called: from the network, from this machine, and by TLS."""
        if not self._has_sip:
            return []
        user = next((account.user_id for account in self._accounts if account.active and account.default), "door")
        found: list[str] = []
        for transport, towards in (*(("UDP", host) for host in ANYWHERE), ("TLS", ANYWHERE[0])):
            at = self._sockets.local_address(Hop(transport, Address(towards, DEFAULT_PORTS[transport])))
            host = f"[{at.host}]" if ":" in at.host else at.host
            port = "" if at.port == DEFAULT_PORTS[transport] else f":{at.port}"
            uri = f"sip:{user}@{host}{port}" + (";transport=tls" if transport == "TLS" else "")
            if at.port and uri not in found:
                found.append(uri)
        return found

    def take_no_more(self) -> None:
        """Take no commands any more: the first step of `close`, after which somebody else may take them."""
        for subscription in self._registered:
            subscription.cancel()
        self._registered = []
        self._clients.use(None)

    async def close(self) -> None:
        """Hang up and unregister, give the far sides a moment to agree, close everything; may be called twice."""
        self.take_no_more()
        self.switch.hang_up_all(self._loop.time())
        self.switch.unregister(self._loop.time())
        await self._desk.close()
        await self._all_over()
        self.switch.abandon(self._loop.time())
        await self._finder.close()
        await self._servers.close()
        if self._mapping is not None:
            await self._mapping.close()
        await self._streams.close_all()
        self._driver.close()
        await self._sockets.close()

    async def _all_over(self) -> None:
        quiet = asyncio.Event()

        def is_over() -> bool:
            return not self.switch.busy and self.switch.accounts.stopped

        def look(_event: Event) -> None:
            if is_over():
                quiet.set()

        subscription = self._bus.subscribe(Event, look, who="line")
        try:
            if not is_over():
                async with asyncio.timeout(HANG_UP_S):
                    await quiet.wait()
        except TimeoutError:
            pass  # a far side that does not reply cannot keep the node from stopping
        finally:
            subscription.cancel()


def _more_ports(settings: SipSettings) -> MorePorts:
    tls, websocket = settings.tls, settings.websocket
    return MorePorts(
        tls=tls.port if tls.enabled else None,
        ws=websocket.port if websocket.enabled else None,
        wss=websocket.secure_port if websocket.enabled else None,
    )


def _connection_limits(extensions: int) -> ConnectionLimits:
    """Room for the telephones that register here, all of whom may be behind one NAT, beside that for everybody else."""
    usual, more = ConnectionLimits(), CONNECTIONS_PER_EXTENSION * extensions
    return replace(
        usual,
        max_connections=usual.max_connections + more,
        max_incoming=usual.max_incoming + more,
        per_host=usual.per_host + more,
    )


def _stream_layers(settings: SipSettings, accounts: Sequence[AccountSettings], own: Path | None) -> StreamLayers:
    """What the connections of others are served with, and, by account, what ours are made with."""
    profiles = client_profiles(settings.tls, accounts)
    paths = {account.id: account.websocket_path for account in accounts if account.active}
    return StreamLayers(profiles, server_profile(settings.tls, own), Origins.of(settings.websocket.origins), paths)


def _hosts(settings: SipSettings, interfaces: Interfaces) -> Callable[[], Sequence[str]]:
    """The addresses of this host that ICE may tell: those that SIP listens on, a wildcard being all of its family."""
    if not (settings.ice.enabled and settings.ice.all_addresses):
        return tuple
    named = [host for host in settings.hosts if host not in WILDCARDS]
    versions = {6 if ":" in host else 4 for host in settings.hosts if host in WILDCARDS}
    return lambda: [*named, *(host for host in interfaces.addresses() if (6 if ":" in host else 4) in versions)]


def dns_of(settings: DnsSettings) -> Dns:
    """DNS by the servers of the settings, or by the system's."""
    own = tuple(Address(*server) for server in settings.addresses)
    return Dns(DnsServers(lambda: own or system_servers(), timeout_s=settings.timeout_s).ask)
