"""The typed values that lines and attributes of a session description hold (SDP, RFC 8866)."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.memo import Memo

_RTPMAP = re.compile(r"([0-9]{1,3})[ \t]+([^\s/]{1,64})/([0-9]{1,7})(?:/([0-9]{1,3}))?[ \t]*")
_RTCP = re.compile(r"[ \t]*([0-9]{1,5})(?:[ \t]+(\S+[ \t]+\S+[ \t]+\S+))?[ \t]*")

_new = tuple.__new__  # what the constructor of a NamedTuple ends in


class Direction(StrEnum):
    """Which way media flows, seen from who wrote the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """True where the writer of the description wants to send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """True where the writer of the description wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, *, send: bool, receive: bool) -> Direction:
        """The direction of a party that sends and receives as told."""
        if send:
            return cls.SENDRECV if receive else cls.SENDONLY
        return cls.RECVONLY if receive else cls.INACTIVE


class Line(NamedTuple):
    """One line as it stands: the letter before "=" and the text after it."""

    type: str
    value: str


class Attribute(NamedTuple):
    """An `a=` line: a property (`value` None) or a name and its value. Names are case-sensitive (RFC 8866 §9)."""

    name: str
    value: str | None = None

    def line(self) -> Line:
        """The attribute as an `a=` line."""
        return Line("a", self.name if self.value is None else f"{self.name}:{self.value}")


def _read_ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


_IPS = Memo(_read_ip)


def literal_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address that `text` is, None where it is none: a host name."""
    return _IPS[text]


class Origin(NamedTuple):
    """The `o=` line (RFC 8866 §5.2). The numbers stay text: only equality matters, and peers overflow them."""

    username: str
    session_id: str
    session_version: str
    address_type: str
    address: str
    network_type: str = "IN"

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Reads the six fields from the right, since user names with blanks occur; raises ParseError for fewer."""
        fields = text.rsplit(None, 5)
        if len(fields) != 6:
            raise ParseError("SDP o= line needs six fields")
        username, session_id, version, network_type, address_type, address = fields
        return _new(cls, (username, session_id, version, address_type, address, network_type))

    def __str__(self) -> str:
        return " ".join(
            (self.username, self.session_id, self.session_version, self.network_type, self.address_type, self.address)
        )


class Connection(NamedTuple):
    """A `c=` line (RFC 8866 §5.7). `suffix` is the TTL and count after the address of a multicast group, else ""."""

    address_type: str
    address: str
    suffix: str = ""
    network_type: str = "IN"

    @classmethod
    def parse(cls, text: str) -> Connection:
        """Reads `<nettype> <addrtype> <address>[/<ttl>][/<count>]`; raises ParseError when a field is missing."""
        fields = text.split()
        if len(fields) != 3 or fields[2].startswith("/"):
            raise ParseError("SDP c= line needs three fields")
        address, _, suffix = fields[2].partition("/")
        return cls(fields[1], address, suffix, fields[0])

    @classmethod
    def to_host(cls, host: str) -> Connection:
        """The connection line for an IP address; a host name counts as IPv4."""
        return cls("IP6" if ":" in host else "IP4", host)

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The address where it is a literal; None for a host name."""
        return literal_ip(self.address)

    @property
    def is_unspecified(self) -> bool:
        """True for 0.0.0.0, :: and names in .invalid, which all mean "send me nothing" (RFC 3264 §8.4, RFC 6157)."""
        ip = self.ip
        return ip.is_unspecified if ip is not None else self.address.lower().rstrip(".").endswith(".invalid")

    def __str__(self) -> str:
        address = f"{self.address}/{self.suffix}" if self.suffix else self.address
        return f"{self.network_type} {self.address_type} {address}"


class RtpMap(NamedTuple):
    """What a payload type number stands for (RFC 8866 §6.6): encoding name, RTP clock, number of channels."""

    payload_type: int
    name: str
    clock_rate_hz: int
    channels: int = 1

    @classmethod
    def parse(cls, text: str) -> RtpMap:
        """Reads the value of `a=rtpmap`; raises ParseError when it is not one or a number is out of range."""
        return _RTPMAPS[text]

    @classmethod
    def _read(cls, text: str) -> RtpMap:
        match = _RTPMAP.fullmatch(text)
        if match is None:
            raise ParseError("SDP rtpmap is malformed")
        number, name, clock, channels = match.groups()
        found = cls(int(number), name, int(clock), int(channels or 1))
        if found.payload_type > 127 or found.clock_rate_hz == 0 or found.channels == 0:
            raise ParseError("SDP rtpmap is out of range")
        return found

    def __str__(self) -> str:
        text = f"{self.payload_type} {self.name}/{self.clock_rate_hz}"
        return text if self.channels == 1 else f"{text}/{self.channels}"


_RTPMAPS = Memo(RtpMap._read)


class RtcpAddress(NamedTuple):
    """The value of `a=rtcp` (RFC 3605 §2.1): a port, and an address where it is not the one of the media."""

    port: int
    connection: Connection | None

    @classmethod
    def parse(cls, text: str) -> RtcpAddress:
        """Reads `<port> [<nettype> <addrtype> <address>]`; raises ParseError when it is not that."""
        match = _RTCP.fullmatch(text)
        if match is None or not 0 < int(match[1]) <= 65_535:
            raise ParseError("SDP rtcp attribute is malformed")
        return cls(int(match[1]), Connection.parse(match[2]) if match[2] else None)
