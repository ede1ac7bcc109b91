"""Digits in SIP INFO bodies: application/dtmf-relay and application/dtmf, as telephones really write them.

Neither type was ever standardised; RFC 2976 and 6086 only carry them. What is accepted here is what is seen:
"Signal=5\\r\\nDuration=160", with blanks around "=", any letter case, without Duration, with bare LF, and for
application/dtmf also the digit alone.
"""

from __future__ import annotations

from voipnode.media.dtmf import DIGITS, event_code

DTMF_RELAY = "application/dtmf-relay"
DTMF = "application/dtmf"
_MAX_BODY = 256
_CODES = {str(code): digit for code, digit in enumerate(DIGITS) if code > 9}  # "Signal=10" for the star


def parse_info(content_type: str, body: bytes) -> str | None:
    """The digit (0-9 A-D # *) that an INFO body tells, or None where it tells none. Never raises."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (DTMF_RELAY, DTMF) or len(body) > _MAX_BODY:
        return None
    lines = [line.strip() for line in body.decode("ascii", "replace").replace("\r", "\n").split("\n") if line.strip()]
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and name.strip().lower() == "signal":
            return _digit(value)
    return _digit(lines[0]) if kind == DTMF and lines else None


def build_info(digit: str, duration_ms: int) -> tuple[str, bytes]:
    """Content type and body of an application/dtmf-relay INFO; raises `LocalError` for what is no digit."""
    signal = DIGITS[event_code(digit)]
    return DTMF_RELAY, f"Signal={signal}\r\nDuration={duration_ms}\r\n".encode()


def _digit(text: str) -> str | None:
    text = text.strip().upper()
    if len(text) == 1:
        return text if text in DIGITS else None
    return _CODES.get(text)
