"""SpanDSP's codecs by ctypes: an oracle of another maker, whose G.722 and G.726 pass the ITU-T's test sequences."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

PACKED_HIGH_FIRST, PACKED_LOW_FIRST = 1, 2  # G726_PACKING_LEFT, G726_PACKING_RIGHT


def _library() -> ctypes.CDLL:
    for name in ("libspandsp.so.2", "libspandsp.so.3"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    pytest.skip("SpanDSP is not installed (Debian: libspandsp2)")


def _run(make: str, arguments: tuple[object, ...], step: str, given: np.ndarray, taken: np.ndarray) -> np.ndarray:
    library = _library()
    getattr(library, make).restype = ctypes.c_void_p
    state = ctypes.c_void_p(getattr(library, make)(None, *arguments))
    address = [ctypes.c_void_p(array.ctypes.data) for array in (taken, given)]
    return taken[: getattr(library, step)(state, address[0], address[1], len(given))]


def g722_encode(pcm: np.ndarray) -> bytes:
    return _run("g722_encode_init", (64000, 0), "g722_encode", pcm, np.zeros(len(pcm), np.uint8)).tobytes()


def g722_decode(payload: bytes) -> np.ndarray:
    codes = np.frombuffer(payload, np.uint8)
    return _run("g722_decode_init", (64000, 0), "g722_decode", codes, np.zeros(2 * len(codes), np.int16))


def g726_encode(pcm: np.ndarray, packing: int) -> bytes:
    return _run("g726_init", (32000, 0, packing), "g726_encode", pcm, np.zeros(len(pcm), np.uint8)).tobytes()


def g726_decode(payload: bytes, packing: int) -> np.ndarray:
    codes = np.frombuffer(payload, np.uint8)
    return _run("g726_init", (32000, 0, packing), "g726_decode", codes, np.zeros(2 * len(codes), np.int16))
