"""Opus: what the far side's fmtp does to the encoder, and what the decoder makes of losses."""

from __future__ import annotations

import ctypes

import av
import numpy as np
import pytest

from tests.support.speech import speech
from voipnode.codecs import opus
from voipnode.codecs.errors import CodecError
from voipnode.codecs.opus import OPUS, OpusDecoder, OpusEncoder, OpusWishes
from voipnode.codecs.opus_library import SYSTEM_NAMES, OpusLibrary, opus_library

SPEECH_S = 6.0


def library() -> OpusLibrary:
    found = opus_library()
    assert found is not None, "PyAV's wheel brings a libopus"
    return found


def packets(fmtp: str = "", rate_hz: int = 16000) -> list[bytes]:
    encoder, size = OpusEncoder(library(), rate_hz, fmtp), rate_hz // 50
    sound = speech(SPEECH_S, rate_hz)
    return [encoder.encode_frame(sound[at : at + size]) for at in range(0, len(sound), size)]


def bit_rate(payloads: list[bytes]) -> float:
    return sum(map(len, payloads)) * 8 / SPEECH_S


def bandwidths(payloads: list[bytes]) -> set[str]:
    """By the configuration number of the table of contents (RFC 6716 §3.1, Table 2)."""
    found = set()
    for payload in payloads:
        config = payload[0] >> 3
        bands = ["NB", "NB", "NB", "NB", "WB", "WB", "WB", "WB"]
        found.add(
            ["NB", "MB", "WB"][config // 4]
            if config < 12
            else ["SWB", "FB"][(config - 12) // 2]
            if config < 16
            else [bands[0], "WB", "SWB", "FB"][(config - 16) // 4]
        )
    return found


@pytest.mark.parametrize(
    ("fmtp", "expected"),
    [
        ("", OpusWishes(20_000, 48000, fec=False, dtx=False, constant=False)),
        ("useinbandfec=1", OpusWishes(28_000, 48000, fec=True, dtx=False, constant=False)),
        (" UseInbandFEC = 1 ; usedtx=1;cbr=1", OpusWishes(28_000, 48000, fec=True, dtx=True, constant=True)),
        ("maxaveragebitrate=14000", OpusWishes(14_000, 48000, fec=False, dtx=False, constant=False)),
        ("maxplaybackrate=8000", OpusWishes(12_000, 8000, fec=False, dtx=False, constant=False)),
        # RFC 7587 §6.1: "values outside the range 6000 to 510000 SHOULD be ignored"
        ("maxaveragebitrate=5999", OpusWishes(20_000, 48000, fec=False, dtx=False, constant=False)),
        ("maxaveragebitrate=999999999999", OpusWishes(20_000, 48000, fec=False, dtx=False, constant=False)),
        ("maxplaybackrate=1;useinbandfec;=;x", OpusWishes(20_000, 48000, fec=False, dtx=False, constant=False)),
        (";" * 5000 + "usedtx=1", OpusWishes(20_000, 48000, fec=False, dtx=False, constant=False)),
    ],
)
def test_wishes_are_read_and_nonsense_is_not(fmtp: str, expected: OpusWishes) -> None:
    assert OpusWishes.of(fmtp, 16000) == expected


@pytest.mark.parametrize("most", [8_000, 14_000, 24_000])
def test_the_far_sides_average_bit_rate_is_not_exceeded(most: int) -> None:
    """RFC 7587 §7.1: "MUST NOT send with an average bitrate higher than maxaveragebitrate"."""
    assert bit_rate(packets(f"maxaveragebitrate={most};useinbandfec=1")) <= most * 1.02


def test_no_band_is_sent_that_the_far_side_does_not_play() -> None:
    """RFC 7587 §7.1: no bandwidth higher than maxplaybackrate makes use of."""
    assert bandwidths(packets("maxplaybackrate=8000")) == {"NB"}
    assert bandwidths(packets("maxaveragebitrate=24000")) == {"WB"}


def test_a_constant_bit_rate_is_constant() -> None:
    assert len({len(payload) for payload in packets("cbr=1")}) == 1
    assert len({len(payload) for payload in packets("cbr=0")}) > 10


def test_silence_is_not_sent_to_who_prefers_that() -> None:
    """usedtx: after some 200 ms of silence only every 400 ms something goes out, and speech again at once."""
    sounds = {fmtp: OpusEncoder(library(), 16000, fmtp) for fmtp in ("usedtx=1", "usedtx=0")}
    silence = np.zeros(320, np.float32)
    sent = {fmtp: [bool(encoder.encode_frame(silence)) for _ in range(150)] for fmtp, encoder in sounds.items()}
    assert all(sent["usedtx=0"])
    assert sum(sent["usedtx=1"]) < 30
    loud = (np.sin(np.arange(320) * 0.3) * 0.3).astype(np.float32)
    assert sounds["usedtx=1"].encode_frame(loud)


def test_what_we_say_fits_the_house() -> None:
    assert OPUS.fmtp_at(48000) == "stereo=0;useinbandfec=1"
    assert OPUS.fmtp_at(16000) == "maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;useinbandfec=1"


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_redundancy_tells_what_was_lost_better_than_a_guess() -> None:
    """Every seventh packet is lost: by the next one's FEC it comes back, out of nothing it does not."""
    payloads = packets("useinbandfec=1")
    whole, fec, guess = (OpusDecoder(library(), 16000) for _ in range(3))
    scores: dict[str, list[float]] = {"fec": [], "guess": []}
    for number, payload in enumerate(payloads):
        original = whole.decode_frame(payload)
        if number % 7 == 3 and number + 1 < len(payloads):
            by_fec = fec.decode_fec(payloads[number + 1], 320)
            by_guess = guess.conceal(320)
            assert by_fec is not None
            assert by_guess is not None
            assert by_fec.shape == by_guess.shape == (320,)
            if np.mean(original**2) > 1e-3:  # voiced and loud
                scores["fec"].append(likeness(original, by_fec))
                scores["guess"].append(likeness(original, by_guess))
        else:
            fec.decode_frame(payload)
            guess.decode_frame(payload)
    assert len(scores["fec"]) > 10
    assert np.median(scores["fec"]) > 0.9
    assert np.median(scores["fec"]) > np.median(scores["guess"]) + 0.1


@pytest.mark.parametrize("count", [1, 79, 80, 333, 1920])
def test_gaps_of_any_length_up_to_a_packets_are_filled(count: int) -> None:
    decoder = OpusDecoder(library(), 16000)
    decoder.decode_frame(packets()[40])
    filled = decoder.conceal(count)
    assert filled is not None
    assert filled.shape == (count,)
    assert decoder.conceal(1921) is None
    assert decoder.conceal(0) is None


def test_stereo_comes_out_as_the_mean_of_both_channels() -> None:
    """RFC 7587 §6.1: "every receiver MUST be able to receive and decode stereo signals"."""
    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format, context.bit_rate = 48000, "stereo", "s16", 128_000
    context.open()
    frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
    frame.sample_rate = 48000
    time_s = np.arange(960 * 20) / 48000
    left = (8000 * np.sin(2 * np.pi * 500 * time_s)).astype(np.int16)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    decoder, heard = OpusDecoder(library(), 48000), []
    for at in range(0, len(both), 960):
        frame.planes[0].update(both[at : at + 960].tobytes())
        heard += [decoder.decode_frame(bytes(packet)) for packet in context.encode(frame)]
    sound = np.concatenate(heard)[9600:]
    assert abs(float(np.sqrt(2 * np.mean(sound**2))) - 4000 / 32768) < 0.01


def test_the_systems_library_understands_the_wheels() -> None:
    try:
        theirs = OpusLibrary(SYSTEM_NAMES[0])
    except CodecError as error:
        pytest.skip(f"no system libopus here: {error}")
    assert theirs.version
    ours, decoder = OpusDecoder(library(), 16000), OpusDecoder(theirs, 16000)
    payloads = packets("useinbandfec=1")
    one = np.concatenate([ours.decode_frame(payload) for payload in payloads])
    other = np.concatenate([decoder.decode_frame(payload) for payload in payloads])
    assert likeness(one, other) > 0.999


def test_without_a_library_ffmpegs_codec_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opus, "opus_library", lambda: None)
    encoder, decoder = OPUS.encoder(16000, fmtp="useinbandfec=1"), OPUS.decoder(16000)
    sound = speech(1.0, 16000)
    heard = [decoder.decode_frame(encoder.encode_frame(sound[at : at + 320])) for at in range(0, 16000, 320)]
    assert sum(map(len, heard)) >= 15_000
    assert decoder.conceal(320) is None
    assert OPUS.fmtp_at(48000) == "stereo=0;useinbandfec=0"


def test_something_else_of_that_name_is_no_library() -> None:
    with pytest.raises(AttributeError):
        OpusLibrary(ctypes.util.find_library("m") or "libm.so.6")
