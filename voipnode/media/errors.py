"""The error tree of the media layer."""

from __future__ import annotations


class MediaError(Exception):
    """Anything the media layer raises on purpose."""


class ParseError(MediaError):
    """Bytes that are not what their format says; the only exception that the parsers let escape."""


class LocalError(MediaError):
    """The caller's own mistake: a value out of range, a codec that is not there, digits where none were negotiated."""
