"""Whether the sound card plays and hears: a short tone is played, and looked for at the microphone."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from voipnode.calls.errors import CallError
from voipnode.doctor.findings import Case, Finding, good, note, problem, warning
from voipnode.doctor.threads import in_thread
from voipnode.modules.audio.portaudio import INSTALL, Cards, CardStream, PortAudioCards, Samples
from voipnode.modules.audio.settings import TONE, AudioSettings

TONE_HZ, TONE_S, LEVEL_DBFS = 1004.0, 0.8, -20.0
PATIENCE_S = 5.0  # a sound server on a busy machine plays slower than the clock goes
RATE_HZ = 16000
HEARD_DB = 10.0  # the tone over everything else at the microphone
SILENT_DBFS = -90.0  # not even noise: muted, or nothing is plugged in


async def check_sound(case: Case) -> AsyncIterator[Finding]:
    """What the settings take for microphone and loudspeaker works."""
    audio = case.settings.audio
    if audio.device == "files":
        yield _files(audio)
    elif audio.device == "simulated":
        yield note("microphone and loudspeaker are simulated (audio.device): nobody is heard at the door")
    else:
        for finding in await in_thread(lambda: _card(audio, plays=case.plays)):
            yield finding


def _files(audio: AudioSettings) -> Finding:
    source = audio.microphone
    if source == "silence" or TONE.fullmatch(source) or Path(source).expanduser().is_file():
        return note(f"the microphone is {source} (audio.device): nobody is heard at the door")
    return problem(f'audio.microphone = "{source}": there is no such file', 'name an audio file, or "silence"')


def _card(audio: AudioSettings, *, plays: bool) -> list[Finding]:
    wanted = audio.device == "sound_card"
    try:
        cards: Cards = PortAudioCards()
        inputs = [card.name for card in cards.devices() if card.inputs]
        outputs = [card.name for card in cards.devices() if card.outputs]
    except (CallError, OSError) as error:
        words = f"no sound card can be used: {error}"
        return [problem(words, INSTALL) if wanted else note(f"{words}; the node simulates one", INSTALL)]
    if not inputs or not outputs:
        missing = "microphone" if not inputs else "loudspeaker"
        words = f"the system knows of no {missing}"
        remedy = "plug one in (arecord -l, aplay -l list them), and let the node's user into the group audio"
        return [problem(words, remedy) if wanted else note(f"{words}; the node simulates a sound card", remedy)]
    try:
        return Trial(cards, audio).findings() if plays else [good("there are a microphone and a loudspeaker")]
    except OSError as error:
        words = f"the sound card cannot be opened: {error}"
        return [problem(words, "stop the program that has it (the node itself while in a call), or set another one")]


class Trial:
    """Plays a short tone on the loudspeaker and listens meanwhile. Blocking. Raises OSError."""

    def __init__(self, cards: Cards, audio: AudioSettings) -> None:
        self._lock = threading.Lock()
        self._heard: list[Samples] = []
        self._played = 0
        self._enough = threading.Event()
        streams: list[CardStream] = []
        try:
            streams.append(cards.open_input(audio.input_device, RATE_HZ, self._take))
            streams.append(cards.open_output(audio.output_device, RATE_HZ, self._give))
            self._input_hz, self._output_hz = streams[0].rate_hz, streams[1].rate_hz
            self._enough.wait(min(PATIENCE_S, 20 * TONE_S))
        finally:
            for stream in streams:
                stream.close()

    def _take(self, samples: Samples) -> None:
        with self._lock:
            self._heard.append(samples.copy())

    def _give(self, out: Samples) -> None:
        rate_hz = getattr(self, "_output_hz", RATE_HZ)
        at = np.arange(self._played, self._played + len(out)) / rate_hz
        out[:] = 10 ** (LEVEL_DBFS / 20) * np.sin(2 * np.pi * TONE_HZ * at) * (at < TONE_S)
        self._played += len(out)
        if self._played > 1.2 * TONE_S * rate_hz:
            self._enough.set()

    def findings(self) -> list[Finding]:
        """What came of it."""
        told = []
        remedy = "see that nothing else has the card; pull its plug and put it back, or restart the sound system"
        if self._played > TONE_S * self._output_hz / 2:
            told.append(good(f"the loudspeaker takes sound, at {self._output_hz:.0f} Hz; a tone was played"))
        else:
            told.append(problem("the loudspeaker was opened and takes no sound", remedy))
        sound = np.concatenate(self._heard) if self._heard else np.zeros(0, np.float32)
        if len(sound) < TONE_S * self._input_hz / 2:
            told.append(problem("the microphone was opened and gives no sound", remedy))
            return told
        told.append(_judged(sound, self._input_hz))
        return told


def _judged(sound: Samples, rate_hz: float) -> Finding:
    level_dbfs = 10 * np.log10(2 * float(np.mean(sound.astype(np.float64) ** 2)) + 1e-30)
    if level_dbfs < SILENT_DBFS:
        words = "the microphone gives perfect silence, not even noise"
        return problem(words, "switch it on and turn it up (alsamixer, or pactl set-source-mute); see its plug")
    over_db = _tone_over_rest_db(sound, rate_hz)
    if over_db >= HEARD_DB:
        return good(f"the microphone hears the tone of the loudspeaker ({level_dbfs:.0f} dBFS, {over_db:.0f} dB clear)")
    words = f"the microphone hears something ({level_dbfs:.0f} dBFS), but not the tone that the loudspeaker played"
    return warning(words, "if you heard no tone, turn the loudspeaker up; if you did, see which input is used")


def _tone_over_rest_db(sound: Samples, rate_hz: float) -> float:
    """The tone's power over that of the rest, in the half second where it is clearest."""
    size = int(rate_hz * TONE_S / 2)
    best = -100.0
    for at in range(0, len(sound) - size + 1, max(1, size // 4)):
        part = sound[at : at + size].astype(np.float64)
        angle = 2 * np.pi * TONE_HZ / rate_hz * np.arange(size)
        power = 2 * abs(np.mean(part * np.exp(-1j * angle))) ** 2
        rest = max(float(np.mean(part**2)) - power, 1e-12)
        best = max(best, float(10 * np.log10(power / rest + 1e-12)))
    return best
