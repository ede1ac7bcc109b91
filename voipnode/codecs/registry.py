"""Which codecs are built in, found by their rtpmap (RFC 4855) or static payload type (RFC 3551 §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from voipnode.codecs import g711
from voipnode.codecs.codec import CodecType, Decoder, Encoder
from voipnode.codecs.errors import UnknownCodecError

__all__ = ["CodecType", "Decoder", "Encoder", "codec_names", "find_codec", "static_codec_name"]


def _law(name: str, payload_type: int, build: Callable[[], g711.G711]) -> CodecType:
    """The tables are made when first asked for; they are constant, so every stream shares them."""
    law = cache(build)
    return CodecType(
        name=name,
        payload_type=payload_type,
        clock_hz=8000,
        rates_hz=(8000,),
        cost_us=6,
        stateful=False,
        make_encoder=lambda rate_hz, ptime_ms, fmtp: law(),
        make_decoder=lambda rate_hz: law(),
    )


_TYPES: tuple[CodecType, ...] = (
    _law("PCMA", 8, g711.a_law),
    _law("PCMU", 0, g711.mu_law),
)


def _by_name() -> dict[str, CodecType]:
    """By "name/clock", and by name alone where it is only one."""
    names = [codec.name.upper() for codec in _TYPES]
    found = {f"{codec.name.upper()}/{codec.clock_hz}": codec for codec in _TYPES}
    return found | {name: codec for name, codec in zip(names, _TYPES, strict=True) if names.count(name) == 1}


_FOUND: Mapping[str, CodecType] = MappingProxyType(_by_name())
_STATIC: Mapping[int, str] = MappingProxyType(
    {codec.payload_type: codec.name for codec in _TYPES if codec.payload_type is not None}
)


def codec_names() -> tuple[str, ...]:
    """The built-in codecs as `find_codec` knows them, in the order we like them."""
    return tuple(codec.name if codec.name.upper() in _FOUND else f"{codec.name}/{codec.clock_hz}" for codec in _TYPES)


def find_codec(name: str) -> CodecType:
    """The codec of this RTP encoding name, with "/clock" where there are several of the name ("L16/16000").

    Any letter case (RFC 4855 §3). Raises `UnknownCodecError`.
    """
    try:
        return _FOUND[name.upper()]
    except KeyError:
        raise UnknownCodecError(f"codec {name!r} is not built in; there are {', '.join(codec_names())}") from None


def static_codec_name(payload_type: int) -> str | None:
    """The name that a payload type has without an rtpmap line, or None where it is dynamic or not built in."""
    return _STATIC.get(payload_type)
