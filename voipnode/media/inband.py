"""Digits as sound: heard in what the far side says, and put in place of what it is to hear.

A tone is no proof of who made it. What the far side says may be what it was told: a visitor plays a tone to the door's
microphone, and a resident's loudspeaker and microphone bring it back. So a digit that comes back is none: one whose two
frequencies, to the hertz, were in our own sound within the last two seconds before it.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from voipnode.dsp.dtmf_detector import DtmfDetector, Heard
from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.sound_memory import SoundMemory
from voipnode.dsp.tones import key_tone
from voipnode.media.dtmf import event_code
from voipnode.media.errors import LocalError
from voipnode.media.events import DigitEchoed, DigitEnded, DigitStarted, MediaEvent

ROAD = "inband"
REMEMBERED_S = 2.0  # how long our own sound may be under way until it comes back
HUSH_S = 0.5  # after a telephone event ended, what the jitter buffer still holds of its tone may be heard
PAUSE_S = 0.5  # nobody listened for so long (the call was on hold): what sounded is over
MAX_WAITING_DIGITS = 64
MAX_FRAMES = 60 * FRAMES_PER_S  # of one tone, or pause
_MAX_EVENTS = 64
_BEGAN = 4  # frames between the beginning of a tone and our hearing it: our sound of this time is not its cause
_RETURNED = FRAMES_PER_S // 2  # the door's own loudspeaker reaches its microphone in that time, with the room's echo


class InbandDigits:
    """One leg's ears and mouth for tones, between its stream and the bridge. Frames are float32, 10 ms.

    Not thread-safe, no I/O; `now` is the engine's monotonic time in seconds.
    """

    def __init__(self, rate_hz: int = 8000) -> None:
        self._events: deque[MediaEvent] = deque(maxlen=_MAX_EVENTS)
        self._told: tuple[str, float] | None = None  # the digit that sounds, and since when
        self._hushed = False
        self._hushed_until = -math.inf
        self._deaf_until = 0  # in ticks
        self._ticks = 0
        self._heard_at = -math.inf
        self._taken: dict[str, tuple[int, int]] = {}  # first and last tick of the last press that counted
        self._sent: dict[str, int] = {}  # the tick until which a digit that we sent may come back
        self._waiting: deque[Frame] = deque()
        self._listen_at(rate_hz)

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on. What we said before is forgotten, so nothing is heard for as long; at
        the beginning of a call nothing was said."""
        if rate_hz != self._memory.rate_hz:
            self._listen_at(rate_hz)
            self._waiting.clear()
            if self._ticks:
                self._deaf_until = self._ticks + int(REMEMBERED_S * FRAMES_PER_S)

    def _listen_at(self, rate_hz: int) -> None:
        self._detector = DtmfDetector(rate_hz)
        self._memory = SoundMemory(rate_hz, REMEMBERED_S)

    def next_event(self) -> MediaEvent | None:
        """The oldest event not yet taken, or None."""
        return self._events.popleft() if self._events else None

    @property
    def has_events(self) -> bool:
        return bool(self._events)

    # What the far side says

    def hear(self, frame: Frame, now: float) -> None:
        """Listen to 10 ms of what the far side says."""
        if now - self._heard_at > PAUSE_S and self._told is not None:
            self._ended(self._told[0], self._heard_at)
        self._heard_at = now
        self._ticks += 1
        heard = self._detector.hear(frame)
        if heard is None:
            return
        if heard.ended:
            self._ended(heard.digit, now)
        elif self._is_echo(heard):
            self._events.append(DigitEchoed(now, heard.digit))
        elif not self._hushed and now >= self._hushed_until and self._ticks >= self._deaf_until:
            self._told = heard.digit, now
            self._taken[heard.digit] = self._ticks - _BEGAN, self._ticks
            self._events.append(DigitStarted(now, heard.digit, ROAD))

    def _ended(self, digit: str, now: float) -> None:
        if self._told is None:
            return
        _, began_at = self._told
        self._told = None
        self._taken[digit] = self._taken[digit][0], self._ticks
        self._events.append(DigitEnded(now, digit, (now - began_at) * 1000, ROAD))

    def hush(self) -> None:
        """A telephone event of the far side begins (RFC 4733): what is left of its tone in the sound is no digit."""
        self._hushed = True

    def unhush(self, now: float) -> None:
        """The telephone event is over."""
        self._hushed, self._hushed_until = False, now + HUSH_S

    def _is_echo(self, heard: Heard) -> bool:
        if self._ticks <= self._sent.get(heard.digit, 0):
            return True
        carried = self._memory.carried(heard.low_hz, heard.high_hz)
        carried[:_BEGAN] = False
        if heard.digit in self._taken:
            # A press that counted went through the door's loudspeaker into its microphone: that is not what came back.
            first, last = self._taken[heard.digit]
            carried[max(0, self._ticks - last - _RETURNED) : max(0, self._ticks - first)] = False
        return bool(np.any(carried))

    # What it is to hear

    def say(self, frame: Frame) -> Frame:
        """10 ms for the far side: the frame itself, or of a tone that is being sent. Neither may be changed."""
        said = self._waiting.popleft() if self._waiting else frame
        self._memory.remember(said)
        return said

    def send(self, digits: str, duration_ms: int = 100, gap_ms: int = 100) -> None:
        """Queue digits (0-9 A-D # *, any letter case) as tones, in steps of 10 ms; they take the place of our sound.

        Raises `LocalError` for other characters, and for more than 64 that wait.
        """
        for digit in digits:
            event_code(digit)
        tone, gap = duration_ms * FRAMES_PER_S // 1000, gap_ms * FRAMES_PER_S // 1000
        if not 4 <= tone <= MAX_FRAMES or not 4 <= gap <= MAX_FRAMES:
            raise LocalError(f"a tone of {duration_ms} ms with a pause of {gap_ms} ms; 40 to 60000 are right")
        if len(self._waiting) + len(digits) * (tone + gap) > MAX_WAITING_DIGITS * (tone + gap):
            raise LocalError(f"more than {MAX_WAITING_DIGITS} digits wait to be sent")
        rate_hz = self._memory.rate_hz
        silence = np.zeros((gap, rate_hz // FRAMES_PER_S), np.float32)
        for digit in digits.upper():
            self._waiting.extend(key_tone(digit, tone * 10, rate_hz).reshape(tone, -1))
            self._waiting.extend(silence)
        self.sent(digits, len(self._waiting))

    def sent(self, digits: str, frames: int) -> None:
        """These digits are on their way to the far side by whatever road, for so many frames: there they may sound,
        and come back."""
        until = self._ticks + frames + int(REMEMBERED_S * FRAMES_PER_S)
        self._sent |= dict.fromkeys(digits.upper(), until)

    def stop_sending(self) -> None:
        """We may not speak for now: drop what waits."""
        self._waiting.clear()
