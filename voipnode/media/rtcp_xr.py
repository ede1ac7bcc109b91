"""RTCP extended reports: the VoIP metrics block, by which a telephone tells how a call sounds there (RFC 3611 §4.7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from voipnode.media.errors import ParseError
from voipnode.media.losses import GMIN, LossPattern
from voipnode.media.quality import Quality

XR = 207
VOIP_METRICS = 7
UNKNOWN = 127  # signal levels, R factors and scores (§4.7.4, §4.7.5)
RX_CONFIG = 0b10_11_0000  # enhanced concealment, adaptive jitter buffer, rate unknown (§4.7.6)
_BLOCK = struct.Struct("!BBHIBBBBHHHHBBBBBBBBBBHHH")
_LENGTH_WORDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class VoipMetrics:
    """One block. Rates and densities in 1/256, durations and delays in ms, scores in tenths; 127 = not known."""

    ssrc: int
    loss_rate: int = 0
    discard_rate: int = 0
    burst_density: int = 0
    gap_density: int = 0
    burst_duration_ms: int = 0
    gap_duration_ms: int = 0
    round_trip_ms: int = 0
    end_system_ms: int = 0
    r_factor: int = UNKNOWN
    mos_listening: int = UNKNOWN
    mos_conversation: int = UNKNOWN
    buffer_ms: int = 0
    buffer_max_ms: int = 0
    buffer_abs_max_ms: int = 0
    gmin: int = GMIN

    def pack(self) -> bytes:
        """The block; values beyond their fields are sent as the greatest that fits (§4.7)."""
        byte = [_fit(value, 255) for value in (self.loss_rate, self.discard_rate, self.burst_density, self.gap_density)]
        word = [
            _fit(value, 65535)
            for value in (self.burst_duration_ms, self.gap_duration_ms, self.round_trip_ms, self.end_system_ms)
        ]
        # Signal, noise and echo levels are those of the analogue side, which is not measured.
        score = (self.r_factor, UNKNOWN, self.mos_listening, self.mos_conversation)
        buffer = [_fit(value, 65535) for value in (self.buffer_ms, self.buffer_max_ms, self.buffer_abs_max_ms)]
        head = (VOIP_METRICS, 0, _LENGTH_WORDS, self.ssrc)
        return _BLOCK.pack(*head, *byte, *word, UNKNOWN, UNKNOWN, UNKNOWN, self.gmin, *score, RX_CONFIG, 0, *buffer)

    @classmethod
    def unpack(cls, block: bytes) -> VoipMetrics:
        """Raises ParseError for another length than the type has (§4.7)."""
        if len(block) != _BLOCK.size:
            raise ParseError(f"a VoIP metrics block of {len(block)} bytes")
        _, _, _, ssrc, loss, discard, burst, gap, *others = _BLOCK.unpack(block)
        burst_ms, gap_ms, trip, system, _, _, _, gmin, r, _, lq, cq, *others = others
        _, _, buffer, buffer_max, buffer_abs_max = others
        return cls(
            ssrc=ssrc,
            loss_rate=loss,
            discard_rate=discard,
            burst_density=burst,
            gap_density=gap,
            burst_duration_ms=burst_ms,
            gap_duration_ms=gap_ms,
            round_trip_ms=trip,
            end_system_ms=system,
            r_factor=r if r <= 100 else UNKNOWN,
            mos_listening=lq if 10 <= lq <= 50 else UNKNOWN,  # others "MUST be ignored" (§4.7.5)
            mos_conversation=cq if 10 <= cq <= 50 else UNKNOWN,
            buffer_ms=buffer,
            buffer_max_ms=buffer_max,
            buffer_abs_max_ms=buffer_abs_max,
            gmin=gmin,
        )


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """XR (RFC 3611 §2): `ssrc` is who reports. Blocks of other types than VoIP metrics are passed over."""

    ssrc: int
    metrics: tuple[VoipMetrics, ...] = ()

    def pack(self) -> bytes:
        """What follows the common header."""
        return self.ssrc.to_bytes(4, "big") + b"".join([block.pack() for block in self.metrics])

    @classmethod
    def unpack(cls, body: bytes) -> ExtendedReport:
        """From what follows the common header; raises ParseError where a block is cut off."""
        if len(body) < 4:
            raise ParseError("an extended report is cut off")
        found: list[VoipMetrics] = []
        start = 4
        while start < len(body):
            if start + 4 > len(body):
                raise ParseError("a block of an extended report is cut off")
            end = start + 4 * (int.from_bytes(body[start + 2 : start + 4], "big") + 1)
            if end > len(body):
                raise ParseError("a block of an extended report is cut off")
            if body[start] == VOIP_METRICS:
                found.append(VoipMetrics.unpack(body[start:end]))
            start = end
        return cls(int.from_bytes(body[:4], "big"), tuple(found))


def voip_metrics(
    ssrc: int,
    pattern: LossPattern,
    packet_ms: float,
    quality: Quality,
    *,
    round_trip_ms: float,
    end_system_ms: float,
    buffer_ms: float,
    buffer_abs_max_ms: float,
) -> VoipMetrics:
    """The block about a source whose packets hold `packet_ms` of sound."""
    return VoipMetrics(
        ssrc=ssrc,
        loss_rate=_share(pattern.lost, pattern.packets),
        discard_rate=_share(pattern.discarded, pattern.packets),
        burst_density=_share(pattern.burst_losses, pattern.burst_packets),
        gap_density=_share(pattern.gap_losses, pattern.gap_packets),
        burst_duration_ms=int(pattern.burst_packets * packet_ms / max(1, pattern.bursts)),
        gap_duration_ms=int(pattern.gap_packets * packet_ms / max(1, pattern.bursts)),  # as A.2 reckons it
        round_trip_ms=int(round_trip_ms),
        end_system_ms=int(end_system_ms),
        r_factor=round(quality.r_factor),
        mos_listening=round(10 * quality.mos_listening),
        mos_conversation=round(10 * quality.mos_conversation),
        buffer_ms=int(buffer_ms),
        buffer_max_ms=int(buffer_abs_max_ms),
        buffer_abs_max_ms=int(buffer_abs_max_ms),
    )


def _share(part: int, whole: int) -> int:
    return min(256 * part // whole, 255) if whole > 0 else 0


def _fit(value: int, most: int) -> int:
    return min(max(value, 0), most)
