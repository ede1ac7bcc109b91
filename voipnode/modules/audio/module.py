"""Makes the audio device that the settings ask for."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from voipnode.calls.commands import ChangeRoom
from voipnode.calls.errors import CallError
from voipnode.calls.hooks import AudioDevice, Bus, Commands
from voipnode.modules.audio.files import FilesDevice, make_source
from voipnode.modules.audio.portaudio import PortAudioCards
from voipnode.modules.audio.recording import RecordedDevice, WavRecorder
from voipnode.modules.audio.settings import AudioSettings, RoomSettings
from voipnode.modules.audio.simulated import SimulatedRoom
from voipnode.modules.audio.sound_card import SoundCard

log = logging.getLogger(__name__)


def make_device(settings: AudioSettings, rate_hz: int, bus: Bus, commands: Commands | None = None) -> AudioDevice:
    """The device, at rest; its `description` says in words what it is, and why where the node chose.

    "auto" takes the sound card where PortAudio is installed and finds a microphone and a loudspeaker, else the
    simulated room, which takes `ChangeRoom` where there are `commands`. A microphone that is a file is read whole here,
    which may take a while. Raises CallError, naming field and value, for what cannot be used.
    """
    device = _device(settings, rate_hz, bus)
    if commands is not None and isinstance(device, SimulatedRoom):
        commands.register(ChangeRoom, _Changes(device), who="audio")
    return device


def recorded(device: AudioDevice, settings: AudioSettings, bus: Bus) -> AudioDevice:
    """The device with its loudspeaker recorded, where the settings say so, else itself. Raises CallError, naming field
    and value, for a file that cannot be."""
    if not settings.loudspeaker_recording:
        return device
    path = Path(settings.loudspeaker_recording).expanduser()
    if path.is_dir() or not path.parent.is_dir():
        raise CallError(f'audio.loudspeaker_recording = "{path}": a file in a folder that exists is needed')
    return RecordedDevice(device, WavRecorder(path, device.rate_hz, max_s=settings.recording_max_s), bus)


def _device(settings: AudioSettings, rate_hz: int, bus: Bus) -> AudioDevice:
    if settings.device == "files":
        return FilesDevice(rate_hz, make_source(settings, rate_hz))
    if settings.device == "sound_card":
        return SoundCard(settings, rate_hz, bus, PortAudioCards())
    why_not = ""
    if settings.device == "auto":
        try:
            return SoundCard(settings, rate_hz, bus, PortAudioCards())
        except (CallError, OSError) as error:
            why_not = f" (no sound card is used: {error})"
    room = SimulatedRoom(rate_hz, settings.room, make_source(settings, rate_hz))
    room.description += why_not
    return room


class _Changes:
    """Carries out `ChangeRoom` on a room."""

    def __init__(self, room: SimulatedRoom) -> None:
        self._room = room

    def __call__(self, command: ChangeRoom) -> str:
        fixed = {"noise", "drift_ppm"} & command.values.keys()
        if fixed:
            raise CallError(f"audio.room.{min(fixed)}: what it is when the node starts stays")
        try:
            room = RoomSettings.model_validate({**self._room.room.model_dump(), **command.values})
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise CallError(f"audio.room.{field} = {first['input']!r}: {first['msg']}") from error
        self._room.change(room)
        log.info("the simulated room is changed: %s", " ".join(f"{key}={new}" for key, new in command.values.items()))
        return ""
