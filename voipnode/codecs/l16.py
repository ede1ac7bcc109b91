"""L16: samples as they are, 16 bits in network order (RFC 3551 §4.5.11)."""

from __future__ import annotations

import numpy as np

from voipnode.codecs.codec import Unaided
from voipnode.codecs.pcm import FULL_SCALE, Samples, to_pcm


class L16(Unaided):
    """Encoder and decoder of one channel at any rate; stateless, so that any number of streams may share it."""

    def encode_frame(self, frame: Samples) -> bytes:
        """n float32 samples to 2 n bytes."""
        return to_pcm(frame).astype(">i2").tobytes()

    def decode_frame(self, payload: bytes) -> Samples:
        """2 n bytes to n float32 samples; half a sample at the end is left out."""
        pcm = np.frombuffer(payload, dtype=">i2", count=len(payload) // 2)
        return pcm.astype(np.float32) / FULL_SCALE
