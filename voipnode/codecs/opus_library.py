"""libopus through ctypes: the calls that PyAV does not pass on (concealment, in-band FEC, encoder settings).

The library is the one inside PyAV's wheel, which is newer than most systems', or else the system's.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import av
import numpy as np

from voipnode.codecs.errors import CodecError
from voipnode.codecs.pcm import Samples

SYSTEM_NAMES = ("libopus.so.0", "libopus.0.dylib", "opus.dll")
VOIP = 2048  # OPUS_APPLICATION_VOIP
SET_BITRATE, SET_VBR, SET_COMPLEXITY, SET_INBAND_FEC = 4002, 4006, 4010, 4012
SET_PACKET_LOSS_PERC, SET_DTX, SET_SIGNAL, SET_MAX_BANDWIDTH = 4014, 4016, 4024, 4004
SIGNAL_VOICE = 3001
BANDWIDTHS = ((8000, 1101), (12000, 1102), (16000, 1103), (24000, 1104), (48000, 1105))  # by rate of sound
MAX_PAYLOAD = 1275 * 3 + 7  # RFC 6716 §3.4: the longest packet of 60 ms
MAX_PACKET_S = 0.12  # RFC 6716 §3.4 [R5]


class OpusLibrary:
    """The functions of libopus, with their types. Raises `CodecError` where the library cannot be loaded."""

    def __init__(self, path: str) -> None:
        try:
            library = ctypes.CDLL(path)
        except OSError as error:
            raise CodecError(f"{path}: {error}") from error
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        self.path = path
        self.encoder_create = library.opus_encoder_create
        self.encoder_create.argtypes = [ctypes.c_int32, integer, integer, ctypes.POINTER(integer)]
        self.encoder_create.restype = pointer
        self.encoder_destroy = library.opus_encoder_destroy
        self.encoder_destroy.argtypes, self.encoder_destroy.restype = [pointer], None
        self.encoder_ctl = library.opus_encoder_ctl  # variadic: the third argument is given as a C type
        self.encoder_ctl.argtypes, self.encoder_ctl.restype = [pointer, integer], integer
        self.encode = library.opus_encode_float
        self.encode.argtypes = [pointer, pointer, integer, pointer, ctypes.c_int32]
        self.encode.restype = ctypes.c_int32
        self.decoder_create = library.opus_decoder_create
        self.decoder_create.argtypes = [ctypes.c_int32, integer, ctypes.POINTER(integer)]
        self.decoder_create.restype = pointer
        self.decoder_destroy = library.opus_decoder_destroy
        self.decoder_destroy.argtypes, self.decoder_destroy.restype = [pointer], None
        self.decode = library.opus_decode_float
        self.decode.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int32, pointer, integer, integer]
        self.decode.restype = integer
        version = library.opus_get_version_string
        version.restype = ctypes.c_char_p
        self.version: str = (version() or b"").decode("ascii", "replace")


@cache
def opus_library() -> OpusLibrary | None:
    """The library, loaded once; None where there is none."""
    for path in (*_bundled(), *SYSTEM_NAMES):
        try:
            return OpusLibrary(path)
        except (CodecError, AttributeError):
            continue  # AttributeError: something else of that name
    return None


def _bundled() -> list[str]:
    """Where wheels keep the libraries that they bring along (auditwheel and delvewheel; delocate on macOS)."""
    package = Path(av.__file__).parent
    folders = (package.parent / "av.libs", package / ".dylibs")
    return [str(path) for folder in folders for path in sorted(folder.glob("*opus[-.]*"))]


def address(samples: Samples) -> int:
    """Where an array of contiguous float32 samples lies, for the library."""
    return int(samples.ctypes.data)


def contiguous(frame: Samples) -> Samples:
    """The frame itself where the library can read it, else a copy."""
    return np.ascontiguousarray(frame, dtype=np.float32)
