"""Messages: read lazily, changed field by field, written back byte for byte, impossible to inject into."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.header_block import MAX_HEADER_FIELDS, Headers
from voipnode.sipstack.headers import CSeq, NameAddr, Via
from voipnode.sipstack.message import (
    MAX_MESSAGE_BYTES,
    Message,
    Request,
    Response,
    parse_message,
    reason_phrase,
    respond,
)
from voipnode.sipstack.uri import SipUri, TelUri

INVITE = (
    b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74b43\r\n"
    b"v:SIP/2.0/UDP a.example.com;branch=z9hG4bKa , SIP/2.0/UDP b.example.com;branch=z9hG4bKb\r\n"
    b"Max-Forwards: 70\r\n"
    b"Route: <sip:ss1.atlanta.example.com;lr>\r\n"
    b"f: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
    b"To  :  Bob\r\n\t<sip:bob@biloxi.example.com>\r\n"
    b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"m: <sip:alice@client.atlanta.example.com;transport=tcp>,\r\n <sip:alice@other.example.com>\r\n"
    b"Supported: replaces, timer\r\n"
    b"Supported:\r\n"
    b"k: 100rel\r\n"
    b"Subject: caf\xc3\xa9 \xff\r\n"
    b"Content-Type: application/sdp\r\n"
    b"l: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def invite() -> Request:
    message = parse_message(INVITE)
    assert isinstance(message, Request)
    return message


def test_the_fields_of_an_invite() -> None:
    request = invite()
    assert (request.method, request.uri, request.version) == (
        "INVITE",
        SipUri(user="bob", host="biloxi.example.com"),
        "SIP/2.0",
    )
    assert request.via.branch == "z9hG4bK74b43"
    assert [via.host for via in request.vias] == ["client.atlanta.example.com", "a.example.com", "b.example.com"]
    assert (request.from_tag, request.to_tag) == ("9fxced76sl", None)
    assert request.from_.display_name == "Alice"
    assert str(request.to) == '"Bob" <sip:bob@biloxi.example.com>'
    assert request.call_id == "3848276298220188511@atlanta.example.com"
    assert request.cseq == CSeq(1, "INVITE")
    assert [str(contact.uri) for contact in request.contacts] == [
        "sip:alice@client.atlanta.example.com;transport=tcp",
        "sip:alice@other.example.com",
    ]
    assert not request.contact_star
    assert [str(route) for route in request.routes] == ["<sip:ss1.atlanta.example.com;lr>"]
    assert request.record_routes == []
    assert request.supported == ["replaces", "timer", "100rel"]
    assert (request.require, request.allow, request.accept) == ([], [], [])
    assert (request.max_forwards, request.content_length, request.expires) == (70, 4, None)
    assert request.content_type is not None
    assert request.content_type.essence == "application/sdp"
    assert request.body == b"v=0\n"


def test_an_untouched_message_goes_out_byte_for_byte_even_when_it_was_read() -> None:
    request = invite()
    _ = request.vias, request.contacts, request.to, list(request.headers.items()), request.headers.get_all("k")
    assert request.to_bytes() == INVITE


def test_changing_one_field_leaves_the_others_byte_for_byte() -> None:
    request = invite()
    request.headers.set("Max-Forwards", "69")
    assert request.max_forwards == 69
    assert request.to_bytes() == INVITE.replace(b"Max-Forwards: 70", b"Max-Forwards: 69")
    request.headers.prepend("Via", "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKp")
    assert request.via.host == "proxy.example.com"
    assert len(request.vias) == 4
    request.headers.remove("contact")
    assert request.contacts == []
    assert b"\r\nm:" not in request.to_bytes()
    assert b"Subject: caf\xc3\xa9 \xff\r\n" in request.to_bytes()


def test_set_replaces_all_fields_of_a_name_at_the_place_of_the_first() -> None:
    headers = Headers([("A", "1"), ("Supported", "x"), ("B", "2"), ("k", "y")])
    headers.set("SUPPORTED", "z")
    assert list(headers.items()) == [("A", "1"), ("SUPPORTED", "z"), ("B", "2")]
    headers.set("C", "3")
    headers.insert(1, "D", "4")
    assert [name for name, _ in headers.items()] == ["A", "D", "SUPPORTED", "B", "C"]
    assert "k" in headers
    assert "E" not in headers
    assert len(headers) == 5
    copy = headers.copy()
    copy.add("A", "9")
    assert headers.get_all("a") == ["1"]
    assert (copy.get_all("a"), copy.get("a"), copy.count("A")) == (["1", "9"], "1", 2)


def test_a_changed_body_has_content_length_follow() -> None:
    request = invite()
    request.body = b"something longer"
    assert parse_message(request.to_bytes()).body == b"something longer"
    assert request.content_length == 16
    bare = Request("OPTIONS", "sip:bob@example.com", [("Content-Length", "7"), ("l", "8")], b"xy")
    assert bare.to_bytes() == b"OPTIONS sip:bob@example.com SIP/2.0\r\nContent-Length: 2\r\n\r\nxy"


def test_a_changed_request_uri_goes_out_and_drops_nothing_else() -> None:
    request = invite()
    request.uri = TelUri("+12015550123")
    assert request.to_bytes() == INVITE.replace(b"sip:bob@biloxi.example.com SIP", b"tel:+12015550123 SIP")


def test_typed_values_follow_a_change() -> None:
    request = invite()
    assert request.from_tag == "9fxced76sl"
    assert request.from_.tag == "9fxced76sl"
    request.headers.set("From", "<sip:carol@example.com>;tag=2")
    assert (request.from_tag, request.from_.tag) == ("2", "2")
    request.contacts.clear()
    assert len(request.contacts) == 2


def test_the_top_via_is_the_first_however_it_is_spelt() -> None:
    text = b"OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP first;branch=1\r\nVia: SIP/2.0/UDP second;branch=2\r\n\r\n"
    assert parse_message(text).via.host == "first"
    folded = b"OPTIONS sip:a@b SIP/2.0\r\nVia:\r\n SIP/2.0/UDP\r\n  first;branch=1 , SIP/2.0/UDP second\r\n\r\n"
    assert parse_message(folded).via.host == "first"


def test_tags_are_found_without_reading_the_address_and_never_in_the_wrong_place() -> None:
    for value, tag in (
        ("<sip:a@b>;tag=1", "1"),
        ("sip:a@b;tag=1", "1"),
        ("<sip:a@b>;tag=1;tag=2", "1"),
        ("<sip:a@b>;TAG=1;tag=2", "1"),
        ("<sip:vintage@b>;tag=1", "1"),
        ("<sip:a@b> ; TAG = 1;x", "1"),
        ('";tag=no" <sip:a@b>', None),
        ("<sip:a@b;tag=no>", None),
        ('<sip:a@b>;x=";tag=no"', None),
        ("<sip:a@b>", None),
        ('"tag" <sip:a@b>', None),
    ):
        assert Request("INVITE", "sip:a@b", [("To", value)]).to_tag == tag
    assert Request("INVITE", "sip:a@b").to_tag is None


def test_a_response_line() -> None:
    response = parse_message(b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe\r\n\r\n")
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (200, "= 2**3 * 5**2 но")
    empty = parse_message(b"SIP/2.0 100 \r\n\r\n")
    assert isinstance(empty, Response)
    assert (empty.status, empty.reason) == (100, "")
    assert Response(486).to_bytes() == b"SIP/2.0 486 Busy Here\r\nContent-Length: 0\r\n\r\n"
    assert (reason_phrase(499), reason_phrase(183), reason_phrase(99)) == ("Bad Request", "Session Progress", "Unknown")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"INVITE",
        b"INVITE sip:a@b",
        b"INVITE sip:a@b ",
        b"INVITE  sip:a@b SIP/2.0",
        b"INVITE sip:a@b SIP/2.0 ",
        b"INVITE sip:a@b;x y SIP/2.0",
        b"INVITE sip:a@b HTTP/1.1",
        b"INVITE sip:a@b SIP/2",
        b"INV(ITE sip:a@b SIP/2.0",
        b" INVITE sip:a@b SIP/2.0",
        b"SIP/2.0",
        b"SIP/2.0 20",
        b"SIP/2.0 2000 OK",
        b"SIP/2.0 4294967301 better not break the receiver",
        b"SIP/2.0 099 X",
        b"SIP/2.0 700 X",
        b"SIP/x 200 OK",
        "SIP/2.0 2²0 OK".encode(),
    ],
)
def test_start_lines_that_are_none(line: bytes) -> None:
    with pytest.raises(ParseError):
        parse_message(line + b"\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nCall-ID: 1\r\n\r\n")


def test_a_bad_request_line_leaves_enough_to_answer() -> None:
    with pytest.raises(ParseError) as caught:
        parse_message(INVITE.replace(b"INVITE sip", b"INVITE  sip", 1))
    partial = caught.value.partial
    assert isinstance(partial, Request)
    assert partial.method == "INVITE"
    assert respond(partial, 400).via == invite().via


def test_the_header_ends_at_the_first_empty_line_and_a_body_may_hold_others() -> None:
    head = b"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nCall-ID: outer"
    for body in (
        b"\r\n\r\n",
        b"one\r\n\r\ntwo",
        b"To: <sip:in@body>\r\n\r\n",
        b"\r\nCall-ID: inner\r\n\r\nend\r\n\r\n",
    ):
        for text in (head + b"\r\n\r\n" + body, head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body):
            message = parse_message(text)
            assert (message.body, message.call_id) == (body, "outer")
            assert "to" not in message.headers
            assert message.to_bytes() == text
    short = parse_message(head + b"\r\nContent-Length: 3\r\n\r\none\r\n\r\nsmuggled: 1\r\n\r\n")
    assert short.body == b"one"
    assert "smuggled" not in short.headers
    with pytest.raises(ParseError, match="CR or LF alone"):
        parse_message(head + b"\n\nSubject: x\r\n\r\nbody\r\n\r\n")
    many = head + b"\r\n\r\n" + b"A: 1\r\n" * MAX_HEADER_FIELDS + b"\r\n"
    assert len(parse_message(many).headers) == 2  # what stands in the body is no header field


def test_the_body_of_a_datagram_is_cut_by_content_length() -> None:
    assert parse_message(INVITE + b"trailing octets").body == b"v=0\n"  # RFC 3261 §18.3
    assert parse_message(INVITE + b"trailing octets").to_bytes() == INVITE
    assert parse_message(INVITE.replace(b"l: 4\r\n", b"") + b"more").body == b"v=0\nmore"
    with pytest.raises(ParseError) as caught:
        parse_message(INVITE[:-1])
    assert caught.value.status == 400
    assert isinstance(caught.value.partial, Request)
    for length in (b"-4", b"4.0", b"4 4", b"", b"99999999999999999999999", b"\xc2\xb2"):
        with pytest.raises(ParseError):
            parse_message(INVITE.replace(b"l: 4", b"l: " + length))


def test_a_stream_message_needs_one_content_length() -> None:
    assert parse_message(INVITE, stream=True).body == b"v=0\n"
    for bad in (INVITE.replace(b"l: 4\r\n", b""), INVITE.replace(b"l: 4\r\n", b"l: 4\r\nContent-Length: 4\r\n")):
        with pytest.raises(ParseError):
            parse_message(bad, stream=True)


def test_line_ends_before_the_start_line_are_skipped() -> None:
    assert parse_message(b"\r\n\r\n" + INVITE).to_bytes() == INVITE  # RFC 3261 §7.5
    for nothing in (b"", b"\r\n", b"\r\n\r\n", b"\r\n" * 50):
        with pytest.raises(ParseError):
            parse_message(nothing)


@pytest.mark.parametrize("smuggled", [b"x\ny: 1", b"x\ry: 1", b"x\n y", b"\n", b"x\r\r\ny: 1"])
def test_a_lone_cr_or_lf_in_the_header_is_refused(smuggled: bytes) -> None:
    with pytest.raises(ParseError):
        parse_message(INVITE.replace(b"Subject: ", b"Subject: " + smuggled))


def test_malformed_field_lines_are_left_out_and_told_of() -> None:
    request = parse_message(b"OPTIONS sip:a@b SIP/2.0\r\nnonsense\r\nVia: SIP/2.0/UDP h\r\nX Y: 1\r\n: 2\r\n\r\n")
    assert [name for name, _ in request.headers.items()] == ["Via"]
    with pytest.raises(ParseError):
        request.headers.check()
    request = parse_message(b"OPTIONS sip:a@b SIP/2.0\r\n  continues nothing: 1\r\nVia: SIP/2.0/UDP h\r\n\r\n")
    with pytest.raises(ParseError):
        request.headers.check()


def test_sizes_are_bounded() -> None:
    line = b"X: 1\r\n"
    start, end = b"OPTIONS sip:a@b SIP/2.0\r\n", b"\r\n"
    assert len(parse_message(start + line * MAX_HEADER_FIELDS + end).headers) == MAX_HEADER_FIELDS
    with pytest.raises(ParseError):
        parse_message(start + line * (MAX_HEADER_FIELDS + 1) + end)
    with pytest.raises(ParseError) as caught:
        parse_message(start + b"X: " + b"x" * MAX_MESSAGE_BYTES + end + end)
    assert caught.value.status == 513


@pytest.mark.parametrize("bad", ["x\r\nInjected: 1", "x\ny", "x\ry", "x\x00", "\ud800"])
def test_nothing_can_be_injected_into_a_message_that_is_built(bad: str) -> None:
    request = invite()
    attempts: list[Callable[[], object]] = [
        lambda: Headers([("Subject", bad)]),
        lambda: request.headers.add("Subject", bad),
        lambda: request.headers.set("Subject", bad),
        lambda: request.headers.prepend("Subject", bad),
        lambda: request.headers.insert(3, "Subject", bad),
        lambda: request.headers.add(bad, "1"),
        lambda: request.headers.append_to_first("to", bad),
        lambda: Request(bad, "sip:a@b"),
        lambda: Request("INVITE", f"sip:{bad}@b"),
        lambda: setattr(request, "uri", f"sip:{bad}"),
        lambda: Response(200, bad),
        lambda: respond(request, 200, bad),
        lambda: respond(request, 200, to_tag=bad),
        lambda: respond(request, 200, headers=[("Warning", bad)]),
        lambda: respond(request, 200, content_type=bad),
        lambda: request.headers.set("To", str(NameAddr(bad, SipUri(host="b")))),
    ]
    for attempt in attempts:
        with pytest.raises(LocalError):
            attempt()
    assert request.to_bytes() == INVITE


def test_names_methods_and_codes_must_be_what_they_say() -> None:
    for name in ("", "a b", "a:", "ü"):
        with pytest.raises(LocalError):
            Headers([(name, "1")])
    for method in ("", "IN VITE", "a/b"):
        with pytest.raises(LocalError):
            Request(method, "sip:a@b")
    for uri in ("", "sip:a b"):
        with pytest.raises(LocalError):
            Request("INVITE", uri)
    for status in (99, 700, -1):
        with pytest.raises(LocalError):
            Response(status)
    with pytest.raises(LocalError):
        respond(invite(), 200, to_tag="a;b")
    with pytest.raises(LocalError):
        Message().start_line()


def test_a_response_repeats_what_it_must_byte_for_byte() -> None:
    request = invite()
    request.headers.add("Timestamp", "54.2")
    response = respond(request, 180, to_tag="t1", headers=[("Contact", "<sip:bob@192.0.2.4>")])
    assert response.to_bytes() == (
        b"SIP/2.0 180 Ringing\r\n"
        b"Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74b43\r\n"
        b"v:SIP/2.0/UDP a.example.com;branch=z9hG4bKa , SIP/2.0/UDP b.example.com;branch=z9hG4bKb\r\n"
        b"f: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
        b"To  :  Bob\r\n\t<sip:bob@biloxi.example.com>;tag=t1\r\n"
        b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
        b"CSeq: 1 INVITE\r\n"
        b"Contact: <sip:bob@192.0.2.4>\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert response.to_tag == "t1"


def test_a_trying_has_the_timestamp_and_no_tag() -> None:
    request = invite()
    request.headers.add("Timestamp", "54.2")
    response = respond(request, 100, to_tag="t1")
    assert response.headers.get("timestamp") == "54.2"
    assert response.to_tag is None
    assert respond(request, 200, to_tag="t1").headers.get("timestamp") is None


def test_a_tag_that_is_there_stays_and_a_body_has_its_type() -> None:
    request = invite()
    request.headers.set("To", "<sip:bob@example.com>;tag=old")
    response = respond(request, 200, "Fine", to_tag="new", body=b"v=0\r\n", content_type="application/sdp")
    assert (response.to_tag, response.reason, response.content_length) == ("old", "Fine", 5)
    assert parse_message(response.to_bytes(), stream=True).body == b"v=0\r\n"


def test_a_malformed_request_can_be_answered() -> None:
    text = b'INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: "open <sip:a@b>\r\n\r\n'
    request = parse_message(text)
    assert isinstance(request, Request)
    assert respond(request, 400, to_tag="t").headers.get("to") == '"open <sip:a@b>;tag=t'
    request.headers.remove("To")
    assert "to" not in respond(request, 400, to_tag="t").headers


def test_a_tag_is_not_torn_off_by_a_folding_that_ends_in_white_space() -> None:
    request = parse_message(b"INVITE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\n \t\r\nCSeq: 1 INVITE\r\n\r\n")
    assert isinstance(request, Request)
    assert b"\r\nTo: <sip:a@b>;tag=t\r\nCSeq" in respond(request, 400, to_tag="t").to_bytes()


def test_accessors_say_what_is_missing_or_wrong() -> None:
    empty = Request("INVITE", "sip:a@b")
    for read in (
        lambda: empty.via,
        lambda: empty.from_,
        lambda: empty.to,
        lambda: empty.call_id,
        lambda: empty.cseq,
    ):
        with pytest.raises(ParseError):
            read()
    assert (empty.max_forwards, empty.content_type, empty.content_length) == (None, None, None)
    broken = Request("INVITE", "sip:", [("Max-Forwards", "256"), ("Via", ","), ("Expires", "x"), ("Call-ID", "a b")])
    for read_broken in (
        lambda: broken.max_forwards,
        lambda: broken.via,
        lambda: broken.expires,
        lambda: broken.call_id,
        lambda: broken.uri,
    ):
        with pytest.raises(ParseError):
            read_broken()


def test_copies_are_independent_and_equal_on_the_wire() -> None:
    request = invite()
    copy = request.copy()
    assert copy.to_bytes() == INVITE
    copy.headers.add("X", "1")
    assert request.to_bytes() == INVITE
    response = respond(request, 200)
    assert response.copy().to_bytes() == response.to_bytes()


def test_a_star_contact() -> None:
    request = Request("REGISTER", "sip:example.com", [("Contact", " * ")])
    assert request.contact_star
    assert request.contacts == []


def test_a_message_shows_itself_briefly() -> None:
    assert repr(invite()) == "<Request 'INVITE sip:bob@biloxi.example.com SIP/2.0', 15 fields, 4 body bytes>"
    assert "Via" in repr(Headers([("Via", str(Via("UDP", "h")))]))
