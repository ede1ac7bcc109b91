"""Session descriptions (SDP, RFC 8866): bytes to typed values and back.

A description is one session section and a section per `m=` line. What the node understands is a typed field; every
other line and attribute is kept in its order and written out again, because it belongs to somebody. `parse` is
tolerant where tolerance is harmless (a bare LF, blank lines, fields of a section in another order, a missing `s=` or
`t=`, a type letter that nobody knows, for which RFC 8866 §5 would drop the whole call) and raises `ParseError`, and
nothing else, where a guess would be needed. a description *means* between two parties is in `offer_answer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.memo import Memo
from voipnode.sipstack.sdp_fields import Attribute, Connection, Direction, Line, Origin, RtcpAddress, RtpMap

__all__ = [
    "Attribute",
    "Connection",
    "Direction",
    "Line",
    "MediaDescription",
    "Origin",
    "RtcpAddress",
    "RtpMap",
    "SessionDescription",
    "parse",
]

MAX_SDP_BYTES = 65_535
MAX_LINES = 1024
MAX_MEDIA = 32
MAX_FORMATS = 128  # as many as there are RTP payload types

# The order of the lines of one section (RFC 8866 §9). r and z travel with their t; a type that we do not know stands
# before the attributes, where a parser that skips it loses nothing.
_LINE_ORDER = {letter: place for place, letter in enumerate("mvosiuepcbtk?a")} | {"r": 10, "z": 10}

_LINE = re.compile(r"[A-Za-z]=[^\r\0]*+")
_MEDIA_PORT = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_DIRECTIONS = {direction.value: direction for direction in Direction}
_MILLISECONDS = re.compile(r"[ \t]*([0-9]{1,5}(?:\.[0-9]{1,6})?)[ \t]*")


class MediaDescription(NamedTuple):
    """One `m=` line and what follows it. `port` 0 means refused or switched off; `formats` are texts as they came.

    The readers below never raise: an attribute that is malformed counts as absent, since it may concern a format that
    nobody is going to use.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connections: tuple[Connection, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    extra: tuple[Line, ...] = ()

    def attribute(self, name: str) -> Attribute | None:
        """The first attribute of that name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def rtpmaps(self) -> dict[int, RtpMap]:
        """The payload types that `a=rtpmap` explains; the first line wins when two explain the same one."""
        found: dict[int, RtpMap] = {}
        for value in self._values("rtpmap"):
            with suppress(ParseError):
                rtpmap = RtpMap.parse(value)
                found.setdefault(rtpmap.payload_type, rtpmap)
        return found

    def fmtp(self, format_: str) -> str:
        """The parameters of one format (`a=fmtp`, RFC 8866 §6.15); "" where there are none."""
        for value in self._values("fmtp"):
            name, _, parameters = value.strip().partition(" ")
            if name == format_:
                return parameters.strip()
        return ""

    @property
    def direction(self) -> Direction | None:
        """The direction that this section states itself; see also `SessionDescription.direction_of`."""
        return _direction(self.attributes)

    @property
    def ptime_ms(self) -> float | None:
        """The packet length that the writer likes to receive (`a=ptime`, RFC 8866 §6.4)."""
        return self._milliseconds("ptime")

    @property
    def maxptime_ms(self) -> float | None:
        """The longest packet that the writer can receive (`a=maxptime`, RFC 8866 §6.5)."""
        return self._milliseconds("maxptime")

    @property
    def rtcp(self) -> RtcpAddress | None:
        """Where the writer receives RTCP (`a=rtcp`, RFC 3605), when it says so."""
        for value in self._values("rtcp"):
            with suppress(ParseError):
                return RtcpAddress.parse(value)
        return None

    @property
    def rtcp_mux(self) -> bool:
        """True where RTP and RTCP on one port are offered or accepted (`a=rtcp-mux`, RFC 5761 §5.1)."""
        return self.attribute("rtcp-mux") is not None

    def lines(self) -> list[Line]:
        """The section as lines in the order of RFC 8866 §9."""
        port = str(self.port) if self.port_count == 1 else f"{self.port}/{self.port_count}"
        lines = [Line("m", " ".join((self.kind, port, self.protocol, *self.formats)))]
        lines += [Line("c", str(connection)) for connection in self.connections]
        return _in_order(lines, self.extra, self.attributes)

    def _values(self, name: str) -> Iterable[str]:
        return (value for key, value in self.attributes if key == name and value is not None)

    def _milliseconds(self, name: str) -> float | None:
        for value in self._values(name):
            match = _MILLISECONDS.fullmatch(value)
            if match and float(match[1]) > 0:
                return float(match[1])
        return None


class SessionDescription(NamedTuple):
    """A whole description. `timing` holds the `t=`, `r=` and `z=` lines, `extra` those that have no field here."""

    origin: Origin
    name: str = "-"
    connection: Connection | None = None
    timing: tuple[Line, ...] = (Line("t", "0 0"),)
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()
    extra: tuple[Line, ...] = ()

    def connection_of(self, media: MediaDescription) -> Connection | None:
        """The `c=` line that holds for a section: its own first one, else that of the session (RFC 8866 §5.7)."""
        return media.connections[0] if media.connections else self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """The direction that holds for a section: its own, else that of the session, else sendrecv (RFC 8866 §6.7)."""
        return media.direction or _direction(self.attributes) or Direction.SENDRECV

    def to_bytes(self) -> bytes:
        """The description with CRLF line ends; raises LocalError when a value would break a line."""
        lines = [Line("v", "0"), Line("o", str(self.origin)), Line("s", self.name or "-")]
        if self.connection is not None:
            lines.append(Line("c", str(self.connection)))
        lines = _in_order([*lines, *self.timing], self.extra, self.attributes)
        for media in self.media:
            lines += media.lines()
        text = "".join([f"{type_}={value}\r\n" for type_, value in lines])
        if not text.count("\r") == text.count("\n") == len(lines) or "\0" in text:
            raise LocalError("a value of a session description holds a line end or NUL")
        return text.encode("utf-8", "surrogateescape")


@lru_cache(8)  # several look at the same description one after the other
def parse(data: bytes) -> SessionDescription:
    """Reads a session description of at most 65,535 bytes, 1024 lines and 32 media sections (RFC 8866 §5, §9).

    Raises ParseError (400) and nothing else.
    """
    lines = _split(data)
    if not lines or lines[0][:2] != "v=" or lines[0][2:].strip() != "0":
        raise ParseError("SDP does not begin with v=0")
    starts = [index for index, line in enumerate(lines) if line[0] == "m"]
    if len(starts) > MAX_MEDIA:
        raise ParseError("SDP has too many m= lines")
    bounds = [*starts, len(lines)]
    media = tuple([_media(lines[start:end]) for start, end in pairwise(bounds)])
    return _session(lines[1 : bounds[0]], media)


def _split(data: bytes) -> list[str]:
    """The lines, each sure to be `<letter>=<text>`."""
    if len(data) > MAX_SDP_BYTES or data.count(b"\n") > MAX_LINES:
        raise ParseError("SDP is too large")
    # RFC 8866 §5: "parsers SHOULD be tolerant and also accept lines terminated with a single newline character".
    text = data.decode("utf-8", "surrogateescape").removesuffix("\r").replace("\r\n", "\n")
    lines = [line for line in text.split("\n") if line]
    for line in lines:
        if _LINE.fullmatch(line) is None:
            raise ParseError(f"SDP line {lines.index(line) + 1} is not <letter>=<text>")
    return lines


def _session(lines: list[str], media: tuple[MediaDescription, ...]) -> SessionDescription:
    only: dict[str, str] = {}
    timing: list[Line] = []
    attributes: list[Attribute] = []
    extra: list[Line] = []
    for line in lines:
        letter = line[0]
        if letter in "vosc":
            if letter in only or letter == "v":
                raise ParseError(f"SDP has two {letter}= lines in one section")
            only[letter] = line[2:]
        elif letter == "a":
            attributes.append(_ATTRIBUTES[line])
        elif letter in "trz":
            timing.append(Line(letter, line[2:]))
        else:
            extra.append(Line(letter, line[2:]))
    if "o" not in only:
        raise ParseError("SDP has no o= line")
    return SessionDescription(
        Origin.parse(only["o"]),
        # RFC 8866 §5.3 wants "-" or a blank for "no name", RFC 3264 §5 and its own examples write nothing at all.
        only.get("s", "").strip() or "-",
        _CONNECTIONS[only["c"]] if "c" in only else None,
        tuple(timing) or (Line("t", "0 0"),),
        tuple(attributes),
        media,
        tuple(extra),
    )


def _media(lines: list[str]) -> MediaDescription:
    kind, port, port_count, protocol, formats = _media_line(lines[0][2:])
    connections: list[Connection] = []
    attributes: list[Attribute] = []
    extra: list[Line] = []
    for line in lines[1:]:
        letter = line[0]
        if letter == "a":
            attributes.append(_ATTRIBUTES[line])
        elif letter == "c":
            connections.append(_CONNECTIONS[line[2:]])
        else:
            extra.append(Line(letter, line[2:]))
    return MediaDescription(
        kind, port, protocol, formats, port_count, tuple(connections), tuple(attributes), tuple(extra)
    )


def _media_line(text: str) -> tuple[str, int, int, str, tuple[str, ...]]:
    fields = text.split()
    if len(fields) < 3 or (match := _MEDIA_PORT.fullmatch(fields[1])) is None:
        raise ParseError("SDP m= line is malformed")
    kind, _, protocol, *formats = fields
    port, port_count = int(match[1]), int(match[2] or 1)
    # A refused stream needs no format that anybody reads: some peers leave it out.
    if port > 65_535 or port_count == 0 or len(formats) > MAX_FORMATS or (port and not formats):
        raise ParseError("SDP m= line is out of range")
    return kind, port, port_count, protocol, tuple(formats)


def _read_attribute(line: str) -> Attribute:
    name, colon, value = line[2:].partition(":")
    return Attribute(name.strip(), value if colon else None)


_ATTRIBUTES = Memo(_read_attribute)  # by their whole line
_CONNECTIONS = Memo(Connection.parse)


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    return next((_DIRECTIONS[name] for name, value in attributes if value is None and name in _DIRECTIONS), None)


def _in_order(lines: list[Line], extra: tuple[Line, ...], attributes: tuple[Attribute, ...]) -> list[Line]:
    """A whole section: `lines` are in order already and attributes come last; only `extra` has to find a place."""
    if extra:
        lines = sorted([*lines, *extra], key=lambda line: _LINE_ORDER.get(line.type, _LINE_ORDER["?"]))
    return lines + [attribute.line() for attribute in attributes]
