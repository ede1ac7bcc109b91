"""The error tree of the call layer."""

from __future__ import annotations

from collections.abc import Sequence


class CallError(Exception):
    """A command that cannot be carried out; the message names the field, the value and what would be right."""


class UnknownNameError(CallError):
    """A command names a call, input, port or account that does not exist."""


class NotNowError(CallError):
    """The command is right but the present state does not allow it."""


class UnsureError(NotNowError):
    """It was tried and has failed, for all that is known: for a moment it may have happened."""


class FieldsError(CallError):
    """What was sent is wrong in its fields: `fields` has for each its key, its value where it may be shown, and what
    is wrong with it and would be right."""

    def __init__(self, fields: Sequence[tuple[str, object, str]]) -> None:
        self.fields = tuple(fields)
        super().__init__("; ".join(f"{key}: {words}" if key else words for key, _, words in self.fields))
