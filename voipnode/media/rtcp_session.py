"""Our side of RTCP in a call: when to report, what to say, what the far side's reports mean (RFC 3550 §6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from voipnode.media.reception import Reception
from voipnode.media.rtcp import (
    CNAME,
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    build,
    parse,
)
from voipnode.media.rtcp_xr import ExtendedReport, VoipMetrics
from voipnode.media.values import StreamIdentity

_MIN_INTERVAL_S = 5.0  # RFC 3550 §6.2
_BANDWIDTH_BYTES_S = 500.0  # 5 % of one G.711 stream with its headers, 80 kbit/s
_FIRST_SIZE = 128.0  # probable size of our first packet with UDP and IP headers
_UDP_IP = 28
_COMPENSATION = math.e - 1.5  # §6.3.1 step 5
_NTP_SHORT = 65536
_CALL_MEMBERS = 2


@dataclass(slots=True)
class Sent:
    """What we sent so far, for SR: `timestamp` belongs to the moment `at`."""

    packets: int = 0
    octets: int = 0
    last_at: float = -math.inf


class RtcpSession:
    """Schedules and builds our reports and takes in the far side's.

    The NTP time in our SR is the engine's monotonic time: RFC 3550 §6.4.1 allows elapsed time where no wall clock is
    at hand. The interval's dice are seeded by the SSRC, which is random already, so that a replay repeats itself.
    """

    def __init__(self, identity: StreamIdentity) -> None:
        self._ssrc = identity.ssrc
        self._cname = identity.cname.encode()[:255]
        self._dice = identity.ssrc
        self._average_size = _FIRST_SIZE
        self._initial = True
        self._last_report_at = 0.0
        self._received_at_report = 0
        self.next_at: float | None = None
        self.round_trip_s: float | None = None
        self.about_us: ReportBlock | None = None
        self.metrics_about_us: VoipMetrics | None = None
        self.metrics: Callable[[], VoipMetrics | None] | None = None
        """Where agreed upon: what to tell of the call as it is heard here, with every report."""
        self.reduced_size = False
        """Whether the far side may send single packets instead of compound ones (RFC 5506)."""

    def start(self, now: float) -> None:
        """Begin to report; repeated calls change nothing."""
        if self.next_at is None:
            self._last_report_at = now
            self.next_at = now + self._interval()

    def stop(self) -> None:
        self.next_at = None

    def _interval(self) -> float:
        """§6.3.1 for a call of two: both are taken together, so the size of the group matters little."""
        least = _MIN_INTERVAL_S / 2 if self._initial else _MIN_INTERVAL_S
        calculated = max(least, _CALL_MEMBERS * self._average_size / _BANDWIDTH_BYTES_S)
        # A linear congruential generator (Knuth, TAOCP 3.3.4): it only has to spread reports in time.
        self._dice = (self._dice * 1664525 + 1013904223) & 0xFFFFFFFF
        return calculated * (0.5 + self._dice / (1 << 32)) / _COMPENSATION

    def receive(self, data: bytes, now: float, reception: Reception | None) -> Goodbye | None:
        """Take a compound packet; the goodbye in it, if it says one. Raises `ParseError`."""
        packets = parse(data, compound=not self.reduced_size)
        self._weigh(len(data))
        goodbye = None
        for packet in packets:
            if isinstance(packet, SenderReport) and reception is not None and packet.ssrc == reception.ssrc:
                reception.sender_report(packet.ntp, now)
            if isinstance(packet, SenderReport | ReceiverReport):
                self._read_reports(packet.reports, now)
            elif isinstance(packet, ExtendedReport):
                self._read_metrics(packet)
            elif isinstance(packet, Goodbye):
                goodbye = packet
        return goodbye

    def _read_reports(self, reports: tuple[ReportBlock, ...], now: float) -> None:
        for block in reports:
            if block.ssrc != self._ssrc:
                continue
            self.about_us = block
            if block.last_sr:
                # §6.4.1: A - LSR - DLSR in 1/65536 s, modulo 2**32
                trip = (_ntp(now) >> 16) - block.last_sr - block.delay_since_sr & 0xFFFFFFFF
                if trip < 0x80000000:  # else the far side's clock ran faster than ours by more than the trip
                    self.round_trip_s = trip / _NTP_SHORT

    def _read_metrics(self, report: ExtendedReport) -> None:
        for block in report.metrics:
            if block.ssrc == self._ssrc:
                self.metrics_about_us = block

    def change_source(self, ssrc: int) -> None:
        """Report as this source from now on; what was said about the one before is no longer of use."""
        self._ssrc = ssrc
        self.about_us = self.metrics_about_us = self.round_trip_s = None

    def due(self, now: float, sent: Sent, timestamp: int, reception: Reception | None) -> bytes | None:
        """The report to send at `now`, or None; re-arms the timer, with reconsideration (§6.3.6)."""
        if self.next_at is None or now < self.next_at:
            return None
        at = self._last_report_at + self._interval()
        if at > now:
            self.next_at = at
            return None
        data = build(self._report(now, sent, timestamp, reception))
        self._weigh(len(data))
        self._initial = False
        self._last_report_at = now
        self.next_at = now + self._interval()
        return data

    def goodbye(self, now: float, sent: Sent, timestamp: int, reception: Reception | None) -> bytes | None:
        """The last packet; None when we never sent anything (§6.3.7 forbids it then)."""
        if not sent.packets and self._initial:
            return None
        return build([*self._report(now, sent, timestamp, reception), Goodbye((self._ssrc,))])

    def _report(self, now: float, sent: Sent, timestamp: int, reception: Reception | None) -> list[RtcpPacket]:
        blocks: tuple[ReportBlock, ...] = ()
        if reception is not None and reception.received != self._received_at_report:
            self._received_at_report = reception.received
            blocks = (reception.report(now),)
        description = SourceDescription(((self._ssrc, ((CNAME, self._cname),)),))
        metrics = self.metrics() if blocks and self.metrics is not None else None
        extended = [] if metrics is None else [ExtendedReport(self._ssrc, (metrics,))]
        if now - sent.last_at > 2 * _MIN_INTERVAL_S:  # §6.4: SR only from who sent within the last two intervals
            return [ReceiverReport(self._ssrc, blocks), description, *extended]
        octets = sent.octets & 0xFFFFFFFF
        report = SenderReport(self._ssrc, _ntp(now), timestamp, sent.packets & 0xFFFFFFFF, octets, blocks)
        return [report, description, *extended]

    def _weigh(self, size: int) -> None:
        self._average_size += (size + _UDP_IP - self._average_size) / 16


def _ntp(now: float) -> int:
    return int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
