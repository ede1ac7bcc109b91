"""ITU-T G.711: 8 bits per sample at 8 kHz, A-law (PCMA) and mu-law (PCMU), bit exact to the ITU-T Tool Library.

Both laws are table look-ups. A sample has 14 bits (mu-law) or 13 bits (A-law) of meaning, so one encoding table over
the upper 14 bits of a 16-bit sample serves either law and, at 16 KB, stays in the processor's first-level cache.
Negative samples are folded by one's complement before the logarithm, as the Tool Library does; other implementations
that negate instead differ by one code at the segment edges.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.codecs.pcm import Pcm, Samples, to_pcm, to_samples

_DROPPED_BITS = 2  # neither law looks at the lowest two of sixteen bits
_MU_BIAS = 33  # G.711 Table 2: decision values are shifted by 33 so that segments double exactly
_A_INVERT = 0x55  # G.711 §3.2: even bits of an A-law code are inverted on the wire


class G711:
    """One law's encoder and decoder; stateless, so that any number of streams may share it."""

    def __init__(self, encode_table: NDArray[np.uint8], decode_table: Pcm) -> None:
        self._codes = encode_table
        self._values = decode_table
        self._samples: Samples = to_samples(decode_table)

    def encode(self, pcm: Pcm) -> bytes:
        """16-bit samples, shape (n,), to n bytes."""
        return self._codes.take(pcm.view(np.uint16) >> _DROPPED_BITS).tobytes()

    def decode(self, payload: bytes) -> Pcm:
        """n bytes to 16-bit samples, shape (n,); every byte is a valid code."""
        return self._values[np.frombuffer(payload, np.uint8)]

    def encode_frame(self, frame: Samples) -> bytes:
        """float32 samples, full scale 1.0 (louder is clipped), shape (n,), to n bytes."""
        return self.encode(to_pcm(frame))

    def decode_frame(self, payload: bytes) -> Samples:
        """n bytes to float32 samples, full scale 1.0, shape (n,); a new array."""
        return self._samples.take(np.frombuffer(payload, np.uint8))

    def conceal(self, count: int) -> None:
        """G.711 itself has no concealment: its Appendix I is `dsp.concealment`."""

    def decode_fec(self, payload: bytes, count: int) -> None:
        """There is no redundancy in it."""


def mu_law() -> G711:
    """PCMU."""
    samples = _every_fourth_sample()
    folded = np.where(samples < 0, ~samples, samples)
    magnitude = np.minimum((folded >> 2) + _MU_BIAS, 0x1FFF)
    segment = _bit_length(magnitude >> 6) + 1
    codes = ((8 - segment) << 4) | (0xF - ((magnitude >> segment) & 0xF))
    codes = np.where(samples < 0, codes, codes | 0x80)
    return G711(codes.astype(np.uint8), _mu_values())


def a_law() -> G711:
    """PCMA."""
    samples = _every_fourth_sample()
    magnitude = np.where(samples < 0, ~samples, samples) >> 4
    exponent = _bit_length(magnitude >> 4)
    mantissa = (magnitude >> np.maximum(exponent - 1, 0)) & 0xF
    codes = (exponent << 4) | mantissa
    codes = np.where(samples < 0, codes, codes | 0x80) ^ _A_INVERT
    return G711(codes.astype(np.uint8), _a_values())


def _every_fourth_sample() -> NDArray[np.int32]:
    """The samples that the encoding table is indexed by, in the order of their unsigned 16-bit patterns."""
    return np.arange(0, 65536, 1 << _DROPPED_BITS, dtype=np.uint16).view(np.int16).astype(np.int32)


def _bit_length(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.ceil(np.log2(values + 1)).astype(np.int32)


def _mu_values() -> Pcm:
    """G.711 Table 2 in 16 bits: the middle of each decision interval."""
    code = np.arange(256, dtype=np.int32)
    inverted = ~code
    exponent = (inverted >> 4) & 7
    step = np.left_shift(8, exponent)
    value = np.left_shift(0x80, exponent) + step * (inverted & 0xF) + step // 2 - 4 * _MU_BIAS
    signed: NDArray[np.int32] = np.where(code < 0x80, -value, value)
    return signed.astype(np.int16)


def _a_values() -> Pcm:
    """G.711 Table 1 in 16 bits: the middle of each decision interval."""
    code = np.arange(256, dtype=np.int32)
    plain = (code ^ _A_INVERT) & 0x7F
    exponent = plain >> 4
    mantissa = (plain & 0xF) + np.where(exponent > 0, 16, 0)
    value = ((mantissa << 4) + 8) << np.maximum(exponent - 1, 0)
    signed: NDArray[np.int32] = np.where(code > 0x7F, value, -value)
    return signed.astype(np.int16)
