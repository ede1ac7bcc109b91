"""What the rest of the switch knows of calls that HTTP clients answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.call import Call

VMS = "vms"  # the address of a recipient that is whoever answers by HTTP
VMS_ACCOUNT = AccountSettings(name="VMS")


class VmsRinging(Protocol):
    """Rings for clients that listen, however many."""

    enabled: bool

    def ring(self, call: Call, answered: Callable[[], None]) -> None:
        """Offer the call; `answered` is called when a client takes it, before it has the door."""
        ...

    def stop(self, call: Call) -> None:
        """Offer it no longer; does nothing where it is not offered."""
        ...


class NoVms:
    """Nobody listens."""

    enabled = False

    def ring(self, call: Call, answered: Callable[[], None]) -> None:
        return

    def stop(self, call: Call) -> None:
        return
