"""All checks, in the order in which they are told."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from voipnode.doctor.addresses import check_addresses
from voipnode.doctor.certificates import check_certificates
from voipnode.doctor.clock import check_clock
from voipnode.doctor.codecs import check_codecs
from voipnode.doctor.controller import check_controller
from voipnode.doctor.findings import Case, Check, Report, examine
from voipnode.doctor.forwarding import check_forwarding
from voipnode.doctor.names import check_names
from voipnode.doctor.nat import check_nat
from voipnode.doctor.ports import check_ports
from voipnode.doctor.readers import check_readers
from voipnode.doctor.registrars import check_registrars
from voipnode.doctor.relays import check_relays
from voipnode.doctor.sound import check_sound
from voipnode.doctor.state import check_state
from voipnode.line import TRANSPORTS, dns_of
from voipnode.net.entropy import SystemEntropy
from voipnode.net.hosts_file import HostsFile
from voipnode.net.locator import Locator
from voipnode.net.resolver import Resolver
from voipnode.settings import NodeSettings

LIMIT_S = 12.0  # of any check, and so of all: they run side by side

CHECKS = (
    Check("Ports", 8.0, check_ports),
    Check("Addresses", 4.0, check_addresses),
    Check("DNS", 9.0, check_names),
    Check("Router (NAT), STUN", LIMIT_S, check_nat),
    Check("Router, port forwarding", 9.0, check_forwarding),
    Check("TURN", LIMIT_S, check_relays),
    Check("Accounts", LIMIT_S, check_registrars),
    Check("Certificates", LIMIT_S, check_certificates),
    Check("Sound", 9.0, check_sound),
    Check("Codecs", 2.0, check_codecs),
    Check("Readers", 2.0, check_readers),
    Check("Door controller", LIMIT_S, check_controller),
    Check("Clock", 8.0, check_clock),
    Check("Memory", 8.0, check_state),
)


async def examine_node(settings: NodeSettings, state_dir: Path, *, ntp: str, plays: bool) -> list[Report]:
    """Everything that can be known of a node with these settings on this machine, within 12 s."""
    sip = settings.sip
    dns = dns_of(sip.dns)
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in sip.hosts]
    hosts_file = HostsFile(asyncio.get_running_loop().time)
    resolver = Resolver(families, dns, hosts_file, system=not sip.dns.servers)
    locator = Locator(resolver, dns, SystemEntropy().draw, TRANSPORTS)
    case = Case(settings, state_dir, resolver, dns, locator, ntp=ntp, plays=plays)
    try:
        return await examine(case, CHECKS)
    finally:
        await resolver.close()
        await dns.close()
