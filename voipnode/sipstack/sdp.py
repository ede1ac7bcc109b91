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
from typing import NamedTuple, TypeAlias

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
_LINES = re.compile(r"[A-Za-z]=[^\r\n\0]*+(?:\n[A-Za-z]=[^\r\n\0]*+)*+")
_MEDIA_PORT = re.compile(r"([0-9]{1,5})(?:/([0-9]{1,5}))?")
_new = tuple.__new__  # what the constructor of a NamedTuple ends in
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

    Raises ParseError (400) and nothing else. From one call to the next a telephone changes its o= line and its ports;
    the rest of each section is read once and remembered.
    """
    text = _checked_text(data)
    if text[:4] != "v=0\n" and (text[:2] != "v=" or text.partition("\n")[0][2:].strip() != "0"):
        raise ParseError("SDP does not begin with v=0")
    session, *sections = text.split("\nm=")
    if len(sections) > MAX_MEDIA:
        raise ParseError("SDP has too many m= lines")
    media = tuple([_media(section) for section in sections])
    before, has_origin, after = session.partition("\no=")
    origin, _, after = after.partition("\n")
    name, connection, timing, attributes, extra = _SESSIONS[f"{before}\n{after}"]
    if not has_origin:
        raise ParseError("SDP has no o= line")
    return _new(SessionDescription, (Origin.parse(origin), name, connection, timing, attributes, media, extra))


def _checked_text(data: bytes) -> str:
    """The lines, each sure to be `<letter>=<text>`, with LF between them and no blank ones."""
    if len(data) > MAX_SDP_BYTES or data.count(b"\n") > MAX_LINES:
        raise ParseError("SDP is too large")
    # RFC 8866 §5: "parsers SHOULD be tolerant and also accept lines terminated with a single newline character".
    text = data.decode("utf-8", "surrogateescape").removesuffix("\r").replace("\r\n", "\n").removesuffix("\n")
    if _LINES.fullmatch(text) is None:
        lines = [line for line in text.split("\n") if line]
        for number, line in enumerate(lines, start=1):
            if _LINE.fullmatch(line) is None:
                raise ParseError(f"SDP line {number} is not <letter>=<text>")
        text = "\n".join(lines)
    return text


_SessionLines: TypeAlias = tuple[str, Connection | None, tuple[Line, ...], tuple[Attribute, ...], tuple[Line, ...]]
_MediaLines: TypeAlias = tuple[tuple[Connection, ...], tuple[Attribute, ...], tuple[Line, ...]]


def _read_session(text: str) -> _SessionLines:
    """Name, connection, timing, attributes and the rest of the session section, its v= line and first o= line aside."""
    only: dict[str, str] = {}
    timing: list[Line] = []
    attributes: list[Attribute] = []
    extra: list[Line] = []
    for line in text.split("\n")[1:]:
        letter, value = line[:1], line[2:]
        if letter and letter in "vosc":
            if letter in only or letter in "vo":
                raise ParseError(f"SDP has two {letter}= lines in one section")
            only[letter] = value
        elif letter == "a":
            attributes.append(_ATTRIBUTES[line])
        elif letter and letter in "trz":
            timing.append(Line(letter, value))
        elif letter:  # the o= line may leave a blank one
            extra.append(Line(letter, value))
    return (
        # RFC 8866 §5.3 wants "-" or a blank for "no name", RFC 3264 §5 and its own examples write nothing at all.
        only.get("s", "").strip() or "-",
        _CONNECTIONS[only["c"]] if "c" in only else None,
        tuple(timing) or (Line("t", "0 0"),),
        tuple(attributes),
        tuple(extra),
    )


def _media(section: str) -> MediaDescription:
    """One section, from behind its `m=`."""
    first_line, _, rest = section.partition("\n")
    fields = first_line.split(None, 2)
    if len(fields) < 3 or (match := _MEDIA_PORT.fullmatch(fields[1])) is None:
        raise ParseError("SDP m= line is malformed")
    protocol, formats = _FORMATS[fields[2]]
    port_text, count_text = match.groups()
    port, port_count = int(port_text), 1 if count_text is None else int(count_text)
    # A refused stream needs no format that anybody reads: some peers leave it out.
    if port > 65_535 or port_count == 0 or len(formats) > MAX_FORMATS or (port and not formats):
        raise ParseError("SDP m= line is out of range")
    # Keys are used for one call: they are not to be remembered.
    lines = _read_media_lines(rest) if "a=crypto:" in rest else _MEDIA_LINES[rest]
    return _new(MediaDescription, (fields[0], port, protocol, formats, port_count, *lines))


def _read_formats(text: str) -> tuple[str, tuple[str, ...]]:
    protocol, *formats = text.split()
    return protocol, tuple(formats)


def _read_media_lines(text: str) -> _MediaLines:
    """What follows the m= line of a section: connections, attributes, other lines."""
    connections: list[Connection] = []
    attributes: list[Attribute] = []
    extra: list[Line] = []
    for line in text.split("\n") if text else ():
        letter = line[0]
        if letter == "a":
            attributes.append(_read_attribute(line) if line.startswith("a=crypto:") else _ATTRIBUTES[line])
        elif letter == "c":
            connections.append(_CONNECTIONS[line[2:]])
        else:
            extra.append(Line(letter, line[2:]))
    return tuple(connections), tuple(attributes), tuple(extra)


def _read_attribute(line: str) -> Attribute:
    name, colon, value = line[2:].partition(":")
    return Attribute(name.strip(), value if colon else None)


_ATTRIBUTES = Memo(_read_attribute)  # by their whole line
_CONNECTIONS = Memo(Connection.parse)
_FORMATS = Memo(_read_formats)
_SESSIONS = Memo(_read_session)
_MEDIA_LINES = Memo(_read_media_lines, max_texts=512, max_chars=1024)


def _direction(attributes: tuple[Attribute, ...]) -> Direction | None:
    return next((_DIRECTIONS[name] for name, value in attributes if value is None and name in _DIRECTIONS), None)


def _in_order(lines: list[Line], extra: tuple[Line, ...], attributes: tuple[Attribute, ...]) -> list[Line]:
    """A whole section: `lines` are in order already and attributes come last; only `extra` has to find a place."""
    if extra:
        lines = sorted([*lines, *extra], key=lambda line: _LINE_ORDER.get(line.type, _LINE_ORDER["?"]))
    return lines + [attribute.line() for attribute in attributes]
