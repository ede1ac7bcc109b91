"""Recursive filters without a loop over samples: a block of samples is one product of a matrix.

The state of a recursive filter is a linear function of the state before and of the samples since, and so is what comes
out: with A, B, C, D the filter in state space,

    [ y ]   [ C A^n     D, C B, C A B, ... ]   [ state ]
    [   ] = [                              ] * [       ]
    [ s']   [ A^N       A^(N-1) B, ..., B  ]   [   x   ]

(Barnes and Shinnaka, "Block-shift invariance and block implementation of discrete-time filters", IEEE Trans. CAS 27,
1980). The state is scaled so that noise of unit power makes each of its numbers of unit power ("input-normal",
Mullis and Roberts, 1976), so that float32 does for corners far below the rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voipnode.dsp.frames import FRAMES_PER_S, Frame
from voipnode.dsp.hygiene import usable

Matrix: TypeAlias = NDArray[np.float64]
_LONGEST_BLOCK = 80  # OpenBLAS multiplies larger matrices with threads, which costs more than it saves


@dataclass(frozen=True, slots=True)
class Section:
    """Second-order filter (b0 + b1/z + b2/z^2) / (1 + a1/z + a2/z^2), stable."""

    b: tuple[float, float, float]
    a: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _StateSpace:
    a: Matrix
    b: Matrix
    c: Matrix
    d: float

    def then(self, other: _StateSpace) -> _StateSpace:
        """One filter after the other."""
        zeros = np.zeros((len(self.a), len(other.a)))
        a = np.block([[self.a, zeros], [np.outer(other.b, self.c), other.a]])
        b = np.concatenate((self.b, other.b * self.d))
        c = np.concatenate((other.d * self.c, other.c))
        return _StateSpace(a, b, c, self.d * other.d)


def _normalised(section: Section) -> _StateSpace:
    (b0, b1, b2), (a1, a2) = section.b, section.a
    a = np.array([[-a1, -a2], [1.0, 0.0]])
    b = np.array([1.0, 0.0])
    c = np.array([b1 - b0 * a1, b2 - b0 * a2])
    # W = A W A' + B B' is how loud the states are for white noise; in its own square root they are of unit power.
    loudness = np.linalg.solve(np.eye(4) - np.kron(a, a), np.outer(b, b).reshape(-1)).reshape(2, 2)
    root = np.linalg.cholesky(loudness)
    back = np.linalg.inv(root)
    return _StateSpace(back @ a @ root, back @ b, c @ root, b0)


def block_matrix(sections: tuple[Section, ...], block: int) -> Frame:
    """The matrix that turns (state, `block` samples) into (next state, as many samples), float32."""
    space = _normalised(sections[0])
    for section in sections[1:]:
        space = space.then(_normalised(section))
    order = len(space.a)
    powers = [np.eye(order)]
    for _ in range(block):
        powers.append(space.a @ powers[-1])
    answers = np.array([space.d, *(space.c @ power @ space.b for power in powers[: block - 1])])
    matrix = np.zeros((order + block, order + block))
    matrix[:order, :order] = powers[block]
    for at in range(block):
        matrix[:order, order + at] = powers[block - 1 - at] @ space.b
        matrix[order + at, :order] = space.c @ powers[at]
        matrix[order + at :, order + at] = answers[: block - at]
    found: Frame = matrix.astype(np.float32)
    found.setflags(write=False)
    return found


class BlockFilter:
    """A filter made of second-order sections, by frames of 10 ms, float32; adds no delay of its own.

    `matrix` is that of `block_matrix` for blocks of `block_of(rate_hz)`.
    """

    def __init__(self, matrix: Frame, rate_hz: int) -> None:
        self.size = rate_hz // FRAMES_PER_S
        self._matrix = matrix
        self._block = block_of(rate_hz)
        self._order = len(matrix) - self._block
        self._given: Frame = np.zeros(len(matrix), dtype=np.float32)
        self._made: Frame = np.zeros(len(matrix), dtype=np.float32)
        self._output: Frame = np.zeros(self.size, dtype=np.float32)

    def reset(self) -> None:
        """Forget what was heard."""
        self._given.fill(0.0)

    def process(self, frame: Frame) -> Frame:
        """The next 10 ms, shape (rate_hz // 100,); good until the next call."""
        return self.run(usable(frame, self.size))

    def run(self, frame: Frame) -> Frame:
        """As `process`, where the frame is known to be usable."""
        given, made, order, block = self._given, self._made, self._order, self._block
        for at in range(0, self.size, block):
            given[order:] = frame[at : at + block]
            self._matrix.dot(given, out=made)
            given[:order] = made[:order]
            self._output[at : at + block] = made[order:]
        return self._output


def block_of(rate_hz: int) -> int:
    """Samples that are filtered at once: a frame, or a part of a long one that goes into it without a rest."""
    size = rate_hz // FRAMES_PER_S
    parts = -(-size // _LONGEST_BLOCK)
    while size % parts:
        parts += 1
    return size // parts
