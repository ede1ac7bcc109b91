"""Counts what went wrong at the edge and logs it without letting a peer flood the log."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

FIRST_LOGGED = 10
THEN_EVERY = 1000
SHOWN_BYTES = 64


class Mishaps:
    """A counter of failures of one kind; the first 10 are logged with their traceback, then every 1000th.

    `note` is to be called inside an `except` block.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.count = 0

    def note(self, source: object = "", data: bytes = b"") -> None:
        """Count the exception being handled; `source` and the first 64 bytes of `data` go into the log."""
        self.count += 1
        if self.count <= FIRST_LOGGED or self.count % THEN_EVERY == 0:
            log.exception(
                "%s failed (%d times so far); from %s: %s", self.what, self.count, source, data[:SHOWN_BYTES].hex()
            )
