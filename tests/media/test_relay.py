"""What of one stream another may have as it is, and by which numbers."""

from __future__ import annotations

import pytest

from voipnode.media.relay import Passage, passage
from voipnode.media.values import StreamConfig


def config(codec: str, number: int, **more: object) -> StreamConfig:
    values: dict[str, object] = {"codec": codec, "payload_type": number, "receive_codecs": {number: codec}}
    return StreamConfig(**{**values, **more})  # type: ignore[arg-type]


def test_one_codec_goes_on_under_the_targets_number() -> None:
    way = passage(config("opus/48000", 111), config("opus/48000", 96))
    assert way == Passage({111: 96}, None, frozenset())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("PCMU/8000", "PCMA/8000"),
        ("L16/8000", "L16/16000"),
        ("G726-32/8000", "AAL2-G726-32/8000"),
        ("G722/8000", "opus/48000"),
    ],
)
def test_another_codec_or_clock_is_coded_anew(source: str, target: str) -> None:
    assert passage(config(source, 98), config(target, 99)) is None


@pytest.mark.parametrize("name", ["pcmu", "PCMU/8000", "PCMU"])
def test_a_codec_is_known_however_its_name_is_written(name: str) -> None:
    assert passage(config(name, 0), config("PCMU/8000", 0)) is not None


def test_other_speech_that_may_come_is_foreign() -> None:
    source = config("PCMU", 0, receive_codecs={0: "PCMU", 8: "PCMA", 9: "G722"})
    way = passage(source, config("PCMU", 0))
    assert way == Passage({0: 0}, None, frozenset({8, 9}))


def test_events_go_to_who_takes_them_so() -> None:
    source = config("PCMU", 0, event_receive_payload_type=101)
    told = passage(source, config("PCMU", 0, event_payload_type=99))
    assert told == Passage({0: 0, 101: 99}, 101, frozenset())
    for target in (config("PCMU", 0), config("PCMU", 0, event_payload_type=99)):
        assert passage(source, target, events=False) == Passage({0: 0}, 101, frozenset())


def test_comfort_noise_goes_to_who_agreed_on_it_whether_the_source_did_or_not() -> None:
    agreed = config("G722", 9, receive_codecs={9: "G722", 107: "CN/8000"})
    assert passage(agreed, config("G722", 9, noise_payload_type=13)) == Passage(
        {9: 9, 107: 13, 13: 13}, None, frozenset()
    )
    assert passage(config("PCMU", 0), config("PCMU", 0, noise_payload_type=13)) == Passage(
        {0: 0, 13: 13}, None, frozenset()
    )
    assert passage(agreed, config("G722", 9)) == Passage({9: 9}, None, frozenset())


@pytest.mark.parametrize(
    ("codec", "fmtp", "passes"),
    [
        ("opus/48000", "useinbandfec=1; maxplaybackrate=16000; stereo=0", True),
        ("opus/48000", "cbr=1", False),
        ("G723/8000", "annexa=no", False),
        ("G723/8000", "annexa=yes", True),
        ("PCMU/8000", "cbr=1", True),
    ],
)
def test_what_a_far_side_must_have_is_not_left_to_chance(codec: str, fmtp: str, passes: bool) -> None:
    assert (passage(config(codec, 96), config(codec, 96, fmtp=fmtp)) is not None) is passes


def test_a_codec_that_is_not_built_in_is_nobodys() -> None:
    assert passage(config("iLBC/8000", 97), config("iLBC/8000", 97)) is None
