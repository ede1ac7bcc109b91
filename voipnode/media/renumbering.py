"""Packets of one source as packets of another: its numbers and timestamps become ours, its losses stay losses."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.media.reception import MAX_DROPOUT, MAX_MISORDER

_NUMBERS = 1 << 16


class Place(NamedTuple):
    """A packet's sequence number and timestamp as ours. `begins`: another time base, so that it is marked as the
    begin of a talk spurt is (RFC 3551 §4.1); `newest`: none of a higher number was before it."""

    sequence: int
    timestamp: int
    begins: bool
    newest: bool


class Renumbering:
    """Where in a sender's own numbering the packets of a source stand that it passes on (RFC 3550 §7.1: a translator).

    A gap in the source's numbers is a gap in ours, so that a loss before us is a loss to whoever listens. What the
    sender leaves out makes none; what it says of its own takes numbers in between. `slack` is how far, in ticks, a
    timestamp may be off the time that has passed: further, and the source has begun another time base without telling.
    """

    def __init__(self) -> None:
        self._newest: int | None = None  # the source's number; None: it begins with the next packet
        self._reach = 0  # so far behind the newest, numbers in ours belong to the source alone
        self._shift = self._stamp_shift = 0  # ours less the source's
        self._due = 0  # our next number, when the source had the last one

    def restart(self) -> None:
        """Another source begins, with another numbering and another time base."""
        self._newest = None

    def leave_out(self, sequence: int) -> None:
        """A packet of the source is not passed on, and nobody is to take that for a loss."""
        if self._newest is None:
            return
        ahead = (sequence - self._newest) & 0xFFFF
        if 0 < ahead < MAX_DROPOUT:
            self._newest, self._shift, self._reach = sequence, self._shift - 1, 0

    def place(
        self, sequence: int, timestamp: int, *, due: int, stamp: int, slack: int, timed: bool = True
    ) -> Place | None:
        """Where a packet goes; None: it came too late, and its place is taken.

        `due` is our next number, `stamp` our timestamp now; `timed` False: the packet's own says nothing of the time,
        since an event keeps that of its begin (RFC 4733 §2.2.1).
        """
        newest, begins = self._newest, False
        ahead = 0 if newest is None else (sequence - newest) & 0xFFFF
        if newest is None or MAX_DROPOUT <= ahead <= _NUMBERS - MAX_MISORDER:
            begins, self._reach = True, 0
            self._shift, self._stamp_shift = due - sequence, stamp - timestamp
        elif ahead >= MAX_DROPOUT:
            if _NUMBERS - ahead > self._reach:
                return None
            return self._of(sequence, timestamp, begins=False, newest=False)
        else:
            if due != self._due:
                self._shift, self._reach = self._shift + due - self._due, 0
            self._reach = min(self._reach + ahead, MAX_MISORDER)
            off = (timestamp + self._stamp_shift - stamp) & 0xFFFFFFFF
            if timed and slack < off < 0x100000000 - slack:
                begins, self._stamp_shift = True, stamp - timestamp
        self._newest = sequence
        self._due = (sequence + self._shift + 1) & 0xFFFF
        return self._of(sequence, timestamp, begins=begins, newest=True)

    def _of(self, sequence: int, timestamp: int, *, begins: bool, newest: bool) -> Place:
        ours = (sequence + self._shift) & 0xFFFF
        return Place(ours, (timestamp + self._stamp_shift) & 0xFFFFFFFF, begins, newest)
