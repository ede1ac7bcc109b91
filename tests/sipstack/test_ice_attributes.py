"""ICE in session descriptions: what others write is read, what we write they read (RFC 8839)."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from aioice.candidate import Candidate as AioiceCandidate

from voipnode.sipstack.errors import ParseError, RemoteError, SipError
from voipnode.sipstack.ice_attributes import IceCandidate, LocalIce, credentials_of, read_ice
from voipnode.sipstack.offer_answer import AudioFormat, LocalAudio, OfferAnswer
from voipnode.sipstack.sdp import parse

# RFC 8839 §4.2.6, its folded line unfolded.
RFC_EXAMPLE = b"""v=0
o=jdoe 2890844526 2890842807 IN IP4 203.0.113.141
s=
c=IN IP4 192.0.2.3
t=0 0
a=ice-options:ice2
a=ice-pacing:50
a=ice-pwd:asd88fgpdd777uzjYhagZg
a=ice-ufrag:8hhY
m=audio 45664 RTP/AVP 0
b=RS:0
b=RR:0
a=rtpmap:0 PCMU/8000
a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host
a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998
"""
HOST = IceCandidate("1", 1, 2130706431, "192.0.2.7", 4000, "host")
RTCP_HOST = IceCandidate("1", 2, 2130706430, "192.0.2.7", 4001, "host")
OURS = LocalIce("abcd", "p" * 24, (HOST, RTCP_HOST))
LOCAL = LocalAudio("192.0.2.7", 4000, 4001, (AudioFormat("PCMU", 8000, 0),), ice=OURS)


def offer(more: str = "", *, port: int = 6000, connection: str = "192.0.2.9") -> bytes:
    """A far side's offer with ICE; its only candidate is 192.0.2.9:6000."""
    text = (
        f"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 {connection}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        f"a=ice-ufrag:wxyz\r\na=ice-pwd:{'q' * 22}\r\n{more}"
        "a=candidate:7 1 UDP 2130706431 192.0.2.9 6000 typ host\r\n"
    )
    return text.encode()


def of(body: bytes):  # type: ignore[no-untyped-def]
    description = parse(body)
    return read_ice(description, description.media[0])


def test_the_example_of_the_rfc_is_read() -> None:
    ice = of(RFC_EXAMPLE)
    assert ice is not None
    assert (ice.ufrag, ice.password, ice.ice2, ice.lite, ice.mismatch) == (
        "8hhY",
        "asd88fgpdd777uzjYhagZg",
        True,
        False,
        False,
    )
    assert ice.candidates == (
        IceCandidate("1", 1, 2130706431, "203.0.113.141", 8998, "host"),
        IceCandidate("2", 1, 1694498815, "192.0.2.3", 45664, "srflx", ("203.0.113.141", 8998)),
    )
    assert credentials_of(RFC_EXAMPLE) == ("8hhY", "asd88fgpdd777uzjYhagZg")


def test_another_library_reads_our_candidates() -> None:
    reflexive = IceCandidate("2", 1, 1694498815, "198.51.100.3", 45664, "srflx", ("10.0.0.1", 8998))
    for candidate in (HOST, reflexive):
        value = candidate.attribute().value
        assert value is not None
        theirs = AioiceCandidate.from_sdp(value)
        assert (theirs.host, theirs.port, theirs.type, theirs.priority, theirs.component) == (
            candidate.host,
            candidate.port,
            candidate.kind,
            candidate.priority,
            1,
        )
        assert IceCandidate.parse(theirs.to_sdp()) == candidate


@pytest.mark.parametrize(
    "line",
    [
        "1 1 TCP 2105458943 192.0.2.9 9 typ host tcptype active",
        "1 1 UDP 2130706431 4c2f1b0a.local 6000 typ host",
        "1 1 UDP 2130706431 phone.example.com 6000 typ host",
        "1 1 UDP 2130706431 192.0.2.9 6000 typ teleport",
        "1 1 UDP 2130706431 192.0.2.9 0 typ host",
        "1 1 UDP 2130706431 192.0.2.9 66000 typ host",
        "1 0 UDP 2130706431 192.0.2.9 6000 typ host",
        "1 1 UDP 2147483648 192.0.2.9 6000 typ host",
        "1 1 UDP 0 192.0.2.9 6000 typ host",
        f"{'1' * 33} 1 UDP 5 192.0.2.9 6000 typ host",
        "1 1 UDP",
        "",
    ],
)
def test_candidates_that_we_cannot_use_are_left_out(line: str) -> None:
    with pytest.raises(ParseError):
        IceCandidate.parse(line)
    ice = of(offer(f"a=candidate:{line}\r\n"))
    assert ice is not None
    assert [candidate.host for candidate in ice.candidates] == ["192.0.2.9"]
    assert not ice.mismatch


def test_an_answer_speaks_ice_only_to_an_offer_that_does() -> None:
    answer, session = OfferAnswer(1).receive_offer(offer(), LOCAL)
    assert session.ice is not None
    assert session.ice.ufrag == "wxyz"
    assert b"a=ice-ufrag:abcd\r\n" in answer
    assert answer.count(b"a=candidate:") == 2

    plain = b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
    answer, session = OfferAnswer(1).receive_offer(plain, LOCAL)
    assert session.ice is None
    assert b"ice" not in answer
    assert b"candidate" not in answer


def test_somebody_on_the_way_who_rewrites_the_default_address_ends_ice() -> None:
    """RFC 8839 §4.2.5, §5.3: the answer says so and has no candidates; sound goes where the description says."""
    answer, session = OfferAnswer(1).receive_offer(offer(connection="198.51.100.1"), LOCAL)
    assert session.ice is None
    assert (session.remote_host, session.remote_rtp_port) == ("198.51.100.1", 6000)
    assert b"a=ice-mismatch\r\n" in answer
    assert b"candidate" not in answer
    # And the other way round, in the answer to an offer of ours.
    for body in (offer(port=7000), offer("a=ice-mismatch\r\n")):
        caller = OfferAnswer(1)
        caller.make_offer(LOCAL)
        assert caller.receive_answer(body).ice is None


@pytest.mark.parametrize(
    ("connection", "port", "more"),
    [
        ("0.0.0.0", 9, ""),
        ("phone.example.com", 5000, ""),
        ("192.0.2.9", 6000, "a=candidate:7 2 UDP 5 192.0.2.9 6001 typ host\r\n"),
        ("192.0.2.9", 6000, "a=rtcp:9 IN IP4 0.0.0.0\r\na=candidate:7 2 UDP 5 192.0.2.9 6011 typ host\r\n"),
        ("192.0.2.9", 6000, "a=rtcp-mux\r\na=candidate:7 2 UDP 5 192.0.2.9 6011 typ host\r\n"),
        ("192.0.2.8", 6000, "a=candidate:7 1 TCP 5 192.0.2.8 6000 typ host tcptype passive\r\n"),
    ],
)
def test_what_is_no_mismatch(connection: str, port: int, more: str) -> None:
    _, session = OfferAnswer(1).receive_offer(offer(more, connection=connection, port=port), LOCAL)
    assert session.ice is not None
    assert session.reachable


def test_rtcp_somewhere_else_is_a_mismatch_too() -> None:
    ice = of(offer("a=candidate:7 2 UDP 5 192.0.2.9 6011 typ host\r\n"))
    assert ice is not None
    assert ice.mismatch


def test_credentials_of_the_section_come_before_those_of_the_session() -> None:
    body = offer().replace(
        b"t=0 0\r\n", b"t=0 0\r\na=ice-ufrag:other\r\na=ice-pwd:" + b"r" * 22 + b"\r\na=ice-lite\r\n"
    )
    ice = of(body)
    assert ice is not None
    assert (ice.ufrag, ice.lite, ice.ice2) == ("wxyz", True, False)


@pytest.mark.parametrize("broken", ["a=ice-ufrag:ab\r\n", "a=ice-ufrag:" + "a" * 257 + "\r\n", "a=ice-ufrag:a b c\r\n"])
def test_credentials_that_break_the_grammar_are_none(broken: str) -> None:
    assert of(offer().replace(b"a=ice-ufrag:wxyz\r\n", broken.encode())) is None


def test_a_flood_of_candidates_is_not_read_to_its_end() -> None:
    many = "".join(f"a=candidate:1 1 UDP 5 192.0.2.9 {port} typ host\r\n" for port in range(7000, 7100))
    ice = of(offer(many))
    assert ice is not None
    assert len(ice.candidates) == 64


def test_the_chosen_pair_stands_alone_in_the_next_offer() -> None:
    """RFC 8839 §4.4.1.2.2."""
    caller = OfferAnswer(1)
    caller.make_offer(LOCAL)
    caller.receive_answer(offer())
    chosen = replace(OURS, candidates=(HOST,), remote_candidates=((1, "192.0.2.9", 6000), (2, "192.0.2.9", 6001)))
    body = caller.make_offer(replace(LOCAL, ice=chosen))
    assert b"a=remote-candidates:1 192.0.2.9 6000 2 192.0.2.9 6001\r\n" in body
    assert body.count(b"a=candidate:") == 1
    # The far side's own re-INVITE is answered without that line.
    answer, _ = OfferAnswer(1).receive_offer(offer(), replace(LOCAL, ice=chosen))
    assert b"remote-candidates" not in answer


def test_an_answer_that_was_not_sent_yet_may_be_made_again() -> None:
    """More candidates were gathered while it rang: it is still the first version."""
    callee = OfferAnswer(1)
    first, _ = callee.receive_offer(offer(), LOCAL)
    gathered = replace(
        OURS, candidates=(*OURS.candidates, HOST._replace(port=9000, kind="srflx", related=("10.0.0.1", 1)))
    )
    second, _ = callee.receive_offer(offer(), replace(LOCAL, ice=gathered), again=True)
    assert first != second
    assert parse(second).origin == parse(first).origin
    third, _ = callee.receive_offer(offer(), LOCAL)
    assert parse(third).origin.session_version == "2"


def test_with_ice_the_default_addresses_may_be_of_different_families() -> None:
    """After the choice each side names its end of the pair; before it, what the other can reach is open."""
    six = replace(LOCAL, host="2001:db8::7")
    _, session = OfferAnswer(1).receive_offer(offer(), six)
    assert session.ice is not None
    with pytest.raises(RemoteError):
        OfferAnswer(1).receive_offer(offer(), replace(six, ice=None))


@pytest.mark.fuzz
def test_no_description_raises_anything_else() -> None:
    dice = random.Random(8839)
    sound = [offer(), offer("a=rtcp-mux\r\na=ice-lite\r\na=ice-pacing:20\r\n"), RFC_EXAMPLE]
    for _ in range(3000):
        data = bytearray(dice.choice(sound))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(data))
            piece = dice.choice([b"", b" ", b"\r\n", b"9" * 12, b"a=candidate:", b"::", b"0.0.0.0", dice.randbytes(3)])
            data[at : at + dice.randrange(8)] = piece
        try:
            OfferAnswer(1).receive_offer(bytes(data), LOCAL)
        except SipError:
            continue
        credentials_of(bytes(data))
