"""Which description of a dialog waits for which: offer and answer as the messages carry them (RFC 3264 §4, RFC 6337).

The endpoint takes session descriptions for opaque bytes; what they say is for `offer_answer`. But whether a body is an
offer or an answer, and whether another offer may be made now, follows from the order of the messages alone:

    NOTHING --offer_sent--> OURS ----answer_received--> SETTLED ----offer_sent / offer_received--> ...
       '----offer_received--> THEIRS --answer_sent------> SETTLED      refused: back to what was agreed before
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Open(Enum):
    """Whose offer has no answer yet."""

    NOTHING = auto()  # nobody has offered anything
    OURS = auto()
    THEIRS = auto()
    SETTLED = auto()


@dataclass(slots=True)
class Exchange:
    """The offer/answer state of one dialog. `ours` and `theirs` are the descriptions in force, or b"".

    A peer that leaves out an answer which it owes settles the exchange all the same: nothing waits for ever.
    """

    open: Open = Open.NOTHING
    ours: bytes = b""
    theirs: bytes = b""
    _offered: bytes = b""

    @property
    def settled(self) -> bool:
        return self.open is Open.SETTLED

    def offer_sent(self, body: bytes) -> None:
        self.open, self._offered = Open.OURS, body

    def offer_received(self, body: bytes) -> None:
        self.open, self._offered = Open.THEIRS, body

    def offer_wanted(self) -> None:
        """An INVITE without an offer is under way: whoever answers it makes one (RFC 3261 §14.2)."""
        self.open = Open.NOTHING

    def answer_sent(self, body: bytes | None) -> None:
        """Our answer is on its way; one that says nothing leaves what we said last."""
        if self.open is Open.THEIRS:
            self.theirs = self._offered
        self.open, self.ours = Open.SETTLED, body or self.ours

    def answer_received(self, body: bytes | None) -> None:
        if self.open is Open.OURS:
            self.ours = self._offered
        self.open, self.theirs = Open.SETTLED, body or self.theirs

    def send(self, body: bytes | None) -> bytes | None:
        """What a response of ours to INVITE carries of `body`: the answer, our offer, or nothing any more.

        Once the exchange is settled the responses that follow should hold no description (RFC 6337 §3.1.1).
        """
        if body is None or self.settled or self.open is Open.OURS:
            return None
        if self.open is Open.THEIRS:
            self.answer_sent(body)
        else:
            self.offer_sent(body)
        return body

    def refused(self) -> None:
        """The offer under way was refused, or its request failed: what was agreed before stays in force."""
        self.open = Open.SETTLED if self.ours or self.theirs else Open.NOTHING
