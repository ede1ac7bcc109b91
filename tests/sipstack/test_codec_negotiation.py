"""Codecs beyond G.711 in offer and answer: numbers, parameters, clocks, several in an answer, changes in the call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from voipnode.sipstack.audio import AudioFormat, LocalAudio
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.offer_answer import OfferAnswer
from voipnode.sipstack.sdp import parse

OURS = "maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;useinbandfec=1"
OPUS = AudioFormat("opus", 48000, 96, channels=2, fmtp=OURS)
G722 = AudioFormat("G722", 8000, 9)
PCMU = AudioFormat("PCMU", 8000, 0)
PCMA = AudioFormat("PCMA", 8000, 8)
L16 = AudioFormat("L16", 16000, 97)
G726, AAL2 = AudioFormat("G726-32", 8000, 98), AudioFormat("AAL2-G726-32", 8000, 99)
US = LocalAudio("192.0.2.10", 4000, 4001, (OPUS, G722, PCMU, PCMA))


def body(numbers: str, *attributes: str) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 198.51.100.7", "s=-", "c=IN IP4 198.51.100.7", "t=0 0"]
    lines += [f"m=audio 6000 RTP/AVP {numbers}", *(f"a={attribute}" for attribute in attributes)]
    return "".join(f"{line}\r\n" for line in lines).encode()


def section(sdp: bytes) -> tuple[str, ...]:
    """The formats, then what is said of them."""
    media = parse(sdp).media[0]
    named = [f"{each.name}:{each.value}" for each in media.attributes if each.name in ("rtpmap", "fmtp")]
    return (" ".join(media.formats), *named)


def test_our_offer_says_all_of_each_codec() -> None:
    assert section(OfferAnswer(1).make_offer(US)) == (
        "96 9 0 8 101 97",
        "rtpmap:96 opus/48000/2",
        f"fmtp:96 {OURS}",
        "rtpmap:9 G722/8000",
        "rtpmap:0 PCMU/8000",
        "rtpmap:8 PCMA/8000",
        "rtpmap:101 telephone-event/8000",
        "fmtp:101 0-15",
        "rtpmap:97 telephone-event/48000",
        "fmtp:97 0-15",
    )


def test_opus_is_answered_with_our_parameters_and_sent_by_theirs() -> None:
    """RFC 7587 §7.1: the parameters of offer and answer have nothing to do with each other."""
    offer = body(
        "111 0 110", "rtpmap:111 opus/48000/2", "fmtp:111 maxaveragebitrate=20000;usedtx=1;x-new=7",
        "rtpmap:110 telephone-event/48000",
    )  # fmt: skip
    answer, session = OfferAnswer(1).receive_offer(offer, US)
    assert section(answer) == (
        "111 110", "rtpmap:111 opus/48000/2", f"fmtp:111 {OURS}", "rtpmap:110 telephone-event/48000", "fmtp:110 0-15"
    )  # fmt: skip
    assert session.format == AudioFormat("opus", 48000, 111, 2, "maxaveragebitrate=20000;usedtx=1;x-new=7")
    assert session.event_send_payload_type == 110


def test_an_event_of_the_codecs_own_clock_is_taken_before_one_of_8000() -> None:
    """Events share the timeline of the sound; but many phones have those of 8000 Hz alone, whatever the codec."""
    events = ("rtpmap:101 telephone-event/8000", "rtpmap:102 telephone-event/48000")
    _, opus = OfferAnswer(1).receive_offer(body("111 9 102 101", "rtpmap:111 opus/48000/2", *events), US)
    _, g722 = OfferAnswer(1).receive_offer(body("9 102 101", *events), US)
    _, none = OfferAnswer(1).receive_offer(body("111 101", "rtpmap:111 opus/48000/2", events[0]), US)
    assert [each.event_send_payload_type for each in (opus, g722, none)] == [102, 101, 101]


def test_an_answer_of_several_codecs_sends_the_first_and_takes_all() -> None:
    """RFC 3264 §5.1, §7; the numbers are ours for what comes, theirs for what goes (§5.1: they may differ)."""
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    session = dialog.receive_answer(
        body("120 9 0 101 103", "rtpmap:120 opus/48000/2", "fmtp:120 useinbandfec=1", "rtpmap:101 telephone-event/8000",
             "rtpmap:103 telephone-event/48000")
    )  # fmt: skip
    assert session.format == AudioFormat("opus", 48000, 120, 2, "useinbandfec=1")
    assert session.receive_payload_types == {96: OPUS, 9: G722, 0: PCMU}
    assert (session.event_send_payload_type, session.event_receive_payload_type) == (103, 97)


def test_the_answer_decides_not_our_order() -> None:
    """1.14: the recipient's answer is decisive."""
    dialog = OfferAnswer(1)
    dialog.make_offer(US)
    assert dialog.receive_answer(body("8")).format == PCMA


def test_numbers_stay_what_they_were_over_re_invites() -> None:
    """RFC 3264 §8.3.2, for codecs that took a dynamic one: another order, one left out, one come back."""

    def numbers(sdp: bytes) -> dict[str, int]:
        found = parse(sdp).media[0].rtpmaps()
        return {f"{each.name}/{each.clock_rate_hz}": number for number, each in found.items()}

    dialog, wanted = OfferAnswer(1), replace(US, formats=(OPUS, L16, PCMU))
    first = numbers(dialog.make_offer(wanted))
    dialog.receive_answer(body("0"))
    second = numbers(dialog.make_offer(replace(wanted, formats=(PCMU, L16))))
    dialog.receive_answer(body("0"))
    third = numbers(dialog.make_offer(replace(wanted, formats=(L16, PCMU, OPUS))))
    assert third == first
    assert second.items() <= first.items()
    assert len(set(first.values())) == 6


def test_their_numbers_are_kept_in_our_next_offer() -> None:
    """Opus came as 111, so it is 111 in what we offer later in the dialog; so is what they call 96 not given away."""
    dialog = OfferAnswer(1)
    dialog.receive_offer(body("96 111", "rtpmap:96 telephone-event/48000", "rtpmap:111 opus/48000/2"), US)
    rtpmaps = parse(dialog.make_offer(US)).media[0].rtpmaps()
    assert rtpmaps[111].name == "opus"
    assert (rtpmaps[96].name, rtpmaps[96].clock_rate_hz) == ("telephone-event", 48000)


def test_a_codec_changes_in_the_call() -> None:
    """PCMU first, then a re-INVITE of theirs with G.722 alone, then one of ours that they answer with Opus."""
    dialog = OfferAnswer(1)
    assert dialog.receive_offer(body("0"), US)[1].format.name == "PCMU"
    answer, session = dialog.receive_offer(body("9", "rtpmap:9 G722/8000"), US)
    assert section(answer)[:2] == ("9", "rtpmap:9 G722/8000")
    assert session.receive_payload_types == {9: G722}
    dialog.make_offer(US)
    assert dialog.receive_answer(body("96", "rtpmap:96 opus/48000/2")).format.name == "opus"


def test_the_two_bit_orders_of_g726_are_two_codecs() -> None:
    """RFC 3551 §4.5.4: sound in the wrong order is noise."""
    both = replace(US, formats=(G726, AAL2))
    _, little = OfferAnswer(1).receive_offer(body("112", "rtpmap:112 g726-32/8000"), both)
    _, big = OfferAnswer(1).receive_offer(body("112", "rtpmap:112 AAL2-G726-32/8000"), both)
    assert (little.format.name, big.format.name) == ("G726-32", "AAL2-G726-32")
    with pytest.raises(RemoteError) as refused:
        OfferAnswer(1).receive_offer(body("112", "rtpmap:112 AAL2-G726-32/8000"), replace(US, formats=(G726,)))
    assert refused.value.status == 488


def test_the_same_name_with_another_clock_is_another_codec() -> None:
    narrow = AudioFormat("L16", 8000, 98)
    _, session = OfferAnswer(1).receive_offer(body("107", "rtpmap:107 L16/8000"), replace(US, formats=(L16, narrow)))
    assert session.receive_payload_types == {107: narrow._replace(payload_type=107)}


@pytest.mark.parametrize(
    ("numbers", "rtpmap", "named"),
    [
        ("9", "rtpmap:9 G722/16000", "G722"),  # its clock is 8000, though its sound has 16 kHz (RFC 3551 §4.5.2)
        ("9", "rtpmap:9 G722/16000/1", "G722"),
        ("100", "rtpmap:100 opus/48000", "opus"),  # "the number of channels MUST be 2" (RFC 7587 §7)
        ("100", "rtpmap:100 OPUS/48000/2", "opus"),
    ],
)
def test_well_known_mistakes_are_understood(numbers: str, rtpmap: str, named: str) -> None:
    answer, session = OfferAnswer(1).receive_offer(body(numbers, rtpmap), US)
    assert session.format.name == named
    assert section(answer)[0] == numbers


@pytest.mark.parametrize(
    ("attributes", "ptime_ms"),
    [
        (("ptime:20",), 20),
        (("ptime:60",), 60),
        (("ptime:120",), 60),
        (("maxptime:10",), 10),
        (("ptime:60", "maxptime:40"), 40),
        (("ptime:3",), 10),
        (("ptime:-1",), 20),
        ((), 20),
    ],
)
def test_packet_times_follow_what_the_far_side_likes_and_bears(attributes: tuple[str, ...], ptime_ms: int) -> None:
    _, session = OfferAnswer(1).receive_offer(body("100", "rtpmap:100 opus/48000/2", *attributes), US)
    assert session.ptime_ms == ptime_ms


def test_comfort_noise_is_offered_for_each_clock_but_opus() -> None:
    """RFC 3389 §4: 13 for 8000 Hz, a dynamic number for others; RFC 7587 §3.1.3: not beside Opus."""
    quiet = replace(US, formats=(OPUS, PCMU, L16), comfort_noise=True)
    media = parse(OfferAnswer(1).make_offer(quiet)).media[0]
    noises = {number: each.clock_rate_hz for number, each in media.rtpmaps().items() if each.name == "CN"}
    assert noises == {13: 8000, 100: 16000}
    assert media.formats[:5] == ("96", "0", "97", "13", "100")


@pytest.mark.parametrize(
    ("ours", "theirs", "sent", "received"),
    [
        (True, "0 13", 13, 13),
        (True, "0 19", 19, 13),
        (True, "0", None, None),
        (False, "0 13", None, None),
        (True, "96 13", None, None),
    ],
)
def test_comfort_noise_is_used_where_both_have_it(
    ours: bool, theirs: str, sent: int | None, received: int | None
) -> None:
    local, rtpmaps = replace(US, comfort_noise=ours), ("rtpmap:96 opus/48000/2", "rtpmap:19 CN/8000")
    dialog = OfferAnswer(1)
    dialog.make_offer(local)
    asked = dialog.receive_answer(body(theirs, *rtpmaps))
    answer, answered = OfferAnswer(1).receive_offer(body(theirs, *rtpmaps), local)
    assert (asked.noise_send_payload_type, asked.noise_receive_payload_type) == (sent, received)
    assert (answered.noise_send_payload_type, answered.noise_receive_payload_type) == (sent, sent)
    assert (str(sent) in parse(answer).media[0].formats) == (sent is not None)
