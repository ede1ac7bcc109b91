"""What the three protocols have in common: a link to the door controller, and what it hears from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from voipnode.modules.controller.vapix import Entrance

CONNECTED, CONNECTING, NOT_CONNECTED = "connected", "connecting", "not connected"
GREEN, RED, AMBER = "green", "red", "amber"
AS_IT_IS = ""  # of a light: it stays as it is


class Ear(Protocol):
    """Takes what a link has to tell."""

    def linked(self, state: str, detail: str = "") -> None:
        """The link is in `state` now."""
        ...

    def shown(self, led: str, for_s: float = 0.0, beeps: int = 0) -> None:
        """The controller wants this to be shown at the reader; "" leaves the light as it is."""
        ...


class ControllerLink(Protocol):
    """A link to a door controller. Cards are bits, the first on the wire first.

    `card` and `keys` raise NotNowError where the controller has not taken them, and nothing is kept to be told later:
    whoever stood at the door has gone, and a door that opens late opens for somebody else. `found`: the entrances that
    the controller offers, where it is asked for them.
    """

    name: str

    @property
    def found(self) -> Sequence[Entrance]: ...

    async def start(self, ear: Ear) -> None: ...

    async def stop(self) -> None: ...

    async def card(self, bits: str, reader: str) -> None: ...

    async def keys(self, keys: str, reader: str) -> None: ...
