"""G.711 against the ITU-T Software Tool Library's vectors, and against ffmpeg.

The vectors: `sweep.src` holds all 65,536 samples in ascending order as little-endian 16-bit PCM; `sweep-r.u` and `.a`
their codes, one per 16-bit word; `.reu` and `.rea` those decoded again; `.u-u` and `.a-a` both steps in one.
"""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from tests.support.corpora import corpora
from voipnode.codecs.g711 import G711, a_law, mu_law

LAWS = [("PCMU", "u"), ("PCMA", "a")]


def law(name: str) -> G711:
    return {"PCMU": mu_law, "PCMA": a_law}[name]()


def words(name: str) -> np.ndarray:
    return np.fromfile(corpora("vectors", "g711", name), dtype="<i2")


@pytest.mark.parametrize(("name", "suffix"), LAWS)
def test_every_sample_gets_the_tool_librarys_code(name: str, suffix: str) -> None:
    codes = np.frombuffer(law(name).encode(words("sweep.src")), dtype=np.uint8)
    np.testing.assert_array_equal(codes, words(f"sweep-r.{suffix}"))


@pytest.mark.parametrize(("name", "suffix"), LAWS)
def test_every_code_gets_the_tool_librarys_sample(name: str, suffix: str) -> None:
    codes = words(f"sweep-r.{suffix}").astype(np.uint8)
    assert len(set(codes.tolist())) == 256
    decoded = law(name).decode(codes.tobytes())
    np.testing.assert_array_equal(decoded, words(f"sweep-r.re{suffix}"))
    np.testing.assert_array_equal(decoded, words(f"sweep-r.{suffix}-{suffix}"))


@pytest.mark.parametrize(("name", "suffix"), LAWS)
def test_float_frames_give_the_same_codes_and_samples(name: str, suffix: str) -> None:
    codec = law(name)
    frame = words("sweep.src").astype(np.float32) / np.float32(32768)
    codes = codec.encode_frame(frame)
    np.testing.assert_array_equal(np.frombuffer(codes, np.uint8), words(f"sweep-r.{suffix}"))
    np.testing.assert_array_equal(codec.decode_frame(codes) * 32768, words(f"sweep-r.re{suffix}"))


@pytest.mark.parametrize(("name", "suffix"), LAWS)
def test_ffmpeg_decodes_every_code_alike(name: str, suffix: str) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("ffmpeg is not installed")
    form = {"u": "mulaw", "a": "alaw"}[suffix]
    codes = bytes(range(256))
    command = [ffmpeg, "-v", "error", "-f", form, "-ar", "8000", "-ac", "1", "-i", "-", "-f", "s16le", "-"]
    done = subprocess.run(command, input=codes, capture_output=True, check=True, timeout=30)
    np.testing.assert_array_equal(law(name).decode(codes), np.frombuffer(done.stdout, "<i2"))


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_louder_than_full_scale_is_clipped_not_wrapped(name: str) -> None:
    codec = law(name)
    loud = codec.decode_frame(codec.encode_frame(np.array([1.0, 3.0, -1.0, -3.0], dtype=np.float32)))
    assert loud[0] == loud[1] > 0.9
    assert loud[2] == loud[3] < -0.9


@pytest.mark.parametrize("name", ["PCMU", "PCMA"])
def test_encoding_what_was_decoded_changes_no_sample(name: str) -> None:
    codec = law(name)
    decoded = codec.decode(bytes(range(256)))
    np.testing.assert_array_equal(codec.decode(codec.encode(decoded)), decoded)


def test_an_empty_payload_is_no_sound() -> None:
    assert len(law("PCMU").decode_frame(b"")) == 0
