from __future__ import annotations

import pytest

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.registry import find_codec, static_codec_name


def test_names_are_found_in_any_letter_case() -> None:
    assert find_codec("pcmu") is find_codec("PCMU")
    assert find_codec("PcmA").name == "PCMA"


def test_static_payload_types_are_those_of_rfc_3551() -> None:
    for name, number, clock_hz, rate_hz in [("PCMU", 0, 8000, 8000), ("PCMA", 8, 8000, 8000)]:
        codec = find_codec(name)
        assert (codec.payload_type, codec.clock_hz, codec.channels) == (number, clock_hz, 1)
        assert codec.rates_hz == (rate_hz,)
        assert static_codec_name(number) == name
    assert static_codec_name(101) is None


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(UnknownCodecError, match="'AMR' is not built in; there are PCMA, PCMU"):
        find_codec("AMR")
