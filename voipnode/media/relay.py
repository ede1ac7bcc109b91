"""Two streams of one codec exchange packets: nothing is decoded, nothing waits.

source: whose it is, what it counts, digits told  ->  PacketRelay: its number there  ->  target: numbered, protected
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from voipnode.codecs.errors import UnknownCodecError
from voipnode.codecs.fmtp import parameters
from voipnode.codecs.registry import CodecType, find_codec
from voipnode.media.receiver import STATIC_NOISE
from voipnode.media.stream import AudioStream
from voipnode.media.values import StreamConfig

MAX_PAYLOAD = 1400  # what fits a datagram with whatever protects and carries it; 20 ms of L16 at 16 kHz are 640
MAX_AT_ONCE = (
    250  # packets of one direction within a second: a hundred are sound of 10 ms, more were held up, or a flood
)
# What a far side may ask of its sender that a packet made for somebody else need not fulfil: then it is coded anew. All
# else that fmtp says of a decoder is a wish (RFC 7587 §6.1), or the same for everybody.
_BINDING = {"OPUS": {"cbr": "1"}, "G723": {"annexa": "no"}}


@dataclass(frozen=True, slots=True)
class Passage:
    """What becomes of a source's payload types at a target. `numbers`: the target's, for those that it understands;
    `event`: the source's number of telephone events, None where it has none; `foreign`: speech that it would not."""

    numbers: Mapping[int, int]
    event: int | None
    foreign: frozenset[int]


def passage(source: StreamConfig, target: StreamConfig, *, events: bool = True) -> Passage | None:
    """How the source's packets go on to the target; None: they have to be coded anew.

    `events` False: telephone events are not for the target, who is told of digits otherwise.
    """
    speaks, hears = _find(source.codec), _find(target.codec)
    if speaks is None or speaks is not hears or _binds(hears, target.fmtp):
        return None
    numbers: dict[int, int] = {}
    foreign: set[int] = set()
    for number, name in (source.receive_codecs or {source.payload_type: source.codec}).items():
        codec = _find(name)
        if codec is hears:
            numbers[number] = target.payload_type
        elif codec is None or codec.speech:
            foreign.add(number)
        elif codec.clock_hz == hears.clock_hz and target.noise_payload_type is not None:
            numbers[number] = target.noise_payload_type
    if target.noise_payload_type is not None and hears.clock_hz == 8000 and STATIC_NOISE not in foreign:
        numbers.setdefault(STATIC_NOISE, target.noise_payload_type)
    event = source.event_receive_payload_type
    if event is not None and events and target.event_payload_type is not None:
        numbers[event] = target.event_payload_type  # both are of the codec's clock
    return Passage(numbers, event, frozenset(foreign))


def _find(name: str) -> CodecType | None:
    try:
        return find_codec(name)
    except UnknownCodecError:
        return None


def _binds(codec: CodecType, fmtp: str) -> bool:
    binding = _BINDING.get(codec.name.upper())
    if binding is None or not fmtp:
        return False
    asked = parameters(fmtp)
    return any(asked.get(name) == value for name, value in binding.items())


class PacketRelay:
    """One direction between two streams; a `PacketSink` of the source.

    `send` has the target's path send what waits. `on_foreign` is called when the source changes to speech that the
    target does not take (RFC 3264 §5.1 lets it, at any packet): it has to be coded anew from now on.
    """

    def __init__(
        self, way: Passage, target: AudioStream, send: Callable[[float], None], on_foreign: Callable[[float], None]
    ) -> None:
        self._numbers = way.numbers
        self._event = way.event
        self._foreign = way.foreign
        self._target = target
        self._pass_on = target.pass_on
        self._send = send
        self._on_foreign = on_foreign
        self._count = 0
        self._counted_since = -math.inf
        target.another_source()

    def take(
        self, kind: int, sequence: int, timestamp: int, payload: bytes, now: float, *, marker: bool = False
    ) -> None:
        number = self._numbers.get(kind)
        self._count += 1
        if self._count > MAX_AT_ONCE and self._is_flood(now):
            self._target.leave_out(sequence)
        elif number is None or not 0 < len(payload) <= MAX_PAYLOAD:
            self._target.leave_out(sequence)
            if kind in self._foreign:
                self._on_foreign(now)
        elif self._pass_on(number, sequence, timestamp, payload, now, marker=marker, timed=kind != self._event):
            self._send(now)

    def _is_flood(self, now: float) -> bool:
        """Whether the packets that were counted came within a second; else the count begins anew."""
        if now - self._counted_since < 1.0:
            return True
        self._count, self._counted_since = 1, now
        return False

    def another_source(self) -> None:
        self._target.another_source()
