"""The parameters of a format: `a=fmtp` as most media types write them (RFC 4855 §3): name=value; name=value."""

from __future__ import annotations

MAX_PARAMETERS = 32


def parameters(fmtp: str) -> dict[str, str]:
    """Names in lower case to values; the first of a name counts. Never raises: what is no pair is passed over."""
    found: dict[str, str] = {}
    for pair in fmtp.split(";", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, equals, value = pair.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def number(found: dict[str, str], name: str) -> int | None:
    """A parameter that is a whole number of up to nine digits, else None."""
    text = found.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
