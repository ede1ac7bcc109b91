"""Which codecs are built in, found by their rtpmap (RFC 4855) or static payload type (RFC 3551 §6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

from voipnode.codecs import g711
from voipnode.codecs.codec import CodecType, Decoder, Encoder
from voipnode.codecs.comfort_noise import NoiseDecoder
from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.g726 import G726Decoder, G726Encoder
from voipnode.codecs.l16 import L16
from voipnode.codecs.libav import LibavDecoder, LibavEncoder
from voipnode.codecs.opus import OPUS
from voipnode.codecs.spandsp import SpandspG722Encoder, spandsp_library

__all__ = ["CodecType", "Decoder", "Encoder", "codec_names", "comfort_noise", "find_codec", "static_codec_name"]


def _law(name: str, payload_type: int, build: Callable[[], g711.G711]) -> CodecType:
    """The tables are made when first asked for; they are constant, so every stream shares them."""
    law = cache(build)
    return CodecType(
        name=name,
        payload_type=payload_type,
        clock_hz=8000,
        rates_hz=(8000,),
        cost_us=5,
        stateful=False,
        make_encoder=lambda rate_hz, ptime_ms, fmtp: law(),
        make_decoder=lambda rate_hz: law(),
    )


def _linear(rate_hz: int) -> CodecType:
    linear = L16()
    return CodecType(
        name="L16",
        payload_type=None,  # 10 and 11 are its static numbers, for 44.1 kHz
        clock_hz=rate_hz,
        rates_hz=(rate_hz,),
        ptimes_ms=tuple(ptime for ptime in range(10, 70, 10) if rate_hz * ptime // 500 <= 1400),  # fits Ethernet
        cost_us=5,
        stateful=False,
        make_encoder=lambda rate_hz, ptime_ms, fmtp: linear,
        make_decoder=lambda rate_hz: linear,
    )


def _adpcm(name: str, *, low_first: bool) -> CodecType:
    return CodecType(
        name=name,
        payload_type=None,
        clock_hz=8000,
        rates_hz=(8000,),
        cost_us=1800,
        make_encoder=lambda rate_hz, ptime_ms, fmtp: G726Encoder(low_first=low_first),
        make_decoder=lambda rate_hz: G726Decoder(low_first=low_first),
    )


def _g722_encoder(size: int, ptime_ms: int) -> Encoder:
    library = spandsp_library()
    return LibavEncoder("g722", 16000, ptime_ms) if library is None else SpandspG722Encoder(library, size)


# ITU-T G.722 at 64 kbit/s. Sound has 16 kHz, but its timestamps count 8000 a second: an error of the first RTP profile
# that everybody repeats (RFC 3551 §4.5.2). FFmpeg's codec gives SpanDSP's bits, which pass the ITU-T's sequences; so
# SpanDSP encodes where it is installed: by PyAV's way to FFmpeg's encoder, each of a hundred calls costs a fifth more.
_G722 = CodecType(
    name="G722",
    payload_type=9,
    clock_hz=8000,
    rates_hz=(16000,),
    cost_us=30,
    make_encoder=lambda rate_hz, ptime_ms, fmtp: _g722_encoder(rate_hz * ptime_ms // 1000, ptime_ms),
    make_decoder=lambda rate_hz: LibavDecoder("g722", rate_hz),
)
# ITU-T G.723.1, sent at 6.3 kbit/s; its decoder takes 5.3 as well, frame by frame (RFC 3551 §4.5.3).
_G723 = CodecType(
    name="G723",
    payload_type=4,
    clock_hz=8000,
    rates_hz=(8000,),
    ptimes_ms=(30, 60, 90),
    cost_us=140,
    make_encoder=lambda rate_hz, ptime_ms, fmtp: LibavEncoder("g723_1", rate_hz, ptime_ms, bit_rate=6300),
    make_decoder=lambda rate_hz: LibavDecoder("g723_1", rate_hz),
)

_TYPES: tuple[CodecType, ...] = (
    OPUS,
    _G722,
    _law("PCMA", 8, g711.a_law),
    _law("PCMU", 0, g711.mu_law),
    _linear(16000),
    _linear(8000),
    _adpcm("G726-32", low_first=True),
    _adpcm("AAL2-G726-32", low_first=False),
    _G723,
)


_NOISE_RATES_HZ = (8000, 16000, 48000)


@cache
def comfort_noise(clock_hz: int) -> CodecType:
    """Comfort noise (RFC 3389) on the timeline of codecs of that clock; its decoder gives sound of any codec's rate."""
    return CodecType(
        name="CN",
        payload_type=13 if clock_hz == 8000 else None,
        clock_hz=clock_hz,
        rates_hz=_NOISE_RATES_HZ,
        cost_us=20,
        conceals=True,
        speech=False,
        make_encoder=_no_speech,
        make_decoder=NoiseDecoder,
    )


def _no_speech(rate_hz: int, ptime_ms: int, fmtp: str) -> Encoder:
    raise ValueError("comfort noise describes silence and encodes no speech")


def _by_name() -> dict[str, CodecType]:
    """By "name/clock", and by name alone where it is only one."""
    names = [codec.name.upper() for codec in _TYPES]
    found = {f"{codec.name.upper()}/{codec.clock_hz}": codec for codec in (*_TYPES, *map(comfort_noise, (8000, 16000)))}
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
