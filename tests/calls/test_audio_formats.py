from __future__ import annotations

from voipnode.calls.audio_formats import audio_formats
from voipnode.media.formats import codec_names


def test_codecs_without_a_number_of_their_own_get_one_that_nothing_else_has() -> None:
    formats = audio_formats(codec_names(), 16000, taken=97)
    numbers = [audio.payload_type for audio in formats]
    assert len(set(numbers)) == len(numbers)
    assert 97 not in numbers
    assert {audio.name: audio.payload_type for audio in formats if audio.name in ("G722", "PCMA", "PCMU", "G723")} == {
        "G722": 9, "PCMA": 8, "PCMU": 0, "G723": 4,
    }  # fmt: skip
    assert all(96 <= audio.payload_type <= 127 for audio in formats if audio.payload_type not in (0, 4, 8, 9))


def test_the_order_is_the_owners() -> None:
    assert [audio.name for audio in audio_formats(("PCMA", "opus", "G722"), 16000, 101)] == ["PCMA", "opus", "G722"]


def test_what_is_said_of_a_decoder_fits_the_house() -> None:
    (narrow,), (full,) = audio_formats(("opus",), 8000, 101), audio_formats(("opus",), 48000, 101)
    assert narrow.fmtp.startswith("maxplaybackrate=8000;")
    assert "maxplaybackrate" not in full.fmtp
    assert (full.clock_rate_hz, full.channels) == (48000, 2)
