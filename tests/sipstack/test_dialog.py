"""Dialogs by RFC 3261 §12: what makes them, what their requests look like, what they let in."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import ALICE, BOB, OFFER, invite_from, message, response_to, uri
from voipnode.sipstack.dialog import Dialog, DialogId, DialogState, route_request
from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request, Response, parse_message

INVITE = message(
    "INVITE sip:bob@biloxi.example.com SIP/2.0",
    f"Via: SIP/2.0/UDP {ALICE};branch=z9hG4bKx;rport",
    "Max-Forwards: 70",
    'From: "Alice" <sip:alice@atlanta.example.com>;tag=a1',
    "To: Bob <sip:bob@biloxi.example.com>",
    "Call-ID: call1",
    "CSeq: 314159 INVITE",
    "Contact: <sip:alice@192.0.2.1>",
    body=OFFER,
)
RECORD_ROUTE = "Record-Route: <sip:p3.example.com;lr>, <sip:p2.example.com;lr>", "Record-Route: <sip:p1.example.com;lr>"


def request(data: bytes) -> Request:
    parsed = parse_message(data)
    assert isinstance(parsed, Request)
    return parsed


def response(status: str, *fields: str, tag: str = "b1") -> Response:
    parsed = parse_message(response_to(INVITE, status, *fields, tag=tag))
    assert isinstance(parsed, Response)
    return parsed


def uac(*fields: str, status: str = "200 OK") -> Dialog:
    return Dialog.from_uac(request(INVITE), response(status, *fields))


def uas(*fields: str) -> Dialog:
    return Dialog.from_uas(request(invite_from(BOB, cseq=7, extra=fields)), "mine", "<sip:alice@192.0.2.1>")


def test_a_caller_takes_target_and_routes_from_the_response_in_reverse() -> None:
    dialog = uac("Contact: <sip:bob@192.0.2.4:5080>", *RECORD_ROUTE)
    assert dialog.id == DialogId("call1", "a1", "b1")
    assert dialog.state is DialogState.CONFIRMED
    assert str(dialog.remote_target) == "sip:bob@192.0.2.4:5080"
    assert [str(route.uri) for route in dialog.routes] == [
        "sip:p1.example.com;lr",
        "sip:p2.example.com;lr",
        "sip:p3.example.com;lr",
    ]
    assert (dialog.local_cseq, dialog.remote_cseq) == (314159, None)
    assert str(dialog.next_uri()) == "sip:p1.example.com;lr"


def test_a_called_side_takes_target_and_routes_from_the_request_in_order() -> None:
    dialog = uas(*RECORD_ROUTE)
    assert dialog.id == DialogId("c1", "mine", "far-tag")
    assert dialog.state is DialogState.EARLY
    assert str(dialog.remote_target) == f"sip:bob@{BOB}"
    assert [str(route.uri) for route in dialog.routes] == [
        "sip:p3.example.com;lr",
        "sip:p2.example.com;lr",
        "sip:p1.example.com;lr",
    ]
    assert (dialog.local_cseq, dialog.remote_cseq) == (0, 7)


def test_a_request_swaps_the_ends_and_counts_up() -> None:
    dialog = uac("Contact: <sip:bob@192.0.2.4>")
    bye = dialog.make_request("BYE")
    assert bye.uri_text == "sip:bob@192.0.2.4"
    assert bye.headers.get("From") == '"Alice" <sip:alice@atlanta.example.com>;tag=a1'
    assert bye.headers.get("To") == "Bob <sip:bob@biloxi.example.com>;tag=b1"
    assert bye.headers.get("CSeq") == "314160 BYE"
    assert dialog.make_request("INFO").headers.get("CSeq") == "314161 INFO"
    assert uas().make_request("BYE").headers.get("To") == "<sip:bob@192.0.2.2>;tag=far-tag"
    assert uas().make_request("BYE").headers.get("From") == "<sip:alice@192.0.2.1>;tag=mine"


def test_an_ack_takes_the_number_of_its_invite_and_counts_nothing() -> None:
    dialog = uac("Contact: <sip:bob@192.0.2.4>")
    assert dialog.make_request("ACK", cseq=314159).headers.get("CSeq") == "314159 ACK"
    assert dialog.local_cseq == 314159


def test_the_example_of_rfc_3261_for_a_strict_router() -> None:
    """§12.2.1.1: the first route becomes the Request-URI, the target the last route."""
    routes = [NameAddr.parse(text) for text in ("<sip:proxy1>", "<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>")]
    request_uri, values = route_request(uri("sip:user@remoteua"), routes)
    assert str(request_uri) == "sip:proxy1"
    assert values == ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]


def test_a_strict_routers_uri_loses_what_a_request_uri_may_not_hold() -> None:
    request_uri, _ = route_request(uri("sip:user@remoteua"), [NameAddr.parse("<sip:proxy1;method=INVITE;x=1?a=b>")])
    assert str(request_uri) == "sip:proxy1;x=1"


def test_a_2xx_replaces_routes_and_target_of_the_early_dialog_but_not_its_numbers() -> None:
    dialog = uac("Contact: <sip:early@192.0.2.4>", status="180 Ringing")
    assert dialog.state is DialogState.EARLY
    dialog.make_request("INFO")
    dialog.confirmed_by(response("200 OK", "Contact: <sip:late@192.0.2.4>", *RECORD_ROUTE))
    assert dialog.state is DialogState.CONFIRMED
    assert str(dialog.remote_target) == "sip:late@192.0.2.4"
    assert len(dialog.routes) == 3
    assert dialog.local_cseq == 314160  # RFC 3261 §13.2.2.4: only the route set is recomputed


def test_a_response_without_a_sip_contact_leaves_the_address_that_was_called() -> None:
    assert str(uac().remote_target) == "sip:bob@biloxi.example.com"
    assert str(uac("Contact: <tel:+49123>").remote_target) == "sip:bob@biloxi.example.com"


def test_headers_in_a_contact_do_not_become_a_request_uri() -> None:
    assert str(uac("Contact: <sip:bob@192.0.2.4?Subject=x>").remote_target) == "sip:bob@192.0.2.4"


@pytest.mark.parametrize(
    ("bad", "good"),
    [("Contact: <tel:+49123>", f"Contact: <sip:bob@{BOB}>"), ("Call-ID: a\x00b", "Call-ID: c1")],
)
def test_an_invite_that_can_make_no_dialog_is_a_parse_error(bad: str, good: str) -> None:
    data = invite_from(BOB).replace(good.encode(), bad.encode())
    with pytest.raises(ParseError):
        Dialog.from_uas(request(data), "mine", "<sip:alice@192.0.2.1>")


def test_requests_out_of_order_are_500_and_gaps_are_fine() -> None:
    dialog = uas()
    for number, fits in ((8, True), (20, True), (20, True), (19, False), (21, True)):
        info = request(INVITE.replace(b"314159 INVITE", f"{number} INFO".encode()))
        if fits:
            dialog.check_order(info)
        else:
            with pytest.raises(RemoteError) as refusal:
                dialog.check_order(info)
            assert refusal.value.status == 500
    assert dialog.remote_cseq == 21


def test_only_a_contact_moves_the_target() -> None:
    dialog = uac("Contact: <sip:bob@192.0.2.4>")
    dialog.refresh_target(response("200 OK"))
    assert str(dialog.remote_target) == "sip:bob@192.0.2.4"
    dialog.refresh_target(response("200 OK", "Contact: <sip:bob@192.0.2.5>"))
    assert str(dialog.remote_target) == "sip:bob@192.0.2.5"


def test_null_tags_of_an_old_peer_stay_out_of_the_fields() -> None:
    """RFC 3261 §12.1.1, §12.2.1.1: a null tag means that the parameter is omitted."""
    old = request(invite_from(BOB).replace(b";tag=far-tag", b""))
    dialog = Dialog.from_uas(old, "mine", "<sip:alice@192.0.2.1>")
    assert dialog.id.remote_tag == ""
    assert dialog.make_request("BYE").headers.get("To") == "<sip:bob@192.0.2.2>"


def test_what_cannot_be_written_is_replaced_in_names_and_routes() -> None:
    name = invite_from(BOB, extra=('Record-Route: "a\\\x01" <sip:192.0.2.9;lr>;x="\\\x02"',)).replace(
        b"From: <sip", b'From: "b\\\x03" <sip'
    )
    dialog = Dialog.from_uas(request(name), "mine", "<sip:alice@192.0.2.1>")
    data = dialog.make_request("BYE").to_bytes()
    assert not any(byte in data for byte in (b"\x01", b"\x02", b"\x03"))
    assert b";tag=far-tag" in data
