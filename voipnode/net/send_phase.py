"""How long after its tick of the media clock a packet leaves.

The work of a tick takes now longer, now shorter: with a hundred calls a millisecond or two, by what came and by who
else uses the processor's caches. Were packets sent when it is done, this would be jitter at the far side. So they wait
until a moment that nearly all ticks have in reach, and which stays the same.
"""

from __future__ import annotations

STEPS_S = (0.0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006)
AT_ONCE_S = 0.00025  # work that is so short may go without waiting
WINDOW = 200  # ticks that are looked at together
FORGIVEN = 1  # late ones among them: half of what a p99 forgives
ROOM = 1.3
CALM_WINDOWS = 15  # half a minute in which a shorter delay would have done


class SendPhase:
    """Chooses `delay_s`, one of `STEPS_S`, from the times that the work of the ticks took.

    Up as soon as a second tick in two seconds took longer, and then with room to spare; down a step only after half a
    minute, since every change is jitter too. A tick that took longer than the longest step was halted by something else
    on the machine: waiting longer every time would make none of these punctual.
    """

    def __init__(self) -> None:
        self._step = 0
        self._worked_s: list[float] = []
        self._late = 0
        self._calm = 0

    @property
    def delay_s(self) -> float:
        return STEPS_S[self._step]

    def note(self, worked_s: float) -> None:
        """The work of a tick was done so long after the tick was due."""
        if worked_s > STEPS_S[-1]:
            return
        self._worked_s.append(worked_s)
        if worked_s > _reach_s(self._step):
            self._late += 1
            if self._late > FORGIVEN:
                self._rise()
        elif len(self._worked_s) >= WINDOW:
            self._look()

    def _longest_s(self) -> float:
        """The longest work of the window that is not forgiven; the next window begins."""
        longest_s = sorted(self._worked_s)[-1 - FORGIVEN]
        self._worked_s.clear()
        self._late = 0
        return longest_s

    def _rise(self) -> None:
        wanted_s = ROOM * self._longest_s()
        roomy = (step for step in range(len(STEPS_S)) if _reach_s(step) >= wanted_s)
        self._step, self._calm = min(roomy, default=len(STEPS_S) - 1), 0

    def _look(self) -> None:
        longest_s = self._longest_s()
        fits_below = self._step > 0 and ROOM * longest_s <= _reach_s(self._step - 1)
        self._calm = self._calm + 1 if fits_below else 0
        if self._calm == CALM_WINDOWS:
            self._step, self._calm = self._step - 1, 0


def _reach_s(step: int) -> float:
    return STEPS_S[step] or AT_ONCE_S
