"""What a message must be before anybody acts on it, rule by rule; the RFC 4475 messages are in test_torture_parse."""

from __future__ import annotations

import pytest

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.validate import validate

FIELDS = {
    "Via": "SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9",
    "Max-Forwards": "70",
    "From": "Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl",
    "To": "Bob <sip:bob@biloxi.example.com>",
    "Call-ID": "2xTb9vxSit55XU7p8@atlanta.example.com",
    "CSeq": "1 INVITE",
    "Contact": "<sip:alice@client.atlanta.example.com>",
}


def request(method: str = "INVITE", uri: str = "sip:bob@biloxi.example.com", **changes: str | None) -> Request:
    fields = {**FIELDS, "CSeq": f"1 {method}"}
    for name, value in changes.items():
        key = name.replace("_", "-")
        if value is None:
            del fields[key]
        else:
            fields[key] = value
    return Request(method, uri, fields.items())


def refusal(message: Message) -> int:
    """The status of the error that validation ends with; fails where there is none."""
    with pytest.raises(ParseError) as caught:
        validate(message)
    assert caught.value.partial is message
    return caught.value.status


def test_a_good_request_and_a_good_response_pass() -> None:
    validate(request())
    validate(Response(200, None, FIELDS.items()))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq"])
def test_a_mandatory_field_must_be_there_and_not_be_empty(name: str) -> None:
    missing = request()
    missing.headers.remove(name)
    assert refusal(missing) == 400
    empty = request()
    empty.headers.set(name, "")
    assert refusal(empty) == 400


@pytest.mark.parametrize("name", ["From", "f", "To", "Call-ID", "i", "CSeq", "Max-Forwards", "Content-Length", "c"])
def test_a_field_that_stands_alone_must_not_be_there_twice(name: str) -> None:
    message = request()
    message.headers.set("Content-Length", "0")
    message.headers.set("Content-Type", "text/plain")
    validate(message)
    message.headers.add(name, message.headers.get(name) or "")
    assert refusal(message) == 400


def test_what_rfc_2543_peers_leave_out_may_be_missing() -> None:
    validate(request(Via="SIP/2.0/UDP iftgw.example.com", From="<sip:a@b>", Max_Forwards=None, Contact=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"Via": "SIP/2.0/UDP host;branch=z9hG4bK"},
        {"Via": "SIP/2.0/UDP host;;"},
        {"Via": FIELDS["Via"] + ", SIP/2.0/UDP"},
        {"From": "nobody"},
        {"From": "<sip:a@b>;tag="},
        {"To": '"open <sip:b@c>'},
        {"To": "<sip:b c@d>"},
        {"Contact": ""},
        {"Contact": "<sip:a@b>, c"},
        {"Contact": "*"},
        {"Call-ID": "a b"},
        {"CSeq": "x INVITE"},
        {"CSeq": "1"},
        {"CSeq": "2147483648 INVITE"},
        {"Max-Forwards": "256"},
        {"Max-Forwards": "-1"},
        {"Max-Forwards": "1e2"},
        {"Route": "<sip:a;lr"},
        {"Route": "<tel:+1>"},
        {"Record-Route": "<sip:a>, <>"},
        {"Content-Length": "many"},
    ],
)
def test_malformed_fields_are_refused(changes: dict[str, str]) -> None:
    message = request()
    for name, value in changes.items():
        message.headers.set(name, value)
    assert refusal(message) == 400


def test_a_star_contact_is_for_register() -> None:
    validate(request("REGISTER", Contact="*"))


@pytest.mark.parametrize("uri", ["<sip:bob@example.com>", "bob", "sip:2001:db8::10", "sip:bob@example.com?Route=x"])
def test_a_bad_request_uri_is_refused(uri: str) -> None:
    assert refusal(request(uri=uri)) == 400


def test_an_unknown_scheme_is_for_others_to_refuse() -> None:
    validate(request(uri="nobodyKnowsThisScheme:totallyopaquecontent"))


def test_the_method_must_be_the_one_in_cseq() -> None:
    assert refusal(request("OPTIONS", CSeq="8 INVITE")) == 400
    assert refusal(request("NEWMETHOD", CSeq="8 INVITE")) == 501
    assert refusal(request("invite", CSeq="8 INVITE")) == 501  # methods are case-sensitive (RFC 3261 §7.1)
    validate(request("NEWMETHOD"))


def test_another_version_is_505_before_anything_else() -> None:
    message = request()
    message.version = "SIP/7.0"
    message.headers.remove("Call-ID")
    assert refusal(message) == 505
    message = request()
    message.version = "sip/2.0"  # RFC 3261 §7.1: the string is case-insensitive
    validate(message)


def test_a_body_needs_a_readable_type_where_it_has_one() -> None:
    message = request()
    message.body = b"x"
    validate(message)
    message.headers.set("Content-Type", "nonsense")
    assert refusal(message) == 400


def test_a_malformed_date_is_no_reason_to_refuse_a_call() -> None:
    validate(request(Date="Fri, 01 Jan 2010 16:00:00 EST", Expires="soon"))


@pytest.mark.parametrize("changes", [{"CSeq": "9292394834772304023312 OPTIONS"}, {"Via": ""}, {"To": "<sip:"}])
def test_a_bad_response_is_told_apart(changes: dict[str, str]) -> None:
    assert refusal(Response(503, None, {**FIELDS, **changes}.items())) == 400
