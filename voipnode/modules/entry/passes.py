"""A visitor's pass: a fresh code of his, as the QR code that he shows to a reader.

A code is kept as a hash, so it can be drawn once, when it is made. A QR reader is a reader like others: one that types
what it reads gives it as keys, one that takes it for a card's number as a card, and each has its kind of pass.
"""

from __future__ import annotations

import io
import secrets
from typing import Any

from voipnode.modules.entry.holder import Holder

CARD_BYTES = 8  # nobody guesses 64 bits at a door


def fresh_uid() -> str:
    """A card's UID that no card has, to be shown as a QR code."""
    return secrets.token_hex(CARD_BYTES).upper()


def qr_code(text: str) -> str:
    """The QR code (ISO/IEC 18004) of digits or capital letters, with its quiet zone, as SVG. Blocking: some 3 ms."""
    import segno  # here: few nodes ever draw one

    drawn = io.BytesIO()
    code = segno.make_qr(text, error="m")
    code.save(drawn, kind="svg", scale=8, xmldecl=False, light="#fff", svgclass=None, lineclass=None, nl=False)
    return drawn.getvalue().decode()


def visitor_pass(holder: Holder, text: str, drawn: str) -> dict[str, Any]:
    """What is handed to the visitor, JSON-ready: the code, its picture, and how long and how often it is good."""
    fields = holder.fields
    return {
        "name": fields.name,
        "code": text,
        "svg": drawn,
        "valid_from_utc": fields.valid_from_utc,
        "valid_to_utc": fields.valid_to_utc,
        "uses_left": fields.uses_left,
        "schedule": fields.schedule,
        "suspended": fields.suspended,
    }
