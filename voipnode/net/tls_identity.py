"""Whose certificate it is: the names it proves for SIP, and whether one of them was asked for (RFC 5922 §7)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.x509.oid import NameOID

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.uri import SipUri, normal_host, parse_uri

MAX_NAMES_TOLD = 8


class Certificate:
    """A certificate as its owner showed it. Raises ValueError for what cannot be read."""

    def __init__(self, der: bytes) -> None:
        try:
            self._x509 = x509.load_der_x509_certificate(der)
            self._names = self._alternative_names()
            self._common_names = [
                str(item.value) for item in self._x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            ]
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            raise ValueError(f"the certificate cannot be read: {error}") from error
        self.not_before = self._x509.not_valid_before_utc
        self.not_after = self._x509.not_valid_after_utc
        self.issuer = self._x509.issuer.rfc4514_string()
        self.self_signed = self._x509.issuer == self._x509.subject

    def _alternative_names(self) -> Sequence[x509.GeneralName] | None:
        try:
            return list(self._x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            return None

    @property
    def domains(self) -> list[str]:
        """The SIP domain identities: sip URIs without a user; DNS names only where there is no such URI; the common
        name only where there are no alternative names at all (§7.1)."""
        if self._names is None:
            return [_normal(name) for name in self._common_names]
        return self._uri_domains() or [_normal(name.value) for name in self._names if isinstance(name, x509.DNSName)]

    @property
    def addresses(self) -> list[IPv4Address | IPv6Address]:
        """The IP addresses among the alternative names."""
        found = [name.value for name in self._names or () if isinstance(name, x509.IPAddress)]
        return [address for address in found if isinstance(address, IPv4Address | IPv6Address)]

    def proves(self, domain: str) -> bool:
        """Whether it belongs to `domain`, a host name or an IP address.

        Names are compared whole: "*.example.com" is the name of no other host (§7.2 forbids wildcards, though HTTPS has
        them). An IP address needs an address among the alternative names, or a sip URI of it: RFC 5922 knows domains
        alone, and a telephone is often called by its address.
        """
        wanted = _normal(domain)
        try:
            address = ip_address(wanted)
        except ValueError:
            return wanted in self.domains
        return address in self.addresses or wanted in self._uri_domains()

    def covers(self, domain: str) -> bool:
        """Whether a DNS name with a wildcard as its first label is the domain otherwise (RFC 8489 §6.2.3)."""
        label, _, rest = _normal(domain).partition(".")
        names = self._names or ()
        return bool(label and rest) and any(
            isinstance(name, x509.DNSName) and _normal(name.value) == f"*.{rest}" for name in names
        )

    def _uri_domains(self) -> list[str]:
        uris = [name.value for name in self._names or () if isinstance(name, x509.UniformResourceIdentifier)]
        return [host for host in map(_sip_domain, uris) if host]

    def names_told(self) -> str:
        """The names it proves, for people."""
        names = [*self.domains, *map(str, self.addresses)]
        more = f" and {len(names) - MAX_NAMES_TOLD} more" if len(names) > MAX_NAMES_TOLD else ""
        return ", ".join(names[:MAX_NAMES_TOLD]) + more if names else "no name at all"


def _normal(name: str) -> str:
    return normal_host(name.rstrip("."))


def _sip_domain(text: str) -> str:
    """The host of a sip URI without a user part; "" for every other URI (§7.1)."""
    try:
        uri = parse_uri(text)
    except ParseError:
        return ""
    return _normal(uri.host) if isinstance(uri, SipUri) and uri.scheme == "sip" and uri.user is None else ""
