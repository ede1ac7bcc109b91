"""What is looked at before a request is told of (RFC 3261 §8.2), and which body is the session description."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import ANSWER, BOB, OFFER, message
from voipnode.sipstack.bodies import MAX_PARTS, find_sdp, sdp_or_none
from voipnode.sipstack.endpoint import EndpointConfig
from voipnode.sipstack.errors import LocalError, ParseError, RemoteError
from voipnode.sipstack.message import Request, parse_message
from voipnode.sipstack.routing import hop_to, mark_arrival
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uas import ALLOW, inspect, inspect_info, inspect_offer
from voipnode.sipstack.uri import parse_uri

CONFIG = EndpointConfig(supported=("replaces",))


def request(method: str = "INVITE", *fields: str, uri: str = "sip:a@h", body: bytes = b"", type_: str = "") -> Request:
    """A request with these fields; `type_` "" leaves Content-Type out."""
    lines = [f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bKx", f"CSeq: 1 {method}", *fields]
    data = message(f"{method} {uri} SIP/2.0", *lines, body=body, content_type=type_ or "x/x")
    if not type_:
        data = data.replace(b"Content-Type: x/x\r\n", b"")
    parsed = parse_message(data)
    assert isinstance(parsed, Request)
    return parsed


def multipart(*parts: tuple[str, bytes], kind: str = "mixed") -> Request:
    body = b"".join(b"--here\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return request(body=body + b"--here--\r\n", type_=f'multipart/{kind};boundary="here"')


def refusal(request_: Request) -> RemoteError:
    try:
        inspect(request_, CONFIG)
        inspect_offer(request_)
    except RemoteError as error:
        return error
    pytest.fail("the request was let in")


# ---- method, Request-URI, Require


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "INFO", "PRACK", "UPDATE"])
def test_served_methods_pass(method: str) -> None:
    inspect(request(method), CONFIG)


@pytest.mark.parametrize(
    ("method", "status"), [("REGISTER", 405), ("PUBLISH", 405), ("invite", 501), ("NEWMETHOD", 501)]
)
def test_other_methods_are_405_when_known_and_501_when_not(method: str, status: int) -> None:
    error = refusal(request(method))
    assert error.status == status
    assert dict(error.headers)["Allow"] == ALLOW


def test_the_method_is_looked_at_before_the_uri_and_the_uri_before_the_extensions() -> None:
    """RFC 3261 §8.2: "in the order of the steps that follow"."""
    assert refusal(request("PUBLISH", "Require: x", uri="tel:+49123")).status == 405
    assert refusal(request("INVITE", "Require: x", uri="tel:+49123")).status == 416
    assert refusal(request("INVITE", "Require: x", body=b"?", type_="text/plain")).status == 420


def test_require_is_compared_without_case_and_the_unknown_ones_are_named() -> None:
    inspect(request("INVITE", "Require: Replaces"), CONFIG)
    error = refusal(request("INVITE", "Require: replaces, precondition, 100rel", "Require: x-y"))
    assert (error.status, error.headers) == (420, (("Unsupported", "precondition, x-y"),))


# ---- bodies


def test_an_sdp_body_is_the_offer_and_no_body_is_none() -> None:
    assert inspect_offer(request(body=OFFER, type_="application/SDP;charset=utf-8")) == OFFER
    assert inspect_offer(request()) is None


@pytest.mark.parametrize(
    "accept", ["application/sdp", "text/html, application/sdp;level=1", "*/*", "application/*;q=0.3"]
)
def test_accept_that_covers_sdp_passes(accept: str) -> None:
    assert inspect_offer(request("INVITE", f"Accept: {accept}", body=OFFER, type_="application/sdp")) == OFFER


@pytest.mark.parametrize("accept", ["text/html", "", "application/sdp;q=0", "text/*"])
def test_accept_that_leaves_sdp_out_is_406(accept: str) -> None:
    assert refusal(request("INVITE", f"Accept: {accept}", body=OFFER, type_="application/sdp")).status == 406


def test_another_body_is_415_with_what_would_do() -> None:
    error = refusal(request(body=b"<audio/>", type_="application/xml"))
    assert (error.status, error.headers) == (
        415,
        (("Accept", "application/sdp, multipart/mixed, multipart/alternative"),),
    )


def test_another_body_that_is_optional_is_ignored() -> None:
    optional = "Content-Disposition: render;handling=optional"
    assert inspect_offer(request("INVITE", optional, body=b"<html>", type_="text/html")) is None


def test_sdp_of_another_disposition_is_no_offer() -> None:
    early = request("INVITE", "Content-Disposition: early-session", body=OFFER, type_="application/sdp")
    assert refusal(early).status == 415


def test_a_compressed_body_is_415_with_accept_encoding() -> None:
    packed = request("INVITE", "Content-Encoding: gzip", body=OFFER, type_="application/sdp")
    assert refusal(packed).headers == (("Accept-Encoding", "identity"),)
    plain = request("INVITE", "Content-Encoding: identity", body=OFFER, type_="application/sdp")
    assert inspect_offer(plain) == OFFER


def test_a_body_without_a_type_is_400() -> None:
    assert refusal(request(body=OFFER)).status == 400


def test_the_sdp_part_of_a_multipart_body_is_the_offer() -> None:
    """The shape of RFC 5621 §3: SDP beside something that we do not know."""
    parts = ("Content-Type: text/plain", b"hello"), ("Content-Type: application/sdp", OFFER)
    assert find_sdp(multipart(*parts)) == OFFER
    assert find_sdp(multipart(*reversed(parts))) == OFFER


def test_the_sdp_may_be_one_level_deeper() -> None:
    inner = b"--in\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--in--"
    outer = ("Content-Type: text/plain", b"x"), ("Content-Type: multipart/alternative;boundary=in", inner)
    assert find_sdp(multipart(*outer)) == OFFER


def test_of_two_sdp_parts_the_first_that_describes_the_session_counts() -> None:
    early = "Content-Type: application/sdp\r\nContent-Disposition: early-session;handling=optional"
    assert find_sdp(multipart((early, ANSWER), ("Content-Type: application/sdp", OFFER))) == OFFER


def test_an_unknown_part_that_must_be_understood_is_415() -> None:
    required = "Content-Type: application/isup\r\nContent-Disposition: signal;handling=required"
    assert refusal(multipart(("Content-Type: application/sdp", OFFER), (required, b"\x01\x02"))).status == 415


def test_a_multipart_body_without_sdp_is_415() -> None:
    assert refusal(multipart(("Content-Type: text/plain", b"hello"))).status == 415


@pytest.mark.parametrize(
    "bad",
    [
        request(body=b"--x\r\n\r\nhi", type_="multipart/mixed"),
        request(body=b"no boundary in here", type_="multipart/mixed;boundary=here"),
        request(body=b"--x\r\n\r\nhi\r\n" * 2, type_="multipart/mixed;boundary=" + "x" * 71),
        multipart(("Content-Type: nonsense", b"hello")),
        multipart(("X: " + "y" * 5000, b"hello")),
        multipart(*[("Content-Type: text/plain", b"")] * (MAX_PARTS + 1)),
    ],
)
def test_a_multipart_body_that_cannot_be_divided_is_400(bad: Request) -> None:
    with pytest.raises(ParseError):
        find_sdp(bad)


def test_multiparts_within_multiparts_end_somewhere() -> None:
    body = OFFER
    type_ = "application/sdp"
    for depth in range(10):
        edge = f"b{depth}"
        body = f"--{edge}\r\nContent-Type: {type_}\r\n\r\n".encode() + body + f"\r\n--{edge}--".encode()
        type_ = f"multipart/mixed;boundary={edge}"
    with pytest.raises(ParseError, match="deep"):
        find_sdp(request(body=body, type_=type_))


def test_a_bad_body_of_a_response_is_simply_none() -> None:
    assert sdp_or_none(request(body=b"hello", type_="text/plain")) is None
    assert sdp_or_none(request(body=OFFER, type_="application/sdp")) == OFFER


# ---- INFO


def test_info_types_are_compared_without_case_and_parameters() -> None:
    assert inspect_info(request("INFO", body=b"1", type_="Application/DTMF;x=y"), CONFIG) == "application/dtmf"
    assert inspect_info(request("INFO"), CONFIG) == ""


@pytest.mark.parametrize("type_", ["text/plain", "application/sdp"])
def test_other_info_bodies_are_415(type_: str) -> None:
    with pytest.raises(RemoteError) as caught:
        inspect_info(request("INFO", body=b"x", type_=type_), CONFIG)
    assert caught.value.headers == (("Accept", "application/dtmf-relay, application/dtmf"),)


def test_an_info_package_that_nobody_announced_is_469() -> None:
    with pytest.raises(RemoteError) as caught:
        inspect_info(request("INFO", "Info-Package: nothing", body=b"x", type_="text/plain"), CONFIG)
    assert caught.value.status == 469  # RFC 6086 §4.2.2


# ---- where things go


@pytest.mark.parametrize(
    ("text", "hop"),
    [
        ("sip:192.0.2.5", Hop("UDP", Address("192.0.2.5", 5060))),
        ("sip:x@192.0.2.5:5080;transport=TCP", Hop("TCP", Address("192.0.2.5", 5080))),
        ("sip:x@[2001:db8::1]", Hop("UDP", Address("2001:db8::1", 5060))),
        ("sip:x@example.com;maddr=192.0.2.7", Hop("UDP", Address("192.0.2.7", 5060))),
        ("sip:x@192.0.2.5;transport=tls", Hop("TLS", Address("192.0.2.5", 5061), domain="192.0.2.5")),
        ("sips:x@example.com", Hop("TLS", Address("example.com", 5061), domain="example.com")),
        ("sips:x@example.com;transport=tcp", Hop("TLS", Address("example.com", 5061), domain="example.com")),
        ("sips:x@example.com;transport=tls", Hop("TLS", Address("example.com", 5061), domain="example.com")),
        ("sips:x@example.com;maddr=192.0.2.7", Hop("TLS", Address("192.0.2.7", 5061), domain="example.com")),
        ("sip:x@example.com;transport=ws", Hop("WS", Address("example.com", 80), domain="example.com")),
        ("sips:x@example.com;transport=ws", Hop("WSS", Address("example.com", 443), domain="example.com")),
        ("sip:x@example.com:8443;transport=wss", Hop("WSS", Address("example.com", 8443), domain="example.com")),
    ],
)
def test_a_uri_names_a_hop(text: str, hop: Hop) -> None:
    assert hop_to(parse_uri(text)) == hop  # type: ignore[arg-type]  # all are SIP URIs


@pytest.mark.parametrize("text", ["sips:192.0.2.5;transport=udp", "sip:192.0.2.5;transport=sctp"])
def test_a_uri_that_we_cannot_reach_is_refused(text: str) -> None:
    with pytest.raises(LocalError):
        hop_to(parse_uri(text))  # type: ignore[arg-type]  # both are SIP URIs


@pytest.mark.parametrize(
    ("via", "marked"),
    [
        ("SIP/2.0/UDP 192.0.2.2:5060;branch=b", "SIP/2.0/UDP 192.0.2.2:5060;branch=b"),
        ("SIP/2.0/UDP h;branch=b", "SIP/2.0/UDP h;branch=b;received=192.0.2.2"),
        ("SIP/2.0/UDP 192.0.2.2;branch=b;rport", "SIP/2.0/UDP 192.0.2.2;branch=b;rport=5060;received=192.0.2.2"),
        ("SIP/2.0/UDP h;rport;branch=b", "SIP/2.0/UDP h;rport=5060;branch=b;received=192.0.2.2"),
        ("SIP/2.0/UDP h;received=9.9.9.9;rport=1;branch=b", "SIP/2.0/UDP h;received=192.0.2.2;rport=5060;branch=b"),
        (
            "SIP/2.0/UDP h;branch=b, SIP/2.0/UDP p;branch=c",
            "SIP/2.0/UDP h;branch=b;received=192.0.2.2, SIP/2.0/UDP p;branch=c",
        ),
    ],
)
def test_the_top_via_is_marked_with_where_the_request_came_from(via: str, marked: str) -> None:
    arrived = request()
    arrived.headers.set("Via", via)
    mark_arrival(arrived, Hop("UDP", BOB))
    assert ", ".join(arrived.headers.values("Via")) == marked
    assert arrived.via.branch == "b"


def test_a_via_below_the_top_one_stays_as_it_is() -> None:
    arrived = request("INVITE", "Via: SIP/2.0/UDP below;branch=c;rport")
    arrived.headers.prepend("Via", "SIP/2.0/UDP top;branch=a;rport")
    mark_arrival(arrived, Hop("UDP", BOB))
    assert [via.host for via in arrived.vias] == ["top", "192.0.2.2", "below"]
    assert [via.rport for via in arrived.vias] == [5060, None, None]
