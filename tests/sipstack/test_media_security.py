"""What two descriptions agree on about encryption: the whole policy table both ways, then DTLS roles and browsers."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from tests.sipstack.test_offer_answer import US, body
from voipnode.sipstack.audio import AudioSession, LocalAudio
from voipnode.sipstack.crypto_attributes import SUITES, CryptoLine, MasterKey
from voipnode.sipstack.dtls_attributes import Fingerprint
from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.media_security import LocalSecurity
from voipnode.sipstack.offer_answer import OfferAnswer
from voipnode.sipstack.sdp import SessionDescription, parse

OUR_LINES = tuple(
    CryptoLine(tag, suite, (MasterKey(bytes([tag]) * suite.key_salt_bytes),))
    for tag, suite in enumerate(SUITES.values(), start=1)
)
OURS = Fingerprint("sha-256", bytes(range(32)))
THEIRS = Fingerprint("sha-256", bytes(range(100, 132)))
BOTH = LocalSecurity(mandatory=False, lines=OUR_LINES, fingerprint=OURS, tls_id="ours-abcdefghijklmnopqrst")
NONE = US
BEST = replace(US, security=BOTH)
MANDATORY = replace(US, security=replace(BOTH, mandatory=True))
SDES_ONLY = replace(US, security=replace(BOTH, fingerprint=None, mandatory=True))
DTLS_ONLY = replace(US, security=replace(BOTH, lines=(), mandatory=True))

THEIR_KEY = base64.b64encode(b"k" * 30).decode()
CRYPTO = f"a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{THEIR_KEY}"
BROKEN = "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ="
HANDS = f"a=fingerprint:{THEIRS}|a=setup:actpass"
FORMATS = "0|a=rtpmap:0 PCMU/8000"


def section(profile: str, *attributes: str) -> bytes:
    return body("|".join((f"m=audio 6000 {profile} {FORMATS}", *attributes)))


def outcome(session: AudioSession) -> str:
    return "plain" if session.security is None else session.security.keying


def answer_to(offer: bytes, local: LocalAudio) -> str:
    try:
        answer, session = OfferAnswer(9).receive_offer(offer, local)
    except RemoteError as error:
        return f"{error.status} {error.headers[0][1].split()[0]}"
    assert parse(answer).media[0].protocol == parse(offer).media[0].protocol  # echoed, whatever it is
    return outcome(session)


def attributes_of(data: bytes | SessionDescription, name: str, slot: int = 0) -> list[str | None]:
    description = data if isinstance(data, SessionDescription) else parse(data)
    return [value for key, value in description.media[slot].attributes if key == name]


# --- their offer, our policy ---------------------------------------------------------------------------------------

OFFERS = {
    "plain": section("RTP/AVP"),
    "plain with feedback": section("RTP/AVPF"),
    "SDES under AVP (RFC 8643)": section("RTP/AVP", CRYPTO),
    "DTLS under AVP": section("RTP/AVP", *HANDS.split("|")),
    "SDES": section("RTP/SAVP", CRYPTO),
    "SDES with feedback": section("RTP/SAVPF", CRYPTO),
    "DTLS": section("UDP/TLS/RTP/SAVP", *HANDS.split("|")),
    "DTLS with feedback": section("UDP/TLS/RTP/SAVPF", *HANDS.split("|")),
    "DTLS under SAVP": section("RTP/SAVP", *HANDS.split("|")),
    "both under SAVP": section("RTP/SAVP", CRYPTO, *HANDS.split("|")),
    "SAVP without keys": section("RTP/SAVP"),
    "SAVP with a broken key": section("RTP/SAVP", BROKEN),
    "AVP with a broken key": section("RTP/AVP", BROKEN),
    "SDES under a DTLS profile": section("UDP/TLS/RTP/SAVP", CRYPTO),
    "DTLS that holds": section("UDP/TLS/RTP/SAVP", f"a=fingerprint:{THEIRS}", "a=setup:holdconn"),
    "DTLS hashed by MD5": section("UDP/TLS/RTP/SAVP", "a=fingerprint:md5 " + ":".join(["00"] * 16), "a=setup:actpass"),
    "garbage": section("RTP/SAVP", "a=crypto:", "a=crypto", "a=crypto:1 2 3 4", "a=fingerprint:x", "a=setup"),
    "no such profile": section("TCP/MSRP"),
}
# no security, best effort, mandatory
EXPECTED = {
    "plain": ("plain", "plain", "488 399"),
    "plain with feedback": ("plain", "plain", "488 399"),
    "SDES under AVP (RFC 8643)": ("plain", "sdes", "sdes"),
    "DTLS under AVP": ("plain", "dtls", "dtls"),
    "SDES": ("488 302", "sdes", "sdes"),
    "SDES with feedback": ("488 302", "sdes", "sdes"),
    "DTLS": ("488 302", "dtls", "dtls"),
    "DTLS with feedback": ("488 302", "dtls", "dtls"),
    "DTLS under SAVP": ("488 302", "dtls", "dtls"),
    "both under SAVP": ("488 302", "sdes", "sdes"),
    "SAVP without keys": ("488 302", "488 399", "488 399"),
    "SAVP with a broken key": ("488 302", "488 399", "488 399"),
    "AVP with a broken key": ("plain", "plain", "488 399"),
    "SDES under a DTLS profile": ("488 302", "488 399", "488 399"),
    "DTLS that holds": ("488 302", "488 399", "488 399"),
    "DTLS hashed by MD5": ("488 302", "488 399", "488 399"),
    "garbage": ("488 302", "488 399", "488 399"),
    "no such profile": ("488 302", "488 302", "488 302"),
}


@pytest.mark.parametrize("offer", OFFERS)
def test_what_is_made_of_their_offer(offer: str) -> None:
    assert tuple(answer_to(OFFERS[offer], local) for local in (NONE, BEST, MANDATORY)) == EXPECTED[offer]


def test_one_way_of_keying_takes_no_other() -> None:
    assert answer_to(OFFERS["DTLS"], SDES_ONLY) == "488 399"
    assert answer_to(OFFERS["SDES"], DTLS_ONLY) == "488 399"
    assert answer_to(OFFERS["both under SAVP"], DTLS_ONLY) == "dtls"
    assert MANDATORY.security is not None
    assert (
        answer_to(OFFERS["both under SAVP"], replace(US, security=replace(MANDATORY.security, prefers="dtls")))
        == "dtls"
    )


def test_an_answer_echoes_tag_and_suite_and_holds_our_own_key() -> None:
    answer, session = OfferAnswer(9).receive_offer(OFFERS["SDES"], BEST)
    (line,) = (CryptoLine.parse(value or "") for value in attributes_of(answer, "crypto"))
    assert (line.tag, line.suite.name) == (5, "AES_CM_128_HMAC_SHA1_80")
    assert session.security is not None
    assert line.keys == session.security.line.keys == OUR_LINES[3].keys
    assert session.security.receive_keys[0].key_salt == b"k" * 30
    assert not attributes_of(answer, "fingerprint")  # one way of keying, not two


def test_the_first_line_that_both_have_is_taken_and_invalid_ones_are_passed_over() -> None:
    lines = [
        "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + THEIR_KEY,
        BROKEN,
        f"a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{THEIR_KEY}",
        "a=crypto:8 AEAD_AES_256_GCM inline:" + base64.b64encode(b"g" * 44).decode(),
    ]
    answer, _ = OfferAnswer(9).receive_offer(section("RTP/SAVP", *lines), BEST)
    (value,) = attributes_of(answer, "crypto")
    assert (value or "").startswith("7 AES_CM_128_HMAC_SHA1_32 ")


def test_our_own_key_sent_back_is_no_key() -> None:
    mirrored = base64.b64encode(OUR_LINES[3].keys[0].key_salt).decode()
    offer = section("RTP/SAVP", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{mirrored}")
    assert answer_to(offer, BEST) == "488 399"


def test_a_plain_section_beside_an_encrypted_one_is_not_taken_where_encryption_is_mandatory() -> None:
    offer = body(f"m=audio 5000 RTP/AVP {FORMATS}", f"m=audio 6000 RTP/SAVP {FORMATS}|{CRYPTO}")
    answer, session = OfferAnswer(9).receive_offer(offer, MANDATORY)
    assert [media.port for media in parse(answer).media] == [0, 4000]
    assert session.remote_rtp_port == 6000


# --- our offer, their answer ---------------------------------------------------------------------------------------


def answered(local: LocalAudio, *attributes: str, profile: str) -> str:
    dialog = OfferAnswer(9)
    dialog.make_offer(local)
    try:
        return outcome(dialog.receive_answer(section(profile, *attributes)))
    except RemoteError as error:
        assert dialog.pending  # nothing came of it
        return f"{error.status}"


def test_what_is_offered() -> None:
    for local, profile, crypto, hands in (
        (NONE, "RTP/AVP", 0, 0),
        (BEST, "RTP/AVP", 4, 1),
        (MANDATORY, "RTP/SAVP", 4, 1),
        (SDES_ONLY, "RTP/SAVP", 4, 0),
        (DTLS_ONLY, "UDP/TLS/RTP/SAVP", 0, 1),
    ):
        offer = OfferAnswer(9).make_offer(local)
        assert parse(offer).media[0].protocol == profile
        assert len(attributes_of(offer, "crypto")) == crypto
        assert attributes_of(offer, "setup") == ["actpass"] * hands
        assert attributes_of(offer, "fingerprint") == [str(OURS)] * hands
        assert attributes_of(offer, "tls-id") == ["ours-abcdefghijklmnopqrst"] * hands


def their(tag: int, suite: str, key: bytes | None = None) -> str:
    text = base64.b64encode(key or b"k" * SUITES[suite].key_salt_bytes).decode()
    return f"a=crypto:{tag} {suite} inline:{text}"


ACTIVE = (f"a=fingerprint:{THEIRS}", "a=setup:active")


@pytest.mark.parametrize(
    ("profile", "attributes", "expected"),  # for no security, best effort, mandatory
    [
        ("RTP/AVP", (), ("plain", "plain", "488")),
        ("RTP/SAVP", (), ("488", "488", "488")),
        ("RTP/AVP", (their(4, "AES_CM_128_HMAC_SHA1_80"),), ("plain", "sdes", "sdes")),
        ("RTP/SAVP", (their(1, "AEAD_AES_256_GCM"),), ("488", "sdes", "sdes")),
        ("RTP/SAVP", (their(2, "AEAD_AES_256_GCM"),), ("488", "488", "488")),  # another tag's suite
        ("RTP/SAVP", (their(9, "AEAD_AES_256_GCM"),), ("488", "488", "488")),  # no such tag
        ("RTP/SAVP", (their(1, "AEAD_AES_256_GCM", b"\1" * 44),), ("488", "488", "488")),  # our own key
        ("RTP/SAVP", (their(1, "AEAD_AES_256_GCM"), their(2, "AEAD_AES_128_GCM")), ("488", "488", "488")),
        ("RTP/AVP", (BROKEN,), ("plain", "488", "488")),  # who answers with keys sends encrypted
        ("UDP/TLS/RTP/SAVP", ACTIVE, ("488", "dtls", "dtls")),
        ("RTP/AVP", ACTIVE, ("plain", "dtls", "dtls")),
        ("UDP/TLS/RTP/SAVP", ACTIVE[:1], ("488", "dtls", "dtls")),
        ("UDP/TLS/RTP/SAVP", ACTIVE[1:], ("488", "488", "488")),
        ("UDP/TLS/RTP/SAVP", (ACTIVE[0], "a=setup:actpass"), ("488", "488", "488")),
        ("UDP/TLS/RTP/SAVP", (ACTIVE[0], "a=setup:holdconn"), ("488", "488", "488")),
    ],
)
def test_what_is_made_of_their_answer(profile: str, attributes: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert tuple(answered(local, *attributes, profile=profile) for local in (NONE, BEST, MANDATORY)) == expected


# --- changes of a session ------------------------------------------------------------------------------------------


def test_hold_offers_the_same_line_again_and_nothing_else() -> None:
    dialog = OfferAnswer(9)
    dialog.make_offer(MANDATORY)
    before = dialog.receive_answer(section("RTP/SAVP", their(4, "AES_CM_128_HMAC_SHA1_80")))
    offer = dialog.make_offer(replace(MANDATORY, direction="sendonly"))
    assert attributes_of(offer, "crypto") == [str(OUR_LINES[3])]
    assert not attributes_of(offer, "fingerprint")
    held = dialog.receive_answer(section("RTP/SAVP", their(4, "AES_CM_128_HMAC_SHA1_80"), "a=recvonly"))
    assert held.security == before.security


def test_an_answerer_offers_its_key_under_the_profile_and_suite_in_use() -> None:
    dialog = OfferAnswer(9)
    dialog.receive_offer(OFFERS["SDES with feedback"], BEST)
    offer = dialog.make_offer(BEST)
    assert parse(offer).media[0].protocol == "RTP/SAVPF"
    assert attributes_of(offer, "crypto") == [str(replace(OUR_LINES[3], tag=5))]


def test_new_keys_and_another_suite_come_with_a_new_offer() -> None:
    dialog = OfferAnswer(9)
    _, before = dialog.receive_offer(OFFERS["SDES"], MANDATORY)
    again = section("RTP/SAVP", their(1, "AEAD_AES_128_GCM"))
    _, after = dialog.receive_offer(again, MANDATORY)
    assert before.security is not None
    assert after.security is not None
    assert before.security.line.suite.name == "AES_CM_128_HMAC_SHA1_80"
    assert after.security.line == replace(OUR_LINES[1], tag=1)


def test_a_refused_offer_leaves_the_keys_as_they_were() -> None:
    dialog = OfferAnswer(9)
    _, before = dialog.receive_offer(OFFERS["SDES"], MANDATORY)
    dialog.make_offer(MANDATORY)
    dialog.abandon_offer()
    with pytest.raises(RemoteError):
        dialog.receive_offer(OFFERS["plain"], MANDATORY)
    assert dialog.session == before


def test_a_plain_call_stays_plain_and_offers_keys_again_where_it_may() -> None:
    dialog = OfferAnswer(9)
    dialog.make_offer(BEST)
    dialog.receive_answer(section("RTP/AVP"))
    offer = dialog.make_offer(BEST)
    assert parse(offer).media[0].protocol == "RTP/AVP"
    assert len(attributes_of(offer, "crypto")) == 4
    _, later = dialog_answering(dialog, OFFERS["SDES under AVP (RFC 8643)"])
    assert outcome(later) == "sdes"


def dialog_answering(dialog: OfferAnswer, offer: bytes) -> tuple[bytes, AudioSession]:
    dialog.abandon_offer()
    return dialog.receive_offer(offer, BEST)


def test_the_refresh_of_a_session_keeps_its_keys() -> None:
    dialog = OfferAnswer(9)
    _, before = dialog.receive_offer(OFFERS["SDES"], MANDATORY)
    refreshed = dialog.receive_repeated(section("RTP/SAVP", CRYPTO), MANDATORY)
    assert refreshed.security == before.security
    with pytest.raises(RemoteError):
        dialog.receive_repeated(section("RTP/AVP"), MANDATORY)
    assert dialog.session == before


# --- DTLS ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("theirs", "ours", "active"),
    [("actpass", "active", True), ("passive", "active", True), ("active", "passive", False), (None, "passive", False)],
)
def test_who_begins_the_handshake(theirs: str | None, ours: str, active: bool) -> None:
    setup = (f"a=setup:{theirs}",) if theirs else ()
    answer, session = OfferAnswer(9).receive_offer(section("UDP/TLS/RTP/SAVP", ACTIVE[0], *setup), BEST)
    assert attributes_of(answer, "setup") == [ours]
    assert session.security is not None
    assert session.security.active is active


def test_roles_stay_where_the_association_does() -> None:
    dialog = OfferAnswer(9)
    dialog.make_offer(DTLS_ONLY)
    session = dialog.receive_answer(section("UDP/TLS/RTP/SAVP", *ACTIVE))
    assert session.security is not None
    assert not session.security.active
    answer, later = dialog.receive_offer(OFFERS["DTLS"], DTLS_ONLY)  # actpass again (RFC 8842 §5.5)
    assert attributes_of(answer, "setup") == ["passive"]
    assert later.security == session.security


def test_a_tls_id_is_answered_and_told_only_to_who_has_one() -> None:
    answer, session = OfferAnswer(9).receive_offer(OFFERS["DTLS"], BEST)
    assert not attributes_of(answer, "tls-id")
    offer = section("UDP/TLS/RTP/SAVP", *HANDS.split("|"), "a=tls-id:theirs-0123456789abcdef")
    answer, session = OfferAnswer(9).receive_offer(offer, BEST)
    assert attributes_of(answer, "tls-id") == ["ours-abcdefghijklmnopqrst"]
    assert session.security is not None
    assert session.security.tls_id == "theirs-0123456789abcdef"


def test_fingerprint_and_setup_of_the_session_hold_for_the_section() -> None:
    section_ = f"m=audio 6000 UDP/TLS/RTP/SAVP {FORMATS}"
    offer = body(section_, session=f"a=setup:active\r\na=fingerprint:{THEIRS}")
    _, session = OfferAnswer(9).receive_offer(offer, BEST)
    assert session.security is not None
    assert session.security.fingerprints == (THEIRS,)
    assert not session.security.active


def test_fingerprints() -> None:
    for name, length in (("sha-1", 20), ("SHA-256", 32), ("sha-384", 48), ("sha-512", 64)):
        text = f"{name} " + ":".join(["aB"] * length)
        assert Fingerprint.parse(text) == (name.lower(), b"\xab" * length)
        assert str(Fingerprint.parse(text)) == f"{name.lower()} " + ":".join(["AB"] * length)
    for text in ("", "sha-256", "sha-256 AB", "sha-256 " + "AB" * 32, "md5 " + ":".join(["AB"] * 16), "sha-1 zz"):
        with pytest.raises(ParseError):
            Fingerprint.parse(text)


# --- RTCP on one port, browsers ------------------------------------------------------------------------------------


def test_mux_is_offered_where_wanted_and_in_use_where_answered() -> None:
    local = replace(US, offer_rtcp_mux=True)
    for attributes, muxed in (((), False), (("a=rtcp-mux",), True)):
        dialog = OfferAnswer(9)
        assert parse(dialog.make_offer(local)).media[0].rtcp_mux
        session = dialog.receive_answer(section("RTP/AVP", *attributes))
        assert session.rtcp_mux is muxed
        assert session.remote_rtcp_port == (6000 if muxed else 6001)
        assert parse(dialog.make_offer(US)).media[0].rtcp_mux is muxed  # it stays as it was agreed
    dialog = OfferAnswer(9)
    dialog.make_offer(US)
    assert not dialog.receive_answer(section("RTP/AVP", "a=rtcp-mux")).rtcp_mux  # never offered


BROWSER = """v=0
o=- 4327261771880257373 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1 2
a=extmap-allow-mixed
a=msid-semantic: WMS stream
m=audio 42423 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 198.51.100.7
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:Zyxw
a=ice-pwd:aBcDeFgHiJkLmNoPqRsTuVwX
a=fingerprint:{print}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:1001 cname:x
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:1
a=setup:actpass
a=fingerprint:{print}
a=rtcp-mux
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=mid:2
a=sctp-port:5000
"""


def test_a_browser_gets_its_audio_and_nothing_else() -> None:
    offer = BROWSER.format(print=THEIRS).replace("\n", "\r\n").encode()
    answer, session = OfferAnswer(9).receive_offer(offer, BEST)
    description = parse(answer)
    assert [(media.kind, media.port, media.protocol) for media in description.media] == [
        ("audio", 4000, "UDP/TLS/RTP/SAVPF"),
        ("video", 0, "UDP/TLS/RTP/SAVPF"),
        ("application", 0, "UDP/DTLS/SCTP"),
    ]
    assert [value for name, value in description.attributes if name == "group"] == ["BUNDLE 0"]
    assert [attributes_of(answer, "mid", slot) for slot in range(3)] == [["0"], ["1"], ["2"]]
    assert attributes_of(answer, "setup") == ["active"]
    assert description.media[0].rtcp_mux
    assert attributes_of(answer, "rtcp-rsize") == [None]
    assert session.rtcp_mux
    assert session.rtcp_rsize
    assert (session.remote_rtcp_host, session.remote_rtcp_port) == ("198.51.100.7", 42423)
    assert session.security is not None
    assert session.security.fingerprints == (THEIRS,)


def test_what_was_answered_to_a_browser_is_offered_in_the_same_frame() -> None:
    offer = BROWSER.format(print=THEIRS).replace("\n", "\r\n").encode()
    dialog = OfferAnswer(9)
    dialog.receive_offer(offer, BEST)
    again = parse(dialog.make_offer(BEST))
    assert [media.port for media in again.media] == [4000, 0, 0]
    assert again.media[0].protocol == "UDP/TLS/RTP/SAVPF"
    assert [value for name, value in again.attributes if name == "group"] == ["BUNDLE 0"]
    assert attributes_of(again, "mid") == ["0"]
    assert attributes_of(again, "setup") == ["actpass"]
    assert not attributes_of(again, "crypto")
    assert again.media[0].rtcp_mux


def test_audio_that_shares_the_transport_of_another_section() -> None:
    video = f"m=video 7000 UDP/TLS/RTP/SAVPF 96|a=mid:v|a=fingerprint:{THEIRS}|a=setup:actpass|a=rtcp-mux"
    audio = f"m=audio 0 UDP/TLS/RTP/SAVPF {FORMATS}|a=mid:a|a=bundle-only"
    offer = body(video, audio, session="a=group:BUNDLE v a")
    answer, session = OfferAnswer(9).receive_offer(offer, BEST)
    assert [media.port for media in parse(answer).media] == [0, 4000]
    assert (session.remote_rtp_port, session.rtcp_mux) == (7000, True)
    assert session.security is not None
    assert [value for name, value in parse(answer).attributes if name == "group"] == ["BUNDLE a"]
    with pytest.raises(RemoteError):  # in no group: switched off
        OfferAnswer(9).receive_offer(body(video, audio), BEST)
