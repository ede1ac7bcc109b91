"""The acoustic path of a simulated room: an impulse response and its convolution, 10 ms at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.settings import RoomSettings

DIRECT_SHARE = 0.6  # of the echo's energy; the rest is reverberation
WEAK_DB = -12.0  # a voice coil that has partly come off, or an amplifier that is half dead
MUFFLED_HZ, MUFFLED_DB = 1200.0, -2.0  # snow, paint or tape on the grille: 12 dB an octave above this, and some loss


def impulse_response(room: RoomSettings, rate_hz: int, *, elsewhere_ms: float = 0.0) -> NDArray[np.float32]:
    """What comes from the loudspeaker to the microphone, as float32 samples at `rate_hz`, with `room.fault`.

    A direct path after `delay_ms`, less `elsewhere_ms` of it that something else takes, and a reverberant tail:
    Gaussian noise under the envelope 10^(-3 t / T60) (Polack's statistical model, 1988), drawn from `seed`. The energy
    of the whole, without a fault, is `echo_db`: white noise comes back with that level.
    """
    delay_ms = max(0.0, room.delay_ms - elsewhere_ms)
    level = 10.0 ** (room.echo_db / 20.0)
    match room.fault:
        case "moved":
            response = _moved(room, delay_ms, rate_hz)
        case "muffled":
            response = _muffled(_in_its_place(room, delay_ms, rate_hz), rate_hz)
        case "weak":
            response = _in_its_place(room, delay_ms, rate_hz) * 10.0 ** (WEAK_DB / 20.0)
        case "dead_loudspeaker":
            response = np.zeros(1)
        case _:
            response = _in_its_place(room, delay_ms, rate_hz)
    scaled: NDArray[np.float32] = (response * level).astype(np.float32)
    return scaled


def reverberation(rt60_ms: float, rate_hz: int, seed: int | tuple[int, ...]) -> NDArray[np.float64]:
    """The tail alone, of energy 1; no samples where `rt60_ms` is 0."""
    tail = round(rt60_ms * rate_hz / 1000.0)
    seconds = np.arange(1, tail + 1) / rate_hz
    envelope = 10.0 ** (-3.0 * seconds / max(rt60_ms / 1000.0, 1e-9))
    noise: NDArray[np.float64] = np.random.default_rng(seed).standard_normal(tail) * envelope
    if tail:
        noise /= np.sqrt(np.sum(noise**2))
    return noise


def _in_its_place(room: RoomSettings, delay_ms: float, rate_hz: int) -> NDArray[np.float64]:
    delay = round(delay_ms * rate_hz / 1000.0)
    tail = reverberation(room.rt60_ms, rate_hz, room.seed)
    response = np.zeros(delay + 1 + len(tail))
    response[delay] = np.sqrt(DIRECT_SHARE) if len(tail) else 1.0
    response[delay + 1 :] = np.sqrt(1.0 - DIRECT_SHARE) * tail
    return response


def _moved(room: RoomSettings, delay_ms: float, rate_hz: int) -> NDArray[np.float64]:
    """The device hangs elsewhere: farther from its loudspeaker, with a wall near by.

    The direct sound comes 0.5 to 1.5 ms later (17 to 50 cm) and 3 to 6 dB softer. The wall throws it back 0.25 to
    0.6 ms after that, 0.5 to 2 dB softer still: a comb, whose first notches take whole third octaves out. The tail has
    the level that it had (a room is equally loud everywhere) and another shape.
    """
    random = np.random.default_rng((room.seed, 1))
    later_ms, softer_db = random.uniform(0.5, 1.5), random.uniform(-6.0, -3.0)
    wall_ms, wall_db = random.uniform(0.25, 0.6), random.uniform(-2.0, -0.5)
    direct = round((delay_ms + later_ms) * rate_hz / 1000.0)
    wall = direct + max(1, round(wall_ms * rate_hz / 1000.0))
    tail = reverberation(room.rt60_ms, rate_hz, (room.seed, 2))
    response = np.zeros(max(wall + 1, direct + 1 + len(tail)))
    response[direct + 1 : direct + 1 + len(tail)] = np.sqrt(1.0 - DIRECT_SHARE) * tail
    amplitude = (np.sqrt(DIRECT_SHARE) if len(tail) else 1.0) * 10.0 ** (softer_db / 20.0)
    response[direct] += amplitude
    response[wall] += amplitude * 10.0 ** (wall_db / 20.0)
    return response


def _muffled(response: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """A Butterworth low-pass of the second order (bilinear transform), run out to 60 dB down."""
    k = math.tan(math.pi * MUFFLED_HZ / rate_hz)
    norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    b0 = k * k * norm
    a1, a2 = 2.0 * (k * k - 1.0) * norm, (1.0 - math.sqrt(2.0) * k + k * k) * norm
    filter_response = [b0, 2.0 * b0 - a1 * b0]
    filter_response.append(b0 - a1 * filter_response[1] - a2 * filter_response[0])
    for _ in range(3, rate_hz // 400):
        filter_response.append(-a1 * filter_response[-1] - a2 * filter_response[-2])
    muffled: NDArray[np.float64] = np.convolve(response, filter_response) * 10.0 ** (MUFFLED_DB / 20.0)
    return muffled


class PartitionedFilter:
    """FIR filter on frames of `size` samples: uniformly partitioned overlap-save in the frequency domain.

    The spectra of the last frames meet the spectra of the response's partitions in one product
    (Stockham 1966; Kulp 1988). No latency beyond the response's own.
    """

    latency_samples = 0

    def __init__(self, response: NDArray[np.float32], size: int) -> None:
        if size < 1 or not len(response):
            raise ValueError(f"size {size}, response of {len(response)} samples: both must be at least 1")
        self._size = size
        self._count = -(-len(response) // size)
        padded = np.zeros((self._count, 2 * size), np.float32)
        padded[:, :size] = np.pad(response, (0, self._count * size - len(response))).reshape(self._count, size)
        partitions = np.fft.rfft(padded, axis=1)
        # Newest frame at slot s, the one before at s + 1, ...: two copies, so that every rotation is a slice.
        self._partitions = np.concatenate([partitions, partitions])
        self._spectra = np.zeros_like(partitions)
        self._input = np.zeros(2 * size, np.float32)
        self._slot = 0

    def reset(self) -> None:
        """Forget what was heard."""
        self._spectra.fill(0.0)
        self._input.fill(0.0)

    def remember(self, other: PartitionedFilter) -> None:
        """Take over what `other`, of the same frames, has heard: as if this one had been in its place."""
        heard = np.roll(other._spectra, -other._slot, axis=0)[: self._count]
        self._spectra.fill(0.0)
        self._spectra[: len(heard)] = heard
        self._slot = 0
        self._input[:] = other._input

    def process(self, frame: Frame) -> Frame:
        """The filter's next `size` output samples."""
        size = self._size
        self._input[:size] = self._input[size:]
        self._input[size:] = frame
        self._slot = (self._slot - 1) % self._count
        self._spectra[self._slot] = np.fft.rfft(self._input)
        # Slot j holds the frame of age (j - slot) mod count, which partition of the same number belongs to.
        first = self._count - self._slot
        product = np.einsum("ij,ij->j", self._spectra, self._partitions[first : first + self._count])
        output: Frame = np.fft.irfft(product, 2 * size)[size:].astype(np.float32, copy=False)
        return output
