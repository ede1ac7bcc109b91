"""Typed header values: what peers write, what RFC 4475 tests, what is sent back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.fields import (
    Auth,
    Item,
    RetryAfter,
    Timestamp,
    WarningValue,
    format_date,
    parse_date,
    parse_delta_seconds,
    read_field,
)
from voipnode.sipstack.grammar import MAX_PARAMS, MAX_VALUES, parse_params, split_commas, unquote
from voipnode.sipstack.header_block import Headers
from voipnode.sipstack.headers import CSeq, MediaType, NameAddr, Params, Via
from voipnode.sipstack.uri import SipUri, parse_uri

BOB = SipUri(user="bob", host="example.com")


@pytest.mark.parametrize(
    ("text", "name", "uri", "params"),
    [
        (
            '"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s',
            "A. G. Bell",
            "sip:agb@bell-telephone.com",
            ";tag=a48s",
        ),
        ("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous", "sip:c8oqz84zk7z@privacy.org", ";tag=hyh8"),
        ("sip:+12125551212@phone2net.com;tag=887s", None, "sip:+12125551212@phone2net.com", ";tag=887s"),
        ("<sip:a@b;lr?x=y>;q=0.7;expires=3600", None, "sip:a@b;lr?x=y", ";q=0.7;expires=3600"),
        (
            '"J Rosenberg \\\\\\"" <sip:j@example.com> ; tag = 98asjd8',
            'J Rosenberg \\"',
            "sip:j@example.com",
            ";tag=98asjd8",
        ),
        ("caller<sip:caller@example.com>;tag=323", "caller", "sip:caller@example.com", ";tag=323"),  # RFC 4475 §3.1.1.6
        (
            "token1~` token2'+_ token3*%!.- <sip:m@example.com>",
            "token1~` token2'+_ token3*%!.-",
            "sip:m@example.com",
            "",
        ),
        (
            '"Watson, Thomas" < sip:t.watson@example.org >',
            "Watson, Thomas",
            "sip:t.watson@example.org",
            "",
        ),  # §3.1.2.14
        ("Bell, Alexander <sip:a@example.com>;tag=43", "Bell, Alexander", "sip:a@example.com", ";tag=43"),  # §3.1.2.15
        ('"" <sip:a@example.com>', "", "sip:a@example.com", ""),
        ('"<sip:not@this>" <sip:this@example.com>', "<sip:not@this>", "sip:this@example.com", ""),
        ("sip:+19725552222@gw1.example.net;unknownparam", None, "sip:+19725552222@gw1.example.net", ";unknownparam"),
        ('<sip:a@b>;x="a;b,c\\"d"', None, "sip:a@b", ';x="a;b,c\\"d"'),
        ("isbn:2983792873", None, "isbn:2983792873", ""),
    ],
)
def test_addresses(text: str, name: str | None, uri: str, params: str) -> None:
    address = NameAddr.parse(text)
    assert (address.display_name or "") == (name or "")
    assert str(address.uri) == uri
    assert str(address.params) == params
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bob",
        '"Mr. J. User <sip:j.user@example.com>',  # RFC 4475 §3.1.2.6
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",  # RFC 4475 §3.1.2.13
        "<sip:bob@example.com",
        "<>",
        "<sip:bob@example.com>>",
        "<sip:bob@example.com> x",
        "<sip:bob@example.com>;;;;",  # RFC 4475 §3.1.2.1
        "<sip:bob@example.com>;",
        "<sip:bob@example.com>;=x",
        '<sip:bob@example.com>;x="open',
        "<sip:bob@example.com>;a b",
        '"a" "b" <sip:bob@example.com>',
        "sip:bob@example.com,sip:carol@example.com",
    ],
)
def test_text_that_is_no_address(text: str) -> None:
    with pytest.raises(ParseError):
        NameAddr.parse(text)


def test_a_tag_is_set_and_taken_off_without_touching_the_rest() -> None:
    address = NameAddr.parse('"Bob" <sip:bob@example.com>;x=y;tag=1')
    assert address.tag == "1"
    assert str(address.with_tag("2")) == '"Bob" <sip:bob@example.com>;x=y;tag=2'
    assert str(address.without_tag()) == '"Bob" <sip:bob@example.com>;x=y'
    assert NameAddr(None, BOB).tag is None


def test_control_characters_that_were_read_cannot_be_written_again() -> None:
    address = NameAddr.parse('"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:bob@example.com>;x="\\\x00";tag=1')
    assert address.display_name == "BEL:\ufffd NUL:\ufffd DEL:\ufffd"
    assert "\x00" not in str(address)


def test_via_in_its_parts() -> None:
    via = Via.parse("SIP / 2.0 / udp  first.Example.com : 4000 ; ttl=16;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "first.example.com", 4000, "z9hG4bKa7c6a8dlze.1")
    assert str(via) == "SIP/2.0/UDP first.example.com:4000;ttl=16;maddr=224.2.0.1;branch=z9hG4bKa7c6a8dlze.1"
    assert str(Via("TLS", "2001:db8::1", None, Params([("branch", "z9hG4bKx"), ("rport", None)]))) == (
        "SIP/2.0/TLS [2001:db8::1];branch=z9hG4bKx;rport"
    )


def test_received_and_rport() -> None:
    for text in ("[2001:db8::9:255]", "2001:db8::9:255"):  # RFC 5118 §4.5
        via = Via.parse(f"SIP/2.0/UDP [2001:db8::9:1];received={text};branch=z9hG4bKas3-111")
        assert (via.host, via.received) == ("2001:db8::9:1", "2001:db8::9:255")
    asked = Via.parse("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff")  # RFC 3581 §9
    assert "rport" in asked.params
    assert asked.rport is None
    assert asked.with_param("received", "192.0.2.1").with_param("rport", "9988").rport == 9988
    for nonsense in ("0", "65536", "x", "²", "1" * 5000):
        assert Via.parse(f"SIP/2.0/UDP h;rport={nonsense}").rport is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 UDP host",
        "SIP/2.0/UDP 192.0.2.15;;,;,,",  # RFC 4475 §3.1.2.1
        "SIP/2.0/UDP host:port",
        "SIP/2.0/UDP host:0",
        "SIP/2.0/UDP host:70000",
        "SIP/2.0/UDP host x",
        "SIP/2.0/UDP [1::2::3]",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP host;branch=a b",
    ],
)
def test_text_that_is_no_via(text: str) -> None:
    with pytest.raises(ParseError):
        Via.parse(text)


def test_cseq() -> None:
    assert CSeq.parse("0009 INVITE") == CSeq(9, "INVITE")
    for text in ("1\tINVITE", "1  INVITE", "1 \t INVITE", "0" * 31 + "1 INVITE"):
        assert CSeq.parse(text) == CSeq(1, "INVITE")
    assert CSeq.parse("7 invite") == CSeq(7, "invite")
    assert str(CSeq(2147483647, "RE%47IST%45R")) == "2147483647 RE%47IST%45R"
    for text in (
        "",
        "1",
        "INVITE",
        "1INVITE",
        "-1 INVITE",
        "1 IN VITE",
        "2147483648 INVITE",
        "9" * 5000 + " INVITE",
        "² X",
        "² INVITE",
        "+1 INVITE",
        "1_0 INVITE",
        " INVITE",
        " 1 INVITE",
        "1 INVITE ",
        "0" * 32 + "1 INVITE",
    ):
        with pytest.raises(ParseError):
            CSeq.parse(text)


def test_media_types() -> None:
    media = MediaType.parse('Multipart / Mixed ; boundary="a b;c"')
    assert (media.essence, media.params.get("Boundary")) == ("multipart/mixed", "a b;c")
    assert str(media) == 'multipart/mixed;boundary="a b;c"'
    assert MediaType.parse("*/*;q=0.5").type == "*"
    for text in ("", "text", "text/", "/plain", "text/plain x", "text/plain;", "text plain/x"):
        with pytest.raises(ParseError):
            MediaType.parse(text)


def test_parameters_compare_by_meaning_and_are_written_as_read() -> None:
    params = Params.parse(' ; A = 1 ;b;C="x y"')
    assert str(params) == ';A=1;b;C="x y"'
    assert (params.get("a"), params.get("B"), params.get("c"), params.raw("c")) == ("1", None, "x y", '"x y"')
    assert params == Params([("c", "x y"), ("a", "1"), ("b", None)])
    assert hash(params) == hash(Params([("c", "x y"), ("a", "1"), ("b", None)]))
    assert params != Params([("a", "1")])
    assert list(params) == ["a", "b", "c"]
    assert str(params.with_("a", "2").without("B")) == ';A=2;C="x y"'.replace("A", "a")
    assert parse_params(";x=1;X=2;y") == {"x": "1", "y": None}


def test_of_two_parameters_of_one_name_the_first_counts_in_every_accessor() -> None:
    params = Params.parse(";x=0;tag=a;Tag=b")
    assert params.get("tag") == "a"
    assert dict(params.items()) == {"x": "0", "tag": "a"}
    assert params.get("tag") == "a"
    assert str(params) == ";x=0;tag=a;Tag=b"


def test_a_flag_has_no_value_wherever_it_stands() -> None:
    for text, value in (
        (";x", None),
        (";x;y=1", None),
        (";x=", ""),
        (";x=1;y=2", "1"),
        (";y=2;x", None),
        (";y;x=1", "1"),
    ):
        assert Params.parse(text).get("x") == value


def test_a_parameter_value_is_quoted_where_it_must_be() -> None:
    params = Params([("a", "x;y"), ("b", 'say "hi"\\'), ("c", '"already"'), ("d", "[::1]")])
    assert str(params) == ';a="x;y";b="say \\"hi\\"\\\\";c="already";d=[::1]'
    assert params.get("b") == 'say "hi"\\'
    assert dict(Params.parse(str(params)).items()) == dict(params.items())
    for pairs in ([("a b", None)], [("", None)], [("x", "1"), ("X", "2")], [("a;b", "1")]):
        with pytest.raises(LocalError):
            Params(pairs)


def test_lists_are_cut_at_commas_outside_quotes_and_brackets() -> None:
    assert split_commas('"a, b" <sip:x,y@z>;p="q,r", <sip:2>,, c ') == ['"a, b" <sip:x,y@z>;p="q,r"', "<sip:2>", "c"]
    assert split_commas(" INVITE ,ACK,") == ["INVITE", "ACK"]
    assert split_commas("") == []
    for text in ('"a, b', "a, <b"):
        with pytest.raises(ParseError):
            split_commas(text)


def test_lists_and_parameters_are_bounded() -> None:
    assert len(split_commas(",".join("x" * MAX_VALUES))) == MAX_VALUES
    for text in (",".join("x" * (MAX_VALUES + 1)), ",".join(["<x>"] * (MAX_VALUES + 1))):
        with pytest.raises(ParseError):
            split_commas(text)
    for gap in ("", " "):
        assert len(Params.parse("".join(f";{gap}p{n}=1" for n in range(MAX_PARAMS)))) == MAX_PARAMS
        with pytest.raises(ParseError):
            Params.parse("".join(f";{gap}p{n}=1" for n in range(MAX_PARAMS + 1)))


def test_quotes_are_undone_with_their_escapes() -> None:
    assert unquote('"a \\"b\\" \\\\"') == 'a "b" \\'
    assert unquote("plain") == "plain"


def test_dates() -> None:
    moment = datetime(2010, 11, 13, 23, 29, 0, tzinfo=UTC)
    assert parse_date("Sat, 13 Nov 2010 23:29:00 GMT") == moment  # RFC 3261 §20.17
    assert format_date(moment) == "Sat, 13 Nov 2010 23:29:00 GMT"
    for text in ("Fri, 01 Jan 2010 16:00:00 EST", "Sat, 31 Feb 2010 23:29:00 GMT", "Sat, 13 Nov 2010 23:60:00 GMT", ""):
        with pytest.raises(ParseError):  # the first is RFC 4475 §3.1.2.12
            parse_date(text)


def test_numbers_of_seconds_stop_at_32_bits() -> None:
    assert parse_delta_seconds("1" + "0" * 100) == parse_delta_seconds("5000000000") == 2**32 - 1
    assert parse_delta_seconds("07200") == 7200
    for text in ("", "-1", "1.5", "²"):
        with pytest.raises(ParseError):
            parse_delta_seconds(text)


EVERY_FIELD = {
    "Accept": ("application/sdp;level=1, application/x-private, text/html", ["application", "application", "text"]),
    "Accept-Encoding": ("gzip", [Item("gzip")]),
    "Accept-Language": ("da, en-gb;q=0.8, en;q=0.7", None),
    "Alert-Info": ("<http://www.example.com/sounds/moo.wav>", None),
    "Allow": ("INVITE, ACK, OPTIONS", ["INVITE", "ACK", "OPTIONS"]),
    "Authentication-Info": ('nextnonce="47364c23432d2e131a5fb210812c"', None),
    "Authorization": ('Digest username="Alice", realm="atlanta.com", nonce="84a4", response="7587"', None),
    "Call-ID": ("f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6@biloxi.com"),
    "Call-Info": ("<http://wwww.example.com/alice/photo.jpg> ;purpose=icon, <http://x/> ;purpose=info", None),
    "Contact": ('"Mr. Watson" <sip:watson@worcester.example.com>;q=0.7, <mailto:w@example.com> ;q=0.1', None),
    "Content-Disposition": ("session;handling=optional", None),
    "Content-Encoding": ("gzip", ["gzip"]),
    "Content-Language": ("fr", ["fr"]),
    "Content-Length": ("349", 349),
    "Content-Type": ("application/sdp", MediaType("application", "sdp")),
    "CSeq": ("4711 INVITE", CSeq(4711, "INVITE")),
    "Date": ("Sat, 13 Nov 2010 23:29:00 GMT", datetime(2010, 11, 13, 23, 29, tzinfo=UTC)),
    "Error-Info": ("<sip:not-in-service-recording@atlanta.com>", None),
    "Expires": ("5", 5),
    "From": ('"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s', None),
    "In-Reply-To": ("70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com", None),
    "Max-Forwards": ("6", 6),
    "MIME-Version": ("1.0", "1.0"),
    "Min-Expires": ("60", 60),
    "Organization": ("Boxes by Bob", "Boxes by Bob"),
    "Priority": ("emergency", "emergency"),
    "Proxy-Authenticate": ('Digest realm="atlanta.com", qop="auth,auth-int", nonce="f84f", stale=FALSE', None),
    "Proxy-Authorization": ('Digest username="Alice", realm="atlanta.com", uri="sip:x", response="24e5"', None),
    "Proxy-Require": ("foo", ["foo"]),
    "Record-Route": ("<sip:server10.biloxi.com;lr>, <sip:bigbox3.site3.atlanta.com;lr>", None),
    "Reply-To": ("Bob <sip:bob@biloxi.com>", NameAddr("Bob", parse_uri("sip:bob@biloxi.com"))),
    "Require": ("100rel", ["100rel"]),
    "Retry-After": ("18000;duration=3600", RetryAfter(18000, None, Params([("duration", "3600")]))),
    "Route": ("<sip:bigbox3.site3.atlanta.com;lr>, <sip:server10.biloxi.com;lr>", None),
    "Server": ("HomeServer v2", "HomeServer v2"),
    "Subject": ("Need more boxes", "Need more boxes"),
    "Supported": ("100rel", ["100rel"]),
    "Timestamp": ("54.2 0.1", Timestamp("54.2", "0.1")),
    "To": ("The Operator <sip:operator@cs.columbia.edu>;tag=287447", None),
    "Unsupported": ("foo", ["foo"]),
    "User-Agent": ("Softphone Beta1.5", "Softphone Beta1.5"),
    "Via": ("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7", None),
    "Warning": ("307 isi.edu \"Session parameter 'foo' not understood\"", None),
    "WWW-Authenticate": ('Digest realm="atlanta.com", domain="sip:boxesbybob.com", nonce="f84f", opaque=""', None),
}
"""The examples of RFC 3261 §20.1 to §20.44; None: reading them at all is the test."""


@pytest.mark.parametrize("name", EVERY_FIELD)
def test_every_field_of_rfc_3261_has_a_typed_value(name: str) -> None:
    text, expected = EVERY_FIELD[name]
    headers = Headers([(name, text)])
    value = read_field(headers, name.upper())
    assert value
    if name == "Accept":
        assert [media.type for media in value] == expected
    elif expected is not None:
        assert value == expected
    assert headers.get(name) == text
    assert read_field(Headers(), name) in (None, [])


def test_one_challenge_to_a_line_keeps_its_commas() -> None:
    headers = Headers([("WWW-Authenticate", 'Digest realm="a, b", qop="auth,auth-int"'), ("WWW-Authenticate", "NTLM")])
    digest, ntlm = read_field(headers, "www-authenticate")
    assert (digest.scheme, digest.params.get("realm"), digest.params.get("qop")) == ("Digest", "a, b", "auth,auth-int")
    assert ntlm == Auth("NTLM")
    assert str(digest) == 'Digest realm="a, b", qop="auth,auth-int"'
    assert Auth.parse("NoOneKnowsThisScheme opaque-data=here").params.get("opaque-data") == "here"  # RFC 4475 §3.3.7


def test_warning_and_retry_after_in_their_parts() -> None:
    text = "307 isi.edu \"Session parameter 'foo' not understood\""
    assert WarningValue.parse(text) == WarningValue(307, "isi.edu", "Session parameter 'foo' not understood")
    assert RetryAfter.parse("18000 (I'm in a meeting)").comment == "I'm in a meeting"
    assert RetryAfter.parse("949302838503028349304023988").seconds == 2**32 - 1  # RFC 4475 §3.1.2.5
    for parse, bad in (
        (WarningValue.parse, '1812 overture "In Progress"'),
        (RetryAfter.parse, "soon"),
        (Timestamp.parse, "x"),
    ):
        with pytest.raises(ParseError):
            parse(bad)


def test_a_star_contact_and_an_unknown_field_read_as_text() -> None:
    assert read_field(Headers([("m", "*")]), "Contact") == "*"
    assert read_field(Headers([("X-Door", "1; 2")]), "x-door") == "1; 2"
