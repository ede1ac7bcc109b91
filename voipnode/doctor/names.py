"""Whether DNS answers, and where the names in the settings lead (RFC 3263)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.servers import servers_of
from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.net.dns import Dns
from voipnode.net.dns_servers import Naptr, NoDnsAnswerError, system_servers
from voipnode.net.locator import SRV_PREFIXES
from voipnode.net.resolver import literal_family
from voipnode.sipstack.transport import Address
from voipnode.sipstack.uri import SipUri

ASK_S = 2.0
_SILENT = "see that it runs and is reached (UDP and TCP 53); else name another in sip.dns.servers"


async def check_names(case: Case) -> AsyncIterator[Finding]:
    """Every DNS server answers, every server of an account has an address."""
    own = [Address(*server) for server in case.settings.sip.dns.addresses]
    servers = own or list(system_servers())
    if not servers:
        words = "no DNS server is known: names of servers cannot be found"
        yield problem(words, "name one in sip.dns.servers, or in the system's /etc/resolv.conf")
    for alive in asyncio.as_completed([_alive(server) for server in servers]):
        yield await alive
    wanted = list(_wanted(case))
    if not wanted:
        yield note("no account names a server: nothing has to be looked up")
    for leads in asyncio.as_completed([_leads(case, account, uri) for account, uri in wanted]):
        yield await leads


async def _alive(server: Address) -> Finding:
    """Any answer will do: what a server knows of the root says nothing of what it knows of ours."""
    question = dns.message.make_query(".", dns.rdatatype.NS)
    begun = asyncio.get_running_loop().time()
    try:
        answer = await dns.asyncquery.udp(question, server.host, timeout=ASK_S, port=server.port)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        return problem(f"the DNS server {server} does not answer: {str(error) or type(error).__name__}", _SILENT)
    took_ms = (asyncio.get_running_loop().time() - begun) * 1000
    if answer.rcode() == dns.rcode.SERVFAIL:
        words = f"the DNS server {server} answers that it cannot ask others (SERVFAIL)"
        return warning(words, "see that it reaches the internet, or name another in sip.dns.servers")
    return good(f"the DNS server {server} answers, in {took_ms:.0f} ms")


def _wanted(case: Case) -> Iterator[tuple[AccountSettings, SipUri]]:
    seen = set()
    for account in case.settings.all_accounts:
        if account.active and account.registered:
            for server in servers_of(account):
                key = (str(server.first), account.wire_transport)
                if key not in seen:
                    seen.add(key)
                    yield account, server.first


async def _leads(case: Case, account: AccountSettings, uri: SipUri) -> Finding:
    name = str(uri).partition(":")[2]
    hops = await case.locator.locate(uri, transport=account.wire_transport, prefer_ipv6=account.prefer_ipv6)
    if not hops:
        words = f'account "{account.name}": {name} leads nowhere: there is neither an SRV record nor an address for it'
        return problem(words, "correct the name in the account, or have it put into DNS")
    shown = ", ".join(f"{hop.transport} {hop.remote}" for hop in hops[:4])
    how = "" if literal_family(uri.host.strip("[]")) is not None else await _by(case.dns, uri, account.wire_transport)
    return good(f'account "{account.name}": {name} leads to {shown}{how}')


async def _by(names: Dns, uri: SipUri, transport: str) -> str:
    """Which records say so."""
    if uri.port is not None:
        return " (by its address records, since a port is named)"
    prefixes = [SRV_PREFIXES[transport]] if transport in SRV_PREFIXES else ["_sip._udp.", "_sip._tcp.", "_sips._tcp."]
    naptr, *srv = await asyncio.gather(
        _records(names, uri.host, "NAPTR"), *(_records(names, prefix + uri.host, "SRV") for prefix in prefixes)
    )
    kinds = [kind for kind, found in (("NAPTR", not transport and naptr), ("SRV", any(srv))) if found]
    return f" (by {' and '.join([*kinds, 'address'])} records)"


async def _records(names: Dns, name: str, kind: str) -> bool:
    try:
        found = await names.look_up(name, kind)
    except NoDnsAnswerError:
        return False
    return any(not isinstance(record, Naptr) or record.flags == "S" for record in found)
