"""Offer and answer: the exchanges of RFC 4317 and RFC 3264 played with us as one side, then what real peers do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.corpora import corpora
from voipnode.sipstack.errors import LocalError, RemoteError
from voipnode.sipstack.offer_answer import AudioFormat, AudioSession, LocalAudio, OfferAnswer
from voipnode.sipstack.sdp import Attribute, Connection, Direction, SessionDescription, parse

PCMU = AudioFormat("PCMU", 8000, 0)
PCMA = AudioFormat("PCMA", 8000, 8)
ILBC = AudioFormat("iLBC", 8000, 97)
OPUS = AudioFormat("opus", 48000, 96, channels=2, fmtp="useinbandfec=1")
US = LocalAudio("192.0.2.10", 4000, 4001, (PCMU, PCMA))


def body(*sections: str, connection: str = "IN IP4 198.51.100.7", session: str = "", version: int = 1) -> bytes:
    """A description of the far side: its session-level c= line and attribute, then sections of lines parted by "|"."""
    lines = ["v=0", f"o=bob 7 {version} IN IP4 198.51.100.7", "s=-", f"c={connection}" if connection else "", "t=0 0"]
    lines += [session, *(line for section in sections for line in section.split("|")), ""]
    return "\r\n".join(lines).encode()


def example(rfc: int, number: int) -> bytes:
    """An example of an RFC; its host names resolve in nobody's test and are left as they are."""
    return corpora("flows", "sdp", f"rfc{rfc}_{number:02}.sdp").read_bytes()


def answered(offer: bytes, local: LocalAudio = US) -> tuple[SessionDescription, AudioSession]:
    """What a fresh dialog answers to an offer."""
    answer, session = OfferAnswer(99).receive_offer(offer, local)
    return parse(answer), session


def offered(answer: bytes, local: LocalAudio = US) -> AudioSession:
    """What an answer makes of our first offer."""
    dialog = OfferAnswer(99)
    dialog.make_offer(local)
    return dialog.receive_answer(answer)


def refused(offer: bytes, local: LocalAudio = US) -> str:
    """The Warning code with which an offer is refused; the dialog stays as it was."""
    dialog = OfferAnswer(99)
    with pytest.raises(RemoteError) as caught:
        dialog.receive_offer(offer, local)
    assert caught.value.status == 488
    assert dialog.session is None
    ((name, value),) = caught.value.headers
    assert name == "Warning"
    code, agent, text = value.split(" ", 2)
    assert (agent, text[0], text[-1]) == ("voipnode", '"', '"')
    return code


# --- our offer ----------------------------------------------------------------------------------------------------


def test_an_offer_is_written_as_rfc_3264_wants_it() -> None:
    assert OfferAnswer(2890844526).make_offer(US).decode().split("\r\n") == [
        "v=0",
        "o=- 2890844526 1 IN IP4 192.0.2.10",
        "s=voipnode",
        "c=IN IP4 192.0.2.10",
        "t=0 0",
        "m=audio 4000 RTP/AVP 0 8 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ]


def test_an_offer_over_ipv6_with_its_rtcp_elsewhere() -> None:
    description = parse(OfferAnswer(1).make_offer(replace(US, host="2001:db8::1", rtcp_port=5003)))
    assert description.origin.address_type == "IP6"
    assert description.connection == Connection("IP6", "2001:db8::1")
    assert description.media[0].rtcp == (5003, None)


def test_each_clock_rate_has_its_own_telephone_event() -> None:
    media = parse(OfferAnswer(1).make_offer(replace(US, formats=(OPUS, PCMU), event_payload_type=101))).media[0]
    assert media.formats == ("96", "0", "101", "97")
    assert (media.rtpmaps()[101].clock_rate_hz, media.rtpmaps()[97].clock_rate_hz) == (8000, 48000)
    assert media.fmtp("96") == "useinbandfec=1"


@pytest.mark.parametrize(
    "change",
    [
        {"formats": ()},
        {"formats": (PCMU, PCMA._replace(payload_type=0))},
        {"formats": (PCMU, AudioFormat("pcmu", 8000, 99))},
        {"formats": (AudioFormat("PCMU", 8000, 128),)},
        {"formats": (AudioFormat("PCMU", 8000, 101),)},
        {"rtp_port": 0},
        {"rtcp_port": 65_536},
        {"ptime_ms": 25},
        {"ptime_ms": 70},
        {"direction": "both"},
        {"host": "192.0.2.1\r\na=x"},
        {"user": "a b"},
    ],
)
def test_a_wrong_description_of_ourselves_is_the_callers_mistake(change: dict[str, object]) -> None:
    with pytest.raises(LocalError):
        replace(US, **change)  # type: ignore[arg-type]  # wrong on purpose


# --- answers to our offer (RFC 4317 as the far side) --------------------------------------------------------------


def test_rfc_4317_2_1_the_answer_takes_one_codec() -> None:
    session = offered(example(4317, 2), replace(US, formats=(PCMU, PCMA, ILBC)))
    assert session.format == PCMU
    assert session.receive_payload_types == {0: PCMU}
    assert (session.remote_host, session.remote_rtp_port, session.remote_rtcp_port) == (
        "host.biloxi.example.com",
        49174,
        49175,
    )
    assert session.event_send_payload_type is session.event_receive_payload_type is None
    assert (session.send, session.receive, session.remote_on_hold) == (True, True, False)


def test_rfc_4317_2_2_the_first_codec_of_the_answer_is_sent_and_all_may_come() -> None:
    session = offered(example(4317, 4), replace(US, formats=(PCMA, PCMU, ILBC)))
    assert session.format == PCMU
    assert session.receive_payload_types == {0: PCMU, 8: PCMA}


def test_rfc_4317_2_3_we_send_their_payload_type_and_receive_ours() -> None:
    session = offered(example(4317, 8), replace(US, formats=(PCMU, PCMA, ILBC)))
    assert session.format == ILBC._replace(payload_type=99)
    assert session.receive_payload_types == {97: ILBC}


def test_rfc_4317_2_5_is_held_by_the_answer() -> None:
    # "a=sendonly" from the far side: it plays to us and hears nothing.
    session = offered(example(4317, 24), replace(US, formats=(ILBC,)))
    assert (session.send, session.receive, session.remote_on_hold) == (False, True, True)


def test_an_answer_with_telephone_event_under_another_number() -> None:
    session = offered(body("m=audio 6000 RTP/AVP 8 96|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-16"))
    assert session.format == PCMA
    assert (session.event_send_payload_type, session.event_receive_payload_type) == (96, 101)


def test_an_answer_that_leaves_out_rtpmaps_means_our_numbers() -> None:
    session = offered(body("m=audio 6000 RTP/AVP 97 101"), replace(US, formats=(PCMU, ILBC)))
    assert session.format == ILBC
    assert (session.event_send_payload_type, session.event_receive_payload_type) == (101, 101)


def test_a_telephone_event_of_another_clock_is_not_taken() -> None:
    session = offered(body("m=audio 6000 RTP/AVP 0 96|a=rtpmap:96 telephone-event/48000"))
    assert session.event_send_payload_type is session.event_receive_payload_type is None


def test_a_telephone_event_that_we_did_not_offer_is_not_taken() -> None:
    answer = body("m=audio 6000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000")
    session = offered(answer, replace(US, event_payload_type=None))
    assert session.event_send_payload_type is session.event_receive_payload_type is None


@pytest.mark.parametrize(
    ("section", "code"),
    [
        ("m=audio 0 RTP/AVP 0", "304"),
        ("m=video 6000 RTP/AVP 0", "304"),
        ("m=audio 6000 RTP/AVP 18", "305"),
        ("m=audio 6000 RTP/SAVP 0", "302"),
        ("m=audio 6000 RTP/AVP 0|c=IN IP4 224.2.1.1/127", "330"),
    ],
)
def test_an_answer_that_is_of_no_use_leaves_the_offer_open(section: str, code: str) -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    with pytest.raises(RemoteError) as caught:
        dialog.receive_answer(body(section))
    assert caught.value.status == 488
    assert caught.value.headers[0][1].startswith(code)
    assert dialog.pending
    assert dialog.session is None


def test_an_answer_without_sections_is_refused() -> None:
    with pytest.raises(RemoteError, match="488"):
        offered(example(4317, 44))


def test_the_latest_of_several_answers_counts() -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    early = dialog.receive_answer(body("m=audio 6000 RTP/AVP 8"))  # a 183 from a music server
    final = dialog.receive_answer(body("m=audio 7000 RTP/AVP 0"))  # the 200 of the telephone
    assert (early.format, early.remote_rtp_port) == (PCMA, 6000)
    assert dialog.session == final
    assert (final.format, final.remote_rtp_port) == (PCMU, 7000)


def test_an_answer_that_nobody_asked_for_is_the_callers_mistake() -> None:
    with pytest.raises(LocalError):
        OfferAnswer(1).receive_answer(body("m=audio 6000 RTP/AVP 0"))


# --- our answer (RFC 4317 as the offerer) -------------------------------------------------------------------------


def test_rfc_4317_2_1_audio_is_taken_and_video_refused_in_its_place() -> None:
    answer, session = answered(example(4317, 1), replace(US, formats=(PCMU,)))
    audio, video = answer.media
    assert (audio.kind, audio.port, audio.formats) == ("audio", 4000, ("0",))
    assert (video.kind, video.port, video.protocol, video.formats) == ("video", 0, "RTP/AVP", ("31", "32"))
    assert session.format == PCMU
    assert session.remote_host == "host.atlanta.example.com"


def test_rfc_4317_3_1_a_stream_of_events_alone_is_refused_in_its_place() -> None:
    answer, session = answered(example(4317, 9), replace(US, formats=(ILBC,)))
    assert [media.port for media in answer.media] == [4000, 0]
    assert session.format == ILBC
    assert session.event_send_payload_type is None


def test_rfc_4317_3_3_the_second_audio_stream_is_taken_when_it_fits_better() -> None:
    answer, session = answered(example(4317, 15), replace(US, formats=(ILBC,)))
    assert [media.port for media in answer.media] == [0, 4000]
    assert session.remote_rtp_port == 51372
    assert session.event_send_payload_type == session.event_receive_payload_type == 101


def test_rfc_4317_4_2_an_offer_without_an_address_is_answered_but_not_sent_to() -> None:
    # RFC 6337 §5.4: the direction of the answer follows the offer's, whatever its address.
    answer, session = answered(example(4317, 47), replace(US, formats=(ILBC,)))
    assert answer.media[0].direction == Direction.SENDRECV
    assert (session.send, session.receive, session.remote_on_hold, session.reachable) == (False, True, True, False)


def test_an_unspecified_address_of_the_other_family_is_a_hold_too() -> None:
    _, session = answered(body("m=audio 6000 RTP/AVP 0", connection="IN IP4 0.0.0.0"), replace(US, host="2001:db8::1"))
    assert (session.send, session.reachable, session.remote_on_hold) == (False, False, True)


def test_our_priority_decides_and_one_codec_is_answered_with_the_offerers_numbers() -> None:
    offer = body(
        "m=audio 6000 RTP/AVP 18 8 98 0 100|a=rtpmap:98 ILBC/8000|a=rtpmap:100 Telephone-Event/8000|a=fmtp:98 mode=20"
    )
    answer, session = answered(offer, replace(US, formats=(ILBC, PCMU, PCMA)))
    assert answer.media[0].formats == ("98", "100")
    assert Attribute("rtpmap", "98 iLBC/8000") in answer.media[0].attributes
    assert session.format == ILBC._replace(payload_type=98, fmtp="mode=20")
    assert session.receive_payload_types == {98: ILBC._replace(payload_type=98)}
    assert session.event_send_payload_type == session.event_receive_payload_type == 100


def test_an_rtpmap_outranks_the_static_meaning_of_a_number() -> None:
    offer = body("m=audio 6000 RTP/AVP 0 8|a=rtpmap:0 XYZ/8000")
    assert answered(offer)[1].format == PCMA


@pytest.mark.parametrize(
    ("theirs", "ours", "answer", "send", "receive", "held"),
    [
        ("sendrecv", "sendrecv", "sendrecv", True, True, False),
        ("sendonly", "sendrecv", "recvonly", False, True, True),
        ("recvonly", "sendrecv", "sendonly", True, False, False),
        ("inactive", "sendrecv", "inactive", False, False, True),
        ("sendrecv", "sendonly", "sendonly", True, False, False),
        ("sendrecv", "recvonly", "recvonly", False, True, False),
        ("recvonly", "recvonly", "inactive", False, False, False),
        ("sendonly", "sendonly", "inactive", False, False, True),
        ("sendonly", "inactive", "inactive", False, False, True),
    ],
)
@pytest.mark.parametrize("level", ["session", "media"])
def test_directions(theirs: str, ours: str, answer: str, send: bool, receive: bool, held: bool, level: str) -> None:
    section = "m=audio 6000 RTP/AVP 0"
    offer = body(f"{section}|a={theirs}") if level == "media" else body(section, session=f"a={theirs}")
    local = replace(US, direction=ours)
    ours_written, session = answered(offer, local)
    assert ours_written.media[0].direction == answer
    assert (session.send, session.receive, session.remote_on_hold) == (send, receive, held)
    assert offered(offer, local) == replace(session, event_send_payload_type=None, event_receive_payload_type=None)


@pytest.mark.parametrize(
    ("attributes", "ptime_ms"),
    [
        ("", 20),
        ("a=ptime:30", 30),
        ("a=ptime:5", 10),
        ("a=ptime:200", 60),
        ("a=ptime:22.5", 20),
        ("a=maxptime:10", 10),
        ("a=ptime:60|a=maxptime:40", 40),
        ("a=ptime:x", 20),
    ],
)
def test_packet_lengths(attributes: str, ptime_ms: int) -> None:
    answer, session = answered(body(f"m=audio 6000 RTP/AVP 0|a=foo|{attributes}".rstrip("|")))
    assert session.ptime_ms == ptime_ms
    assert answer.media[0].ptime_ms == ptime_ms


def test_addresses_of_the_section_come_before_those_of_the_session() -> None:
    section = "m=audio 6000 RTP/AVP 0|c=IN IP4 203.0.113.5|a=rtcp:7777 IN IP4 203.0.113.6"
    for offer in (body(section), body(section, connection="")):
        _, session = answered(offer)
        assert (session.remote_host, session.remote_rtp_port) == ("203.0.113.5", 6000)
        assert (session.remote_rtcp_host, session.remote_rtcp_port) == ("203.0.113.6", 7777)


@pytest.mark.parametrize(
    ("attribute", "host", "port"),
    [
        ("a=rtcp:7777", "198.51.100.7", 7777),
        ("a=rtcp:7777 IN IP4 224.2.1.1", "198.51.100.7", 7777),
        ("a=rtcp:7777 IN IP6 2001:db8::1", "198.51.100.7", 7777),
        ("a=rtcp-mux", "198.51.100.7", 6000),  # taken from whoever offers it (RFC 5761 §5.1.1)
        ("a=rtcp-mux|a=rtcp:7777", "198.51.100.7", 6000),
    ],
)
def test_where_rtcp_goes(attribute: str, host: str, port: int) -> None:
    answer, session = answered(body(f"m=audio 6000 RTP/AVP 0|{attribute}"))
    assert (session.remote_rtcp_host, session.remote_rtcp_port) == (host, port)
    assert answer.media[0].rtcp_mux is session.rtcp_mux is ("mux" in attribute)


def test_a_port_without_a_next_one_has_no_rtcp() -> None:
    assert answered(body("m=audio 65535 RTP/AVP 0"))[1].remote_rtcp_port == 0


def test_ipv6() -> None:
    answer, session = answered(
        body("m=audio 6000 RTP/AVP 0", connection="IN IP6 2001:db8::7"), replace(US, host="2001:db8::1")
    )
    assert session.remote_host == "2001:db8::7"
    assert answer.connection == Connection("IP6", "2001:db8::1")


SECURE = "m=audio 6000 RTP/SAVP 0"


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (body(), "304"),
        (body("m=video 6000 RTP/AVP 31"), "304"),
        (body("m=audio 0 RTP/AVP 0"), "304"),
        (body(SECURE), "302"),
        (body("m=audio 6000 TCP/RTP/AVP 0", "m=video 5 RTP/AVP 31"), "302"),
        (body("m=audio 6000 UDP/TLS/RTP/SAVPF 0"), "302"),
        (body("m=audio 6000/2 RTP/AVP 0"), "302"),
        (body("m=audio 6000 RTP/AVP 18"), "305"),
        (body(SECURE, "m=audio 6000 RTP/AVP 18"), "305"),
        (body("m=audio 6000 RTP/AVP 97"), "305"),
        (body("m=audio 6000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000"), "305"),
        (body("m=audio 6000 RTP/AVP 0", connection=""), "301"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP6 2001:db8::1"), "301"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP4 1.2.3"), "301"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP4 a;b"), "301"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN E164 door"), "301"),
        (body("m=audio 6000 RTP/AVP 0", connection="ATM NSAP 47.0091"), "300"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP4 224.2.1.1/127"), "330"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP4 255.255.255.255"), "330"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP6 ff15::101"), "330"),
        (body("m=audio 6000 RTP/AVP 0", connection="IN IP6 ::ffff:224.2.1.1"), "330"),
    ],
)
def test_an_offer_of_no_use_is_refused_with_its_reason(offer: bytes, code: str) -> None:
    assert refused(offer) == code


def test_a_plain_stream_beside_a_secure_one_is_taken() -> None:
    answer, session = answered(body(SECURE, "m=audio 7000 RTP/AVP 0", "m=audio 8000 RTP/AVP 0"))
    assert [(media.port, media.protocol) for media in answer.media] == [
        (0, "RTP/SAVP"),
        (4000, "RTP/AVP"),
        (0, "RTP/AVP"),
    ]
    assert session.remote_rtp_port == 7000


# --- one exchange after another -----------------------------------------------------------------------------------


def test_the_version_grows_only_when_the_description_changes() -> None:
    dialog = OfferAnswer(42)
    offer = body("m=audio 6000 RTP/AVP 0")

    def version(answer: bytes) -> tuple[str, str]:
        origin = parse(answer).origin
        return origin.session_version, origin.address

    first, _ = dialog.receive_offer(offer, US)
    again, _ = dialog.receive_offer(offer, US)
    assert first == again  # a session refresh
    held, session = dialog.receive_offer(body("m=audio 6000 RTP/AVP 0|a=inactive", version=2), US)
    assert session.remote_on_hold
    resumed, _ = dialog.receive_offer(offer, replace(US, host="192.0.2.99"))
    # RFC 3264 §8: the o= line stays identical but for its version, even when the media moves to another address.
    assert [version(answer) for answer in (first, held, resumed)] == [
        ("1", "192.0.2.10"),
        ("2", "192.0.2.10"),
        ("3", "192.0.2.10"),
    ]
    assert parse(resumed).connection == Connection("IP4", "192.0.2.99")


def test_hold_and_resume_by_us() -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    dialog.receive_answer(body("m=audio 6000 RTP/AVP 0"))
    hold = parse(dialog.make_offer(replace(US, direction="sendonly")))
    assert (hold.origin.session_version, hold.media[0].direction) == ("2", "sendonly")
    session = dialog.receive_answer(body("m=audio 6000 RTP/AVP 0|a=recvonly"))
    assert (session.send, session.receive, session.remote_on_hold) == (True, False, False)
    dialog.make_offer(US)
    session = dialog.receive_answer(body("m=audio 6000 RTP/AVP 0"))
    assert (session.send, session.receive) == (True, True)


def test_rfc_3264_8_2_a_stream_once_there_keeps_its_place() -> None:
    dialog = OfferAnswer(1)
    dialog.receive_offer(body(SECURE, "m=audio 7000 RTP/AVP 0", "m=video 5 RTP/AVP 31"), US)
    ours = parse(dialog.make_offer(US)).media
    assert [(media.kind, media.port) for media in ours] == [("audio", 0), ("audio", 4000), ("video", 0)]
    session = dialog.receive_answer(body("m=audio 0 RTP/SAVP 0", "m=audio 7002 RTP/AVP 0", "m=video 0 RTP/AVP 31"))
    assert session.remote_rtp_port == 7002


def test_a_new_offer_stays_on_the_stream_in_use() -> None:
    dialog = OfferAnswer(1)
    dialog.receive_offer(body(SECURE, "m=audio 7000 RTP/AVP 0"), US)
    _, session = dialog.receive_offer(body("m=audio 6000 RTP/AVP 0", "m=audio 7000 RTP/AVP 0"), US)
    assert session.remote_rtp_port == 7000


def test_rfc_3264_8_3_2_a_number_keeps_its_codec() -> None:
    dialog = OfferAnswer(1)
    local = replace(US, formats=(OPUS, PCMU), event_payload_type=101)
    dialog.receive_offer(
        body("m=audio 7000 RTP/AVP 101 100|a=rtpmap:101 opus/48000/2|a=rtpmap:100 telephone-event/48000"), local
    )
    media = parse(dialog.make_offer(local)).media[0]
    meanings = {number: rtpmap.name for number, rtpmap in media.rtpmaps().items()}
    assert meanings[101] == "opus"
    assert meanings[100] == "telephone-event"
    assert media.formats[:2] == ("101", "0")
    assert len(set(media.formats)) == 4


def test_a_peer_that_renumbers_without_end_does_not_stop_us_from_offering() -> None:
    dialog = OfferAnswer(1)
    for number in range(96, 128):
        dialog.receive_offer(body(f"m=audio 6000 RTP/AVP {number}|a=rtpmap:{number} PCMU/8000"), US)
    media = parse(dialog.make_offer(replace(US, formats=(ILBC, PCMU)))).media[0]
    assert len(set(media.formats)) == 3


def test_a_refused_offer_is_forgotten() -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    before = dialog.receive_answer(body("m=audio 6000 RTP/AVP 0"))
    dialog.make_offer(replace(US, direction="inactive"))
    dialog.abandon_offer()
    assert not dialog.pending
    assert dialog.session == before
    with pytest.raises(LocalError):
        dialog.receive_answer(body("m=audio 6000 RTP/AVP 0"))
    assert parse(dialog.make_offer(US)).origin.session_version == "3"


def test_an_answer_of_ours_that_came_to_nothing_is_forgotten() -> None:
    dialog = OfferAnswer(1)
    _, before = dialog.receive_offer(body("m=audio 6000 RTP/AVP 0"), US)
    dialog.receive_offer(body("m=audio 7000 RTP/AVP 8"), US)
    dialog.abandon_offer()  # the re-INVITE was rejected after all
    assert dialog.session == before


def test_a_second_offer_before_the_answer_is_the_callers_mistake() -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    with pytest.raises(LocalError):
        dialog.make_offer(US)


def test_crossing_offers_are_answered_491() -> None:
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    with pytest.raises(RemoteError) as caught:
        dialog.receive_offer(body("m=audio 6000 RTP/AVP 0"), US)
    assert caught.value.status == 491
    assert dialog.pending


def test_an_offer_of_no_use_changes_nothing() -> None:
    dialog = OfferAnswer(1)
    first, before = dialog.receive_offer(body("m=audio 6000 RTP/AVP 0"), US)
    for bad in (body("m=audio 6000 RTP/AVP 18"), b"nonsense"):
        with pytest.raises(RemoteError):
            dialog.receive_offer(bad, US)
    assert dialog.session == before
    assert dialog.receive_offer(body("m=audio 6000 RTP/AVP 0"), US)[0] == first


def test_two_of_us_agree() -> None:
    caller, callee = OfferAnswer(1), OfferAnswer(2)
    answer, theirs = callee.receive_offer(caller.make_offer(US), replace(US, host="192.0.2.20", formats=(PCMA, PCMU)))
    ours = caller.receive_answer(answer)
    assert ours.format == theirs.format == PCMA
    assert (ours.remote_host, theirs.remote_host) == ("192.0.2.20", "192.0.2.10")
    assert ours.event_send_payload_type == theirs.event_receive_payload_type == 101
    assert all((ours.send, ours.receive, theirs.send, theirs.receive))


# --- hostile input ------------------------------------------------------------------------------------------------

PIECES = (
    "m=audio 6000 RTP/AVP 0 8|m=audio 6000 RTP/AVP 97 101|m=video 1 RTP/AVP 31|m=audio 0 RTP/AVP|m=audio 1 rtp/avp 0|"
    "m=audio 65535 RTP/AVP 0 0 0 999 \u0661|c=IN IP4 198.51.100.7|c=IN IP4 0.0.0.0|c=IN IP6 ::|c=IN IP4 224.0.0.1|"
    "c=IN IP4 \xff|c=IN IP6 fe80::1%x|a=rtpmap:97 PCMU/8000|a=rtpmap:101 telephone-event/8000|a=rtpmap:0 x/1|"
    "a=rtpmap:97|a=sendonly|a=inactive|a=ptime:0.1|a=ptime:99999|a=maxptime:1|a=rtcp:1|a=rtcp:2 IN IP6 ::1|"
    "a=rtcp-mux|a=fmtp:97 |a=fmtp:101|b=AS:0|x=1|"
)
BODIES = st.lists(st.sampled_from(PIECES.split("|")), max_size=12).map(
    lambda lines: "\n".join(["v=0", "o=- 1 1 IN IP4 h", *lines]).encode("utf-8", "surrogateescape")
)


@given(st.lists(BODIES | st.binary(max_size=60), max_size=6), st.booleans())
def test_hostile_descriptions_raise_nothing_but_remote_errors(bodies: list[bytes], ours_first: bool) -> None:
    dialog = OfferAnswer(1)
    statuses: set[int] = set()
    for data in bodies:
        try:
            if ours_first:
                if not dialog.pending:
                    parse(dialog.make_offer(US))
                session = dialog.receive_answer(data)
            else:
                answer, session = dialog.receive_offer(data, US)
                assert len(parse(answer).media) == len(parse(data).media)
        except RemoteError as error:
            statuses.add(error.status)
        else:
            assert session.format.key in {audio.key for audio in US.formats}
            assert session.receive_payload_types
            assert session.ptime_ms in range(10, 61, 10)
            assert 0 < session.remote_rtp_port <= 65_535
            assert not session.send or session.reachable
            assert dialog.session == session
    assert statuses <= {400, 488}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a=rtcp-xr:voip-metrics\r\n", True),
        ("a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup voip-metrics\r\n", True),
        ("a=rtcp-xr:pkt-loss-rle\r\n", False),
        ("a=rtcp-xr\r\n", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("of_session", [False, True])
def test_extended_reports_are_sent_and_asked_for_where_the_offer_speaks_of_them(
    line: str, wanted: bool, of_session: bool
) -> None:
    offer = (
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        + (line if of_session else "")
        + "m=audio 4000 RTP/AVP 0\r\n"
        + ("" if of_session else line)
    )
    willing = LocalAudio("192.0.2.9", 5000, 5001, (AudioFormat("PCMU", 8000, 0),), None, voip_metrics=True)
    answer, session = OfferAnswer(1).receive_offer(offer.encode(), willing)
    assert session.voip_metrics is wanted
    assert (b"a=rtcp-xr:voip-metrics\r\n" in answer) is wanted
    answer, session = OfferAnswer(1).receive_offer(offer.encode(), replace(willing, voip_metrics=False))
    assert not session.voip_metrics
    assert b"rtcp-xr" not in answer


def test_our_offer_asks_for_extended_reports_and_the_answer_decides() -> None:
    willing = LocalAudio("192.0.2.9", 5000, 5001, (AudioFormat("PCMU", 8000, 0),), None, voip_metrics=True)
    for line in ("", "a=rtcp-xr:voip-metrics\r\n"):
        ours = OfferAnswer(1)
        assert b"a=rtcp-xr:voip-metrics\r\n" in ours.make_offer(willing)
        answer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
        assert ours.receive_answer((answer + line).encode()).voip_metrics is bool(line)
