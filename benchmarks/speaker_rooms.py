"""Doors for the benchmark of the speaker test: a loudspeaker and a microphone in a room, with a fault or without.

Nothing here is shared with the node's own simulated room. Rooms are by the image method, noises those of `dsp_stage`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyroomacoustics
from dsp_stage import Sound, babble, coloured, fan, speak, street, through, wind
from numpy.typing import NDArray
from scipy import fft, ndimage, signal

FAULTS = ("moved", "muffled", "rattling", "weak", "dead loudspeaker", "dead microphone", "too noisy to tell")
NOISES = ("white", "pink", "street", "wind", "fan", "babble", "voice", "bangs")
VOICE = "en_US_f_Allison"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device hangs: the response from loudspeaker to microphone there, direct sound first."""

    response: Sound


class Door:
    """A device in a room, all drawn from `dice`: distances, reverberation, the loudspeaker's own sound and distortion,
    delay and the difference of the clocks. Its faults are drawn, too, so that each comes strong and slight."""

    def __init__(self, rate_hz: int, dice: np.random.Generator) -> None:
        self.rate_hz = rate_hz
        self._dice = dice
        self._rt60_s = dice.uniform(0.1, 0.6)
        self._size = dice.uniform((1.8, 1.8, 2.2), (5.0, 4.0, 2.9))
        self._apart_m = dice.uniform(0.06, 0.15)
        self.home, self.elsewhere = self._place(), self._place(in_a_corner=True)
        self._own_sound = self._loudspeaker()
        self._level = 10 ** (dice.uniform(-22, -6) / 20)
        self._drive, self._uneven = dice.uniform(0.3, 1.5), dice.uniform(0.0, 0.05)
        self._drift_ppm = dice.uniform(-100, 100)
        self._delay_s = dice.uniform(0.01, 0.15)
        self._hiss_dbfs = dice.uniform(-92, -80)
        self._muffled_hz = dice.uniform(900, 1600 if rate_hz < 16000 else 2200)
        self._weak_db = dice.uniform(-20, -9)
        self._loose = dice.uniform(0.15, 0.4)
        self._rings_hz = dice.uniform(800, 3000, 3)

    def _place(self, *, in_a_corner: bool = False) -> Place:
        """Somewhere at a wall, or near a second one, too; the loudspeaker beside the microphone or below it."""
        absorption, order = pyroomacoustics.inverse_sabine(self._rt60_s, self._size)
        # Its own wall and the one next to it are of stone, however far away or open the others are.
        walls = dict.fromkeys(("east", "north", "ceiling", "floor"), min(absorption, 0.99))
        walls |= {"south": 0.15, "west": 0.15}
        materials = {name: pyroomacoustics.Material(share) for name, share in walls.items()}
        room = pyroomacoustics.ShoeBox(self._size, fs=self.rate_hz, materials=materials, max_order=min(order, 30))
        along = self._dice.uniform(0.1, 0.2) if in_a_corner else self._dice.uniform(0.6, self._size[0] - 0.6)
        microphone = np.array((along, self._dice.uniform(0.04, 0.3), self._dice.uniform(1.0, 1.6)))
        angle = self._dice.uniform(0, np.pi / 2 if in_a_corner else np.pi)
        room.add_source(microphone + self._apart_m * np.array((np.cos(angle), 0.0, -np.sin(angle))))
        room.add_microphone(microphone)
        room.compute_rir()
        response = room.rir[0][0]
        begin = max(int(np.argmax(np.abs(response) > 0.1 * np.abs(response).max())) - 4, 0)
        response = response[begin : begin + round(1.2 * self._rt60_s * self.rate_hz) + self.rate_hz // 100]
        return Place((response / np.sqrt(np.sum(np.square(response)))).astype(np.float32))

    def _loudspeaker(self) -> Sound:
        """No lows, some resonances and the case's own ripple: a minimum-phase filter by its cepstrum."""
        size = 4096
        hz = np.fft.rfftfreq(size, 1 / self.rate_hz)
        lowest = self._dice.uniform(180, 450)
        gain_db = -20 * np.log10(np.sqrt(1 + (lowest / np.maximum(hz, 20)) ** 4))
        for _ in range(6):
            at, width = np.log(self._dice.uniform(200, 6000)), self._dice.uniform(0.1, 0.5)
            gain_db += self._dice.uniform(-5, 5) * np.exp(-0.5 * ((np.log(np.maximum(hz, 20)) - at) / width) ** 2)
        cepstrum = np.fft.irfft(gain_db * np.log(10) / 20, size)
        cepstrum[1 : size // 2] *= 2
        cepstrum[size // 2 + 1 :] = 0
        return np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), size)[:1024].astype(np.float32)

    def record(self, played: Sound, around: Sound, fault: str = "") -> Sound:
        """What the microphone gives for `played` in the noise `around`, which is as long."""
        hiss = 10 ** (self._hiss_dbfs / 20) * self._dice.standard_normal(len(played))
        if fault == "dead microphone":
            return hiss.astype(np.float32)
        heard = np.zeros(len(played), np.float32)
        if fault != "dead loudspeaker":
            heard = self._heard(played, fault)
        return np.clip(heard + around + hiss, -1, 1).astype(np.float32)

    def _heard(self, played: Sound, fault: str) -> Sound:
        membrane = played + self._uneven * np.square(played)
        membrane = np.tanh(self._drive * membrane) / self._drive
        if fault == "rattling":
            membrane = membrane + self._rattle(membrane)
        out = through(membrane, self._own_sound)
        if fault == "muffled":
            cut = signal.butter(2, self._muffled_hz, fs=self.rate_hz, output="sos")
            out = signal.sosfilt(cut, out).astype(np.float32)
        if fault == "weak":
            out = out * np.float32(10 ** (self._weak_db / 20))
        place = self.elsewhere if fault == "moved" else self.home
        late = np.zeros(round((self._delay_s + self._dice.uniform(0, 0.02)) * self.rate_hz), np.float32)
        heard = np.concatenate((late, through(out, place.response)))[: len(played)]
        return np.float32(self._level) * _drifted(heard, self._drift_ppm)

    def _rattle(self, membrane: Sound) -> Sound:
        """A loose part that the membrane hits on its way out, and that rings, each time a little otherwise."""
        low = signal.sosfilt(signal.butter(1, 500, fs=self.rate_hz, output="sos"), membrane)
        hit = np.maximum(low - self._loose * np.abs(low).max(), 0)
        hit *= 1 + 0.5 * self._dice.standard_normal(len(hit))
        seconds = np.arange(self.rate_hz // 200) / self.rate_hz
        ring = np.sum([np.sin(2 * np.pi * hz * seconds) for hz in self._rings_hz], axis=0) * np.exp(-seconds / 0.0015)
        return (hit.std() and 1.5 * through(hit, ring / np.sqrt(np.sum(ring**2)))).astype(np.float32)


def noise(kind: str, count: int, rate_hz: int, dbfs: float, dice: np.random.Generator) -> Sound:
    """So much noise, or some more, at that level (of a sine with as much power)."""
    count = fft.next_fast_len(count, real=True)
    match kind:
        case "white":
            sound = coloured(count, 0.0, dice, rate_hz)
        case "pink":
            sound = coloured(count, 1.0, dice, rate_hz)
        case "street":
            sound = street(count, rate_hz, dice)
        case "wind":
            sound = wind(count, rate_hz, dice)
        case "fan":
            sound = fan(count, rate_hz, dice)
        case "babble":
            sound = babble(count, rate_hz, dice, of="tuned")
        case "voice":
            sound = speak(VOICE, count / rate_hz + 1, rate_hz, dice, pause_s=dice.uniform(0.2, 1.5))[:count]
        case _:
            sound = _bangs(count, rate_hz, dice)
    sound = np.resize(sound, count)
    return (sound * 10 ** (dbfs / 20) / np.sqrt(2 * np.mean(np.square(sound)))).astype(np.float32)


def _drifted(sound: Sound, ppm: float) -> Sound:
    """As a clock that runs faster by `ppm` samples it: a cubic spline through twice the samples."""
    twice = signal.resample_poly(sound, 2, 1)
    at = np.arange(len(sound)) * (2 / (1 + ppm * 1e-6))
    return ndimage.map_coordinates(twice, at[None, :], order=3, mode="constant").astype(np.float32)


def _bangs(count: int, rate_hz: int, dice: np.random.Generator) -> NDArray[np.floating]:
    """Doors and steps: a decaying burst every second or so, over hardly anything."""
    sound = 0.01 * coloured(count, 1.0, dice, rate_hz).astype(np.float64)
    for _ in range(max(1, round(count / rate_hz * dice.uniform(0.3, 1.5)))):
        at, size = dice.integers(0, count), round(dice.uniform(0.05, 0.3) * rate_hz)
        burst = coloured(size, 1.0, dice, rate_hz) * np.exp(-5 * np.arange(size) / size)
        sound[at : at + size] += burst[: count - at] * dice.uniform(0.3, 1)
    return sound
