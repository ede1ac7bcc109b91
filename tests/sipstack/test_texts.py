"""MESSAGE in both places, and what is no text."""

from __future__ import annotations

import pytest

from tests.support.sip_agents import ALICE, BOB, agent_and_far_side, has_field, message
from voipnode.sipstack.events import MessageReceived


def text(body: bytes, content_type: str = "text/plain", to_tag: str = "", branch: str = "z9hG4bKm1") -> bytes:
    return message(
        "MESSAGE sip:alice@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch={branch}",
        "From: <sip:bob@192.0.2.2>;tag=x",
        f"To: <sip:alice@192.0.2.1>{to_tag}",
        "Call-ID: m1",
        "CSeq: 1 MESSAGE",
        "Max-Forwards: 70",
        body=body,
        content_type=content_type,
    )


def test_a_text_is_told_once_however_often_it_comes() -> None:
    wire, alice, far = agent_and_far_side()
    for _ in range(2):
        far.say(text("Grüße".encode(), "text/plain;charset=UTF-8"), ALICE)
    wire.run(until=1.0)
    told = alice.one(MessageReceived)
    assert (told.text, told.session, told.source.remote) == ("Grüße", "", BOB)
    assert not has_field(far.last("SIP/2.0 200"), "Contact")  # RFC 3428 §7
    wire.run(until=100)
    assert alice.forgot_all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (text(b"<b>hi</b>", "text/html"), 415),
        (text(b"hi", "text/plain;charset=utf-16"), 415),
        (text(b"x" * 4097), 413),
        (text(b"hi", to_tag=";tag=nobody"), 481),
    ],
)
def test_what_is_no_text_for_us(data: bytes, status: int) -> None:
    wire, alice, far = agent_and_far_side()
    far.say(data, ALICE)
    wire.run(until=0.0)
    assert has_field(far.last(f"SIP/2.0 {status}"), "Accept") == (status == 415)
    assert alice.told(MessageReceived) == []
