"""What a frame of sound costs: processor time of 10 ms at 16 kHz, subjects in turn, frame by frame, in one process.

So whatever else the machine does takes from all of them alike. Of several rounds the best counts. The peers' figures
hold the conversion to 16-bit samples and the way through ctypes, about 10 µs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from dsp_cases import CASES, make_call
from dsp_subjects import SUBJECTS, Scene

RATE, FRAME, ROUNDS, AT_ONCE = 16000, 160, 3, 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor time for 10 ms."""

    median_us: float
    p99_us: float


def cost(names: Sequence[str], rounds: int = ROUNDS) -> dict[str, Cost]:
    """Each subject's best median and best 99th percentile over a call with both ends, noise and an echo."""
    case = next(case for case in CASES if case.name == "street20")
    call, scene = make_call(case, "tuned"), Scene(RATE, case.delay_ms)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for _ in range(rounds):
        subjects = [SUBJECTS[name](scene) for name in names]
        took = np.zeros((len(call.near) // FRAME, len(names)))
        for n in range(len(took)):
            far, near = (sound[n * FRAME : (n + 1) * FRAME] for sound in (call.far, call.near))
            for k, subject in enumerate(subjects):
                begun = time.thread_time_ns()  # not what WebRTC's own threads do meanwhile
                subject.process(far, near)
                took[n, k] = (time.thread_time_ns() - begun) / 1000
        for name, column in zip(names, took[100:].T, strict=True):
            costs[name].append(Cost(float(np.median(column)), float(np.percentile(column, 99))))
    return {
        name: Cost(min(one.median_us for one in some), min(one.p99_us for one in some)) for name, some in costs.items()
    }


def crowd_us(name: str, seconds: float = 3.0) -> float:
    """Microseconds for 10 ms of one call where `AT_ONCE` calls take turns, so that each finds the caches used."""
    case = CASES[1]
    call, scene = make_call(case, "tuned"), Scene(RATE, case.delay_ms)
    subjects = [SUBJECTS[name](scene) for _ in range(AT_ONCE)]
    frames, best = round(seconds * 100), float("inf")
    for begin in (0, frames):
        begun = time.thread_time()
        for n in range(begin, begin + frames):
            for subject in subjects:
                subject.process(call.far[n * FRAME : (n + 1) * FRAME], call.near[n * FRAME : (n + 1) * FRAME])
        best = min(best, 1e6 * (time.thread_time() - begun) / frames / AT_ONCE)
    return best
