"""What a try to deliver a message raises."""

from __future__ import annotations

MAX_WORDS = 300  # of what a server may have said


class DeliveryError(Exception):
    """It was not delivered. `final`: nor will it be, however often it is tried."""

    def __init__(self, words: str, *, final: bool = False) -> None:
        super().__init__(words[:MAX_WORDS])
        self.final = final
