"""Conditions about plug-ins, whose events the node does not know before they come."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from voipnode.calls.events import Event
from voipnode.modules.rules.conditions.base import Moment
from voipnode.modules.rules.names import Plugin


class PluginTold(Moment):
    """A plug-in told an event of its own."""

    heard: ClassVar[tuple[type[Event], ...]] = (Event,)
    kind: Literal["plugin"] = Field(alias="is")
    plugin: Plugin
    event: str = Field(
        max_length=64,
        pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+){0,2}$",
        description='Which event: "counted" is PLUGIN.counted.',
    )

    def hears(self, event: Event) -> bool:
        return event.name == f"{self.plugin}.{self.event}"

    def words(self) -> str:
        return f'plug-in "{self.plugin}" told "{self.event}"'
