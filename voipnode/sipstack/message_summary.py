"""What waits in a mailbox: bodies of the event package message-summary (RFC 3842 §5.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from voipnode.sipstack.errors import ParseError

PACKAGE = "message-summary"
CONTENT_TYPE = "application/simple-message-summary"
MAX_LINES = 64

_COUNTS = re.compile(r"([0-9]{1,10})\s*/\s*([0-9]{1,10})\s*(?:\(\s*([0-9]{1,10})\s*/\s*([0-9]{1,10})\s*\))?")


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """Whether messages wait, and how many voice messages there are; counts are 0 where they are not told."""

    waiting: bool
    account: str = ""
    voice_new: int = 0
    voice_old: int = 0
    urgent_new: int = 0
    urgent_old: int = 0

    @classmethod
    def parse(cls, body: bytes) -> MessageSummary:
        """Raises ParseError where Messages-Waiting is not there, or says neither yes nor no; the rest may be odd."""
        fields: dict[str, str] = {}
        for line in body.decode("utf-8", "replace").splitlines()[:MAX_LINES]:
            name, colon, value = line.partition(":")
            if colon:
                fields.setdefault(name.strip().lower(), value.strip())
        waiting = fields.get("messages-waiting", "").lower()
        if waiting not in ("yes", "no"):
            raise ParseError("no Messages-Waiting in the message summary")
        match = _COUNTS.fullmatch(fields.get("voice-message", ""))
        counts = [int(count or 0) for count in match.groups()] if match is not None else [0, 0, 0, 0]
        return cls(waiting == "yes", fields.get("message-account", ""), *counts)
