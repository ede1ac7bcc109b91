"""Who is measured: ours and its peers behind one shape, each in a fresh state for each case."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tests.support.speexdsp import Speex, pcm

Sound = NDArray[np.float32]


class Subject(Protocol):
    """Takes 10 ms of what the loudspeaker is given and 10 ms of the microphone; gives 10 ms of the microphone's."""

    def process(self, far: Sound, near: Sound) -> Sound: ...


@dataclass(frozen=True, slots=True)
class Scene:
    """What a subject may be told beforehand: only what a telephone would know of itself, too."""

    rate_hz: int
    delay_ms: float


Maker = Callable[[Scene], Subject]


class Unprocessed:
    """The microphone as it is."""

    def process(self, far: Sound, near: Sound) -> Sound:
        return near


class Linear:
    """Our canceller without a suppressor."""

    def __init__(self, scene: Scene) -> None:
        self._canceller = importlib.import_module("voipnode.dsp.echo.canceller").EchoCanceller(scene.rate_hz)

    def process(self, far: Sound, near: Sound) -> Sound:
        error: Sound = self._canceller.process(far, near).error
        return error


class Chain:
    """Our canceller and our suppressor: the door's chain without high-pass and gain control, which move the level."""

    def __init__(self, scene: Scene, *, noise: bool) -> None:
        self._canceller = importlib.import_module("voipnode.dsp.echo.canceller").EchoCanceller(scene.rate_hz)
        self._suppressor = importlib.import_module("voipnode.dsp.suppressor").Suppressor(scene.rate_hz, noise=noise)

    def process(self, far: Sound, near: Sound) -> Sound:
        out: Sound = self._suppressor.process(self._canceller.process(far, near))
        return out


class Aec3:
    """WebRTC's audio processing by livekit's wheel, which offers four switches and nothing else."""

    def __init__(self, scene: Scene, *, noise: bool = False, high_pass: bool = False, gain: bool = False) -> None:
        rtc = importlib.import_module("livekit.rtc")
        apm = importlib.import_module("livekit.rtc.apm")
        self._frame, self._rate_hz, self._delay_ms = rtc.AudioFrame, scene.rate_hz, round(scene.delay_ms)
        self._apm = apm.AudioProcessingModule(
            echo_cancellation=True, noise_suppression=noise, high_pass_filter=high_pass, auto_gain_control=gain
        )

    def process(self, far: Sound, near: Sound) -> Sound:
        played, heard = (
            self._frame(bytearray(pcm(sound).tobytes()), self._rate_hz, 1, len(sound)) for sound in (far, near)
        )
        self._apm.process_reverse_stream(played)
        self._apm.set_stream_delay_ms(self._delay_ms)
        self._apm.process_stream(heard)
        return np.frombuffer(heard.data, np.int16).astype(np.float32) / np.float32(32768)


SUBJECTS: dict[str, Maker] = {
    "none": lambda scene: Unprocessed(),
    "linear": Linear,
    "echo": lambda scene: Chain(scene, noise=False),
    "ours": lambda scene: Chain(scene, noise=True),
    "speex_mdf": lambda scene: Speex(scene.rate_hz, preprocess=False),
    "speex": lambda scene: Speex(scene.rate_hz),
    "aec3": Aec3,
}


def available(names: list[str]) -> list[str]:
    """Those that can be made here; says of the others why not."""
    there = []
    for name in names:
        try:
            SUBJECTS[name](Scene(16000, 50.0))
            there.append(name)
        except (ImportError, OSError, AttributeError) as error:
            print(f"{name} is left out: {error}", flush=True)
    return there


def run(subject: Subject, far: Sound, near: Sound, rate_hz: int) -> Sound:
    """All that comes out, frame by frame."""
    size = rate_hz // 100
    out = np.zeros_like(near)
    for at in range(0, len(near) - size + 1, size):
        out[at : at + size] = subject.process(far[at : at + size], near[at : at + size])
    return out
