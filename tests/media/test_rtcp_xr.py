"""Extended reports: the block as the RFC draws it, and what must not be believed."""

from __future__ import annotations

import pytest

from tests.media.test_losses import EXAMPLE, counted
from voipnode.media.errors import ParseError
from voipnode.media.quality import Quality
from voipnode.media.rtcp import ReceiverReport, build, parse
from voipnode.media.rtcp_xr import UNKNOWN, ExtendedReport, VoipMetrics, voip_metrics

METRICS = VoipMetrics(
    ssrc=0x01020304,
    loss_rate=12,
    discard_rate=12,
    burst_density=84,
    gap_density=10,
    burst_duration_ms=120,
    gap_duration_ms=520,
    round_trip_ms=80,
    end_system_ms=60,
    r_factor=88,
    mos_listening=42,
    mos_conversation=41,
    buffer_ms=40,
    buffer_max_ms=60,
    buffer_abs_max_ms=200,
)
WIRE = bytes.fromhex(
    "80cf000a" "0a0b0c0d"  # XR, 11 words; who reports
    "07000008" "01020304" "0c0c540a" "00780208" "0050003c" "7f7f7f10" "587f2a29" "b0000028" "003c00c8"
)  # fmt: skip


def test_a_block_is_written_and_read_as_in_section_4_7() -> None:
    report = ExtendedReport(0x0A0B0C0D, (METRICS,))
    assert build([report]) == WIRE
    assert parse(WIRE, compound=False) == [report]
    assert parse(build([ReceiverReport(1), report])) == [ReceiverReport(1), report]


def test_alone_it_is_taken_only_where_reduced_size_was_agreed() -> None:
    with pytest.raises(ParseError, match="begins with"):
        parse(WIRE)


def test_the_example_of_the_rfc_comes_to_its_figures() -> None:
    quality = Quality(88.0, 4.2, 4.1)
    made = voip_metrics(
        1, counted(EXAMPLE), 10, quality, round_trip_ms=80, end_system_ms=60, buffer_ms=40, buffer_abs_max_ms=200
    )
    assert (made.loss_rate, made.discard_rate) == (12, 12)  # "which corresponds to 5%"
    assert (made.burst_density, made.gap_density) == (85, 10)  # 33 %, 4 %
    assert (made.burst_duration_ms, made.gap_duration_ms) == (120, 510)
    assert (made.r_factor, made.mos_listening, made.mos_conversation) == (88, 42, 41)


def test_other_blocks_are_passed_over_and_scores_out_of_range_ignored() -> None:
    unknown = bytes.fromhex("040000020000000000000000")
    wrong = bytearray(METRICS.pack())
    wrong[24:28] = bytes((101, 127, 9, 51))
    body = (7).to_bytes(4, "big") + unknown + bytes(wrong)
    (metrics,) = ExtendedReport.unpack(body).metrics
    assert (metrics.r_factor, metrics.mos_listening, metrics.mos_conversation) == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_values_too_large_for_their_fields_are_the_greatest_that_fit() -> None:
    sent = VoipMetrics.unpack(VoipMetrics(ssrc=1, loss_rate=300, round_trip_ms=100_000, gap_duration_ms=-1).pack())
    assert (sent.loss_rate, sent.round_trip_ms, sent.gap_duration_ms) == (255, 65535, 0)


@pytest.mark.parametrize(
    "body",
    [b"", b"abc", b"ssrc\x07\x00", b"ssrc\x07\x00\x00\x08short", b"ssrc\x07\x00\x00\x00", b"ssrc\x04\x00\xff\xff"],
)
def test_what_is_cut_off_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        ExtendedReport.unpack(body)
