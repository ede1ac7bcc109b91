"""What the error codes of STUN and TURN servers mean for people, and how long such a server is left alone."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Message

SILENT_S = 60.0  # a server that did not answer
MAX_REASON = 60


class Refusal(NamedTuple):
    """`code` is 0 where nothing was answered. `rest_s`: for how long the server is not waited for."""

    code: int
    words: str
    rest_s: float


# RFC 8656 §7.4; RFC 8489 §14.8.
_MEANINGS: dict[int, tuple[str, float]] = {
    300: ("sends us to another server, which leads nowhere", 60.0),
    400: ("did not understand the request (400)", 300.0),
    401: ("does not accept username and password (401)", 300.0),
    403: ("forbids it (403)", 300.0),
    420: ("does not know what was asked of it (420)", 300.0),
    437: ("has something else at our address (437)", 120.0),
    438: ("keeps calling its own challenges stale (438)", 60.0),
    440: ("has no addresses of this IP version (440)", 300.0),
    441: ("says that the allocation is another user's (441)", 300.0),
    442: ("relays no UDP (442)", 300.0),
    443: ("cannot reach addresses of this IP version (443)", 300.0),
    486: ("has no more relays for this user (486)", 60.0),
    500: ("failed (500)", 60.0),
    508: ("is full (508)", 60.0),
}
SILENT = Refusal(0, "does not answer", SILENT_S)
UNPROVEN = Refusal(0, "does not know our password: its answers are not signed with it", 300.0)


def refusal_of(answer: Message) -> Refusal:
    """What an error response means; its own words follow where ours say too little."""
    try:
        code, reason = answer.error or (0, "")
    except ParseError:
        code, reason = 0, ""
    if code in _MEANINGS:
        words, rest_s = _MEANINGS[code]
    else:
        shown = "".join(character for character in reason if character.isprintable())[:MAX_REASON]
        words, rest_s = f"refused ({code} {shown})" if code else "refused without a reason", SILENT_S
    if code == 420:
        words += f": attributes {_unknown(answer)}"
    return Refusal(code, words, rest_s)


def _unknown(answer: Message) -> str:
    value = answer.value(Attribute.UNKNOWN_ATTRIBUTES) or b""
    kinds = [f"{int.from_bytes(value[at : at + 2], 'big'):#06x}" for at in range(0, min(len(value), 16), 2)]
    return ", ".join(kinds) or "not named"
