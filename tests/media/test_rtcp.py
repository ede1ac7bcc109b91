from __future__ import annotations

import pytest

from tests.support.corpora import corpora
from voipnode.media.errors import ParseError
from voipnode.media.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build,
    is_rtcp,
    parse,
)


def vector(name: str) -> bytes:
    return corpora("vectors", "aiortc-rtp-rtcp", name).read_bytes()


def test_a_sender_report_is_read_and_written() -> None:
    block = ReportBlock(2398654957, 0, 0, 246, 127, 0, 0)
    report = SenderReport(1831097322, 16016567581311369308, 1722342718, 269, 13557, (block,))
    assert parse(vector("rtcp_sr.bin")) == [report]
    assert build([report]) == vector("rtcp_sr.bin")


def test_a_receiver_report_is_read_and_written() -> None:
    report = ReceiverReport(817267719, (ReportBlock(1200895919, 0, 0, 630, 1906, 0, 0),))
    assert parse(vector("rtcp_rr.bin")) == [report]
    assert build([report]) == vector("rtcp_rr.bin")


def test_a_source_description_is_read_and_written() -> None:
    description = SourceDescription(((1831097322, ((1, b"{63f459ea-41fe-4474-9d33-9707c9ee79d1}"),)),))
    assert parse(vector("rtcp_sdes.bin"), compound=False) == [description]
    assert build([description]) == vector("rtcp_sdes.bin")


def test_goodbyes_are_read_and_written() -> None:
    assert parse(vector("rtcp_bye.bin"), compound=False) == [Goodbye((2924645187,))]
    assert build([Goodbye((2924645187,))]) == vector("rtcp_bye.bin")
    assert parse(vector("rtcp_bye_no_sources.bin"), compound=False) == [Goodbye(())]
    assert parse(vector("rtcp_bye_padding.bin"), compound=False) == [Goodbye(())]


def test_a_goodbyes_reason_survives() -> None:
    data = build([ReceiverReport(1), Goodbye((1,), "door closed")])
    assert len(data) % 4 == 0
    assert parse(data)[1] == Goodbye((1,), "door closed")


def test_feedback_and_other_types_are_passed_over_whole() -> None:
    data = vector("rtcp_rr.bin") + vector("rtcp_psfb_pli.bin") + vector("rtcp_rtpfb.bin") + vector("rtcp_bye.bin")
    assert [type(packet) for packet in parse(data)] == [ReceiverReport, Goodbye]


@pytest.mark.parametrize(
    "name",
    [
        "rtcp_sr_invalid.bin",
        "rtcp_rr_invalid.bin",
        "rtcp_bye_invalid.bin",
        "rtcp_sdes_item_truncated.bin",
        "rtcp_sdes_source_truncated.bin",
    ],
)
def test_broken_vectors_are_refused(name: str) -> None:
    with pytest.raises(ParseError):
        parse(vector(name), compound=False)


RR = build([ReceiverReport(1)])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x80\xc9\x00", "3 bytes"),
        (bytes(2052), "2052 bytes"),
        (build([Goodbye((1,))]), "begins with an unpadded SR or RR"),
        (b"\xa0\xc9\x00\x01\x00\x00\x00\x04", "begins with an unpadded SR or RR"),
        (RR + b"\x40\xcb\x00\x00", "version 1"),
        (RR + b"\x80\xcb", "header is cut off"),
        (RR + b"\x80\xcb\x00\x01", "longer than its datagram"),
        (RR + b"\xa0\xcb\x00\x01\x00\x00\x00\x08", "wrong RTCP padding"),
        (RR + b"\xa0\xcb\x00\x01\x00\x00\x00\x03", "wrong RTCP padding"),
        (RR + b"\xa0\xcb\x00\x01\x00\x00\x00\x04" + RR, "wrong RTCP padding"),
        (RR + b"\x80\xcb\x00\x01\x09abc", "reason of a goodbye is cut off"),
    ],
)
def test_framing_that_rfc_3550_a2_forbids_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        parse(data)


def test_a_negative_loss_keeps_its_sign() -> None:
    block = ReportBlock(7, 0, -3, 1, 2, 3, 4)
    assert parse(build([ReceiverReport(1, (block,))])) == [ReceiverReport(1, (block,))]


def test_rtcp_is_told_from_rtp_on_a_shared_port() -> None:
    assert is_rtcp(RR)
    assert not is_rtcp(b"\x80\x00")
    assert not is_rtcp(b"\x80\xe5")  # payload type 101 with a marker
    assert not is_rtcp(b"\x80")
