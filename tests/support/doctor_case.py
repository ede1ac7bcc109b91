"""What the doctor is shown in tests: settings on loopback, a folder, names by the servers that the settings name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from voipnode.doctor.findings import Case, Finding
from voipnode.line import TRANSPORTS, dns_of
from voipnode.net.entropy import SystemEntropy
from voipnode.net.hosts_file import HostsFile
from voipnode.net.locator import Locator
from voipnode.net.resolver import Resolver
from voipnode.settings import NodeSettings


@asynccontextmanager
async def case_of(settings: dict[str, Any], folder: Path, *, ntp: str = "", plays: bool = True) -> AsyncIterator[Case]:
    """A case with these settings; SIP is at 127.0.0.1 where they do not say otherwise."""
    settings = {**settings, "sip": {"hosts": ["127.0.0.1"], **settings.get("sip", {})}}
    node = NodeSettings.model_validate(settings)
    dns = dns_of(node.sip.dns)
    hosts_file = HostsFile(asyncio.get_running_loop().time)
    resolver = Resolver([socket.AF_INET], dns, hosts_file, system=not node.sip.dns.servers)
    locator = Locator(resolver, dns, SystemEntropy().draw, TRANSPORTS)
    try:
        yield Case(node, folder, resolver, dns, locator, ntp=ntp, plays=plays)
    finally:
        await resolver.close()
        await dns.close()


async def found_by(
    check: Callable[[Case], AsyncIterator[Finding]], settings: dict[str, Any], folder: Path, *, ntp: str = ""
) -> list[Finding]:
    """Everything that one check finds."""
    async with case_of(settings, folder, ntp=ntp) as case:
        return [finding async for finding in check(case)]


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    """Level and words, for comparing."""
    return [(finding.level.value, finding.words) for finding in findings]
