"""Which codecs are built in, found by their RTP encoding name or static payload type (RFC 3551 §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Protocol

from voipnode.codecs import g711
from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.g711 import Pcm, Samples


class Codec(Protocol):
    """PCM in, RTP payload out, and back.

    `rate_hz` is the sampling rate, `clock_hz` the rate of RTP timestamps (they differ for G.722, RFC 3551 §4.5.2),
    `payload_type` the static number or None. `decode*` take any bytes without raising.
    """

    name: str
    payload_type: int
    rate_hz: int
    clock_hz: int
    channels: int

    def encode(self, pcm: Pcm) -> bytes: ...

    def decode(self, payload: bytes) -> Pcm: ...

    def encode_frame(self, frame: Samples) -> bytes: ...

    def decode_frame(self, payload: bytes) -> Samples: ...


_BUILDERS: Mapping[str, Callable[[], Codec]] = MappingProxyType({"PCMU": g711.mu_law, "PCMA": g711.a_law})
_STATIC_NAMES: Mapping[int, str] = MappingProxyType({0: "PCMU", 8: "PCMA"})


def codec_names() -> tuple[str, ...]:
    """The built-in codecs, in the order we like them."""
    return tuple(_BUILDERS)


def find_codec(name: str) -> Codec:
    """The codec of this RTP encoding name (any letter case, RFC 4855 §3); raises `UnknownCodecError`."""
    try:
        return _built(name.upper())
    except KeyError:
        raise UnknownCodecError(f"codec {name!r} is not built in; there are {', '.join(_BUILDERS)}") from None


def static_codec_name(payload_type: int) -> str | None:
    """The name that a payload type has without an rtpmap line, or None where it is dynamic or not built in."""
    return _STATIC_NAMES.get(payload_type)


@cache
def _built(name: str) -> Codec:
    """The tables are made when first asked for; they are constant, so every stream shares them."""
    return _BUILDERS[name]()
