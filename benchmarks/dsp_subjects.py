"""Who is measured: ours and its peers behind one shape, each in a fresh state for each case."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tests.support.speexdsp import Speex, pcm
from voipnode.dsp.echo.canceller import EchoCanceller
from voipnode.dsp.front_end import FrontEnd
from voipnode.dsp.front_end_options import FrontEndOptions
from voipnode.dsp.resampling import Resampler
from voipnode.dsp.suppressor import Suppressor

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
        self._canceller = EchoCanceller(scene.rate_hz)

    def process(self, far: Sound, near: Sound) -> Sound:
        return self._canceller.process(far, near).error.copy()


class Chain:
    """Our canceller and our suppressor, without what else a front end does."""

    def __init__(self, scene: Scene, *, noise: bool = True) -> None:
        self._canceller, self._suppressor = EchoCanceller(scene.rate_hz), Suppressor(scene.rate_hz, noise=noise)

    def process(self, far: Sound, near: Sound) -> Sound:
        return self._suppressor.process(self._canceller.process(far, near))


class Ours:
    """The front end of the door's microphone. Gain control moves levels, so that it is on only where cost is asked."""

    def __init__(self, scene: Scene, *, gain: bool = False) -> None:
        self._front_end = FrontEnd(scene.rate_hz, FrontEndOptions(automatic_gain_control=gain))

    def process(self, far: Sound, near: Sound) -> Sound:
        return self._front_end.process(far, near)


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


class WebRtcNoise:
    """WebRTC's noise suppression with its high-pass, by webrtc-noise-gain: 16 kHz, level 0 to 4."""

    def __init__(self, scene: Scene, level: int) -> None:
        if scene.rate_hz != 16000:
            raise OSError("webrtc-noise-gain knows 16 kHz only")
        self._processor = importlib.import_module("webrtc_noise_gain").AudioProcessor(0, level)

    def process(self, far: Sound, near: Sound) -> Sound:
        done = self._processor.Process10ms(pcm(near).tobytes()).audio
        return np.frombuffer(done, np.int16).astype(np.float32) / np.float32(32768)


class RnNoise:
    """RNNoise by pyrnnoise; it knows 48 kHz only, so there is a resampler of ours on either side."""

    def __init__(self, scene: Scene) -> None:
        self._module = importlib.import_module("pyrnnoise.rnnoise")
        self._state = self._module.create()
        self._up, self._down = Resampler(scene.rate_hz, 48000), Resampler(48000, scene.rate_hz)

    def process(self, far: Sound, near: Sound) -> Sound:
        done, _ = self._module.process_mono_frame(self._state, pcm(self._up.frame(near)))
        return self._down.frame(done.astype(np.float32) / np.float32(32768))


SUBJECTS: dict[str, Maker] = {
    "none": lambda scene: Unprocessed(),
    "linear": Linear,
    "echo": lambda scene: Chain(scene, noise=False),
    "chain": Chain,
    "ours": Ours,
    "ours_all": lambda scene: Ours(scene, gain=True),
    "speex_mdf": lambda scene: Speex(scene.rate_hz, preprocess=False),
    "speex": lambda scene: Speex(scene.rate_hz),
    "aec3": Aec3,
    "aec3_all": lambda scene: Aec3(scene, noise=True, high_pass=True),
    "speex25": lambda scene: Speex(scene.rate_hz, noise_db=-25),
    "webrtc2": lambda scene: WebRtcNoise(scene, 2),
    "webrtc3": lambda scene: WebRtcNoise(scene, 3),
    "rnnoise": RnNoise,
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
