"""One press, one digit, although it may come by RTP, by INFO and as sound at once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 2.0
MAX_HELD_S = 60.0  # a press whose end is never told (the call was put on hold meanwhile) swallows nothing later
_MAX_WAITING = 64


@dataclass(slots=True)
class _Press:
    digit: str
    until: float
    roads: set[str] = field(default_factory=set)  # that brought it
    holding: set[str] = field(default_factory=set)  # that have not told its end yet


class DigitMerger:
    """Tells new digits from ones that another road brought already.

    Every road delivers its digits in order and once. A press that one road brought waits for its twins from all other
    roads, from its start until `window_s` after its end; each road may bring it once. So equal digits pressed twice
    are two, on one road or on several.
    """

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._presses: deque[_Press] = deque(maxlen=_MAX_WAITING)

    def started(self, road: str, digit: str, now: float, *, held: bool = False) -> bool:
        """A digit came by `road` ("rtp", "info", "inband"); True where it is a new press and must be acted on.

        `held`: `ended` will tell when the key is let go; until then its twins may come, however long the tone is (some
        telephones send INFO at the end of the press).
        """
        while self._presses and self._presses[0].until < now:
            self._presses.popleft()
        twin = self._twin(road, digit, now)
        press = twin or _Press(digit, now + self._window_s)
        press.roads.add(road)
        if held:
            press.holding.add(road)
            press.until = now + max(MAX_HELD_S, self._window_s)
        if twin is None:
            self._presses.append(press)
        return twin is None

    def ended(self, road: str, digit: str, now: float) -> None:
        """The held digit of `road` ended: when no road holds it, the time for its twins begins to run."""
        for press in reversed(self._presses):
            if press.digit == digit and road in press.holding:
                press.holding.remove(road)
                if not press.holding:
                    press.until = now + self._window_s
                return

    def _twin(self, road: str, digit: str, now: float) -> _Press | None:
        waiting = (press for press in self._presses if press.digit == digit and press.until >= now)
        return next((press for press in waiting if road not in press.roads), None)
