"""The Reason field: why a request or response was sent (RFC 3326), in numbers and in words."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.fields import Item
from voipnode.sipstack.grammar import printable, quote
from voipnode.sipstack.message import Message

MAX_TEXT_CHARS = 128
MAX_VALUES = 4  # one for SIP, one for Q.850; more is noise


class Reason(NamedTuple):
    """One Reason value: `protocol` "SIP", "Q.850" or another, in upper case; `cause` 0 and `text` "" where absent."""

    protocol: str
    cause: int = 0
    text: str = ""

    @classmethod
    def parse(cls, text: str) -> Reason:
        """Raises ParseError for anything but a token with parameters, and for a cause that is no small number."""
        item = Item.parse(text)
        cause = item.params.get("cause") or "0"
        if not (cause.isascii() and cause.isdigit()) or len(cause) > 4:
            raise ParseError("malformed cause in Reason")
        return cls(item.value.upper(), int(cause), printable(item.params.get("text") or "")[:MAX_TEXT_CHARS])

    def __str__(self) -> str:
        cause = f";cause={self.cause}" if self.cause else ""
        return f"{self.protocol}{cause}" + (f";text={quote(self.text)}" if self.text else "")


def reasons_of(message: Message | None) -> tuple[Reason, ...]:
    """What a message says of why it was sent; values that cannot be read are left out, they decide nothing."""
    if message is None or "reason" not in message.headers:
        return ()
    found = []
    try:
        values = message.headers.values("Reason")
    except ParseError:
        return ()
    for value in values[:MAX_VALUES]:
        try:
            found.append(Reason.parse(value))
        except ParseError:
            continue
    return tuple(found)
