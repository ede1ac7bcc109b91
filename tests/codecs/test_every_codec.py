"""What is asked of every codec in the registry: sizes, hostile payloads, speech that comes out as it went in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.speech import speech
from voipnode.codecs.registry import codec_names, find_codec

EVERY = codec_names()
# Segmental fidelity of speech through encoder and decoder, in dB. Opus and G.723.1 keep no waveform: theirs is PESQ's.
WAVEFORM_SNR_DB = {
    "G722": 18,
    "PCMA": 30,
    "PCMU": 30,
    "L16/16000": 60,
    "L16/8000": 60,
    "G726-32": 22,
    "AAL2-G726-32": 22,
}
MEAN_OPINION = {"opus": 3.9, "G723": 3.2}


def there_and_back(name: str, rate_hz: int, sound: np.ndarray, ptime_ms: int = 20) -> np.ndarray:
    codec = find_codec(name)
    ptime_ms = codec.ptime_within(ptime_ms)
    size = rate_hz * ptime_ms // 1000
    encoder, decoder = codec.encoder(rate_hz, ptime_ms=ptime_ms), codec.decoder(rate_hz)
    frames = [sound[at : at + size] for at in range(0, len(sound) - size + 1, size)]
    return np.concatenate([decoder.decode_frame(encoder.encode_frame(frame)) for frame in frames])


def align(sound: np.ndarray, heard: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Both without the codec's delay, found by where they correlate best."""
    size = len(sound) - most
    likeness = [float(np.dot(sound[:size], heard[lag : lag + size])) for lag in range(min(most, len(heard) - size))]
    lag = int(np.argmax(likeness))
    return sound[:size], heard[lag : lag + size]


@pytest.mark.parametrize("name", EVERY)
def test_each_packet_time_comes_back_in_its_length(name: str) -> None:
    codec = find_codec(name)
    for rate_hz in codec.rates_hz:
        noise = np.random.default_rng(1).normal(0, 0.1, rate_hz).astype(np.float32)
        for ptime_ms in (ptime for ptime in codec.ptimes_ms if ptime <= 60):
            size = rate_hz * ptime_ms // 1000
            encoder, decoder = codec.encoder(rate_hz, ptime_ms=ptime_ms), codec.decoder(rate_hz)
            for at in range(0, 4 * size, size):
                payload = encoder.encode_frame(noise[at : at + size])
                assert 0 < len(payload) <= 1400
                samples = decoder.decode_frame(payload)
                assert (samples.dtype, samples.shape) == (np.float32, (size,)), (rate_hz, ptime_ms)


@pytest.mark.parametrize("name", EVERY)
@given(payloads=st.lists(st.binary(max_size=300), max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_bytes_decode_to_finite_sound(name: str, payloads: list[bytes]) -> None:
    codec = find_codec(name)
    rate_hz = codec.rates_hz[-1]
    decoder = codec.decoder(rate_hz)
    for payload in payloads:
        for sound in (
            decoder.decode_fec(payload, rate_hz // 50),
            decoder.decode_frame(payload),
            decoder.conceal(rate_hz // 100),
        ):
            if sound is not None:
                assert sound.dtype == np.float32
                assert np.isfinite(sound).all()
                assert len(sound) <= rate_hz * 0.4, "more than any payload of that size can hold"
                if name != "opus":  # which may overshoot full scale, as its decoder in floating point does
                    assert np.abs(sound).max(initial=0.0) <= 1.0


@pytest.mark.parametrize("name", EVERY)
def test_louder_than_full_scale_is_clipped_not_wrapped(name: str) -> None:
    """A sine of twice full scale stays a loud sine: wrapping would turn its peaks over."""
    codec = find_codec(name)
    rate_hz = codec.rate_within(16000)
    sine = 2 * np.sin(2 * np.pi * 300 * np.arange(rate_hz) / rate_hz).astype(np.float32)
    frame, heard = align(sine, there_and_back(name, rate_hz, sine), rate_hz // 20)
    assert float(np.corrcoef(np.clip(frame, -1, 1), heard)[0, 1]) > 0.95


@pytest.mark.parametrize("name", sorted(WAVEFORM_SNR_DB))
def test_speech_keeps_its_waveform(name: str) -> None:
    rate_hz = find_codec(name).rates_hz[-1]
    sound = speech(8.0, rate_hz)
    said, heard = align(sound, there_and_back(name, rate_hz, sound), rate_hz // 100)
    noise = float(np.mean((said - heard) ** 2, dtype=np.float64)) + 1e-12
    assert 10 * np.log10(float(np.mean(said**2)) / noise) > WAVEFORM_SNR_DB[name]


@pytest.mark.parametrize("name", sorted(MEAN_OPINION))
def test_speech_sounds_as_it_did(name: str) -> None:
    """PESQ (ITU-T P.862.2 for wide band, P.862 for narrow): how people would rate it, from 1 to 4.6."""
    pesq = pytest.importorskip("pesq", reason="pesq is not installed: it compiles C, so that a compiler is needed")
    rate_hz = find_codec(name).rate_within(16000)
    said = speech(8.0, rate_hz)
    heard = there_and_back(name, rate_hz, said)
    score = pesq.pesq(rate_hz, said[: len(heard)], heard, "wb" if rate_hz == 16000 else "nb")
    assert score > MEAN_OPINION[name]


@pytest.mark.parametrize("name", EVERY)
def test_streams_do_not_share_what_they_remember(name: str) -> None:
    codec = find_codec(name)
    rate_hz, ptime_ms = codec.rates_hz[0], codec.ptimes_ms[0]
    size = rate_hz * ptime_ms // 1000
    noise = np.random.default_rng(2).normal(0, 0.1, (4, size)).astype(np.float32)

    def alone() -> list[bytes]:
        encoder = codec.encoder(rate_hz, ptime_ms=ptime_ms)
        return [encoder.encode_frame(frame) for frame in noise]

    first, other = codec.encoder(rate_hz, ptime_ms=ptime_ms), codec.encoder(rate_hz, ptime_ms=ptime_ms)
    interleaved = []
    for frame in noise:
        interleaved.append(first.encode_frame(frame))
        other.encode_frame(frame[::-1])
    assert interleaved == alone()


@pytest.mark.parametrize("name", EVERY)
def test_a_rate_or_packet_time_that_it_has_not_is_refused(name: str) -> None:
    codec = find_codec(name)
    with pytest.raises(ValueError, match="not of 11025"):
        codec.encoder(11025)
    with pytest.raises(ValueError, match="not of 11025"):
        codec.decoder(11025)
    with pytest.raises(ValueError, match="not of 25"):
        codec.encoder(codec.rates_hz[0], ptime_ms=25)
