"""Sound of the family that the offer asks for, whatever family SIP came by."""

from __future__ import annotations

import pytest

from tests.support.switchboard import sdp
from voipnode.calls.media_host import media_host
from voipnode.sipstack.transport import Address, Hop

FOUR, SIX = "192.0.2.10", "2001:db8::10"
BY_FOUR, BY_SIX = (Hop("UDP", Address(host, 5060)) for host in ("192.0.2.20", "2001:db8::20"))


def dual(hop: Hop) -> Address:
    return Address(SIX if ":" in hop.remote.host else FOUR, 5060)


def only_four(hop: Hop) -> Address:
    return Address(FOUR, 5060)


def six(host: str) -> bytes:
    return sdp(host).replace(b"IP4", b"IP6")


BOTH = sdp("192.0.2.20") + b"m=audio 7002 RTP/AVP 0\r\nc=IN IP6 2001:db8::20\r\n"


@pytest.mark.parametrize(
    ("signalling", "offer", "ours"),
    [
        (BY_FOUR, sdp("192.0.2.20"), FOUR),
        (BY_SIX, six("2001:db8::20"), SIX),
        (BY_FOUR, six("2001:db8::20"), SIX),
        (BY_SIX, sdp("192.0.2.20"), FOUR),
        (BY_SIX, BOTH, FOUR),
        (BY_SIX, sdp("0.0.0.0"), SIX),  # a hold says nothing about where
        (BY_SIX, six("phone.example"), SIX),
        (BY_SIX, None, SIX),
        (BY_SIX, b"nonsense", SIX),
    ],
)
def test_where_media_goes(signalling: Hop, offer: bytes | None, ours: str) -> None:
    assert media_host(dual, signalling, offer) == ours


def test_a_family_that_we_have_not_is_passed_over() -> None:
    assert media_host(only_four, BY_FOUR, six("2001:db8::20")) == FOUR
    both = six("2001:db8::20") + b"m=audio 7002 RTP/AVP 0\r\nc=IN IP4 198.51.100.9\r\n"
    assert media_host(only_four, BY_FOUR, both) == FOUR
