"""Calls that ask to be answered at once: what telephone systems send for paging and intercom.

There is a standard (RFC 5373) and there are older habits: Call-Info and Alert-Info. Whether the wish is granted is for
`incoming` to say: a door that answers by itself lets the caller hear who stands there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from voipnode.sipstack.message import Request

# The habits: `Call-Info: <sip:x>;answer-after=0`, `Alert-Info: <http://x>;info=alert-autoanswer` or info="Auto Answer",
# `Alert-Info: Ring Answer`, `Alert-Info: <...>;answer-after=0`. A delay other than 0 rings instead.
_CALL_INFO = re.compile(r";\s*answer-after\s*=\s*\"?0+\"?\s*(?:[;,]|$)", re.IGNORECASE)
_ALERT_INFO = re.compile(r"alert-autoanswer|auto[ \-]?answer|ring[ \-]answer", re.IGNORECASE)
_MODE = re.compile(r"(auto|manual)\s*(;\s*require\s*)?(?:;.*)?", re.IGNORECASE)
MAX_FIELDS = 8


class AnswerWish(NamedTuple):
    """How a caller wants to be answered. `mode`: "auto", "manual" or "" (it does not say); `field`: where it says so.

    `required`: it wants to be refused rather than answered otherwise (RFC 5373 §4.2).
    """

    mode: str = ""
    required: bool = False
    field: str = ""


def answer_wish(request: Request, *, privileged: bool) -> AnswerWish:
    """What an INVITE asks for; Priv-Answer-Mode counts first from `privileged` callers alone (RFC 5373 §4.1)."""
    for field in ("Priv-Answer-Mode", "Answer-Mode") if privileged else ("Answer-Mode",):
        match = _MODE.fullmatch((request.headers.get(field) or "").strip())
        if match is not None:
            return AnswerWish(match[1].lower(), match[2] is not None, field)
    for field, pattern in (("Call-Info", _CALL_INFO), ("Alert-Info", _CALL_INFO), ("Alert-Info", _ALERT_INFO)):
        if any(pattern.search(value) for value in request.headers.get_all(field)[:MAX_FIELDS]):
            return AnswerWish("auto", False, field)
    return AnswerWish()
