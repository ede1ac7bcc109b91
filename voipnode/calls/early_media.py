"""What the visitor hears before anybody answers: sound of the far side, or a ringing made here.

Up to six phones ring at once, and each may send sound (RFC 3960 calls it early media) in SDP that comes before its
answer. Whose is heard is a setting, of the node or of a group (`early_sound`). Of the forks of one leg the first that
sends SDP is in force, until the leg ends. Where none sends sound and one rings (180), the tone or clip made here is
heard. The microphone stays closed until the answer, unless the settings open it to phones that ring: then to those that
the node called and that answered its INVITE, which nobody else has seen.
"""

from __future__ import annotations

import logging

from voipnode.calls.call import Call
from voipnode.calls.clips.player import FOR_EVER, ClipPlayer
from voipnode.calls.clips.settings import GroupSounds
from voipnode.calls.core import CallCore
from voipnode.calls.early_sound import EarlySound, LocalRinging
from voipnode.calls.events import CallChanged, CallState
from voipnode.calls.sip_leg import SipLeg
from voipnode.media.ringback import Ringback
from voipnode.sipstack import events as sip
from voipnode.sipstack.errors import RemoteError

log = logging.getLogger(__name__)

RINGING = 180


class EarlyMedia:
    """Follows calls of ours from their first provisional response to their answer or end."""

    def __init__(self, core: CallCore) -> None:
        self._core = core
        self._sounds: dict[str, EarlySound] = {}  # by call
        core.listen(CallChanged, self._on_changed, who="early media")

    def on_progress(self, call: Call, event: sip.CallProgress) -> None:
        """A party rings, or sends SDP before it answers."""
        if call.winner is not None or call.over:
            return
        sound = self._sounds.get(call.id) or self._new_sound(call)
        leg = call.legs[event.session]
        if event.status == RINGING or (event.body is not None and not sound.takes_sound):
            sound.ringing.add(event.session)  # what it would have us hear is its ringing, most likely
        if event.body is not None and sound.takes_sound and (not leg.early_tag or leg.early_tag == event.tag):
            self._take(sound, leg, event.tag)
        self._play(call, sound)

    def rings(self, call: Call, who: str) -> None:
        """Somebody rings who is no telephone."""
        sound = self._sounds.get(call.id) or self._new_sound(call)
        sound.ringing.add(who)
        self._play(call, sound)

    def rings_no_more(self, call: Call, who: str) -> None:
        """That one is out."""
        sound = self._sounds.get(call.id)
        if sound is not None:
            sound.ringing.discard(who)
            self._play(call, sound)

    def before_end(self, session: str) -> None:
        """A leg is about to go: another one that sends sound takes its place."""
        call = self._core.table.of_session(session)
        sound = self._sounds.get(call.id) if call is not None else None
        if call is not None and sound is not None:
            sound.ringing.discard(session)
            sound.remove(call.legs[session])
            self._play(call, sound)

    def _new_sound(self, call: Call) -> EarlySound:
        settings, own = self._core.settings.early_media, call.sounds
        return EarlySound(
            self._local(own),
            own.early_media or settings.policy,
            settings.silent_after_s,
            microphone=settings.microphone if own.early_microphone is None else own.early_microphone,
        )

    def _local(self, own: GroupSounds) -> LocalRinging | None:
        """The ringing that is made here: the clip, or the tone where there is none or it cannot be read."""
        wish, sounds = self._core.settings.ringback, own.over(self._core.settings.sounds)
        clip: ClipPlayer | None = None
        if sounds.ringback_clip:
            clip = self._core.clips.player(sounds.ringback_clip, gain_db=sounds.ringback_gain_db, repeat=FOR_EVER)
        if clip is not None or not wish.enabled:
            return clip
        return Ringback(wish.frequency_hz, wish.on_ms, wish.off_ms, wish.level_dbfs)

    def _take(self, sound: EarlySound, leg: SipLeg, tag: str) -> None:
        leg.proven = True  # the response carried what only the INVITE that we sent to its address told
        try:
            leg.take_early(tag, leg.early_bodies[tag], self._core.now)
        except RemoteError as error:
            log.debug("early SDP of %s is of no use: %s", leg.remote, error.reason)
            return
        if leg.carries_audio and leg not in sound.legs:
            sound.add(leg, self._core.now)

    def _play(self, call: Call, sound: EarlySound) -> None:
        if sound.made_for is not call.sounds:  # others are rung now, with a ringing of their own
            if sound.made_for is not None and sound.made_for != call.sounds:
                sound.local = self._local(call.sounds)
            sound.made_for = call.sounds
        if sound.wanted:
            self._sounds[call.id] = sound
            self._core.door.join(sound, call.account.sound_wishes if sound.opens_microphone else None)
        else:
            self._stop(call.id)

    def _on_changed(self, event: CallChanged) -> None:
        if event.state not in (CallState.CALLING, CallState.RINGING):
            self._stop(event.call)

    def _stop(self, call_id: str) -> None:
        sound = self._sounds.pop(call_id, None)
        if sound is not None:
            self._core.door.leave(sound)
