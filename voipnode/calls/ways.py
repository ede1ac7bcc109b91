"""How an account reaches an address: whom it asks, along which hops and routes, and as whom it calls.

Who has an address typed for a registered account means a user of its server: "1001" is sip:1001@domain. Everything that
a registered account calls goes through its server, whatever host the URI names: the server knows what its users may
call, and the far side sees a call of the telephone system and not of an unknown box. A peer-to-peer account calls the
host that the URI names. An IP address alone is a host on both kinds.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Protocol

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.accounts import Accounts
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.ports import LocalAddress, Locator
from voipnode.calls.registration import Registration
from voipnode.calls.servers import AccountServer, credentials_of
from voipnode.sipstack.config import Detour, OutgoingInvite
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.params import EMPTY
from voipnode.sipstack.routing import hop_to, is_literal
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri, TelUri, escape_user, normal_host, parse_uri, unescape

ANONYMOUS = NameAddr("Anonymous", SipUri("sip", user="anonymous", host="anonymous.invalid"))  # RFC 3323 §4.1.1.3
TRANSPORTS = (None, "UDP", "TCP", "TLS", "WS", "WSS")
_HAS_SCHEME = re.compile(r"(?:sips?|tel):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Way:
    """All that an INVITE to `target` needs beside its offer; `hops` has one at least, best first.

    `no_answer_s`: the next hop is tried after so long without any response; None leaves it to timer B. `detours`: the
    account's other servers, which may know callee and caller by another domain. `account`: whose call it is, and whose
    settings its leg has. `only_hop`: a telephone that is reached there alone, whatever its Contact says. `opens`: the
    digits of who is called there by the node's own wish may act.
    """

    target: SipUri
    hops: tuple[Hop, ...]
    from_: NameAddr
    contact_user: str
    account: AccountSettings
    routes: tuple[str, ...] = ()
    credentials: tuple[Credentials, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    no_answer_s: float | None = None
    detours: tuple[Detour, ...] = ()
    only_hop: bool = False
    opens: bool = True

    @property
    def confidential(self) -> bool:
        """Whether all that is signalled on it goes over TLS, whichever hop it takes."""
        return all(hop.secure for hops in (self.hops, *(each.hops for each in self.detours)) for hop in hops)

    def invite(
        self,
        offer: bytes,
        *,
        to: SipUri | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        max_forwards: int = 70,
    ) -> OutgoingInvite:
        """The call along this way. `to`: whom it was for at first, where somebody sent us on (RFC 3261 §8.1.3.4);
        `headers`: extra fields."""
        return OutgoingInvite(
            target=self.target,
            from_=self.from_,
            contact_user=self.contact_user,
            offer=offer,
            hops=self.hops,
            detours=tuple([replace(detour, headers=detour.headers + headers) for detour in self.detours]),
            routes=self.routes,
            credentials=self.credentials,
            headers=self.headers + headers,
            no_answer_s=self.no_answer_s,
            only_hop=self.only_hop,
            to=None if to is None else NameAddr(None, to),
            max_forwards=max_forwards,
        )


def parse_target(text: str, domain: SipUri | None = None) -> SipUri:
    """What a person types as the address to call: a SIP URI, user@host, a host, a telephone number.

    `domain`: the address-of-record of a registered account, in whose domain a bare user or number is (RFC 3261
    §19.1.6 for tel:). Raises CallError that says what would be right.
    """
    typed = text.strip()
    uri_text = typed if _HAS_SCHEME.match(typed) else f"sip:{typed}"
    scheme, _, rest = uri_text.partition(":")
    if domain is not None and scheme.lower() != "tel" and "@" not in rest and not _is_host(rest):
        return _user_at(domain, rest, typed)
    try:
        uri = parse_uri(uri_text)
    except ParseError as error:
        raise CallError(
            f'address "{text}": {error.reason}; write it like sip:anna@192.168.1.20 or 192.168.1.20:5060'
        ) from None
    if isinstance(uri, TelUri) and domain is not None:
        return _user_at(domain, uri.digits, typed).with_(params=EMPTY.with_("user", "phone"))
    if not isinstance(uri, SipUri):
        raise CallError(f'address "{text}": only sip: addresses can be called, like sip:anna@192.168.1.20')
    return uri


def _is_host(text: str) -> bool:
    """Whether this is an IP address, with a port or without: a name without @ is a user's on a registered account."""
    host, colon, port = text.rpartition(":")
    for candidate in (text, host if colon and port.isdigit() else ""):
        try:
            ip_address(candidate.strip("[]"))
        except ValueError:
            continue
        return True
    return False


def _user_at(aor: SipUri, user: str, typed: str) -> SipUri:
    if not user or any(char.isspace() for char in user):
        raise CallError(f'address "{typed}": write a number or a name without blanks, like 1001 or sip:anna@{aor.host}')
    return aor.with_(user=escape_user(user))


class OwnTelephones(Protocol):
    """The node's own extensions, as the registrar knows them."""

    @property
    def extensions(self) -> Mapping[str, object]:
        """By number."""
        ...

    def reach(self, number: str) -> tuple[Way, ...]:
        """The way to each of its telephones. Raises NotNowError, in words, where none rings now."""
        ...


class Ways:
    """Finds ways; names are looked up only where no registration knows its server already."""

    def __init__(
        self, accounts: Accounts, locator: Locator, local_address: LocalAddress, own: OwnTelephones | None = None
    ) -> None:
        self._accounts = accounts
        self._locator = locator
        self._local_address = local_address
        self._own = own

    async def each_to(self, address: str | SipUri, account: AccountSettings) -> tuple[Way, ...]:
        """As `to`; where the address is an extension of ours, one way to each of its telephones.

        An extension's bare number means it on every account, and so does its number at this node.
        """
        number = self.extension(address)
        if self._own is not None and number:
            return self._own.reach(number)
        return (await self.to(address, account),)

    def extension(self, address: str | SipUri) -> str:
        """The number of the extension that an address as typed, or a URI, means; "" where it means none of ours."""
        if self._own is None:
            return ""
        if isinstance(address, str) and address.strip() in self._own.extensions:
            return address.strip()
        try:
            uri = address if isinstance(address, SipUri) else parse_target(address)
        except CallError:
            return ""
        number = unescape(uri.user or "")
        return number if number in self._own.extensions and self._is_own(uri) else ""

    def _is_own(self, uri: SipUri) -> bool:
        """Whether a host is this node: our address towards it is the same."""
        try:
            hop = hop_to(uri)
        except LocalError:
            return False
        if not is_literal(hop.remote.host):
            return False
        ours = self._local_address(hop)
        return normal_host(ours.host) == normal_host(hop.remote.host) and uri.port in (None, ours.port)

    async def to(self, address: str | SipUri, account: AccountSettings) -> Way:
        """The way from `account` to an address as typed, or to a URI. Raises CallError, NotNowError."""
        registration = self._accounts.registration(account)
        if registration is None:
            return await self._direct(address if isinstance(address, SipUri) else parse_target(address), account)
        if not registration.servers:
            raise NotNowError(f'account "{account.name}" cannot call: {registration.status.reason}')
        return await self._through_server(address, account, registration)

    def target(self, address: str, account: AccountSettings) -> SipUri:
        """The URI that an address as typed means on this account, whether it can be reached or not. CallError."""
        registration = self._accounts.registration(account)
        domain = registration.servers[0].aor if registration is not None and registration.servers else None
        return parse_target(address, domain)

    async def _direct(self, target: SipUri, account: AccountSettings) -> Way:
        if target.transport not in TRANSPORTS:
            raise CallError(f"address {target}: transport {target.transport} is not spoken here; udp, tcp and tls are")
        hops = await self._locate(target, account)
        if not hops:
            raise NotNowError(f'address {target}: the name "{target.host}" cannot be resolved')
        return straight(target, hops, account, self._local_address(hops[0]).host)

    async def _through_server(self, address: str | SipUri, account: AccountSettings, registration: Registration) -> Way:
        target = address if isinstance(address, SipUri) else parse_target(address, registration.servers[0].aor)
        if account.sips:  # all the way or not at all (RFC 3261 §26.2.2)
            target = target.with_(scheme="sips")
        roads = registration.roads() or await self._locate_all(registration.servers, account)
        if not roads:
            why = registration.status.reason or "none can be found"
            raise NotNowError(f'account "{account.name}" reaches no server: {why}')
        return through(target, roads, registration)

    async def _locate_all(
        self, servers: Sequence[AccountServer], account: AccountSettings
    ) -> list[tuple[AccountServer, tuple[Hop, ...]]]:
        """The servers that can be found, in their order."""
        found = await asyncio.gather(*(self._locate(server.first, account) for server in servers))
        return [(server, hops) for server, hops in zip(servers, found, strict=True) if hops]

    async def _locate(self, uri: SipUri, account: AccountSettings) -> tuple[Hop, ...]:
        transport = account.wire_transport
        if uri.scheme == "sips" and transport == "UDP":  # the address asks for TLS (RFC 3261 §26.2.2)
            transport = ""
        hops = await self._locator.locate(uri, transport=transport, prefer_ipv6=account.prefer_ipv6, profile=account.id)
        return tuple(hops)


def straight(target: SipUri, hops: Sequence[Hop], account: AccountSettings, local_host: str) -> Way:
    """The way of a peer-to-peer account: to where the address is, as a user of our own address."""
    me = SipUri(target.scheme, user=account.user_id, host=local_host)
    return _way(target, tuple(hops), account, me)


def through(target: SipUri, roads: Sequence[tuple[AccountServer, Sequence[Hop]]], registration: Registration) -> Way:
    """The way of a registered account through its servers, as `Registration.roads` gives them."""
    account, binding, main = registration.account, registration.binding, registration.servers[0]
    credentials, ways = credentials_of(account), []
    for server, hops in roads:
        # The proxies that we know of come first, then those that this very registrar named (RFC 3608 §6.1).
        named = binding.granted.service_route if binding is not None and binding.server is server else ()
        routes = (*server.routes, *(route for route in named if route not in server.routes))
        there = _in_domain(target, main.aor, server.aor)
        ways.append(_way(there, tuple(hops), account, server.aor, routes, credentials, account.no_answer_s))
    first, *others = ways
    detours = [Detour(way.hops, way.target, way.from_, way.routes, way.headers) for way in others]
    return replace(first, detours=tuple(detours))


def _in_domain(target: SipUri, ours: SipUri, theirs: SipUri) -> SipUri:
    """A user of our server, as a user of the other one that stands in for it; who is elsewhere is there for both."""
    if normal_host(target.host) != normal_host(ours.host) or target.port != ours.port:
        return target
    return target.with_(host=theirs.host, port=theirs.port)


def _way(
    target: SipUri,
    hops: tuple[Hop, ...],
    account: AccountSettings,
    me: SipUri,
    routes: tuple[str, ...] = (),
    credentials: tuple[Credentials, ...] = (),
    no_answer_s: float | None = None,
) -> Way:
    named = NameAddr(account.caller_id or None, me)
    return Way(
        target,
        hops,
        from_=ANONYMOUS if account.privacy else named,
        contact_user="anonymous" if account.privacy else account.user_id,
        account=account,
        routes=routes,
        credentials=credentials,
        headers=_identity(account, named),
        no_answer_s=no_answer_s,
    )


def _identity(account: AccountSettings, named: NameAddr) -> tuple[tuple[str, str], ...]:
    """Who calls, for the server alone or for all (RFC 3325 §9.1, §9.2), and whether the callee may know (RFC 3323)."""
    headers = [("Privacy", "id")] if account.privacy else []
    if account.identity_header == "asserted":
        headers.append(("P-Asserted-Identity", str(named)))
    elif account.identity_header == "preferred" or (account.privacy and account.registered):
        headers.append(("P-Preferred-Identity", str(named)))
    return tuple(headers)
