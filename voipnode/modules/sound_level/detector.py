"""Whether it is loud at a microphone, and whether that is a voice."""

from __future__ import annotations

from voipnode.calls.hooks import Frame
from voipnode.dsp.frames import FRAMES_PER_S
from voipnode.dsp.level import LevelMeter, dbfs, mean_square
from voipnode.dsp.voice_activity import VoiceActivity

OWN_SOUND_DBFS = -60.0  # what the loudspeaker plays from here on is heard by the microphone
OWN_TAIL_S = 0.5  # and for so long
SPEAKING_S = 0.25  # a word, and what it takes to be sure that it is over


class SoundLevelDetector:
    """Follows the level in frames of 10 ms, as a sound level meter does ("fast", 125 ms).

    It is loud once the level is above `threshold_dbfs`, and no longer when it has been below for `hold_s`. With
    `speech_only` what is above counts only while somebody speaks, from the first word on. What the door's own
    loudspeaker plays is not judged: meanwhile, and for half a second after, everything stays as it was.
    """

    def __init__(self, rate_hz: int, threshold_dbfs: float, *, hold_s: float, speech_only: bool = False) -> None:
        self.is_above = False
        self._threshold_dbfs = threshold_dbfs
        self._meter = LevelMeter()
        self._voice = VoiceActivity(rate_hz) if speech_only else None
        self._hold = max(1, round(hold_s * FRAMES_PER_S))
        self._tail = round(OWN_TAIL_S * FRAMES_PER_S)
        self._word = round(SPEAKING_S * FRAMES_PER_S)
        self._speaking = 0  # frames of speech in a row
        self._quiet = 0  # frames since it was loud
        self._own = 0  # frames that are not judged, still

    @property
    def level_dbfs(self) -> float:
        """The level of what was judged last; -120 for silence."""
        return self._meter.rms_dbfs

    def process(self, heard: Frame, played: Frame) -> bool:
        """Take what the microphone heard while the loudspeaker played; True where `is_above` has changed."""
        speaks = self._voice is None or self._speaks(self._voice, heard)
        if dbfs(mean_square(played)) > OWN_SOUND_DBFS:
            self._own = self._tail
        if self._own:
            self._own -= 1
            return False
        self._meter.process(heard)
        if speaks and self.level_dbfs > self._threshold_dbfs:
            self._quiet = 0
            return self._become(above=True)
        self._quiet += 1
        return self._quiet >= self._hold and self._become(above=False)

    def _speaks(self, voice: VoiceActivity, heard: Frame) -> bool:
        self._speaking = self._speaking + 1 if voice.process(heard) else 0
        return self._speaking >= self._word

    def _become(self, *, above: bool) -> bool:
        changed = self.is_above != above
        self.is_above = above
        return changed
