"""G.722 against SpanDSP's, which passes the ITU-T's test sequences, and against FFmpeg's program."""

from __future__ import annotations

import ctypes.util
import shutil
import subprocess

import numpy as np
import pytest

from tests.support import spandsp_codecs as spandsp
from tests.support.speech import speech_pcm
from voipnode.codecs import registry
from voipnode.codecs.errors import CodecError
from voipnode.codecs.libav import LibavDecoder, LibavEncoder
from voipnode.codecs.registry import find_codec
from voipnode.codecs.spandsp import SpandspG722Encoder, SpandspLibrary, spandsp_library

PTIMES_MS = [10, 20, 30, 60]


def signals() -> np.ndarray:
    """Speech, then what speech never is: silence, full-scale noise, a square wave, single clicks."""
    random = np.random.default_rng(1)
    square = np.where(np.arange(16000) // 20 % 2, 32767, -32768)
    clicks = np.zeros(16000)
    clicks[::997] = -32768
    parts = [
        speech_pcm(4.0, 16000),
        np.zeros(16000),
        random.normal(0, 16000, 16000).clip(-32768, 32767),
        square,
        clicks,
    ]
    return np.concatenate(parts).astype(np.int16)


def encoded(pcm: np.ndarray, ptime_ms: int) -> bytes:
    encoder, size = LibavEncoder("g722", 16000, ptime_ms), 16 * ptime_ms
    return b"".join(encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size))


@pytest.mark.parametrize("ptime_ms", PTIMES_MS)
def test_spandsp_encodes_to_the_same_bits(ptime_ms: int) -> None:
    codes = encoded(signals(), ptime_ms)
    assert codes == spandsp.g722_encode(signals())[: len(codes)]


@pytest.mark.parametrize("ptime_ms", PTIMES_MS)
def test_spandsp_decodes_to_the_same_samples(ptime_ms: int) -> None:
    codes = spandsp.g722_encode(signals())
    decoder, size = LibavDecoder("g722", 16000), 8 * ptime_ms
    decoded = np.concatenate([decoder.decode(codes[at : at + size]) for at in range(0, len(codes), size)])
    loud = (decoded == 32767) | (decoded == -32768)  # beyond full scale SpanDSP's samples wrap
    np.testing.assert_array_equal(decoded[~loud], spandsp.g722_decode(codes)[~loud])
    assert loud.mean() < 0.02


def test_ffmpegs_program_decodes_to_the_same_samples() -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    codes = np.random.default_rng(2).integers(0, 256, 16000).astype(np.uint8).tobytes()
    command = [ffmpeg, "-v", "error", "-f", "g722", "-i", "-", "-f", "s16le", "-"]
    done = subprocess.run(command, input=codes, capture_output=True, check=True, timeout=30)
    np.testing.assert_array_equal(LibavDecoder("g722", 16000).decode(codes), np.frombuffer(done.stdout, "<i2"))


def spandsp_encoder(ptime_ms: int) -> SpandspG722Encoder:
    library = spandsp_library()
    if library is None:
        pytest.skip("SpanDSP is not installed (Debian: libspandsp2)")
    return SpandspG722Encoder(library, 16 * ptime_ms)


@pytest.mark.parametrize("ptime_ms", PTIMES_MS)
def test_either_encoder_gives_the_same_payloads(ptime_ms: int) -> None:
    ours, theirs, size = spandsp_encoder(ptime_ms), LibavEncoder("g722", 16000, ptime_ms), 16 * ptime_ms
    sound = signals().astype(np.float32) / 32768
    for at in range(0, len(sound) - size + 1, size):
        assert ours.encode_frame(sound[at : at + size]) == theirs.encode_frame(sound[at : at + size])


def test_two_encoders_know_nothing_of_each_other() -> None:
    one, other, alone = (spandsp_encoder(20) for _ in range(3))
    pcm = signals()
    for at in range(0, 16000, 320):
        coded = one.encode(pcm[at : at + 320])
        other.encode(pcm[at + 32000 : at + 32320])
        assert coded == alone.encode(pcm[at : at + 320])


def test_a_frame_of_another_length_is_refused_before_it_is_written_beyond_the_payload() -> None:
    encoder = spandsp_encoder(20)
    for count in (0, 319, 321, 32000):
        with pytest.raises(ValueError, match="packets of 320"):
            encoder.encode(np.zeros(count, np.int16))


def test_without_spandsp_ffmpegs_encoder_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "spandsp_library", lambda: None)
    encoder = find_codec("G722").encoder(16000, ptime_ms=20)
    assert isinstance(encoder, LibavEncoder)
    assert len(encoder.encode_frame(np.zeros(320, np.float32))) == 160


def test_a_library_that_is_missing_or_another_is_told_apart() -> None:
    with pytest.raises(CodecError, match=r"nowhere\.so"):
        SpandspLibrary("nowhere.so")
    with pytest.raises(AttributeError):
        SpandspLibrary(ctypes.util.find_library("m") or "libm.so.6")
