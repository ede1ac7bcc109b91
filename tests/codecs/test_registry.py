from __future__ import annotations

import pytest

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.registry import codec_names, find_codec, static_codec_name


def test_names_are_found_in_any_letter_case_with_or_without_their_clock() -> None:
    assert find_codec("pcmu") is find_codec("PCMU") is find_codec("PCMU/8000")
    assert find_codec("PcmA").name == "PCMA"
    assert find_codec("OPUS/48000") is find_codec("opus")


def test_a_name_with_two_clocks_wants_one_of_them() -> None:
    assert find_codec("L16/16000").rates_hz == (16000,)
    assert find_codec("l16/8000").rates_hz == (8000,)
    with pytest.raises(UnknownCodecError, match=r"'L16' is not built in; there are .*L16/16000, L16/8000"):
        find_codec("L16")


@pytest.mark.parametrize(
    ("name", "rtpmap", "number", "rates_hz"),
    [
        ("opus", ("opus", 48000, 2), None, (8000, 16000, 48000)),
        ("G722", ("G722", 8000, 1), 9, (16000,)),
        ("PCMA", ("PCMA", 8000, 1), 8, (8000,)),
        ("PCMU", ("PCMU", 8000, 1), 0, (8000,)),
        ("L16/16000", ("L16", 16000, 1), None, (16000,)),
        ("L16/8000", ("L16", 8000, 1), None, (8000,)),
        ("G726-32", ("G726-32", 8000, 1), None, (8000,)),
        ("AAL2-G726-32", ("AAL2-G726-32", 8000, 1), None, (8000,)),
        ("G723", ("G723", 8000, 1), 4, (8000,)),
    ],
)
def test_formats_are_those_of_rfc_3551_and_rfc_7587(
    name: str, rtpmap: tuple[str, int, int], number: int | None, rates_hz: tuple[int, ...]
) -> None:
    codec = find_codec(name)
    assert name in codec_names()
    assert (codec.name, codec.clock_hz, codec.channels) == rtpmap
    assert (codec.payload_type, codec.rates_hz) == (number, rates_hz)
    if number is not None:
        assert static_codec_name(number) == name


def test_dynamic_numbers_have_no_name() -> None:
    assert static_codec_name(101) is None


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(UnknownCodecError, match="'AMR' is not built in; there are opus, G722, PCMA, PCMU"):
        find_codec("AMR")


def test_a_codec_runs_within_the_house() -> None:
    rates = {name: [find_codec(name).rate_within(limit) for limit in (8000, 16000, 48000)] for name in ("opus", "G722")}
    assert rates == {"opus": [8000, 16000, 48000], "G722": [16000, 16000, 16000]}


def test_packet_times_are_those_that_the_codec_makes() -> None:
    assert [find_codec("opus").ptime_within(wanted) for wanted in (10, 30, 50, 60)] == [10, 20, 40, 60]
    assert [find_codec("G723").ptime_within(wanted) for wanted in (10, 20, 50, 60)] == [30, 30, 30, 60]
    assert find_codec("L16/16000").ptime_within(60) == 40  # 50 ms would be 1600 bytes, more than an Ethernet packet
