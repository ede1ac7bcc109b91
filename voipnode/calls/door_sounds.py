"""What is heard at the door around a call: a ringtone when one comes in, and how one that went out has ended.

comes in   the ringtone over and over; or the attention clip once, after which the call is answered
answered   a beep, where wanted
not to be  the clip that says nobody is there, or the busy one, or the busy tone, until anybody wants the door
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voipnode.calls.call import Call
from voipnode.calls.clips.player import FOR_EVER, ClipPlayer
from voipnode.calls.clips.settings import SoundsSettings
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallChanged, CallReason, CallState
from voipnode.dsp.tones import Cadence, Tone

BUSY_HZ, BUSY_MS = 425.0, 500  # ETSI TR 101 041-2: as long on as off
BUSY_S = 3.0
BEEP_HZ, BEEP_S = 880.0, 0.2
ATTENTION_S = 1.0  # a beep in place of an attention clip that cannot be read: nobody is answered unwarned


class DoorSounds:
    """Follows all calls and plays at the door what goes with them. `answer(call, now)` is what an attention clip ends
    with."""

    def __init__(self, core: CallCore, answer: Callable[[str, float], None]) -> None:
        self._core = core
        self._answer = answer
        self._watched: dict[str, Call] = {}  # placed for a visitor, and not answered yet
        self._ringing: dict[str, ClipPlayer] = {}  # by call
        self._after: ClipPlayer | None = None
        core.listen(CallChanged, self._on_changed, who="door sounds")

    def _on_changed(self, event: CallChanged) -> None:
        if event.state is CallState.RINGING and event.direction == "incoming":
            self._end_after()
            self._rings_here(event.call)
            return
        self._stop_ringing(event.call)
        if event.direction != "outgoing":
            return
        match event.state:
            case CallState.CALLING:
                self._end_after()
                self._watch(self._core.table.known(event.call))
            case CallState.ACTIVE:
                watched = self._watched.pop(event.call, None)
                if watched is not None and self._sounds_of(watched).connected_beep:
                    self._core.door.play(_tone(BEEP_HZ, BEEP_S, BEEP_S, self._rate_hz, self._level_dbfs))
            case CallState.TERMINATING | CallState.TERMINATED:
                watched = self._watched.pop(event.call, None)
                if watched is not None:
                    self._not_to_be(self._sounds_of(watched), event.reason)

    # A call comes in

    def _rings_here(self, call: str) -> None:
        wish = self._core.settings.incoming
        if call in self._ringing:
            return
        if wish.attention_clip:
            clip = self._core.clips.player(wish.attention_clip, gain_db=wish.attention_gain_db)
            player = clip or _tone(BEEP_HZ, ATTENTION_S, ATTENTION_S, self._rate_hz, self._level_dbfs)
            self._ringing[call] = player
            self._core.door.play(player, then=lambda now: self._attention_paid(call, now))
        elif wish.ringtone_clip:
            clip = self._core.clips.player(wish.ringtone_clip, gain_db=wish.ringtone_gain_db, repeat=FOR_EVER)
            if clip is not None:
                self._ringing[call] = clip
                self._core.door.play(clip)

    def _attention_paid(self, call: str, now: float) -> None:
        del self._ringing[call]  # what ends before its clip does silences it
        self._answer(call, now)

    def _stop_ringing(self, call: str) -> None:
        player = self._ringing.pop(call, None)
        if player is not None:
            self._core.door.silence(player)

    # A call of the visitor's

    def _watch(self, call: Call) -> None:
        if call.authorised:  # somebody at the door wanted it, or it is for the node's own recipients
            self._watched[call.id] = call

    def _sounds_of(self, call: Call) -> SoundsSettings:
        """Those of whoever was rung last."""
        return call.sounds.over(self._core.settings.sounds)

    def _not_to_be(self, sounds: SoundsSettings, reason: CallReason) -> None:
        player: ClipPlayer | None = None
        clips = self._core.clips
        if reason in (CallReason.BUSY, CallReason.DENIED):
            if sounds.busy_clip:
                player = clips.player(sounds.busy_clip, gain_db=sounds.busy_gain_db)
            if player is None and sounds.busy_tone is not False:
                player = _tone(BUSY_HZ, BUSY_S, BUSY_MS / 1000, self._rate_hz, self._level_dbfs)
        elif reason in (CallReason.NO_ANSWER, CallReason.FAILED) and sounds.nobody_clip:
            player = clips.player(sounds.nobody_clip, gain_db=sounds.nobody_gain_db)
        if player is None or self._core.table.engaged:
            return  # nothing to say, or the door talks already
        self._after = player
        self._core.door.play(player, then=self._after_is_over)

    def _after_is_over(self, now: float) -> None:
        self._after = None

    def _end_after(self) -> None:
        player, self._after = self._after, None
        if player is not None:
            self._core.door.silence(player)

    @property
    def _rate_hz(self) -> int:
        return self._core.door.highest_hz

    @property
    def _level_dbfs(self) -> float:
        return self._core.settings.ringback.level_dbfs


def _tone(hz: float, seconds: float, on_s: float, rate_hz: int, level_dbfs: float) -> ClipPlayer:
    """A tone that comes and goes, for so long."""
    tone = Cadence(Tone(hz, rate_hz=rate_hz, level_dbfs=level_dbfs), round(on_s * 1000), round(on_s * 1000))
    return ClipPlayer(np.concatenate([tone.next_frame() for _ in range(round(seconds * 100))]), rate_hz)
