"""The module: `SoundLevelPassed` whenever the sound at the door passes the level that is set."""

from __future__ import annotations

import json

from voipnode.calls.commands import ReadSoundLevel
from voipnode.calls.errors import CallError
from voipnode.calls.events import SoundLevelPassed
from voipnode.calls.hooks import Frame, House, ModuleDescriptor, Subscription
from voipnode.modules.sound_level.detector import SoundLevelDetector
from voipnode.modules.sound_level.settings import SoundLevelSettings, level_of

NAME = "sound level"


class SoundLevelModule:
    """Listens at the house's microphone while it is enabled; costs nothing where it is not."""

    def __init__(self, house: House, settings: SoundLevelSettings) -> None:
        self._house = house
        self._settings = settings
        self._detector: SoundLevelDetector | None = None
        self._places: list[Subscription] = []

    async def start(self) -> None:
        self._places = [self._house.commands.register(ReadSoundLevel, self._read, who=NAME)]
        microphone, settings = self._house.microphone, self._settings
        if not settings.enabled:
            return
        if microphone is None:
            raise CallError("sound_level.enabled = true: there is no microphone to listen at")
        self._detector = SoundLevelDetector(
            microphone.rate_hz,
            settings.threshold_dbfs,
            hold_s=settings.hold_s,
            speech_only=settings.sound == "speech",
        )
        self._places.append(microphone.listen(self._hear, who=NAME))

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []

    def _hear(self, heard: Frame, played: Frame) -> None:
        assert self._detector is not None
        if not self._detector.process(heard, played):
            return
        self._house.bus.publish(
            SoundLevelPassed(
                above=self._detector.is_above,
                level=level_of(self._detector.level_dbfs),
                threshold=self._settings.level,
                level_dbfs=round(self._detector.level_dbfs, 1),
            )
        )

    def _read(self, command: ReadSoundLevel) -> str:
        if self._detector is None:
            raise CallError("sound_level.enabled = false: nobody listens; set it to true and start again")
        level_dbfs = self._detector.level_dbfs
        return json.dumps(
            {
                "above": self._detector.is_above,
                "level": level_of(level_dbfs),
                "threshold": self._settings.level,
                "level_dbfs": round(level_dbfs, 1),
            }
        )


def build(house: House, settings: SoundLevelSettings) -> SoundLevelModule:
    return SoundLevelModule(house, settings)


DESCRIPTOR = ModuleDescriptor("sound_level", SoundLevelSettings, build)
