"""Until when certificates are valid: those in the files that the settings name, and those that servers show."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography import x509

from voipnode.calls.servers import servers_of
from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.doctor.threads import in_thread
from voipnode.settings import NodeSettings
from voipnode.sipstack.transport import Hop
from voipnode.tls_profiles import broken_files, server_profile

SOON = timedelta(days=30)
CONNECT_S = 5.0
RENEW = "renew it, and put the new file in its place: the node takes it by itself"


async def check_certificates(case: Case) -> AsyncIterator[Finding]:
    """Certificates in files, then those of servers that are spoken with by TLS."""
    settings = case.settings
    for place, words in await in_thread(lambda: list(broken_files(settings.sip, settings.all_accounts))):
        yield problem(f"{'.'.join(map(str, place))}: {words}", "correct the file, or its name in the settings")
    for name, path in _files(settings, case.state_dir):
        for finding in await in_thread(partial(_dates_in, name, path)):
            yield finding
    servers = await _tls_servers(case)
    if not servers and not list(_files(settings, case.state_dir)):
        yield note("no certificate is in use: the node makes one of its own when it starts")
    for hop, name in servers:
        yield await _shown(hop, name)


def _files(settings: NodeSettings, state_dir: Path) -> Iterator[tuple[str, Path]]:
    own = state_dir / "sip-tls.pem"
    profile = server_profile(settings.sip.tls, own if own.exists() else None)
    if settings.sip.enabled and settings.sip.tls.enabled and profile is not None and profile.certificate is not None:
        yield "the node's certificate", profile.certificate
    for account in settings.all_accounts:
        for words, path in (("client certificate", account.certificate), ("list of authorities", account.ca)):
            if account.active and path:
                yield f'account "{account.name}": its {words}', Path(path).expanduser()


def _dates_in(name: str, path: Path) -> list[Finding]:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []  # told before, by who reads it for use
    first = min(found, key=lambda certificate: certificate.not_valid_after_utc)
    return [dated(f"{name} ({path})", first)]


def dated(name: str, certificate: x509.Certificate) -> Finding:
    """Whether a certificate is valid now, and for how long still."""
    now, ends = datetime.now(UTC), certificate.not_valid_after_utc
    if now < certificate.not_valid_before_utc:
        words = f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
        return problem(words, "look at the clock; else wait, or use another certificate")
    if now >= ends:
        return problem(f"{name} is over since {ends:%Y-%m-%d}: whoever checks it refuses to connect", RENEW)
    if ends - now < SOON:
        return warning(f"{name} ends on {ends:%Y-%m-%d}, in {(ends - now).days} days", RENEW)
    return good(f"{name} is valid until {ends:%Y-%m-%d}")


async def _tls_servers(case: Case) -> list[tuple[Hop, str]]:
    """The first hop of each server that accounts speak with by TLS, with the name that it must prove."""
    hops: dict[tuple[str, int], tuple[Hop, str]] = {}
    for account in case.settings.all_accounts:
        if account.active and account.registered and (account.sips or account.transport in ("tls", "wss", "auto")):
            for server in servers_of(account):
                for hop in (await case.locator.locate(server.first, transport=account.wire_transport))[:1]:
                    if hop.transport in ("TLS", "WSS"):
                        hops[hop.remote.host, hop.remote.port] = hop, server.first.host
    return list(hops.values())


async def _shown(hop: Hop, name: str) -> Finding:
    remote = hop.remote
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # dates alone; registering proves the rest
    where = f"the certificate of {name} ({remote})"
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(
                remote.host, remote.port, ssl=context, server_hostname=None if name[:1].isdigit() else name
            )
    except (OSError, TimeoutError) as error:
        words = f"{where} cannot be seen: {error or f'no connection within {CONNECT_S:g} s'}"
        return problem(words, "see that the server runs, and that TCP connections to this port are let through")
    try:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return dated(where, x509.load_der_x509_certificate(der))
    finally:
        writer.transport.abort()
