"""The error tree of the call layer."""

from __future__ import annotations


class CallError(Exception):
    """A command that cannot be carried out; the message names the field, the value and what would be right."""


class UnknownNameError(CallError):
    """A command names a call, input, port or account that does not exist."""


class NotNowError(CallError):
    """The command is right but the present state does not allow it."""
