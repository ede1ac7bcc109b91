"""The keys of one reader: digits become a code; a card may wait for its PIN."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.modules.entry.holder import Holder


@dataclass(slots=True)
class Keypad:
    """Collects digits until there are `length`, "#" ends sooner, "*" begins anew; `timeout_s` between two keys.

    `card`: whose card was shown, and waits for its PIN. Times are the engine's monotonic seconds.
    """

    length: int
    timeout_s: float
    card: Holder | None = None
    digits: str = ""
    until: float | None = None

    def expect_pin(self, holder: Holder, now: float) -> None:
        """His card was shown: the PIN has to follow."""
        self.card, self.digits, self.until = holder, "", now + self.timeout_s

    def key(self, key: str, now: float) -> str | None:
        """A key was pressed: the code that is complete with it, None while there is none. Other keys are ignored."""
        if self.length == 0:
            return None
        self.expire(now)
        if key == "*":
            self.clear()
            return None
        if key == "#":
            if not self.digits:
                return None
            return self._take()
        if len(key) != 1 or key not in "0123456789":
            return None
        self.digits += key
        self.until = now + self.timeout_s
        return self._take() if len(self.digits) == self.length else None

    def _take(self) -> str:
        """The card that waits stays, for whoever asks next."""
        code, self.digits, self.until = self.digits, "", None
        return code

    def expire(self, now: float) -> bool:
        """Forget what waits too long; whether there was something."""
        if self.until is None or now < self.until:
            return False
        self.clear()
        return True

    def clear(self) -> None:
        """Nothing was shown or pressed."""
        self.card, self.digits, self.until = None, "", None
