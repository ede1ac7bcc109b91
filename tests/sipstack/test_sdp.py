"""The session description parser and writer against the examples of the RFCs and against hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.corpora import corpora
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.sdp import (
    Attribute,
    Connection,
    Direction,
    Line,
    MediaDescription,
    Origin,
    RtpMap,
    SessionDescription,
    parse,
)

PLAIN = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


def audio(*attributes: str) -> MediaDescription:
    """The audio section of a plain description with these attributes."""
    return parse(PLAIN + "".join(f"a={attribute}\r\n" for attribute in attributes).encode()).media[0]


# --- examples of the RFCs -----------------------------------------------------------------------------------------


def test_every_example_of_the_rfcs_is_read_and_written_back_line_for_line() -> None:
    examples = sorted(corpora("flows", "sdp").glob("*.sdp"))
    assert len(examples) >= 70
    for example in examples:
        data = example.read_bytes()
        description = parse(data)
        # RFC 3264 writes "s=" for "no name", which RFC 8866 §5.3 forbids: a dash goes out.
        lines = [line if line != "s=" else "s=-" for line in data.decode().splitlines() if line]
        written = description.to_bytes().decode().split("\r\n")
        assert written.pop() == ""
        assert sorted(written) == sorted(lines), example.name
        assert parse(description.to_bytes()) == description, example.name
        # Session lines in their places (two RFCs print c= or a= too early or too late), sections untouched.
        first = next((index for index, line in enumerate(lines) if line.startswith("m=")), len(lines))
        assert written[first:] == lines[first:], example.name


def test_the_example_of_rfc_8866_reads_as_its_text_says() -> None:
    description = parse(corpora("flows", "sdp", "rfc8866_01.sdp").read_bytes())
    assert description.origin == Origin("jdoe", "3724394400", "3724394405", "IP4", "198.51.100.1")
    assert description.name == "Call to John Smith"
    assert description.extra[-1] == Line("p", "+1 617 555-6011")
    assert [(media.kind, media.port, media.protocol, media.formats) for media in description.media] == [
        ("audio", 49170, "RTP/AVP", ("0",)),
        ("audio", 49180, "RTP/AVP", ("0",)),
        ("video", 51372, "RTP/AVP", ("99",)),
    ]
    assert description.connection_of(description.media[0]) == Connection("IP4", "198.51.100.1")
    assert description.connection_of(description.media[2]) == Connection("IP6", "2001:db8::2")
    assert description.media[2].rtpmaps() == {99: RtpMap(99, "h263-1998", 90000)}


def test_a_section_inherits_the_direction_of_the_session_and_overrides_it() -> None:
    description = parse(corpora("flows", "sdp", "rfc8866_02.sdp").read_bytes())
    assert [description.direction_of(media) for media in description.media] == [
        Direction.SENDRECV,
        Direction.INACTIVE,
        Direction.INACTIVE,
    ]


# --- tolerance ----------------------------------------------------------------------------------------------------


def test_bare_line_feeds_blank_lines_and_a_missing_last_line_end_are_tolerated() -> None:
    assert parse(PLAIN.replace(b"\r\n", b"\n")) == parse(PLAIN)
    assert parse(PLAIN.replace(b"\r\n", b"\r\n\r\n")) == parse(PLAIN)
    assert parse(PLAIN.rstrip()) == parse(PLAIN)


def test_a_missing_name_and_time_are_filled_in() -> None:
    written = parse(b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n").to_bytes()
    assert written == b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def test_unknown_lines_and_attributes_keep_their_order() -> None:
    data = PLAIN + b"i=title\r\nb=AS:64\r\nb=TIAS:64000\r\ny=2\r\nx=1\r\na=foo\r\na=bar:1\r\na=foo:\r\n"
    media = parse(data).media[0]
    assert media.attributes == (Attribute("foo"), Attribute("bar", "1"), Attribute("foo", ""))
    assert media.extra == (
        Line("i", "title"),
        Line("b", "AS:64"),
        Line("b", "TIAS:64000"),
        Line("y", "2"),
        Line("x", "1"),
    )
    assert parse(data).to_bytes() == data


def test_bytes_that_are_no_utf8_survive() -> None:
    data = PLAIN.replace(b"s=-", b"s=T\xfcr")
    assert parse(data).to_bytes() == data


def test_times_and_repeats_stay_together() -> None:
    times = b"t=1 2\r\nr=7d 1h 0\r\nt=3 4\r\nr=7d 2h 0\r\nz=5 -1h\r\n"
    data = PLAIN.replace(b"t=0 0\r\n", times)
    assert parse(data).to_bytes() == data


# --- attributes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtpmap:97 iLBC/8000", RtpMap(97, "iLBC", 8000)),
        ("rtpmap:111 opus/48000/2", RtpMap(111, "opus", 48000, 2)),
        ("rtpmap:97  iLBC/8000 ", RtpMap(97, "iLBC", 8000)),
        ("rtpmap:128 X/8000", None),
        ("rtpmap:97 X/0", None),
        ("rtpmap:97 X", None),
        ("rtpmap:97 X/8000/0", None),
        ("rtpmap:9\u0667 X/8000", None),
        ("rtpmap", None),
    ],
)
def test_rtpmap(text: str, expected: RtpMap | None) -> None:
    assert audio(text).rtpmaps() == ({expected.payload_type: expected} if expected else {})
    assert expected is None or RtpMap.parse(str(expected)) == expected


def test_the_first_of_two_rtpmaps_for_one_number_counts() -> None:
    assert audio("rtpmap:97 iLBC/8000", "rtpmap:97 G726-32/8000").rtpmaps()[97].name == "iLBC"


def test_fmtp_belongs_to_its_format() -> None:
    media = audio("fmtp:10 no", "fmtp:101 0-15,66", "fmtp:101 later")
    assert media.fmtp("101") == "0-15,66"
    assert media.fmtp("1") == ""


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("ptime:20", 20),
        ("ptime:22.5", 22.5),
        ("ptime: 30", 30),
        ("ptime:0", None),
        ("ptime:-20", None),
        ("ptime:1e9", None),
    ],
)
def test_ptime(text: str, milliseconds: float | None) -> None:
    assert audio(text).ptime_ms == milliseconds
    assert audio(text.replace("ptime", "maxptime")).maxptime_ms == milliseconds


def test_rtcp_of_rfc_3605() -> None:
    assert audio().rtcp is None
    assert audio("rtcp:53020").rtcp == (53020, None)
    assert audio("rtcp:53020 IN IP4 126.16.64.4").rtcp == (53020, Connection("IP4", "126.16.64.4"))
    assert audio("rtcp:53020 IN IP6 2001:2345:6789:ABCD:EF01:2345:6789:ABCD").rtcp == (
        53020,
        Connection("IP6", "2001:2345:6789:ABCD:EF01:2345:6789:ABCD"),
    )
    assert audio("rtcp:0").rtcp is audio("rtcp:99999").rtcp is audio("rtcp:1 IN IP4").rtcp is None


def test_rtcp_mux_is_seen() -> None:
    assert audio("rtcp-mux").rtcp_mux
    assert not audio().rtcp_mux


@pytest.mark.parametrize(
    ("address", "unspecified"),
    [
        ("0.0.0.0", True),
        ("::", True),
        ("hold.INVALID", True),
        ("192.0.2.1", False),
        ("invalid.example.com", False),
        ("notinvalid", False),
    ],
)
def test_an_unspecified_address_is_seen(address: str, unspecified: bool) -> None:
    assert Connection.to_host(address).is_unspecified is unspecified


def test_a_multicast_group_keeps_its_ttl_and_count() -> None:
    connection = Connection.parse("IN IP4 224.2.1.1/127/3")
    assert (connection.address, connection.suffix) == ("224.2.1.1", "127/3")
    assert str(connection) == "IN IP4 224.2.1.1/127/3"


# --- refusals -----------------------------------------------------------------------------------------------------

HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n",
        b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
        b"v=0\r\ns=-\r\n",
        b"v=0\r\no=- 1 1 IN IP4\r\n",
        HEAD + b"v=0\r\n",
        HEAD + b"s=again\r\n",
        HEAD + b"o=- 1 1 IN IP4 192.0.2.1\r\n",
        HEAD + b"c=IN IP4\r\n",
        HEAD + b"c=IN IP4 /127\r\n",
        HEAD + b"c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n",
        HEAD + b"audio\r\n",
        HEAD + b" a=x\r\n",
        HEAD + b"aa=x\r\n",
        HEAD + b"a=x\0\r\n",
        HEAD + b"a=x\ry\r\n",
        HEAD + b"m=audio\r\n",
        HEAD + b"m=audio 4000 RTP/AVP\r\n",
        HEAD + b"m=audio 65536 RTP/AVP 0\r\n",
        HEAD + b"m=audio -1 RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000/0 RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000/x RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000 RTP/AVP" + b" 0" * 129 + b"\r\n",
        HEAD + b"m=audio 0 RTP/AVP 0\r\n" * 33,
        HEAD + b"a=x\r\n" * 1100,
        HEAD + b"a=" + b"x" * 70_000 + b"\r\n",
    ],
)
def test_what_is_no_description_is_answered_400(data: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert caught.value.status == 400
    assert not set(caught.value.reason) & set("\r\n")


def test_a_value_that_would_break_a_line_is_not_written() -> None:
    description = SessionDescription(Origin("-", "1", "1", "IP4", "192.0.2.1"), name="a\r\na=inactive")
    with pytest.raises(LocalError):
        description.to_bytes()


# --- hostile input ------------------------------------------------------------------------------------------------

PIECES = (
    "v=0|o=- 1 1 IN IP4 192.0.2.1|c=IN IP4 |c=IN IP6 ::|t=0 0|m=audio 1 RTP/AVP 0|m=audio |a=|a=rtpmap:|a=ptime:|"
    "a=rtcp:1 IN|a=sendonly|=||7 |\r| |/|\n|\xff"
)
LINES = st.sampled_from([piece.encode("latin-1") for piece in PIECES.split("|")])
DESCRIPTIONS = st.lists(LINES, max_size=30).map(lambda parts: b"v=0\no=- 1 1 IN IP4 h\n" + b"".join(parts))


@given(DESCRIPTIONS | st.binary(max_size=200))
def test_only_a_parse_error_escapes_and_what_is_read_can_be_written(data: bytes) -> None:
    try:
        description = parse(data)
    except ParseError:
        return
    for media in description.media:
        _ = media.rtpmaps(), media.ptime_ms, media.rtcp, media.fmtp("0"), description.direction_of(media)
    written = description.to_bytes()
    assert parse(written).to_bytes() == written


@pytest.mark.parametrize(
    "line", [b"a=rtpmap:0 " + b"x" * 60_000, b"a=rtcp:1 " + b"x " * 30_000, b"o=" + b" " * 60_000 + b"x"]
)
def test_long_lines_cost_linear_time(line: bytes) -> None:
    try:
        media = parse(PLAIN + line + b"\r\n").media[0]
    except ParseError:
        return
    assert media.rtpmaps() == {}
    assert media.rtcp is None


# --- remembered sections ------------------------------------------------------------------------------------------

_SOME_LINES = st.sampled_from(
    [
        "v=0",
        "v= 0 ",
        "o=- 1 1 IN IP4 192.0.2.1",
        "o=a b 2 1 IN IP6 ::1",
        "o=- 1",
        "s=-",
        "s=",
        "c=IN IP4 192.0.2.1",
        "c=IN IP4",
        "t=0 0",
        "r=1 2",
        "b=AS:64",
        "i=x",
        "m=audio 4000 RTP/AVP 0",
        "m=audio 4002/2 RTP/AVP 0 8",
        "m=video 0 RTP/AVP",
        "m=audio 1 RTP/AVP",
        "m=audio 99999 RTP/AVP 0",
        "m=audio\t7  RTP/SAVP 0 ",
        "a=sendonly",
        "a=rtpmap:0 PCMU/8000",
        "a= x : y",
        "a=",
        "z=1",
        "y=2",
        "",
        "=",
        "ab",
        "m=a\r",
        "c=\x00",
    ]
)


def read_line_by_line(lines: list[str]) -> SessionDescription | None:
    """The plain reading, section by section and line by line, of lines without their ends; None for an error."""
    lines = [line for line in lines if line]
    if any(line[1:2] != "=" or not line[0].isalpha() or "\0" in line or "\r" in line for line in lines):
        return None
    if not lines or lines[0].replace(" ", "") != "v=0":
        return None
    sections: list[list[str]] = [[]]
    for line in lines[1:]:
        if line[0] == "m":
            sections.append([])
        sections[-1].append(line)
    try:
        media = tuple(_plain_media(section) for section in sections[1:])
        return _plain_session(sections[0], media)
    except (ParseError, ValueError):
        return None


def _plain_session(lines: list[str], media: tuple[MediaDescription, ...]) -> SessionDescription:
    letters = [line[0] for line in lines]
    if "v" in letters or any(letters.count(letter) > 1 for letter in "osc"):
        raise ParseError("twice")
    (origin,) = [Origin.parse(line[2:]) for line in lines if line[0] == "o"]
    names = [line[2:].strip() for line in lines if line[0] == "s"]
    connections = [Connection.parse(line[2:]) for line in lines if line[0] == "c"]
    timing = tuple(Line(line[0], line[2:]) for line in lines if line[0] in "trz")
    extra = tuple(Line(line[0], line[2:]) for line in lines if line[0] not in "osctrza")
    name, connection = "".join(names) or "-", connections[0] if connections else None
    return SessionDescription(
        origin, name, connection, timing or (Line("t", "0 0"),), _plain_attributes(lines), media, extra
    )


def _plain_media(lines: list[str]) -> MediaDescription:
    kind, ports, protocol, *formats = lines[0][2:].split()
    port, _, count = ports.partition("/")
    if int(port) > 65535 or (int(port) and not formats):
        raise ParseError("out of range")
    connections = tuple(Connection.parse(line[2:]) for line in lines if line[0] == "c")
    extra = tuple(Line(line[0], line[2:]) for line in lines[1:] if line[0] not in "ac")
    attributes = _plain_attributes(lines)
    return MediaDescription(kind, int(port), protocol, tuple(formats), int(count or 1), connections, attributes, extra)


def _plain_attributes(lines: list[str]) -> tuple[Attribute, ...]:
    pieces = [line[2:].partition(":") for line in lines if line[0] == "a"]
    return tuple(Attribute(name.strip(), value if colon else None) for name, colon, value in pieces)


@given(st.lists(_SOME_LINES, max_size=12), st.sampled_from(("\r\n", "\n")), st.booleans(), st.booleans())
def test_remembered_sections_read_as_line_by_line(lines: list[str], end: str, begun: bool, ended: bool) -> None:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", *lines] if begun else lines
    data = (end.join(lines) + (end if ended else "")).encode()
    expected = read_line_by_line(data.decode().replace("\r\n", "\n").removesuffix("\r").split("\n"))
    for _ in range(2):  # the first reading remembers, the second remembers it
        parse.cache_clear()
        if expected is None:
            with pytest.raises(ParseError):
                parse(data)
        else:
            assert parse(data) == expected
