"""What an extension may do at the door without ringing there: speak from its loudspeaker, or listen at its microphone.

Neither is a call of the door: nothing lights up, no call of a visitor is hindered. Both give way to a conversation
there, where the settings do not want it otherwise. Who may have them is for the dial plan to say, and that is nobody
who has not proven himself by a password.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voipnode.calls.core import CallCore
from voipnode.calls.events import CallChanged
from voipnode.calls.exchange.destination import Destination
from voipnode.calls.exchange.room import Room
from voipnode.calls.exchange.service_settings import LookOutSettings, PageSettings
from voipnode.calls.hooks import Frame
from voipnode.calls.sip_leg import SipLeg
from voipnode.dsp.frames import FRAMES_PER_S
from voipnode.dsp.tones import Tone
from voipnode.media.bridge import LOWEST_HZ

ATTENTION_HZ, ATTENTION_S, ATTENTION_DBFS = 880.0, 0.5, -15.0


class Announcement:
    """What a leg says, as a sound that the door plays (`DoorSource`): a tone first, where wanted.

    The far sides of calls do not hear it, and its own far side hears the tone, then silence.
    """

    over = False

    def __init__(self, leg: SipLeg, *, tone: bool) -> None:
        self.leg = leg
        self._tone_frames = round(ATTENTION_S * FRAMES_PER_S) if tone else 0
        self.run_at(LOWEST_HZ)

    @property
    def codec_rate_hz(self) -> int:
        return self.leg.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        """Frames are of `rate_hz` from now on."""
        self.leg.run_at(rate_hz)
        self._tone = Tone(ATTENTION_HZ, rate_hz=rate_hz, level_dbfs=ATTENTION_DBFS)
        self._silence: Frame = np.zeros(rate_hz // FRAMES_PER_S, np.float32)

    def pull(self, now: float) -> Frame:
        """The next 10 ms for the loudspeaker."""
        said, answer = self.leg.pull(now), self._silence
        if self._tone_frames:
            self._tone_frames -= 1
            said = answer = self._tone.next_frame()
        self.leg.push(answer, now)
        self.leg.send(now)
        return said


class PageRoom:
    """One announcement's room: the leg is played at the door while it is proven and has sound."""

    at_door = True

    def __init__(self, core: CallCore, *, tone: bool, left: Callable[[PageRoom], None]) -> None:
        self._core = core
        self._tone = tone
        self._left = left
        self._leg: SipLeg | None = None
        self._playing: Announcement | None = None

    @property
    def in_use(self) -> bool:
        return self._leg is not None

    def join(self, leg: SipLeg, now: float) -> None:
        """Have the leg announce; a second one has no place here."""
        if self._leg is None:
            self._leg = leg
        self.fit(now)

    def leave(self, leg: SipLeg, now: float) -> None:
        """The announcement is over."""
        if leg is self._leg:
            self._silence()
            self._leg = None
            self._left(self)

    def fit(self, now: float) -> None:
        """The leg may be held, proven, or of another codec now."""
        leg = self._leg
        if leg is None or not (leg.proven and leg.carries_audio):
            self._silence()
        elif self._playing is None:
            self._playing, self._tone = Announcement(leg, tone=self._tone), False
            self._core.door.play(self._playing)

    def digit(self, leg: SipLeg, digit: str, road: str) -> None:
        """Nobody is there to be told."""

    def _silence(self) -> None:
        playing, self._playing = self._playing, None
        if playing is not None:
            self._core.door.silence(playing)


class Pages:
    """The service behind the dial plan's `page`: one announcement at a time."""

    def __init__(self, core: CallCore, settings: PageSettings) -> None:
        self._core = core
        self._settings = settings
        self._now: PageRoom | None = None

    def room(self, to: Destination) -> PageRoom | None:
        """Where the caller announces; None while somebody else does, or somebody talks at the door."""
        if (self._now is not None and self._now.in_use) or (
            self._core.table.engaged and not self._settings.during_call
        ):
            return None
        self._now = PageRoom(self._core, tone=self._settings.attention_tone, left=self._over)
        return self._now

    def _over(self, room: PageRoom) -> None:
        if room is self._now:
            self._now = None


class LookOutRoom:
    """One look outside: the leg hears the door, and is heard where the settings say so."""

    at_door = True

    def __init__(self, core: CallCore, settings: LookOutSettings, in_use: set[LookOutRoom]) -> None:
        self._core = core
        self._settings = settings
        self._in_use = in_use
        self._leg: SipLeg | None = None
        self._outside = Room.of(core, with_door=True)
        self._inside = Room.of(core)  # where it waits while a visitor talks, and hears silence

    def join(self, leg: SipLeg, now: float) -> None:
        """Have the leg listen; a second one has no place here."""
        if self._leg is None:
            self._leg = leg
            self._in_use.add(self)
        self.fit(now)

    def leave(self, leg: SipLeg, now: float) -> None:
        """The look is over."""
        if leg is self._leg:
            self._outside.leave(leg, now)
            self._inside.leave(leg, now)
            self._leg = None
            self._in_use.discard(self)

    def fit(self, now: float) -> None:
        """The leg may be held, proven or of another codec now, or the door have begun a conversation, or ended it."""
        leg = self._leg
        if leg is None:
            return
        if self._core.table.engaged and not self._settings.during_call:
            self._outside.leave(leg, now)
            self._inside.join(leg, now)
        else:
            self._inside.leave(leg, now)
            self._outside.join(leg, now, speaks=self._settings.talk)

    def digit(self, leg: SipLeg, digit: str, road: str) -> None:
        """Nobody is there to be told."""


class LookOuts:
    """The service behind the dial plan's `look out`; several may look at the same time."""

    def __init__(self, core: CallCore, settings: LookOutSettings) -> None:
        self._core = core
        self._settings = settings
        self._rooms: set[LookOutRoom] = set()
        core.listen(CallChanged, self._on_changed, who="look out")

    def room(self, to: Destination) -> LookOutRoom | None:
        """Where the caller listens; None while somebody talks at the door."""
        if self._core.table.engaged and not self._settings.during_call:
            return None
        return LookOutRoom(self._core, self._settings, self._rooms)

    def _on_changed(self, event: CallChanged) -> None:
        for room in list(self._rooms):
            room.fit(self._core.now)
