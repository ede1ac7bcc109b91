"""One press, one digit, although it may come by RTP and by INFO at once."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_S = 2.0
_MAX_WAITING = 64


@dataclass(slots=True)
class _Told:
    digit: str
    until: float


class DigitMerger:
    """Tells new digits from ones that another road brought already.

    Every road delivers its digits in order and once. A digit that one road brought waits for its twin from each other
    road, from its start until `window_s` after its end; the twin is dropped, and both are done with. So equal digits
    pressed twice are two, on one road or on both.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._waiting: dict[str, deque[_Told]] = {}

    def started(self, road: str, digit: str, now: float, *, held: bool = False) -> bool:
        """A digit came by `road` ("rtp", "info"); True where it is a new press and must be acted on.

        `held`: `ended` will tell when the key is let go; until then its twin may come, however long the tone is (some
        telephones send INFO at the end of the press).
        """
        for other, waiting in self._waiting.items():
            while waiting and waiting[0].until < now:
                waiting.popleft()
            if other != road and self._take_twin(waiting, digit, now):
                return False
        waiting = self._waiting.setdefault(road, deque(maxlen=_MAX_WAITING))
        waiting.append(_Told(digit, math.inf if held else now + self._window_s))
        return True

    def ended(self, road: str, digit: str, now: float) -> None:
        """The held digit of `road` ended: only now does the time for its twin begin to run."""
        for told in reversed(self._waiting.get(road, ())):
            if told.digit == digit and told.until == math.inf:
                told.until = now + self._window_s
                return

    @staticmethod
    def _take_twin(waiting: deque[_Told], digit: str, now: float) -> bool:
        for index, told in enumerate(waiting):
            if told.digit == digit and told.until >= now:
                del waiting[index]
                return True
        return False
