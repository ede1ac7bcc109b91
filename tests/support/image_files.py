"""Images as people hand them in, made by FFmpeg through PyAV."""

from __future__ import annotations

import functools
from fractions import Fraction

import av
import numpy as np


@functools.cache
def image_file(kind: str, width: int = 48, height: int = 80) -> bytes:
    """A png or jpg of a red field."""
    codec = {"png": ("png", "rgb24"), "jpg": ("mjpeg", "yuvj420p")}[kind]
    context = av.CodecContext.create(codec[0], "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, codec[1]
    context.time_base = Fraction(1, 25)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = 200
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=codec[1])
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
