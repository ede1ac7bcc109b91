"""What signalling has to know of the codecs: their names, their numbers and what to say of them."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.opus_library import opus_library
from voipnode.codecs.registry import codec_names, find_codec
from voipnode.media.errors import LocalError

__all__ = ["PayloadFormat", "codec_names", "opus_engine", "payload_format"]


class PayloadFormat(NamedTuple):
    """A codec's rtpmap and fmtp; `payload_type` is its static number, None where it takes a dynamic one."""

    name: str
    clock_hz: int
    channels: int
    payload_type: int | None
    fmtp: str


def payload_format(name: str, limit_hz: int) -> PayloadFormat:
    """How to offer a codec of this name ("G722", "L16/16000") in a house whose sound has up to `limit_hz`.

    Raises LocalError, which lists the codecs that there are.
    """
    try:
        codec = find_codec(name)
    except UnknownCodecError as error:
        raise LocalError(str(error)) from error
    return PayloadFormat(codec.name, codec.clock_hz, codec.channels, codec.payload_type, codec.fmtp_at(limit_hz))


def opus_engine() -> str:
    """The library that conceals losses and knows redundancy, by its version; "" where FFmpeg's codec stands in."""
    library = opus_library()
    return "" if library is None else library.version
