"""The path that a dialog's requests take: the connection its INVITE used while that lives, and else a way to the peer.

RFC 3261 §12.2.1.1 sends a request of a dialog to its first route or remote target. Often nobody can be reached there:
the peer is behind a NAT, or a browser (RFC 7118 §5.3), or has no certificate to show to whom connects to it (RFC 5923
§1). What such a peer opened, or answered over, is its flow (RFC 5626 §5.3), and its requests go there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address

from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.routing import hop_to, is_literal
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri, normal_host

NO_DOMAIN = ".invalid"  # RFC 2606 §2, which RFC 7118 §B.1 has clients write that have no address


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a dialog's INVITE went to or came from.

    `theirs`: the peer opened it, so that nobody listens at its address. `direct`: as far as can be seen, nobody stands
    between. `heard_at`: the host that the peer's packets come from, for where `hop` has a name. `only`: the peer is
    reached there and nowhere else, whatever its Contact says.
    """

    hop: Hop
    theirs: bool
    direct: bool = False
    heard_at: str = ""
    only: bool = False

    def way_to(self, uri: SipUri, *, alive: bool, secure: bool) -> Hop:
        """Where a request goes whose next hop is called `uri` (§8.1.2).

        `alive`: the flow's connection is open. `secure`: the request must not leave TLS.
        """
        known = self.hop if alive else replace(self.hop, connection=None)
        if self.only:
            return known
        try:
            hop = hop_to(uri)
        except LocalError:
            return known  # a transport that we do not speak, though the peer reached us over one that both do
        if hop.transport == "WS" and known.transport == "WSS":
            hop = hop_to(uri.with_(scheme="sips"))  # a URI says ws for both of them (RFC 7118 §5.2)
        if secure and not hop.secure:
            return known  # a sips call leaves TLS at no hop of ours, whatever the Contact says (§26.2.2)
        same_host = hop.transport == known.transport and self._is_host(uri.host)
        if same_host and (alive or uri.port in (None, known.remote.port)):
            return known
        if alive and self._leads_to(uri):
            return known
        if _is_nowhere(uri, known) and not (self.theirs and known.reliable):
            return known
        return replace(hop, domain=known.domain if same_host else hop.domain, profile=known.profile)

    def held(self, uri: SipUri) -> Flow:
        """The same for a peer who has proven that he receives there, by answering a challenge, and calls himself `uri`.

        Over UDP one who names another host is behind a NAT, whatever addresses the two are: he is where he is seen.
        """
        elsewhere = normal_host(uri.host) != normal_host(self.hop.remote.host)
        return replace(self, only=True) if elsewhere and self.direct and not self.hop.reliable else self

    def comes_from(self, host: str) -> bool:
        """Whether this is a host that the INVITE came from, or its answer."""
        return host in (self.heard_at, normal_host(self.hop.remote.host))

    def _is_host(self, host: str) -> bool:
        named = normal_host(host)
        return named == normal_host(self.hop.remote.host) or (named == normal_host(self.hop.domain) and named != "")

    def _leads_to(self, uri: SipUri) -> bool:
        """Whether the open connection is the only way to the peer, and not just one of two."""
        if self.theirs and self.hop.transport != "TCP":
            return True  # a browser, or a telephone without a certificate
        # Somebody who is elsewhere than he says, and whom nobody stands before: a NAT does.
        return _is_nowhere(uri, self.hop) or (self.theirs and self.direct and is_literal(normal_host(uri.host)))


def _is_nowhere(uri: SipUri, seen: Hop) -> bool:
    """A name that is none, no address at all, or a private one of somebody who is seen at a public one."""
    host = normal_host(uri.host).rstrip(".")
    if host.endswith(NO_DOMAIN):
        return True
    if not is_literal(host):
        return False
    named = ip_address(host)
    public = is_literal(seen.remote.host) and ip_address(seen.remote.host).is_global
    return named.is_unspecified or (public and not named.is_global)
