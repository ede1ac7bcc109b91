"""G.726 against SpanDSP's, which passes the ITU-T's test sequences, in both bit orders."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support import spandsp_codecs as spandsp
from tests.support.speech import speech_pcm
from voipnode.codecs.g726 import G726Decoder, G726Encoder

ORDERS = [(True, spandsp.PACKED_LOW_FIRST), (False, spandsp.PACKED_HIGH_FIRST)]


def signals() -> np.ndarray:
    """Speech, a modem's tones (which the codec treats in their own way), noise up to full scale."""
    time_s = np.arange(4000) / 8000
    tones = np.concatenate([12000 * np.sin(2 * np.pi * hz * time_s) for hz in (1070, 1270, 2025, 2225)])
    noise = np.random.default_rng(1).normal(0, 9000, 8000).clip(-32768, 32767)
    return np.concatenate([speech_pcm(3.0, 8000), tones, noise]).astype(np.int16)[:40000]


@pytest.mark.parametrize(("low_first", "packing"), ORDERS)
def test_spandsp_encodes_to_the_same_bits(low_first: bool, packing: int) -> None:
    encoder, pcm = G726Encoder(low_first=low_first), signals()
    frames = (pcm[at : at + 160].astype(np.float32) / np.float32(32768) for at in range(0, len(pcm), 160))
    assert b"".join(map(encoder.encode_frame, frames)) == spandsp.g726_encode(pcm, packing)


@pytest.mark.parametrize(("low_first", "packing"), ORDERS)
def test_spandsp_decodes_to_the_same_samples(low_first: bool, packing: int) -> None:
    codes = spandsp.g726_encode(signals(), packing)
    decoder = G726Decoder(low_first=low_first)
    decoded = np.concatenate([decoder.decode_frame(codes[at : at + 80]) for at in range(0, len(codes), 80)])
    expected = spandsp.g726_decode(codes, packing)
    loud = np.abs(decoded) > 0.99  # beyond full scale SpanDSP's samples wrap
    np.testing.assert_array_equal((decoded * 32768)[~loud], expected[~loud])
    assert loud.mean() < 0.01


def test_the_first_codeword_lies_where_each_format_says() -> None:
    """RFC 3551 §4.5.4: the low bits of the octet; I.366.2 Annex E for AAL2: the high ones."""
    frame = np.random.default_rng(3).normal(0, 0.1, 160).astype(np.float32)
    low, high = (G726Encoder(low_first=order).encode_frame(frame) for order in (True, False))
    assert bytes((octet & 15) << 4 | octet >> 4 for octet in low) == high != low
