"""SpanDSP through ctypes, where the system has it: encoders that cost less than FFmpeg's by way of PyAV.

Its decoder of G.722 is not used: beyond full scale its samples wrap round, where the recommendation's are held at the
limit.
"""

from __future__ import annotations

import ctypes
from functools import cache

from voipnode.codecs.errors import CodecError
from voipnode.codecs.pcm import Pcm, Samples, to_pcm

SYSTEM_NAMES = ("libspandsp.so.3", "libspandsp.so.2", "libspandsp.3.dylib", "libspandsp.2.dylib")
G722_BIT_RATE = 64_000


class SpandspLibrary:
    """The functions of SpanDSP that are used, with their types. Raises `CodecError` where it cannot be loaded."""

    def __init__(self, path: str) -> None:
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise CodecError(f"{path}: {error}") from error
        pointer, integer, data = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
        self.g722_encode_init = library.g722_encode_init
        self.g722_encode_init.argtypes, self.g722_encode_init.restype = [pointer, integer, integer], pointer
        self.g722_encode = library.g722_encode
        self.g722_encode.argtypes, self.g722_encode.restype = [pointer, pointer, data, integer], integer
        self.g722_encode_free = library.g722_encode_free
        self.g722_encode_free.argtypes, self.g722_encode_free.restype = [pointer], integer


@cache
def spandsp_library() -> SpandspLibrary | None:
    """The library, loaded once; None where there is none."""
    for path in SYSTEM_NAMES:
        try:
            return SpandspLibrary(path)
        except (CodecError, AttributeError):
            continue  # AttributeError: something else of that name
    return None


class SpandspG722Encoder:
    """ITU-T G.722 at 64 kbit/s; every frame has `size` samples at 16 kHz and gives one payload of half as many bytes.

    Raises `CodecError` where the library refuses.
    """

    def __init__(self, library: SpandspLibrary, size: int) -> None:
        self._library = library
        self._size = size
        self._state = library.g722_encode_init(None, G722_BIT_RATE, 0)
        if not self._state:
            raise CodecError("SpanDSP makes no encoder of G.722")
        self._payload = ctypes.create_string_buffer(size // 2)

    def __del__(self) -> None:
        if getattr(self, "_state", None):
            self._library.g722_encode_free(self._state)

    def encode_frame(self, frame: Samples) -> bytes:
        return self.encode(to_pcm(frame))

    def encode(self, pcm: Pcm) -> bytes:
        """16-bit samples of one packet time to its payload. Raises ValueError where there are more or fewer."""
        if len(pcm) != self._size:
            raise ValueError(f"{len(pcm)} samples, but packets of {self._size}")
        self._library.g722_encode(self._state, self._payload, pcm.tobytes(), self._size)
        return self._payload.raw
