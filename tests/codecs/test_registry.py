from __future__ import annotations

import pytest

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.registry import codec_names, find_codec, static_codec_name


def test_names_are_found_in_any_letter_case() -> None:
    assert find_codec("pcmu") is find_codec("PCMU")
    assert find_codec("PcmA").name == "PCMA"


def test_static_payload_types_are_those_of_rfc_3551() -> None:
    for name in codec_names():
        codec = find_codec(name)
        assert static_codec_name(codec.payload_type) == name
        assert (codec.rate_hz, codec.clock_hz, codec.channels) == (8000, 8000, 1)
    assert static_codec_name(101) is None


def test_an_unknown_codec_is_refused_by_name() -> None:
    with pytest.raises(UnknownCodecError, match="'AMR' is not built in; there are PCMU, PCMA"):
        find_codec("AMR")
