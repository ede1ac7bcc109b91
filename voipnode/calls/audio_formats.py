"""An account's codecs as the formats of an offer."""

from __future__ import annotations

from functools import lru_cache

from voipnode.media.formats import payload_format
from voipnode.sipstack.audio import AudioFormat
from voipnode.sipstack.offer_answer import DYNAMIC_PAYLOAD_TYPES


@lru_cache(64)  # the same few for every call
def audio_formats(codecs: tuple[str, ...], limit_hz: int, taken: int) -> tuple[AudioFormat, ...]:
    """The codecs in their order, for a house whose sound has up to `limit_hz`.

    Those without a number of their own get dynamic ones from 96 on, but for `taken`: telephone events have that.
    """
    free = (number for number in DYNAMIC_PAYLOAD_TYPES if number != taken)
    found = (payload_format(name, limit_hz) for name in codecs)
    return tuple(
        AudioFormat(
            each.name,
            each.clock_hz,
            next(free) if each.payload_type is None else each.payload_type,
            each.channels,
            each.fmtp,
        )
        for each in found
    )
