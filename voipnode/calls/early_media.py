"""What the visitor hears before anybody answers: sound of the far side, or a ringback tone made here.

One rule. Of all legs and forks of a call the first that sends SDP before its answer is in force, until it fails. Its
sound goes to the loudspeaker; while none has come, and a phone rings (180), the tone does (RFC 3960 §3.2). The
microphone stays closed until the answer: silence is sent, which opens the way back through NAT (RFC 4961).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np

from voipnode.calls.call import Call
from voipnode.calls.core import CallCore
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.hooks import Frame
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.bridge import FramePort
from voipnode.media.ringback import Ringback
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError

log = logging.getLogger(__name__)

RINGING = 180


@dataclass(slots=True, eq=False)
class EarlySound(FramePort):
    """One call's sound before its answer, as a party on the bridge at the door."""

    leg: SipLeg | None = None  # whose early SDP is in force
    ringback: Ringback | None = None
    ringing: set[str] = field(default_factory=set)  # sessions that said 180
    rate_hz: int = 8000
    silence: Frame = field(default_factory=lambda: np.zeros(80, np.float32))

    @property
    def codec_rate_hz(self) -> int:
        return 0 if self.leg is None else self.leg.codec_rate_hz

    def run_at(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.silence = np.zeros(rate_hz // 100, np.float32)
        if self.leg is not None:
            self.leg.run_at(rate_hz)
        if self.ringback is not None:
            self.ringback.run_at(rate_hz)

    def skip(self, count: int) -> None:
        if self.leg is not None:
            self.leg.skip(count)

    def pull(self, now: float) -> Frame:
        frame = self.silence if self.leg is None else self.leg.pull(now)
        if self.ringback is None or not self.ringing or (self.leg is not None and self.leg.stream.has_heard):
            return frame
        return self.ringback.pull(now)

    def push(self, frame: Frame, now: float) -> None:
        if self.leg is not None:
            self.leg.push(self.silence, now)

    def send(self, now: float) -> None:
        if self.leg is not None:
            self.leg.send(now)


class EarlyMedia:
    """Follows calls of ours from their first provisional response to their answer or end."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._sounds: dict[str, EarlySound] = {}  # by call
        core.bus.subscribe(CallChanged, self._on_changed, who="early media")

    def on_progress(self, call: Call, event: sip.CallProgress) -> None:
        """A party rings, or sends SDP before it answers."""
        if call.winner is not None or call.over:
            return
        sound = self._sounds.get(call.id) or self._new_sound()
        if event.status == RINGING:
            sound.ringing.add(event.session)
        leg = call.legs[event.session]
        if event.body is not None and (sound.leg is None or (sound.leg is leg and leg.early_tag == event.tag)):
            self._put_in_force(sound, leg, event.tag)
        self._play(call, sound)

    def before_end(self, session: str) -> None:
        """A leg is about to go: another one that sent early SDP takes its place."""
        call = self._core.table.of_session(session)
        sound = self._sounds.get(call.id) if call is not None else None
        if call is None or sound is None:
            return
        sound.ringing.discard(session)
        if sound.leg is call.legs[session]:
            sound.leg = None
            for other in call.legs.values():
                for tag in other.early_bodies if other.session != session else ():
                    if sound.leg is None:
                        self._put_in_force(sound, other, tag)
        self._play(call, sound)

    def _new_sound(self) -> EarlySound:
        wish = self._core.settings.ringback
        sound = EarlySound()
        if wish.enabled:
            sound.ringback = Ringback(wish.frequency_hz, wish.on_ms, wish.off_ms, wish.level_dbfs)
        return sound

    def _put_in_force(self, sound: EarlySound, leg: SipLeg, tag: str) -> None:
        try:
            leg.take_early(tag, leg.early_bodies[tag], self._core.now)
        except RemoteError as error:
            log.debug("early SDP of %s is of no use: %s", leg.remote, error.reason)
            return
        if leg.carries_audio:
            sound.leg = leg

    def _play(self, call: Call, sound: EarlySound) -> None:
        if sound.leg is not None or (sound.ringing and sound.ringback is not None):
            self._sounds[call.id] = sound
            self._core.door.join(sound)
            if sound.leg is not None:
                sound.leg.run_at(sound.rate_hz)
        else:
            self._stop(call.id)

    def _on_changed(self, event: CallChanged) -> None:
        if event.state not in (CallState.CALLING, CallState.RINGING):
            self._stop(event.call)

    def _stop(self, call_id: str) -> None:
        sound = self._sounds.pop(call_id, None)
        if sound is not None:
            self._core.door.leave(sound)
