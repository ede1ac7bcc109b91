"""URIs: the examples of RFC 3261 §19.1, RFC 3966 and RFC 5118, and text that must not pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.params import Params
from voipnode.sipstack.uri import OtherUri, SipUri, TelUri, escape_user, normal_host, parse_uri, unescape

# RFC 3261 §19.1.3, and what telephone systems write.
ROUND_TRIPS = [
    "sip:alice@atlanta.com",
    "sip:alice:secretword@atlanta.com;transport=tcp",
    "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
    "sip:+1-212-555-1212:1234@gateway.com;user=phone",
    "sips:1212@gateway.com",
    "sip:alice@192.0.2.4",
    "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
    "sip:alice;day=tuesday@atlanta.com",
    "sip:[2001:db8::10]",
    "sip:user@[2001:db8::1]:5070;lr",
    "sip:*11#@pbx.example.com",
    "sip:host_with_underscore",
    "sip:jörg@example.com",
    "tel:+1-201-555-0123",
    "tel:7042;phone-context=example.com",
    "mailto:alice@atlanta.com",
    "urn:service:sos",
]


@pytest.mark.parametrize("text", ROUND_TRIPS)
def test_a_uri_is_written_back_as_it_was_read(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_the_parts_of_a_full_sip_uri() -> None:
    uri = parse_uri("SIP:alice:secretword@Atlanta.COM:5070;transport=tcp;lr?subject=project%20x&priority=urgent")
    assert uri == SipUri(
        scheme="sip",
        user="alice",
        password="secretword",
        host="atlanta.com",
        port=5070,
        params=Params([("transport", "tcp"), ("lr", None)]),
        headers=(("subject", "project%20x"), ("priority", "urgent")),
    )
    assert isinstance(uri, SipUri)
    assert uri.transport == "TCP"
    assert "LR" in uri.params


def test_escapes_are_kept_and_undone_once_only_on_demand() -> None:
    # RFC 4475 §3.1.1.3: a user that reads as a URI after unescaping is still only a user.
    uri = parse_uri("sip:sips%3Auser%40example.com@example.net")
    assert isinstance(uri, SipUri)
    assert uri.user == "sips%3Auser%40example.com"
    assert unescape(uri.user) == "sips:user@example.com"
    assert unescape("%2541") == "%41"
    assert uri.host == "example.net"


def test_user_parameters_belong_to_the_user() -> None:
    uri = parse_uri("sip:user;par=u%40example.net@example.com")  # RFC 4475 §3.1.1.9
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.host, len(uri.params)) == ("user;par=u%40example.net", "example.com", 0)


def test_every_character_that_the_grammar_allows_in_user_and_password() -> None:
    text = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"
    uri = parse_uri(text)  # RFC 4475 §3.1.1.2
    assert isinstance(uri, SipUri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"


def test_ipv6_hosts_lose_their_brackets_and_get_them_back() -> None:
    ambiguous, clear = parse_uri("sip:[2001:db8::10:5070]"), parse_uri("sip:[2001:db8::10]:5070")
    assert isinstance(ambiguous, SipUri)
    assert isinstance(clear, SipUri)
    assert (ambiguous.host, ambiguous.port) == ("2001:db8::10:5070", None)  # RFC 5118 §4.3
    assert (clear.host, clear.port) == ("2001:db8::10", 5070)  # RFC 5118 §4.4


def test_a_third_colon_in_an_ipv6_address_is_tolerated_and_not_repeated() -> None:
    uri = parse_uri("sip:user@[2001:db8:::192.0.2.1]")  # RFC 5118 §4.10
    assert str(uri) == "sip:user@[2001:db8::192.0.2.1]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "sip:@example.com",
        "sip:alice@",
        "sip:a b@example.com",
        "sip:alice@exa mple.com",
        "sip:alice@example.com ",
        "<sip:alice@example.com>",
        "sip:alice@example.com>",
        'sip:"alice"@example.com',
        "sip:alice@bob@example.com",
        "sip:alice@example.com:",
        "sip:alice@example.com:0",
        "sip:alice@example.com:65536",
        "sip:alice@example.com:99999999999999999999",
        "sip:alice@example.com:5o60",
        "sip:2001:db8::10",  # RFC 5118 §4.2
        "sip:[2001:db8::10",
        "sip:[]",
        "sip:[1:2:3:4:5:6:7:8:9]",
        "sip:alice@example.com;;lr",
        "sip:alice@example.com;=x",
        "sip:alice@example.com;lr?",
        "sip:alice@example.com?=x",
        "sip:alice@example.com?x",
        "sip:alice%4@example.com",
        "sip:alice%zz@example.com",
        "sip:alice@example.com\r\nX: y",
        "sip:alice\x00@example.com",
        "sip:alice@example.com;x=\x00",
        "1sip:alice@example.com",
        "tel:",
        "tel:+",
        "tel:hello",
        "http://exa mple",
    ],
)
def test_text_that_is_no_uri(text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse_uri(text)
    assert caught.value.status == 400


# RFC 3261 §19.1.4, word for word.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:user@[2001:db8:::192.0.2.1]", "sip:user@[2001:db8::192.0.2.1]"),
    ("sip:user@[2001:db8:0::1]", "sip:user@[2001:DB8::1]"),  # RFC 5954 §4.2
    ("tel:+1-201-555-0123", "tel:+12015550123"),  # RFC 3966 §4
    ("HTTP://x/y", "http://x/y"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob:secret@biloxi.com"),
    ("sip:bob@biloxi.com;maddr=192.0.2.1", "sip:bob@biloxi.com"),
    ("sip:a%3Bb@example.com", "sip:a;b@example.com"),  # a reserved character differs from its escape
    ("sip:%00@example.com", "sip:%00%00@example.com"),  # RFC 4475 §3.1.1.4
    ("tel:+12015550123", "sip:+12015550123@example.com"),
    ("tel:7042;phone-context=a", "tel:7042;phone-context=b"),
    ("http://x/y", "http://x/Y"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent_uris(one: str, other: str) -> None:
    assert parse_uri(one).equivalent(parse_uri(other))
    assert parse_uri(other).equivalent(parse_uri(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_uris(one: str, other: str) -> None:
    assert not parse_uri(one).equivalent(parse_uri(other))
    assert not parse_uri(other).equivalent(parse_uri(one))


def test_other_schemes_are_kept_whole() -> None:
    assert parse_uri("soap.beep://192.0.2.103:3002") == OtherUri("soap.beep", "soap.beep://192.0.2.103:3002")
    tel = parse_uri("tel:+358-555-1234567;postd=pp22")
    assert isinstance(tel, TelUri)
    assert (tel.digits, tel.params.get("postd"), tel.scheme) == ("+3585551234567", "pp22", "tel")


def test_a_built_uri_cannot_break_out_of_its_place() -> None:
    for parts in (
        {"user": "bob>;tag=1"},
        {"user": "bob@evil"},
        {"user": "a\r\nb"},
        {"host": "exa mple"},
        {"host": ""},
        {"host": "x;y"},
        {"port": 0},
        {"port": 65536},
        {"scheme": "tel"},
    ):
        with pytest.raises(LocalError):
            replace(SipUri(user="bob", host="example.com"), **parts)
    assert str(SipUri(user=escape_user("a b>@ü"), host="EXAMPLE.com")) == "sip:a%20b%3E%40%C3%BC@example.com"
    assert str(SipUri(user="bob", host="2001:db8::1", port=5060)) == "sip:bob@[2001:db8::1]:5060"


def test_a_changed_copy_leaves_the_uri_alone() -> None:
    uri = SipUri(user="bob", host="example.com")
    assert str(uri.with_(port=5070)) == "sip:bob@example.com:5070"
    assert uri.port is None
    assert len({uri, parse_uri("sip:bob@example.com")}) == 1


def test_hosts_compare_in_one_normal_form() -> None:
    assert normal_host("[2001:DB8:0:0::1]") == "2001:db8::1"
    assert normal_host("Example.COM") == "example.com"
    assert normal_host("2001::1::2") == "2001::1::2"  # nonsense is left as it is
