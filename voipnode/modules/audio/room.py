"""The acoustic path of a simulated room: an impulse response and its convolution, 10 ms at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.hooks import Frame
from voipnode.modules.audio.settings import RoomSettings

DIRECT_SHARE = 0.6  # of the echo's energy; the rest is reverberation


def impulse_response(room: RoomSettings, rate_hz: int) -> NDArray[np.float32]:
    """A direct path after `delay_ms` and a reverberant tail, as float32 samples at `rate_hz`.

    The tail is Gaussian noise under the envelope 10^(-3 t / T60) (Polack's statistical model, 1988), drawn from `seed`.
    The energy of the whole is `echo_db`: white noise comes back with that level.
    """
    delay = round(room.delay_ms * rate_hz / 1000.0)
    tail = round(room.rt60_ms * rate_hz / 1000.0)
    response = np.zeros(delay + 1 + tail)
    response[delay] = 1.0
    if tail:
        seconds = np.arange(1, tail + 1) / rate_hz
        envelope = 10.0 ** (-3.0 * seconds / (room.rt60_ms / 1000.0))
        reverberation = np.random.default_rng(room.seed).standard_normal(tail) * envelope
        reverberation *= np.sqrt((1.0 - DIRECT_SHARE) / np.sum(reverberation**2))
        response[delay] = np.sqrt(DIRECT_SHARE)
        response[delay + 1 :] = reverberation
    scaled: NDArray[np.float32] = (response * 10.0 ** (room.echo_db / 20.0)).astype(np.float32)
    return scaled


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
