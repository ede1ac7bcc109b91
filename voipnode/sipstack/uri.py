"""SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966), and room for every other scheme.

Texts are kept as they are written, escapes included: undoing them twice is the mistake that RFC 4475 §3.1.1.3
tests for. Only the host is put in lower case, and the scheme.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from typing import Any, TypeAlias

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.memo import Memo
from voipnode.sipstack.params import EMPTY, Params

# Reading is wider than the grammar where peers are: `#` and UTF-8 in the user part, `_` in host names, and three
# colons in an IPv6 address, which the grammar of RFC 3261 itself produces (RFC 5118 §4.10).
_USER = r'[^\x00-\x20\x7f"<>@:\\^{|}]'
_HOST = r"(?:[A-Za-z0-9_.\-]++|\[[0-9A-Fa-f:.]++\])"
_SIP_URI = re.compile(
    rf"(?:({_USER}++)(?::([^\x00-\x20\x7f\"<>@:\\^]*+))?@)?"
    rf'({_HOST})(?::([0-9]{{1,5}}+))?(;[^\x00-\x20\x7f"<>?@]*+)?(?:\?([^\x00-\x20\x7f"<>@]*+))?'
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+")
_OPAQUE = re.compile(r'[^\x00-\x20\x7f"<>\\^`{|}]++')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_TEL = re.compile(r"(?:\+[0-9\-.()]*+|[0-9A-Fa-f*#\-.()]++)")
_HOST_ONLY = re.compile(r"[A-Za-z0-9_.\-]++|[0-9A-Fa-f:.]++")
_USER_ONLY = re.compile(rf"{_USER}++")
_UNSAFE_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")

_RESERVED = ";/?:@&=+$,"  # RFC 2396 §2.2
_MUST_BE_IN_BOTH = ("user", "ttl", "method", "maddr", "transport")


@dataclass(frozen=True, slots=True)
class SipUri:
    """A sip: or sips: URI. `user` and `password` keep their escapes; `host` is in lower case, IPv6 without brackets.

    Construction raises LocalError for parts that could not be read back. `port` is 1 to 65535, or None where the
    URI names none. `headers` are (name, value) pairs as written after the question mark.
    """

    scheme: str = "sip"
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = EMPTY
    headers: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.scheme not in ("sip", "sips"):
            raise LocalError(f"{self.scheme!r} is neither sip nor sips")
        if not _HOST_ONLY.fullmatch(self.host):
            raise LocalError(f"{self.host!r} is not a host")
        if self.user is not None and not _USER_ONLY.fullmatch(self.user):
            raise LocalError(f"user part {self.user!r} needs escape_user()")
        if self.port is not None and not 0 < self.port < 65536:
            raise LocalError(f"port {self.port} is out of range")
        if not self.host.islower():
            object.__setattr__(self, "host", self.host.lower())

    @property
    def transport(self) -> str | None:
        """The transport parameter in upper case, None where there is none."""
        value = self.params.get("transport")
        return value.upper() if value is not None else None

    def with_(self, **changes: Any) -> SipUri:
        """A copy with these fields changed; raises LocalError as construction does."""
        return replace(self, **changes)

    def equivalent(self, other: Uri) -> bool:
        """True where both name the same resource by the rules of RFC 3261 §19.1.4 (not transitive)."""
        if not isinstance(other, SipUri):
            return False
        return (
            self.scheme == other.scheme
            and self.port == other.port
            and _normal(self.user) == _normal(other.user)
            and _normal(self.password) == _normal(other.password)
            and _same_host(self.host, other.host)
            and _params_match(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        userinfo = ""
        if self.user is not None:
            userinfo = f"{self.user}@" if self.password is None else f"{self.user}:{self.password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = "?" + "&".join([f"{name}={value}" for name, value in self.headers]) if self.headers else ""
        return f"{self.scheme}:{userinfo}{host}{port}{self.params if self.params else ''}{headers}"


@dataclass(frozen=True, slots=True)
class TelUri:
    """A telephone number (RFC 3966): `number` as written, visual separators included, "+" first where it is global."""

    number: str
    params: Params = EMPTY

    @property
    def scheme(self) -> str:
        return "tel"

    @property
    def digits(self) -> str:
        """The number without visual separators (RFC 3966 §5.1.1)."""
        return self.number.translate({ord(char): None for char in "-.()"})

    def equivalent(self, other: Uri) -> bool:
        """True for the same digits and parameters (RFC 3966 §4)."""
        return (
            isinstance(other, TelUri)
            and self.digits.lower() == other.digits.lower()
            and str(self.params).lower() == str(other.params).lower()
        )

    def __str__(self) -> str:
        return f"tel:{self.number}{self.params}"


@dataclass(frozen=True, slots=True)
class OtherUri:
    """An absolute URI of a scheme that the stack does not serve; `text` is all of it, scheme included."""

    scheme: str
    text: str

    def equivalent(self, other: Uri) -> bool:
        """True for the same text; the scheme is compared without regard to case."""
        return (
            isinstance(other, OtherUri)
            and _after_colon(self.text) == _after_colon(other.text)
            and (self.scheme == other.scheme)
        )

    def __str__(self) -> str:
        return self.text


Uri: TypeAlias = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """An absolute URI, without angle brackets or white space; raises ParseError (400) where the grammar says no."""
    return _URIS[text]


def _read_uri(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    lower = scheme.lower()
    if lower == "sip" or lower == "sips":
        return _parse_sip(lower, rest)
    if not colon or not _SCHEME.fullmatch(scheme):
        raise ParseError("not an absolute URI")
    if not _OPAQUE.fullmatch(rest):
        raise ParseError(f"malformed {lower} URI")
    if lower == "tel":
        return _parse_tel(rest)
    return OtherUri(lower, text)


def escape_user(text: str) -> str:
    """`text` as the user part of a SIP URI: every character that may not stand there as %HH (RFC 3261 §19.1.2)."""
    return _UNSAFE_USER.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8")), text)


def unescape(text: str) -> str:
    """`text` with its %HH escapes undone once, as UTF-8 (bytes that are not UTF-8 survive as surrogates)."""
    if "%" not in text:
        return text
    data = text.encode("utf-8", "surrogateescape")
    plain = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), data)
    return plain.decode("utf-8", "surrogateescape")


def normal_host(host: str) -> str:
    """A host without brackets, in lower case; an IPv6 address in the one form of RFC 5952."""
    host = host.strip("[]").lower().replace(":::", "::")
    if ":" not in host:
        return host
    try:
        return str(IPv6Address(host))
    except AddressValueError:
        return host


def ipv6_host(bracketed: str) -> str:
    """An IPv6 reference without its brackets, in lower case; ParseError where it is no address.

    A third colon before an IPv4 part is a slip in the grammar of RFC 3261, to be tolerated and not repeated
    (RFC 5118 §4.10).
    """
    host = bracketed[1:-1].replace(":::", "::").lower()
    try:
        IPv6Address(host)
    except AddressValueError as error:
        raise ParseError("malformed IPv6 address") from error
    return host


def _parse_sip(scheme: str, rest: str) -> SipUri:
    match = _SIP_URI.fullmatch(rest)
    if match is None or ("%" in rest and _BAD_ESCAPE.search(rest)):
        raise ParseError("malformed SIP URI")
    user, password, host, port_text, params, headers = match.groups()
    port = None
    if port_text is not None:
        port = int(port_text)
        if not 0 < port < 65536:
            raise ParseError("port out of range in a SIP URI")
    # The parts are checked: writing the slots directly spares __init__ and __post_init__ on the busiest path.
    uri = _new(SipUri)
    _set(uri, "scheme", scheme)
    _set(uri, "user", user)
    _set(uri, "password", password)
    _set(uri, "host", ipv6_host(host) if host[0] == "[" else host.lower())
    _set(uri, "port", port)
    _set(uri, "params", Params.parse(params) if params else EMPTY)
    _set(uri, "headers", _parse_headers(headers) if headers is not None else ())
    return uri


_new = object.__new__
_set = object.__setattr__


def _parse_tel(rest: str) -> TelUri:
    number, semicolon, params = rest.partition(";")
    if not _TEL.fullmatch(number) or not any(char.isalnum() for char in number):
        raise ParseError("malformed tel URI")
    return TelUri(number, Params.parse(semicolon + params) if semicolon else EMPTY)


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for piece in text.split("&"):
        name, equals, value = piece.partition("=")
        if not name or not equals:
            raise ParseError("malformed headers in a SIP URI")
        pairs.append((name, value))
    return tuple(pairs)


def _normal(text: str | None) -> str | None:
    """Escapes undone for all but the reserved characters, which differ from their escapes (RFC 3261 §19.1.4)."""
    if text is None or "%" not in text:
        return text

    def undo(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return match[0].upper() if char in _RESERVED or char == "%" or not char.isascii() else char

    return _ESCAPE.sub(undo, text)


def _same_host(one: str, other: str) -> bool:
    return one == other or normal_host(one) == normal_host(other)


def _params_match(one: Params, other: Params) -> bool:
    mine, theirs = _param_table(one), _param_table(other)
    both = mine.keys() & theirs.keys()
    if any(mine[name] != theirs[name] for name in both):
        return False
    return all((name in mine) == (name in theirs) for name in _MUST_BE_IN_BOTH)


def _param_table(params: Params) -> dict[str, str | None]:
    return {
        str(_normal(name)).lower(): value if value is None else str(_normal(value)).lower()
        for name, value in params.items()
    }


def _header_set(headers: tuple[tuple[str, str], ...]) -> list[tuple[str, str | None]]:
    return sorted((str(_normal(name)).lower(), _normal(value) or "") for name, value in headers)


def _after_colon(text: str) -> str:
    return text.partition(":")[2]


_URIS: Memo[Uri] = Memo(_read_uri)
