"""What each codec costs: processor time of encoding and of decoding 20 ms of speech-like sound.

    python benchmarks/codecs.py

Prints a table; the sums are the `cost_us` of the registry.
"""

from __future__ import annotations

import time

import numpy as np

from voipnode.codecs.registry import CodecType, codec_names, find_codec

SECONDS = 4.0
HOUSE_HZ = 16000


def sound(rate_hz: int) -> np.ndarray:
    """Noise with the spectrum of speech, roughly, and its pauses."""
    noise = np.random.default_rng(1).normal(0, 1, round(SECONDS * rate_hz))
    shaped = np.convolve(noise, np.exp(-np.arange(32) / (rate_hz / 2000)), "same")
    pauses = np.sin(2 * np.pi * 1.5 * np.arange(len(noise)) / rate_hz) > -0.5
    return (shaped / np.abs(shaped).max() * 0.5 * pauses).astype(np.float32)


def measure(codec: CodecType) -> tuple[float, float]:
    """Microseconds of encoding and of decoding 20 ms."""
    rate_hz, ptime_ms = codec.rate_within(HOUSE_HZ), codec.ptime_within(20)
    size = rate_hz * ptime_ms // 1000
    everything = sound(rate_hz)
    frames = [everything[at : at + size] for at in range(0, len(everything) - size + 1, size)]
    encoder, decoder = codec.encoder(rate_hz, ptime_ms=ptime_ms, fmtp="useinbandfec=1"), codec.decoder(rate_hz)
    encoder.encode_frame(frames[0])
    begin = time.process_time()
    payloads = [encoder.encode_frame(frame) for frame in frames]
    encoded = time.process_time()
    for payload in payloads:
        decoder.decode_frame(payload)
    share = 20 / ptime_ms / len(frames) * 1e6
    return (encoded - begin) * share, (time.process_time() - encoded) * share


def main() -> None:
    print(f"{'codec':14} {'rate':>6} {'encode':>8} {'decode':>8} {'sum us / 20 ms':>16} {'% of a core':>12}")
    for name in codec_names():
        codec = find_codec(name)
        encode, decode = measure(codec)
        both = encode + decode
        print(f"{name:14} {codec.rate_within(HOUSE_HZ):6} {encode:8.1f} {decode:8.1f} {both:16.1f} {both / 200:12.2f}")


if __name__ == "__main__":
    main()
