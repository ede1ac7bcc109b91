"""spandsp's receiver of keypad tones, as FreeSWITCH and many gateways have it: an ear to compare ours with
(Debian: libspandsp2)."""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np
from numpy.typing import NDArray


class SpanDsp:
    """Hears recordings at 8000 Hz. Raises OSError where the library is not installed."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("spandsp") or "libspandsp.so.2")
        self._library.dtmf_rx_init.restype = ctypes.c_void_p
        self._library.dtmf_rx_init.argtypes = [ctypes.c_void_p] * 3
        self._library.dtmf_rx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
        self._library.dtmf_rx_get.restype = ctypes.c_size_t
        self._library.dtmf_rx_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        self._library.dtmf_rx_free.argtypes = [ctypes.c_void_p]

    def heard(self, sound: NDArray[np.float32]) -> str:
        """The digits that a fresh receiver hears."""
        pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
        receiver = self._library.dtmf_rx_init(None, None, None)
        found, buffer = "", ctypes.create_string_buffer(129)
        for at in range(0, len(pcm), 8000):  # it keeps at most 128 digits
            piece = np.ascontiguousarray(pcm[at : at + 8000])
            self._library.dtmf_rx(receiver, piece.ctypes.data, len(piece))
            count = self._library.dtmf_rx_get(receiver, buffer, 128)
            found += buffer.raw[:count].decode("ascii")
        self._library.dtmf_rx_free(receiver)
        return found
