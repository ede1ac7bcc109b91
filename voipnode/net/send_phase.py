"""How long after its tick of the media clock a packet leaves.

The work of a tick takes now longer, now shorter: with a hundred calls a millisecond or two, by what came and by who
else uses the processor's caches. Were packets sent when it is done, this would be jitter at the far side. So they wait
until a moment that nearly all ticks have in reach, and which stays the same.
"""

from __future__ import annotations

STEPS_S = (0.0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004)
AT_ONCE_S = 0.00025  # work that is so short may go without waiting
WINDOW = 50  # ticks after which a look is taken
FORGIVEN = 1  # late ones among them
CALM_WINDOWS = 60  # half a minute in which a shorter delay would have done


class SendPhase:
    """Chooses `delay_s`, one of `STEPS_S`, from the times that the work of the ticks took.

    Up by a step as soon as more than one tick in fifty took longer; down only after half a minute, since every change
    is jitter too.
    """

    def __init__(self) -> None:
        self._step = 0
        self._seen = self._late = self._late_below = self._calm = 0

    @property
    def delay_s(self) -> float:
        return STEPS_S[self._step]

    def note(self, worked_s: float) -> None:
        """The work of a tick was done so long after the tick was due."""
        self._seen += 1
        if worked_s > _reach_s(self._step):
            self._late += 1
        if worked_s > 0.8 * _reach_s(max(self._step - 1, 0)):
            self._late_below += 1
        if self._seen == WINDOW:
            self._look()

    def _look(self) -> None:
        self._calm = self._calm + 1 if self._late_below <= FORGIVEN else 0
        if self._late > FORGIVEN and self._step < len(STEPS_S) - 1:
            self._step += 1
            self._calm = 0
        elif self._calm >= CALM_WINDOWS and self._step:
            self._step -= 1
            self._calm = 0
        self._seen = self._late = self._late_below = 0


def _reach_s(step: int) -> float:
    return STEPS_S[step] or AT_ONCE_S
