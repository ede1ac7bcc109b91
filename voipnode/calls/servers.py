"""The servers of a registered account, as the settings name them: who is asked, for whom, along which proxies."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.calls.account_settings import AccountSettings, ProxySettings, server_uri
from voipnode.sipstack.digest import Credentials
from voipnode.sipstack.params import EMPTY
from voipnode.sipstack.uri import SipUri


@dataclass(frozen=True, slots=True)
class AccountServer:
    """One registrar of an account; `rank` 0 is the primary, 1 the secondary.

    `registrar` is the Request-URI of its REGISTERs (RFC 3261 §10.2.6: the configured one, else the domain), `aor` the
    address-of-record there, `first` what is located: the first proxy, or the registrar where there is none. `routes`
    are the proxies as Route values, in their order (§8.1.2).
    """

    rank: int
    registrar: SipUri
    aor: SipUri
    first: SipUri
    routes: tuple[str, ...]

    @property
    def name(self) -> str:
        """The server as the settings write it."""
        return str(self.registrar).partition(":")[2]


def servers_of(account: AccountSettings) -> tuple[AccountServer, ...]:
    """The account's servers, primary first; none where neither registrar nor domain is set."""
    pairs = [(account.registrar or account.domain, account.domain or account.registrar)]
    second = account.secondary
    if second is not None:
        domain = second.domain or account.domain or second.registrar
        pairs.append((second.registrar or second.domain, domain))
    scheme = "sips" if account.sips else "sip"
    proxies = [server_uri(proxy.address).with_(scheme=scheme) for proxy in account.proxies]
    routes = tuple(route_value(proxy, account.wire_transport) for proxy in proxies)
    servers = []
    for rank, (registrar, domain) in enumerate(pairs):
        if registrar:
            target = server_uri(registrar).with_(scheme=scheme)
            aor = server_uri(domain).with_(scheme=scheme, user=account.user_id)
            servers.append(AccountServer(rank, target, aor, proxies[0] if proxies else target, routes))
    return tuple(servers)


def route_value(uri: SipUri, transport: str) -> str:
    """A loose route through the server that `uri` names; `transport` as in `AccountSettings.wire_transport`."""
    params = EMPTY
    if transport not in ("", "UDP") and uri.scheme == "sip":
        params = params.with_("transport", transport.lower())
    return f"<{uri.with_(params=params.with_('lr', None))}>"


def credentials_of(account: AccountSettings) -> tuple[Credentials, ...]:
    """What answers the challenges on the account's ways: the account's own, and each proxy's.

    A realm gets the credentials that name it, else the first that it has not refused.
    """
    own = Credentials(account.auth_id or account.user_id, account.password.get_secret_value())
    return (own, *(_proxy_credentials(proxy, own) for proxy in account.proxies if proxy.user))


def _proxy_credentials(proxy: ProxySettings, own: Credentials) -> Credentials:
    return Credentials(proxy.user, proxy.password.get_secret_value() or own.password, proxy.realm or None)
