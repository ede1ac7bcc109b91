"""A ring buffer between the media clock and a sound card's thread, without a lock."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Ring:
    """Float32 samples, one thread writing and one reading, `capacity` at most.

    Each of the two counters is written by one side only and after the samples were copied; the interpreter makes such
    a write visible whole. So neither side ever waits for the other.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity}: at least 1 is needed")
        self._data = np.zeros(capacity, np.float32)
        self._capacity = capacity
        self._written = 0  # samples ever written: the writer's
        self._read = 0  # samples ever read: the reader's

    @property
    def fill(self) -> int:
        """Samples that wait to be read."""
        return self._written - self._read

    def write(self, samples: NDArray[np.float32]) -> int:
        """Writer: append what fits, the rest is dropped; returns how many were taken."""
        count = min(len(samples), self._capacity - self.fill)
        at = self._written % self._capacity
        first = min(count, self._capacity - at)
        self._data[at : at + first] = samples[:first]
        self._data[: count - first] = samples[first:count]
        self._written += count
        return count

    def read(self, count: int) -> NDArray[np.float32]:
        """Reader: take up to `count` samples, in a fresh array."""
        count = min(count, self.fill)
        at = self._read % self._capacity
        first = min(count, self._capacity - at)
        samples = np.empty(count, np.float32)
        samples[:first] = self._data[at : at + first]
        samples[first:] = self._data[: count - first]
        self._read += count
        return samples

    def skip(self, count: int) -> int:
        """Reader: throw away up to `count` of the oldest samples; returns how many."""
        count = min(count, self.fill)
        self._read += count
        return count
