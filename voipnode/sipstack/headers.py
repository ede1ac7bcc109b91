"""The header field values that SIP itself works with, as immutable values: `X.parse(text)` and `str(x)`.

`text` is an unfolded value, as `Headers.get` and `Headers.values` return it. The remaining fields of RFC 3261 §20
are in `fields`. What repeats from call to call, an address without its tag, a sent-by, is read once and remembered.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.grammar import QUOTED, TOKEN_CHARS, printable, quote, unquote
from voipnode.sipstack.memo import Memo
from voipnode.sipstack.params import EMPTY, Params
from voipnode.sipstack.uri import Uri, ipv6_host, parse_uri

__all__ = ["METHODS", "CSeq", "MediaType", "NameAddr", "Params", "Via"]

METHODS: Final = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER"}
    | {"REGISTER", "SUBSCRIBE", "UPDATE"}
)
"""The registered methods; their names are case-sensitive (RFC 3261 §7.1)."""

MAX_CSEQ = 2**31 - 1  # RFC 3261 §8.1.1.5

_NAME_ADDR = re.compile(rf'({QUOTED}|[^"<>]*+)[ \t]*+<([^<>]*+)>', re.DOTALL)
_SENT_BY = re.compile(
    rf"[{TOKEN_CHARS}]++[ \t]*+/[ \t]*+[{TOKEN_CHARS}]++[ \t]*+/[ \t]*+([{TOKEN_CHARS}]++)[ \t]++"
    r"([A-Za-z0-9_.\-]++|\[[0-9A-Fa-f:.]++\])(?:[ \t]*+:[ \t]*+([0-9]{1,5}+))?[ \t]*+"
)
_CSEQ = re.compile(rf"([0-9]{{1,32}}+)[ \t]++([{TOKEN_CHARS}]++)")
_MEDIA_TYPE = re.compile(rf"([{TOKEN_CHARS}]++)[ \t]*+/[ \t]*+([{TOKEN_CHARS}]++)[ \t]*+")

_new = tuple.__new__  # what the constructor of a NamedTuple ends in


class NameAddr(NamedTuple):
    """A name-addr or addr-spec with its field parameters: From, To, Contact, Route, Refer-To ... (RFC 3261 §20.10).

    `display_name` has its quotes undone and control characters replaced; None where there is none. It is written
    back quoted, and the URI always in angle brackets.
    """

    display_name: str | None
    uri: Uri
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Raises ParseError; lenient with white space inside <> and with unquoted names that are not tokens
        (RFC 4475 §3.1.2.14, §3.1.2.15), strict with a URI that needed angle brackets (§3.1.2.13)."""
        text = text.strip(" \t")
        end = text.find(">") + 1
        address = _ADDRESSES[text[:end]] if end else None
        if address is None:
            return cls._parse_unusual(text)
        if end == len(text):
            return address
        return _new(cls, (*address[:2], Params.parse(text[end:])))

    @classmethod
    def _parse_unusual(cls, text: str) -> NameAddr:
        # Either its first > stands in a quoted display name, or there are no angle brackets.
        match = _NAME_ADDR.match(text)
        if match is not None:
            name, uri_text = match.groups()
            return cls(_display_name(name), parse_uri(uri_text.strip(" \t")), Params.parse(text[match.end() :]))
        # Without brackets every semicolon starts a field parameter, and ? and , may not stand there (§20.10).
        uri_text, semicolon, params = text.partition(";")
        if "?" in uri_text or "," in uri_text:
            raise ParseError("an address with ? or , needs angle brackets")
        return cls(None, parse_uri(uri_text.rstrip(" \t")), Params.parse(semicolon + params))

    @property
    def tag(self) -> str | None:
        """The tag parameter (RFC 3261 §19.3), compared byte for byte."""
        return self.params.get("tag")

    def with_tag(self, tag: str) -> NameAddr:
        """A copy that carries this tag."""
        return self._replace(params=self.params.with_("tag", tag))

    def without_tag(self) -> NameAddr:
        """A copy that carries no tag."""
        return self._replace(params=self.params.without("tag"))

    def __str__(self) -> str:
        name = "" if self.display_name is None else quote(self.display_name) + " "
        return f"{name}<{self.uri}>{self.params}"


class Via(NamedTuple):
    """One Via value (RFC 3261 §20.42). `transport` is in upper case; `host` has no brackets; `port` None: not given."""

    transport: str
    host: str
    port: int | None = None
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> Via:
        """Raises ParseError. The protocol version is not looked at: a 505 goes back along a Via of that version."""
        end = text.find(";")
        if end < 0:
            return _SENT_BYS[text]
        return _new(cls, (*_SENT_BYS[text[:end]][:3], Params.parse(text[end:])))

    @property
    def branch(self) -> str | None:
        """The branch parameter; a token that begins with z9hG4bK where the sender follows RFC 3261."""
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The received parameter without brackets, which some put round IPv6 addresses (RFC 5118 §4.5)."""
        value = self.params.get("received")
        return value.strip("[]") if value is not None else None

    @property
    def rport(self) -> int | None:
        """The value of rport (RFC 3581); None where there is none. `"rport" in via.params` tells a request for it."""
        value = self.params.get("rport")
        if value is None or not (value.isascii() and value.isdigit()) or len(value) > 5:
            return None
        return int(value) if 0 < int(value) < 65536 else None

    def with_param(self, name: str, value: str | None = None) -> Via:
        """A copy with this parameter set; None makes it a flag."""
        return self._replace(params=self.params.with_(name, value))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {host}{port}{self.params}"


class CSeq(NamedTuple):
    """A CSeq value (RFC 3261 §20.16): `number` is 0 to 2**31 - 1 (§8.1.1.5), the method is case-sensitive."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises ParseError for other text and for a number out of range."""
        number_text, _, method = text.partition(" ")
        if method not in METHODS or len(number_text) > 32 or not (number_text.isascii() and number_text.isdigit()):
            match = _CSEQ.fullmatch(text)
            if match is None:
                raise ParseError("malformed CSeq")
            number_text, method = match.groups()
        number = int(number_text)
        if number > MAX_CSEQ:
            raise ParseError("CSeq number out of range")
        return _new(cls, (number, method))

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class MediaType(NamedTuple):
    """A media type or range, `type` and `subtype` in lower case, "*" for any (RFC 3261 §20.1, §20.15)."""

    type: str
    subtype: str
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """Raises ParseError for anything but `type/subtype;parameters`."""
        match = _MEDIA_TYPE.match(text)
        tail = text[match.end() :] if match is not None else ""
        if match is None or (tail and tail[0] != ";"):
            raise ParseError("malformed media type")
        return cls(match[1].lower(), match[2].lower(), Params.parse(tail))

    @property
    def essence(self) -> str:
        """`type/subtype` without parameters."""
        return f"{self.type}/{self.subtype}"

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{self.params}"


def _display_name(text: str) -> str | None:
    return printable(unquote(text) if text[:1] == '"' else text.strip(" \t")) or None


def _read_address(text: str) -> NameAddr | None:
    """What ends with the first `>` of a value; None where that is not where the address ends."""
    match = _NAME_ADDR.fullmatch(text)
    if match is None:
        return None
    name, uri_text = match.groups()
    return NameAddr(_display_name(name), parse_uri(uri_text.strip(" \t")))


def _read_sent_by(text: str) -> Via:
    match = _SENT_BY.fullmatch(text)
    if match is None:
        raise ParseError("malformed Via")
    transport, host, port_text = match.groups()
    port = None
    if port_text is not None:
        port = int(port_text)
        if not 0 < port < 65536:
            raise ParseError("port out of range in Via")
    return Via(transport.upper(), ipv6_host(host) if host[0] == "[" else host.lower(), port)


_ADDRESSES: Memo[NameAddr | None] = Memo(_read_address)
_SENT_BYS: Memo[Via] = Memo(_read_sent_by)
