"""Clips read from files: the five formats, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.clip_files import clip_file, coded
from voipnode.calls.clips import reading
from voipnode.calls.clips.reading import ClipError, read_clip, suffix_of


def no_time() -> float:
    return 0.0


@pytest.mark.parametrize(
    ("kind", "rate_hz", "layout"),
    [
        ("au", 8000, "mono"),
        ("au", 16000, "mono"),
        ("wav", 8000, "mono"),
        ("wav", 44100, "stereo"),
        ("mp3", 48000, "stereo"),
        ("opus", 48000, "mono"),
        ("vorbis", 48000, "mono"),
    ],
)
def test_each_format_gives_the_sound(kind: str, rate_hz: int, layout: str) -> None:
    content = clip_file(kind, rate_hz=rate_hz, layout=layout, seconds=1.0)
    sound = read_clip(content, 16000, no_time)
    assert suffix_of(content) == kind
    assert sound.dtype == np.float32
    assert 15_500 < len(sound) < 18_000  # mp3 adds its own delay
    spectrum = np.abs(np.fft.rfft(sound[4000:12_000]))
    assert spectrum.argmax() * 2 == 440
    assert np.abs(sound[4000:12_000]).max() == pytest.approx(0.25, rel=0.1)


def test_eight_bits_and_other_depths_of_wav() -> None:
    sound = (8000 * np.sin(np.arange(8000) / 3)).astype(np.int16)
    for codec in ("pcm_u8", "pcm_s24le", "pcm_f32le"):
        found = read_clip(coded(sound, "wav", codec, 8000), 8000, no_time)
        assert np.abs(found - sound / 32768).max() < 0.01, codec


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "none of au, wav, mp3, opus and vorbis"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.wav\n", "none of"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "none of"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "cannot be read as wav"),
        (b".snd" + bytes(20), "au"),
        (b"OggS" + bytes(100), "ogg"),
        (b"\xff\xfb" + bytes(500), "mp3"),
    ],
)
def test_what_is_no_clip_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(ClipError, match=words):
        read_clip(content, 8000, no_time)


def test_what_a_clip_may_not_be() -> None:
    silence = np.zeros(8000, np.int16)
    with pytest.raises(ClipError, match="adpcm"):
        read_clip(coded(silence, "wav", "adpcm_ima_wav", 8000), 8000, no_time)
    with pytest.raises(ClipError, match="6 channels"):
        read_clip(coded(silence, "wav", "pcm_s16le", 8000, "5.1"), 8000, no_time)
    with pytest.raises(ClipError, match="96000 samples a second"):
        read_clip(clip_file("wav", rate_hz=96000), 8000, no_time)


def test_size_length_and_time_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    content = clip_file("wav", seconds=2.0, rate_hz=8000)
    monkeypatch.setattr(reading, "MAX_S", 1.5)
    with pytest.raises(ClipError, match="longer than 2 s"):
        read_clip(content, 8000, no_time)
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with pytest.raises(ClipError, match="at most 1000"):
        read_clip(content, 8000, no_time)
    monkeypatch.undo()
    spent = iter(range(0, 1000, 6))
    with pytest.raises(ClipError, match="more than 10 s"):
        read_clip(content, 8000, lambda: float(next(spent)))


def test_damage_anywhere_raises_nothing_else() -> None:
    rng = np.random.default_rng(2)
    for kind in ("au", "wav", "mp3", "opus", "vorbis"):
        content = bytearray(clip_file(kind, seconds=0.1, rate_hz=16000 if kind == "au" else 48000))
        for _ in range(20):
            damaged = bytearray(content)
            for at in rng.integers(4, min(len(damaged), 200), 5):
                damaged[at] = rng.integers(256)
            try:
                found = read_clip(bytes(damaged), 8000, no_time)
            except ClipError:
                continue
            assert np.isfinite(found).all()
