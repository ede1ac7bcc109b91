"""Digits as telephone-events in RTP (RFC 4733): receiving each press once, sending it so that nobody misses it."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from voipnode.media.errors import LocalError, ParseError

DIGITS = "0123456789*#ABCD"  # the index is the event code (RFC 4733 §3.2, Table 3)
CLOCK_HZ = 8000  # where nothing else was agreed
MAX_DURATION = 0xFFFF
END_REPEATS = 3  # RFC 4733 §2.5.1.4
CEASED_S = 0.25  # updates come every 20 to 100 ms (§2.5.1.2, §3.3): by then the key is up and its end was lost
_VOLUME = 10  # -10 dBm0, as common senders say
_EVENT = struct.Struct("!BBH")
_MAX_BLOCKS = 8
_KNOWN = 16  # presses whose late packets are recognised
_OLD_S = 5.0  # no late packet is that late: an "older" timestamp after it is a new time base
_NEAR_S = 0.03  # no finger lifts and presses again in that time
_LONG_S = 1.2  # an event of this length may go over into a new segment although updates were lost
_SLACK_S = 0.5


class EventBlock(NamedTuple):
    """One named event (RFC 4733 §2.3): `duration` in timestamp units, `end` the E bit."""

    code: int
    end: bool
    volume: int
    duration: int

    def pack(self) -> bytes:
        return _EVENT.pack(self.code, (0x80 if self.end else 0) | self.volume, self.duration)


def parse_events(payload: bytes) -> list[EventBlock]:
    """The events of one packet (RFC 4733 §2.5.1.5 allows several); raises `ParseError` for other lengths than 4*n."""
    if not payload or len(payload) % 4 or len(payload) > 4 * _MAX_BLOCKS:
        raise ParseError(f"{len(payload)} bytes are no telephone-event payload")
    return [
        EventBlock(code, bool(flags & 0x80), flags & 0x3F, duration)
        for code, flags, duration in _EVENT.iter_unpack(payload)
    ]


class Press(NamedTuple):
    """What the receiver tells: a digit began (`ended` False) or ended, with what is known of its length."""

    digit: str
    ended: bool
    duration_ms: float


@dataclass(slots=True)
class _Running:
    """The newest press: one event, or several segments of a long one (RFC 4733 §2.5.1.3)."""

    code: int
    segment_at: int  # RTP timestamp of the present segment
    duration: int  # of the present segment
    before: int  # length of the segments before it
    heard_at: float
    end_seen: bool = False
    told_end: bool = False


class EventReceiver:
    """Makes exactly one start and one end of every press, whatever the network did to its packets.

    An event is known by its code and timestamp, so a lost start or end, repeats and reordering do not matter. A start
    is told at the first packet of any kind; an end at the E bit, at the next press, or after 250 ms without updates.
    """

    def __init__(self, clock_hz: int = CLOCK_HZ) -> None:
        self._clock_hz = clock_hz
        self._running: _Running | None = None
        self._known: deque[tuple[int, int]] = deque(maxlen=_KNOWN)

    def run_at(self, clock_hz: int) -> list[Press]:
        """Timestamps and durations are of this clock from now on; another one ends what runs."""
        if clock_hz == self._clock_hz:
            return []
        told = self.reset()
        self._clock_hz = clock_hz
        return told

    def packet(self, timestamp: int, marker: bool, payload: bytes, now: float) -> list[Press]:
        """Take one packet's payload; raises `ParseError`. Codes other than digits are passed over."""
        told: list[Press] = []
        for block in parse_events(payload):
            if block.code < len(DIGITS):
                told += self._block(block, timestamp, marker, now)
            timestamp = (timestamp + block.duration) & 0xFFFFFFFF
        return told

    def next_deadline(self) -> float | None:
        """When a press whose packets ceased is over."""
        running = self._running
        return running.heard_at + CEASED_S if running and not running.told_end else None

    def on_deadline(self, now: float) -> list[Press]:
        deadline = self.next_deadline()
        return self._finish() if deadline is not None and now >= deadline else []

    def reset(self) -> list[Press]:
        """Another source speaks, with another time base: end what runs and forget what was known."""
        told = self._finish()
        self._running = None
        self._known.clear()
        return told

    def _block(self, block: EventBlock, timestamp: int, marker: bool, now: float) -> list[Press]:
        running = self._running
        told: list[Press] = []
        if running is not None:
            if block.code == running.code and timestamp == running.segment_at:
                return self._update(running, block, now)
            if self._stale(running, block, timestamp, now):
                return []
            if self._continues(running, block, timestamp, marker):
                self._next_segment(running, timestamp)
                return self._update(running, block, now)
            told = self._finish()
        self._running = running = _Running(block.code, timestamp, block.duration, 0, now)
        self._known.append((timestamp, block.code))
        told.append(Press(DIGITS[block.code], ended=False, duration_ms=0.0))
        return told + self._update(running, block, now)

    def _update(self, running: _Running, block: EventBlock, now: float) -> list[Press]:
        running.heard_at = max(running.heard_at, now)
        if not running.end_seen:
            running.duration = max(running.duration, block.duration)
        if not block.end:
            return []
        running.end_seen = True
        return self._finish()

    def _finish(self) -> list[Press]:
        running = self._running
        if running is None or running.told_end:
            return []
        running.told_end = True
        duration_ms = (running.before + running.duration) * 1000 / self._clock_hz
        return [Press(DIGITS[running.code], ended=True, duration_ms=duration_ms)]

    def _next_segment(self, running: _Running, timestamp: int) -> None:
        running.before += (timestamp - running.segment_at) & 0xFFFFFFFF
        running.segment_at = timestamp
        running.duration = 0
        self._known.append((timestamp, running.code))

    def _stale(self, running: _Running, block: EventBlock, timestamp: int, now: float) -> bool:
        """Does this late packet belong to a press that was told already?"""
        if (timestamp, block.code) in self._known:
            return True
        since = _signed(timestamp - running.segment_at)
        if since < 0:
            return now - running.heard_at < _OLD_S and since > -(MAX_DURATION + int(_OLD_S * self._clock_hz))
        # Some senders let the timestamp run on while they repeat the end.
        return block.code == running.code and running.end_seen and block.end and 0 < since < running.duration

    def _continues(self, running: _Running, block: EventBlock, timestamp: int, marker: bool) -> bool:
        """Is this the next segment of the running press (§2.5.1.3: no marker), or a sender whose timestamp runs on?"""
        if marker or running.end_seen or block.code != running.code:
            return False
        since = _signed(timestamp - running.segment_at)
        gap = since - running.duration
        if gap <= _NEAR_S * self._clock_hz or abs(since - MAX_DURATION) <= 1:
            return True
        return running.duration >= _LONG_S * self._clock_hz and gap <= _SLACK_S * self._clock_hz


class OutgoingEvent(NamedTuple):
    """One packet to send: `timestamp` and `marker` of its RTP header, and its payload."""

    timestamp: int
    marker: bool
    payload: bytes


class EventSender:
    """Paces one digit: a packet per `interval` timestamp units, the last one three times (RFC 4733 §2.5.1).

    `timestamp` is that of the interval in which the digit begins. Raises `LocalError` for what is no digit.
    """

    def __init__(self, digit: str, timestamp: int, duration: int, interval: int) -> None:
        self._code = event_code(digit)
        self._segment_at = timestamp
        self._left = max(duration, interval)
        self._interval = interval
        self._sent = 0  # of the present segment
        self._marker = True
        self._repeats = END_REPEATS
        self._old_segment: list[OutgoingEvent] = []

    @property
    def sounding(self) -> bool:
        """True while the tone lasts; afterwards only repetitions of its end are due."""
        return self._left > 0

    @property
    def done(self) -> bool:
        return self._repeats == 0

    def next_packets(self) -> list[OutgoingEvent]:
        """What to send at the end of one more interval; empty when done."""
        if self._left > 0:
            return [*self._grow(), *self._repeated_segment()]
        if self._repeats == 0:
            return []
        self._repeats -= 1
        return [self._report(end=True)]

    def _grow(self) -> list[OutgoingEvent]:
        step = min(self._interval, self._left)
        self._left -= step
        self._sent += step
        packets = []
        if self._sent > MAX_DURATION:
            packets.append(self._new_segment())
        if self._left > 0:
            packets.append(self._report(end=False))
        else:
            self._repeats -= 1
            packets.append(self._report(end=True))
        return packets

    def _new_segment(self) -> OutgoingEvent:
        """§2.5.1.3: report the longest duration without E, then go on from there, without a marker."""
        last = OutgoingEvent(self._segment_at, False, EventBlock(self._code, False, _VOLUME, MAX_DURATION).pack())
        self._old_segment = [last] * (END_REPEATS - 1)
        self._segment_at = (self._segment_at + MAX_DURATION) & 0xFFFFFFFF
        self._sent -= MAX_DURATION
        return last

    def _repeated_segment(self) -> list[OutgoingEvent]:
        """§2.5.1.4: a segment's final packet too is sent three times, here beside the new segment's first ones."""
        if not self._old_segment or self._sent <= self._interval:
            return []
        return [self._old_segment.pop()]

    def _report(self, *, end: bool) -> OutgoingEvent:
        marker, self._marker = self._marker, False
        return OutgoingEvent(self._segment_at, marker, EventBlock(self._code, end, _VOLUME, self._sent).pack())


def event_code(digit: str) -> int:
    """The event code of a digit (0-9 A-D # *, any letter case); raises `LocalError`."""
    code = DIGITS.find(digit.upper())
    if len(digit) != 1 or code < 0:
        raise LocalError(f"{digit!r} is no digit; there are {DIGITS}")
    return code


def _signed(difference: int) -> int:
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000
