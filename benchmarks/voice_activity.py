"""How well speech is told from the noise of a street, a ventilator or a slamming door, beside WebRTC's detector on the
same sound. Five voices, five noises, 0 to 20 dB, 8 and 16 kHz. A minute or two; the last line is JSON."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import webrtcvad

from tests.support.speech import prompts, voices
from voipnode.dsp.voice_activity import VoiceActivity
from voipnode.modules.audio.noise import street

SECONDS = 14
SNRS_DB = (0, 5, 10, 20)
MODES = (0, 1, 2, 3)
SILENT_RMS = 1e-3  # a prompt that is a pause
Sound = NDArray[np.float32]
Noise = Callable[[int, int, np.random.Generator], Sound]


def white(count: int, rate_hz: int, random: np.random.Generator) -> Sound:
    return random.standard_normal(count).astype(np.float32)


def pink(count: int, rate_hz: int, random: np.random.Generator) -> Sound:
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum = np.fft.rfft(random.standard_normal(count)) / np.sqrt(np.maximum(hz, 20))
    noise = np.fft.irfft(spectrum, count)
    return (noise / np.std(noise)).astype(np.float32)


def road(count: int, rate_hz: int, random: np.random.Generator) -> Sound:
    sound = street(rate_hz, int(random.integers(1_000_000)))
    return np.roll(sound, int(random.integers(len(sound))))[:count]


def bangs(count: int, rate_hz: int, random: np.random.Generator) -> Sound:
    """One a second, 10 to 26 dB over pink noise."""
    noise = pink(count, rate_hz, random)
    seconds = np.arange(rate_hz // 4) / rate_hz
    for _ in range(count // rate_hz):
        at, fall_s = int(random.integers(count - len(seconds))), random.uniform(0.01, 0.06)
        bang = random.uniform(3, 20) * random.standard_normal(len(seconds)) * np.exp(-seconds / fall_s)
        noise[at : at + len(seconds)] += bang.astype(np.float32)
    return noise


def hum(count: int, rate_hz: int, random: np.random.Generator) -> Sound:
    """A ventilator: pink noise with five steady tones."""
    noise, seconds = pink(count, rate_hz, random), np.arange(count) / rate_hz
    for number, hz in enumerate((50, 100, 150, 300, 620)):
        tone = np.sin(2 * np.pi * hz * seconds + random.uniform(0, 6)) / (1 + 0.3 * number)
        noise += tone.astype(np.float32)
    return noise


NOISES: dict[str, Noise] = {"white": white, "pink": pink, "street": road, "bangs": bangs, "hum": hum}


def talk(voice: Path, rate_hz: int, random: np.random.Generator) -> Sound:
    """Sentences, equally loud, with pauses of 0.3 to 2.5 s."""
    sentences = [p for p in prompts(voice, rate_hz) if len(p) > rate_hz and np.std(p) > SILENT_RMS]
    parts: list[Sound] = []
    for index in random.permutation(len(sentences)):
        parts += [np.zeros(int(random.uniform(0.3, 2.5) * rate_hz), np.float32)]
        parts += [sentences[index] * np.float32(0.05 / np.std(sentences[index]))]
        if sum(map(len, parts)) > SECONDS * rate_hz:
            break
    sound = np.concatenate(parts)
    return sound[: len(sound) // (rate_hz // 100) * (rate_hz // 100)]


def truth(clean: Sound, rate_hz: int) -> NDArray[np.int8]:
    """1 where somebody speaks (32 dB below the loud frames, gaps of 60 ms closed), 0 where not; -1 is not rated: what
    lies between, 20 ms before a word and 200 ms after it."""
    power = np.mean(clean.reshape(-1, rate_hz // 100) ** 2, axis=1)
    level_db = 10 * np.log10(power + 1e-12)
    loud_db = np.percentile(level_db[level_db > -70], 95)
    said = np.where(level_db > loud_db - 32, 1, np.where(level_db > loud_db - 45, -1, 0)).astype(np.int8)
    words = np.flatnonzero(said == 1)
    for one, other in itertools.pairwise(words):
        if other - one <= 6:
            said[one:other] = 1
    for end in np.flatnonzero((said[:-1] == 1) & (said[1:] != 1)):
        said[end + 1 : end + 21][said[end + 1 : end + 21] == 0] = -1
    for begin in np.flatnonzero((said[:-1] != 1) & (said[1:] == 1)):
        said[max(0, begin - 1) : begin + 1][said[max(0, begin - 1) : begin + 1] == 0] = -1
    return said


def mixed(clean: Sound, said: NDArray[np.int8], noise: Sound, snr_db: float) -> Sound:
    spoken = clean[np.repeat(said == 1, len(clean) // len(said))]
    level = np.sqrt(np.mean(spoken**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    sound = clean + np.float32(level) * noise
    return sound * np.float32(min(1.0, 0.9 / np.max(np.abs(sound))))


def ours(sound: Sound, rate_hz: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    block = VoiceActivity(rate_hz)
    frames = sound.reshape(-1, rate_hz // 100)
    both = [(block.process(frame), block.probability) for frame in frames]
    return np.array([one for one, _ in both]), np.array([other for _, other in both])


def webrtc(sound: Sound, rate_hz: int, mode: int) -> NDArray[np.bool_]:
    block = webrtcvad.Vad(mode)
    frames = (sound * 32767).astype("<i2").reshape(-1, rate_hz // 100)
    return np.array([block.is_speech(frame.tobytes(), rate_hz) for frame in frames])


def case(rate_hz: int, noise: Noise, snr_db: float, talks: list[Sound]) -> dict[str, tuple[float, float]]:
    """By detector: the share of speech that is heard as such, and of noise that is taken for speech."""
    random = np.random.default_rng(snr_db)
    rated: dict[str, list[NDArray[np.bool_]]] = {}
    saids, likely = [], []
    for clean in talks:
        said = truth(clean, rate_hz)
        sound = mixed(clean, said, noise(len(clean), rate_hz, random), snr_db)
        decided, probability = ours(sound, rate_hz)
        rated.setdefault("ours", []).append(decided)
        likely.append(probability)
        for mode in MODES:
            rated.setdefault(f"webrtc {mode}", []).append(webrtc(sound, rate_hz, mode))
        saids.append(said)
    said, score = np.concatenate(saids), np.concatenate(likely)
    result = {}
    for name, parts in rated.items():
        decisions = np.concatenate(parts)
        result[name] = (float(decisions[said == 1].mean()), float(decisions[said == 0].mean()))
        if name != "ours":  # the same share of false alarms, by another threshold
            threshold = np.quantile(score[said == 0], 1 - result[name][1])
            result[f"ours as {name}"] = (float((score[said == 1] > threshold).mean()), result[name][1])
    return result


def cost_us(sound: Sound, rate_hz: int) -> float:
    """Processor time of a frame, the best of five passes."""
    block, frames = VoiceActivity(rate_hz), sound.reshape(-1, rate_hz // 100)
    passes = []
    for _ in range(5):
        began = time.process_time()
        for frame in frames:
            block.process(frame)
        passes.append((time.process_time() - began) / len(frames))
    return 1e6 * min(passes)


def main() -> None:
    figures: dict[str, float] = {}
    better = cases = 0
    for rate_hz in (8000, 16000):
        talks = [talk(voice, rate_hz, np.random.default_rng(77)) for voice in voices()]
        print(
            f"{rate_hz} Hz: speech heard / noise taken for speech, per cent; in brackets ours at as many false alarms"
        )
        print(f"{'':12}{'ours':>10}" + "".join(f"{f'webrtc {mode}':>16}" for mode in MODES))
        for name, noise in NOISES.items():
            for snr_db in SNRS_DB:
                result = case(rate_hz, noise, snr_db, talks)
                row = f"{name:8}{snr_db:2} dB" + "{:7.0f}/{:2.0f}".format(*(100 * x for x in result["ours"]))
                for mode in MODES:
                    heard, false = result[f"webrtc {mode}"]
                    same, _ = result[f"ours as webrtc {mode}"]
                    row += f"{100 * heard:8.0f}/{100 * false:2.0f} ({100 * same:2.0f})"
                    better, cases = better + (same >= heard), cases + 1
                print(row, flush=True)
                figures[f"{name}_{snr_db}_{rate_hz}_heard"], figures[f"{name}_{snr_db}_{rate_hz}_false"] = result[
                    "ours"
                ]
        figures[f"frame_us_{rate_hz}"] = cost_us(talks[0], rate_hz)
    print(f"at as many false alarms, ours hears at least as much speech in {better} of {cases}")
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
