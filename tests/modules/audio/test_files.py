"""Microphones that are files or tones, judged by the spectrum of what they say."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.sound import measure_tone
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import AudioDevice
from voipnode.modules.audio.files import MAX_CLIP_S, FilesDevice, load_audio, make_source
from voipnode.modules.audio.settings import AudioSettings
from voipnode.modules.audio.sources import Clip


def write_wav(path: Path, channels: list[np.ndarray], rate_hz: int) -> Path:
    """16-bit WAV by the standard library; `channels` are floats."""
    samples = np.stack(channels, axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return path


def sine(rate_hz: int, hz: float, seconds: float, peak: float = 0.5) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz / rate_hz * np.arange(round(rate_hz * seconds)))


def listen(settings: AudioSettings, rate_hz: int, frames: int) -> np.ndarray:
    device: AudioDevice = FilesDevice(rate_hz, make_source(settings, rate_hz))
    device.start()
    silence = np.zeros(rate_hz // 100, np.float32)
    heard = [device.exchange(silence) for _ in range(frames)]
    device.stop()
    assert all(frame.shape == (rate_hz // 100,) and frame.dtype == np.float32 for frame in heard)
    return np.concatenate(heard)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 48000])
def test_a_tone_is_pure_and_has_its_frequency_and_level(rate_hz: int) -> None:
    heard = listen(AudioSettings(microphone="tone:1004.5", tone_level_dbfs=-20), rate_hz, 200)
    tone = measure_tone(heard, rate_hz)
    assert tone.frequency_hz == pytest.approx(1004.5, abs=0.01)
    assert tone.level_dbfs == pytest.approx(-20.0, abs=0.01)
    assert tone.snr_db > 100


def test_silence_is_digital_silence() -> None:
    assert not listen(AudioSettings(), 8000, 10).any()


@pytest.mark.parametrize(("file_hz", "rate_hz"), [(44100, 8000), (8000, 8000), (11025, 48000), (48000, 16000)])
def test_a_file_is_resampled_to_the_nodes_rate(tmp_path: Path, file_hz: int, rate_hz: int) -> None:
    path = write_wav(tmp_path / "tone.wav", [sine(file_hz, 440, 2.0)], file_hz)
    heard = listen(AudioSettings(microphone=str(path)), rate_hz, 150)[rate_hz // 10 :]
    tone = measure_tone(heard, rate_hz)
    assert tone.frequency_hz == pytest.approx(440, abs=0.05)
    assert tone.level_dbfs == pytest.approx(-6.02, abs=0.1)
    assert tone.snr_db > 60


def test_channels_are_averaged(tmp_path: Path) -> None:
    both = write_wav(tmp_path / "both.wav", [sine(8000, 440, 1.0), sine(8000, 440, 1.0)], 8000)
    left = write_wav(tmp_path / "left.wav", [sine(8000, 440, 1.0), np.zeros(8000)], 8000)
    against = write_wav(tmp_path / "against.wav", [sine(8000, 440, 1.0), -sine(8000, 440, 1.0)], 8000)
    assert np.max(load_audio(both, 8000)) == pytest.approx(16384, abs=150)
    assert np.max(load_audio(left, 8000)) == pytest.approx(8192, abs=80)
    assert np.max(np.abs(load_audio(against, 8000))) <= 1


@pytest.mark.parametrize(("suffix", "codec", "rate_hz", "least_snr_db"), [
    (".flac", "flac", 44100, 60), (".ogg", "libopus", 48000, 20), (".mp3", "libmp3lame", 44100, 20),
    (".wav", "pcm_alaw", 8000, 30),
])  # fmt: skip
def test_any_format_of_ffmpeg_is_read(
    tmp_path: Path, suffix: str, codec: str, rate_hz: int, least_snr_db: float
) -> None:
    path = tmp_path / f"tone{suffix}"
    samples = np.rint(sine(rate_hz, 440, 2.0) * 32767).astype(np.int16)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None, :], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    heard = listen(AudioSettings(microphone=str(path)), 8000, 150)[2000:]
    tone = measure_tone(heard, 8000)
    assert tone.frequency_hz == pytest.approx(440, abs=0.5)
    assert tone.snr_db > least_snr_db


def test_a_clip_is_looped_without_a_gap_or_ends_in_silence(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "count.wav", [np.arange(1, 201) / 32767], 8000)
    looped = np.rint(listen(AudioSettings(microphone=str(path)), 8000, 10) * 32768)
    assert looped.tolist() == [1 + n % 200 for n in range(800)]
    once = np.rint(listen(AudioSettings(microphone=str(path), microphone_loop=False), 8000, 10) * 32768)
    assert once.tolist() == [*range(1, 201), *[0] * 600]


def test_a_clip_shorter_than_a_frame_loops_too() -> None:
    clip = Clip(np.array([1, 2, 3], np.int16), 8000, loop=True, description="")
    heard = np.rint(np.concatenate([clip.read() for _ in range(7)]) * 32768)
    assert heard.tolist() == [1 + n % 3 for n in range(560)]


def test_every_start_begins_anew() -> None:
    device = FilesDevice(8000, Clip(np.arange(1, 1000, dtype=np.int16), 8000, loop=True, description=""))
    silence = np.zeros(80, np.float32)
    device.start()
    first = device.exchange(silence)
    device.exchange(silence)
    device.stop()
    device.start()
    assert np.array_equal(device.exchange(silence), first)


def test_a_file_longer_than_an_hour_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_CLIP_S == 3600
    monkeypatch.setattr("voipnode.modules.audio.files.MAX_CLIP_S", 1)
    path = write_wav(tmp_path / "long.wav", [sine(8000, 440, 5.0)], 8000)
    assert len(load_audio(path, 8000)) == 8000


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not sound at all" * 100, bytes(range(256)) * 50])
def test_a_file_that_is_not_sound_is_refused_by_field_and_value(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(CallError, match=r'audio.microphone = ".*bad.wav"'):
        make_source(AudioSettings(microphone=str(path)), 8000)


@pytest.mark.parametrize("microphone", ["/nowhere/at/all.wav", "/", "tone:4000"])
def test_a_missing_file_or_a_tone_too_high_is_refused(microphone: str) -> None:
    with pytest.raises(CallError, match=r"audio\.microphone"):
        make_source(AudioSettings(microphone=microphone), 8000)


@pytest.mark.parametrize("microphone", ["", "  ", "tone:", "tone:abc", "tone:1", "tone:99999", "tone:-5", "a\0b"])
def test_settings_refuse_what_cannot_be_a_microphone(microphone: str) -> None:
    with pytest.raises(ValueError, match="microphone"):
        AudioSettings(microphone=microphone)
