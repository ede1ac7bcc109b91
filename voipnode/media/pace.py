"""Whether frames are taken as often as time goes by: a media clock that stood still too long leaves some out."""

from __future__ import annotations

from voipnode.dsp.frames import FRAMES_PER_S

_FRAME_S = 1 / FRAMES_PER_S
_PATIENCE_S = 0.020  # a frame is at most one late when the clock has made up for what it missed
_LONGEST_S = 0.5  # a longer pause is none of the clock's: nobody listened


class Pace:
    """Counts the frames that a listener never asked for, in time `now` of the engine, which never goes back.

    A late clock asks for several frames at one `now`. It is behind for good if it still is when it asks next.
    """

    def __init__(self) -> None:
        self._asked_at = self._due_at = 0.0

    def missed(self, now: float) -> int:
        """To be called for each frame; how many were left out before this one."""
        asked_at, due_at = self._asked_at, self._due_at
        behind_s = asked_at - due_at
        self._asked_at, self._due_at = now, due_at + _FRAME_S
        if now == asked_at or -_FRAME_S <= behind_s < _PATIENCE_S:
            return 0
        if not 0.0 < behind_s < _LONGEST_S:
            self._due_at = now
            return 0
        count = int(behind_s * FRAMES_PER_S)
        self._due_at += count * _FRAME_S
        return count
