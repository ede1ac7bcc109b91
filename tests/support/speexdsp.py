"""Speex's echo canceller and preprocessor, as Asterisk, pjsip and many telephones have them, to compare ours with
(Debian: libspeexdsp1)."""

from __future__ import annotations

import ctypes
import ctypes.util

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

# speex_echo.h and speex_preprocess.h
_ECHO_SET_RATE = 24
_SET_NOISE_SUPPRESS = 18
_SET_ECHO_STATE = 24


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(ctypes.util.find_library("speexdsp") or "libspeexdsp.so.1")
    library.speex_echo_state_init.restype = ctypes.c_void_p
    library.speex_echo_state_init.argtypes = [ctypes.c_int] * 2
    library.speex_echo_state_destroy.argtypes = [ctypes.c_void_p]
    library.speex_echo_cancellation.argtypes = [ctypes.c_void_p] * 4
    library.speex_echo_ctl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    library.speex_preprocess_state_init.restype = ctypes.c_void_p
    library.speex_preprocess_state_init.argtypes = [ctypes.c_int] * 2
    library.speex_preprocess_state_destroy.argtypes = [ctypes.c_void_p]
    library.speex_preprocess_run.argtypes = [ctypes.c_void_p] * 2
    library.speex_preprocess_ctl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    return library


class Speex:
    """The canceller with a tail of `tail_ms` (None: no canceller), and the preprocessor with its own defaults behind it
    where `preprocess` is set: it then knows the canceller, and takes the noise down by `noise_db`.

    Frames of 10 ms, float32. Raises OSError where the library is not installed.
    """

    def __init__(
        self, rate_hz: int, *, tail_ms: float | None = 200.0, preprocess: bool = True, noise_db: int = -15
    ) -> None:
        self._library = _library()
        size = rate_hz // 100
        rate, self._echo, self._preprocess = ctypes.c_int(rate_hz), None, None
        if tail_ms is not None:
            self._echo = self._library.speex_echo_state_init(size, round(rate_hz * tail_ms / 1000))
            self._library.speex_echo_ctl(self._echo, _ECHO_SET_RATE, ctypes.byref(rate))
        if preprocess:
            self._preprocess = self._library.speex_preprocess_state_init(size, rate_hz)
            if self._echo is not None:
                self._library.speex_preprocess_ctl(self._preprocess, _SET_ECHO_STATE, self._echo)
            level = ctypes.c_int(noise_db)
            self._library.speex_preprocess_ctl(self._preprocess, _SET_NOISE_SUPPRESS, ctypes.byref(level))
        self._out = np.zeros(size, np.int16)

    def process(self, far: Sound, near: Sound) -> Sound:
        """The microphone's frame `near` without what `far`, which the loudspeaker plays, gave to it."""
        out, microphone = self._out, pcm(near)
        if self._echo is None:
            out[:] = microphone
        else:
            self._library.speex_echo_cancellation(
                self._echo, microphone.ctypes.data, pcm(far).ctypes.data, out.ctypes.data
            )
        if self._preprocess is not None:
            self._library.speex_preprocess_run(self._preprocess, out.ctypes.data)
        return out.astype(np.float32) / np.float32(32768)

    def close(self) -> None:
        """Give the library's memory back; afterwards the object is of no use."""
        if self._preprocess is not None:
            self._library.speex_preprocess_state_destroy(self._preprocess)
        if self._echo is not None:
            self._library.speex_echo_state_destroy(self._echo)
        self._preprocess = self._echo = None


def pcm(sound: Sound) -> NDArray[np.int16]:
    """As 16-bit samples."""
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
