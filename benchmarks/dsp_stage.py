"""The stage of the DSP benchmark: rooms and noises of a street, made anew from a seed.

Rooms: the image method (Allen and Berkley, 1979), by pyroomacoustics.
"""

from __future__ import annotations

import numpy as np
import pyroomacoustics
from dsp_signals import Sound
from dsp_voices import VOICES, speak
from scipy import signal

LOUDSPEAKER_M = 0.10  # from the microphone


def room_response(
    rt60_s: float, metres: float, rate_hz: int, dice: np.random.Generator, *, to_mouth: bool = False
) -> Sound:
    """Impulse response of a shoe-box room from a source that is `metres` away from the microphone, of unit energy.

    It begins with the direct sound: delay is the case's business. A loudspeaker (not `to_mouth`) has no lows: second
    order, 200 Hz.
    """
    size = dice.uniform((2.5, 2.2, 2.3), (5.0, 4.0, 2.9))
    absorption, order = pyroomacoustics.inverse_sabine(rt60_s, size)
    room = pyroomacoustics.ShoeBox(
        size, fs=rate_hz, materials=pyroomacoustics.Material(absorption), max_order=min(order, 45)
    )
    microphone = dice.uniform((0.9, 0.9, 1.2), (size[0] - 0.9, size[1] - 0.9, 1.7))
    angle = dice.uniform(0, 2 * np.pi)
    room.add_source(microphone + metres * np.array((np.cos(angle), np.sin(angle), 0.0)))
    room.add_microphone(microphone)
    room.compute_rir()
    response = room.rir[0][0]
    begin = max(int(np.argmax(np.abs(response) > 0.1 * np.abs(response).max())) - 4, 0)
    response = response[begin : begin + round(1.2 * rt60_s * rate_hz)]
    if not to_mouth:
        response = signal.sosfilt(signal.butter(2, 200, "highpass", fs=rate_hz, output="sos"), response)
    return (response / np.sqrt(np.sum(np.square(response)))).astype(np.float32)


def through(sound: Sound, response: Sound) -> Sound:
    """Convolved, as long as it was."""
    return signal.fftconvolve(sound, response)[: len(sound)].astype(np.float32)


def coloured(count: int, exponent: float, dice: np.random.Generator, rate_hz: int, *, lowest_hz: float = 20) -> Sound:
    """Noise whose power falls as f^-exponent: 0 is white, 1 pink, 2 brown. RMS 1."""
    spectrum = np.fft.rfft(dice.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / rate_hz)
    spectrum *= np.maximum(hz, lowest_hz) ** (-exponent / 2) * (hz >= lowest_hz / 2)
    noise = np.fft.irfft(spectrum, count)
    return (noise / np.sqrt(np.mean(np.square(noise)))).astype(np.float32)


def _slowly(count: int, hz: float, spread_db: float, dice: np.random.Generator, rate_hz: int) -> Sound:
    """A gain that wanders so fast and so far."""
    knots = max(int(count / rate_hz * hz) + 2, 4)
    levels = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), dice.normal(0, spread_db, knots))
    return (10 ** (levels / 20)).astype(np.float32)


def street(count: int, rate_hz: int, dice: np.random.Generator) -> Sound:
    """Tyres (noise around 1 kHz) of cars that come and go, engines below, and the town's hum."""
    seconds = np.arange(count) / rate_hz
    sound = 0.5 * coloured(count, 1.5, dice, rate_hz, lowest_hz=60)
    band = signal.butter(1, (500, 1800), "bandpass", fs=rate_hz, output="sos")
    tyres = signal.sosfilt(band, dice.standard_normal(count))
    for _ in range(max(int(count / rate_hz / 3), 1)):
        passing = np.exp(-0.5 * ((seconds - dice.uniform(0, seconds[-1])) / dice.uniform(0.6, 1.8)) ** 2)
        hz = dice.uniform(40, 90)
        engine = sum(np.sin(2 * np.pi * hz * k * seconds + dice.uniform(0, 6)) / k for k in (1, 2, 3, 4, 6))
        sound = sound + dice.uniform(0.5, 1.5) * passing * (1.6 * tyres + 0.25 * engine)
    return sound.astype(np.float32)


def wind(count: int, rate_hz: int, dice: np.random.Generator) -> Sound:
    """Gusts on the microphone: brown noise that comes and goes, with some hiss."""
    gusts = _slowly(count, 1.5, 6.0, dice, rate_hz)
    return gusts * coloured(count, 2.0, dice, rate_hz, lowest_hz=40) + 0.03 * coloured(count, 0.5, dice, rate_hz)


def fan(count: int, rate_hz: int, dice: np.random.Generator) -> Sound:
    """Pink noise and the blades' hum."""
    seconds, hz = np.arange(count) / rate_hz, dice.uniform(90, 140)
    hum = sum(np.sin(2 * np.pi * hz * k * seconds) / k for k in (1, 2, 3))
    return (coloured(count, 1.0, dice, rate_hz) + 0.3 * hum).astype(np.float32)


def babble(count: int, rate_hz: int, dice: np.random.Generator, *, of: str) -> Sound:
    """Eight people at once: the voices of a set, each at another speed and so at another pitch."""
    total = np.zeros(count, np.float32)
    for _ in range(8):
        speed = dice.uniform(0.8, 1.25)
        said = speak(VOICES[of][dice.integers(len(VOICES[of]))], 1.3 * count / rate_hz, rate_hz, dice)
        at = np.arange(count) * speed
        total += np.interp(at % (len(said) - 1), np.arange(len(said)), said).astype(np.float32)
    return total
