"""The error tree of the codecs."""

from __future__ import annotations


class CodecError(Exception):
    """Anything the codecs raise on purpose."""


class UnknownCodecError(CodecError):
    """A codec of this name is not built in; the message lists those that are."""
