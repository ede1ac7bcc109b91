"""The torture messages of RFC 4475 and RFC 5118 up to the point where a message is accepted or refused.

What an endpoint then answers is tested elsewhere. Where the RFC leaves a choice, ours stands beside the file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.corpora import corpora
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Message, Request, Response, parse_message, respond
from voipnode.sipstack.stream import StreamFramer
from voipnode.sipstack.uri import OtherUri, SipUri, parse_uri
from voipnode.sipstack.validate import validate

OK = "accepted"
DROP = "dropped"  # a response, or nothing that an answer could be addressed to
WAIT = "waits"  # a stream: the rest has not come
AS_UDP = None

# file: what a datagram comes to, and a stream where that differs ("!": the connection cannot go on)
RFC4475: dict[str, tuple[str, str | None]] = {
    # §3.1.1 valid messages
    "wsinv": (OK, AS_UDP),
    "intmeth": (OK, AS_UDP),
    "esc01": (OK, AS_UDP),
    "escnull": (OK, AS_UDP),
    "esc02": (OK, AS_UDP),
    "lwsdisp": (OK, AS_UDP),
    "longreq": (OK, AS_UDP),
    "dblreq": (OK, AS_UDP),
    "semiuri": (OK, AS_UDP),
    "transports": (OK, AS_UDP),
    "mpart01": (OK, AS_UDP),
    "unreason": (OK, AS_UDP),
    "noreason": (OK, AS_UDP),
    # §3.1.2 invalid messages
    "badinv01": ("400", AS_UDP),
    "clerr": ("400", WAIT),
    "ncl": ("400", "400!"),
    "scalar02": ("400", AS_UDP),
    "scalarlg": (DROP, AS_UDP),
    "quotbal": ("400", AS_UDP),
    "ltgtruri": ("400", AS_UDP),
    "lwsruri": ("400", AS_UDP),
    "lwsstart": ("400", AS_UDP),
    "trws": ("400", AS_UDP),
    "escruri": ("400", AS_UDP),
    "baddate": (OK, AS_UDP),  # the Date is of no use to us: ignored
    "regbadct": ("400", AS_UDP),
    "badaspec": (OK, AS_UDP),  # the spaces in <...> do no harm
    "baddn": ("400", WAIT),  # not for its display names: the archived file lacks the empty line that ends a header
    "badvers": ("505", AS_UDP),
    "mismatch01": ("400", AS_UDP),
    "mismatch02": ("501", AS_UDP),
    "bigcode": (DROP, DROP + "!"),
    # §3.2 to §3.4: transactions, applications, old peers
    "badbranch": ("400", AS_UDP),
    "insuf": ("400", AS_UDP),
    "unkscm": (OK, AS_UDP),
    "novelsc": (OK, AS_UDP),
    "unksm2": (OK, AS_UDP),
    "bext01": (OK, AS_UDP),
    "invut": (OK, AS_UDP),
    "regaut01": (OK, AS_UDP),
    "multi01": ("400", AS_UDP),
    "mcl01": ("400", "400!"),
    "bcast": (OK, AS_UDP),
    "zeromf": (OK, AS_UDP),
    "cparam01": (OK, AS_UDP),
    "cparam02": (OK, AS_UDP),
    "regescrt": (OK, AS_UDP),
    "sdp01": (OK, AS_UDP),
    "inv2543": (OK, "400!"),  # no Content-Length, which a stream cannot do without (RFC 3261 §20.14)
    "test": ("400", AS_UDP),  # in the archive, not in the text: a request line without a version
}
RFC5118 = {
    "ipv6-good": OK,
    "ipv6-bad": "400",
    "port-ambiguous": OK,
    "port-unambiguous": OK,
    "via-received-param-with-delim": OK,
    "via-received-param-no-delim": OK,
    "ipv6-in-sdp": OK,
    "mult-ip-in-header": OK,
    "mult-ip-in-sdp": OK,
    "ipv4-mapped-ipv6": OK,
    "ipv6-bug-abnf-3-colons": OK,
    "ipv6-correct-abnf-2-colons": OK,
}


def torture(name: str) -> bytes:
    return corpora("torture", "rfc4475", f"{name}.dat").read_bytes()


def ipv6_torture(name: str) -> bytes:
    """The archived file as it goes on the wire: bare LF made CRLF, a header ended, its Content-Length true again."""
    head, _, body = corpora("torture", "rfc5118", name).read_bytes().replace(b"\n", b"\r\n").partition(b"\r\n\r\n")
    length = b"Content-Length: %d" % len(body)
    return re.sub(rb"Content-Length: \d+", length, head).rstrip(b"\r\n") + b"\r\n\r\n" + body


def outcome(read: Message | ParseError | None) -> str:
    if read is None:
        return WAIT
    if isinstance(read, ParseError):
        return str(read.status) if isinstance(read.partial, Request) else DROP
    try:
        validate(read)
    except ParseError as error:
        return outcome(error)
    return OK


def as_datagram(data: bytes) -> str:
    try:
        return outcome(parse_message(data))
    except ParseError as error:
        return outcome(error)


def as_stream(data: bytes) -> str:
    framer = StreamFramer()
    framer.receive(data)
    try:
        message = framer.next_message()
    except ParseError as error:
        return outcome(error) + ("!" if framer.failed else "")
    assert message is None or isinstance(message, Message)
    return outcome(message)


def parsed(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("name", RFC4475)
def test_rfc_4475_as_a_datagram(name: str) -> None:
    assert as_datagram(torture(name)) == RFC4475[name][0]


@pytest.mark.parametrize("name", RFC4475)
def test_rfc_4475_as_a_stream(name: str) -> None:
    datagram, stream = RFC4475[name]
    assert as_stream(torture(name)) == (stream or datagram)


@pytest.mark.parametrize("name", RFC5118)
def test_rfc_5118(name: str) -> None:
    assert as_datagram(ipv6_torture(name)) == as_stream(ipv6_torture(name)) == RFC5118[name]


def test_no_file_of_the_corpora_is_left_out() -> None:
    def files(folder: str, *suffixes: str) -> set[str]:
        return {path.stem for path in Path(corpora("torture", folder)).iterdir() if path.suffix in suffixes}

    assert files("rfc4475", ".dat") == set(RFC4475)
    assert files("rfc5118", "") == set(RFC5118)


@pytest.mark.parametrize("name", [name for name, (datagram, _) in RFC4475.items() if datagram == OK])
def test_what_is_accepted_goes_on_unchanged(name: str) -> None:
    data = torture(name)
    message = parse_message(data)
    validate(message)
    assert data.startswith(message.to_bytes())
    assert len(message.to_bytes()) == len(data) or name == "dblreq"


@pytest.mark.parametrize("name", [name for name, (datagram, _) in RFC4475.items() if datagram.isdigit()])
def test_what_is_refused_can_be_answered(name: str) -> None:
    try:
        message: Message | None = parse_message(torture(name))
    except ParseError as error:
        message = error.partial
    assert isinstance(message, Request)
    response = respond(message, 400, to_tag="t")
    answer = parse_message(response.to_bytes(), stream=True)
    assert isinstance(answer, Response)
    assert answer.headers.get_all("Via") == message.headers.get_all("Via")


def test_wsinv_means_what_its_author_says() -> None:
    request = parsed(torture("wsinv"))
    assert str(request.uri) == "sip:vivekg@chair-dnrc.example.com;unknownparam"
    assert (request.to_tag, request.from_tag, request.cseq) == ("1918181833n", "98asjd8", (9, "INVITE"))
    assert request.from_.display_name == 'J Rosenberg \\"'
    assert request.max_forwards == 68
    assert [(via.transport, via.host, via.branch) for via in request.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert request.headers.get("subject") == ""
    assert request.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    contact = request.contacts[0]
    assert contact.display_name == 'Quoted string ""'
    assert [*contact.params.items()] == [("newparam", "newvalue"), ("secondparam", None), ("q", "0.33")]
    assert len(request.body) == 150


def test_escapes_are_not_undone_where_they_mean_nothing() -> None:
    request = parsed(torture("esc02"))
    assert request.method == "RE%47IST%45R"
    assert request.to.display_name == "%Z%45"
    assert [str(contact.uri) for contact in request.contacts] == [
        "sip:alias1@host1.example.com",
        "sip:alias3@host3.example.com",
    ]
    nulls = parsed(torture("escnull")).contacts
    assert [contact.uri.user for contact in nulls if isinstance(contact.uri, SipUri)] == ["%00", "%00%00"]
    assert not nulls[0].uri.equivalent(nulls[1].uri)
    # What the text of §3.1.1.3 calls an equivalent URI; "%25%34%31" is "%2541" and not "%41", nor "A".
    contact = parsed(torture("esc01")).contacts[0].uri
    assert contact.equivalent(parse_uri("sip:caller@host5.example.net;lr;name=value%2541"))
    assert not contact.equivalent(parse_uri("sip:caller@host5.example.net;lr;name=valueA"))


def test_long_values_are_not_cut() -> None:
    request = parsed(torture("longreq"))
    assert len(request.vias) == 34
    assert request.vias[0].host == "sip33.example.com"
    assert len(request.call_id) == 141
    assert sum(len(value) for value in request.headers.get_all("f")) > 200


def test_the_second_request_of_a_datagram_is_ignored() -> None:
    request = parsed(torture("dblreq"))
    assert (request.method, request.body) == ("REGISTER", b"")


def test_parameters_of_contact_and_of_its_uri_are_told_apart() -> None:
    outside, inside = (parsed(torture(name)).contacts[0] for name in ("cparam01", "cparam02"))
    assert "unknownparam" in outside.params
    assert isinstance(inside.uri, SipUri)
    assert "unknownparam" in inside.uri.params
    assert "unknownparam" not in inside.params
    escaped = parsed(torture("regescrt")).contacts[0].uri
    assert isinstance(escaped, SipUri)
    assert escaped.headers == (("Route", "%3Csip:sip.example.com%3E"),)


def test_a_binary_body_keeps_every_octet() -> None:
    data = torture("mpart01")
    request = parsed(data)
    assert b"\x00" in request.body
    assert data.endswith(request.body)
    assert request.content_type is not None
    assert request.content_type.params.get("boundary") == "7a9cbec02ceef655"


def test_schemes_nobody_knows_are_read_all_the_same() -> None:
    assert parsed(torture("unkscm")).uri == OtherUri(
        "nobodyknowsthisscheme", "nobodyKnowsThisScheme:totallyopaquecontent"
    )
    assert str(parsed(torture("unksm2")).contacts[0].uri) == "name:John_Smith"


def test_baddn_is_read_leniently_once_its_header_is_ended() -> None:
    request = parsed(torture("baddn") + b"\r\n")
    validate(request)
    assert (request.from_.display_name, request.from_tag) == ("Bell, Alexander", "43")


def test_ipv6_addresses_are_read_and_written() -> None:
    ambiguous, clear = (parsed(ipv6_torture(name)).uri for name in ("port-ambiguous", "port-unambiguous"))
    assert isinstance(ambiguous, SipUri)
    assert isinstance(clear, SipUri)
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", None)
    assert (clear.host, clear.port) == ("2001:db8::10", 5070)
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert parsed(ipv6_torture(name)).via.received == "2001:db8::9:255"
    three, two = (parsed(ipv6_torture(f"ipv6-{name}-colons")).uri for name in ("bug-abnf-3", "correct-abnf-2"))
    assert three == two
    assert str(three) == "sip:user@[2001:db8::192.0.2.1]"
    mapped = parsed(ipv6_torture("ipv4-mapped-ipv6"))
    assert (mapped.via.host, mapped.via.port) == ("::ffff:192.0.2.10", 19823)
    assert [via.host for via in parsed(ipv6_torture("mult-ip-in-header")).vias] == [
        *("2001:db8::9:1", "192.0.2.1", "2001:db8::9:255")
    ]
