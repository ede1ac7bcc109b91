"""Commands for SIP accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voipnode.calls.commands.base import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAccount(Command):
    """Register an account now, whatever its timers say; `RegistrationChanged` tells what is new by it."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAccount(Command):
    """Add an account to the settings file: `settings` has the keys of `[[accounts]]`. Returns its id.

    Raises FieldsError for what is not right in them. `LineSettingsChanged` tells when it is in use.
    """

    settings: Mapping[str, Any] = field(repr=False)  # a password may be among them


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAccount(Command):
    """Change keys of an account in the settings file; None takes one out. Returns its id. Raises as `AddAccount`."""

    account: str
    changes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveAccount(Command):
    """Take an account out of the settings file. Raises NotNowError for the default one while there are others."""

    account: str
