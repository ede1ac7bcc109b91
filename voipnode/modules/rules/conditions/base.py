"""What all conditions have in common: states that last, which events change, and moments, which one event is."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.events import Event

So = frozenset[str]
"""What makes a state so: the calls, ports, ... for which it is; empty = it is not so."""


def heard_as(event: Event) -> type[Event]:
    """The type by which conditions hear an event: those of plug-ins, which nobody knows before, as `Event`."""
    kind = type(event)
    return kind if kind.__module__.startswith("voipnode.") else Event


class Condition(BaseModel):
    """Base of all conditions; `heard` are the types of events that say something of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built once, with the settings

    heard: ClassVar[tuple[type[Event], ...]] = ()


class State(Condition):
    """Something that lasts. It is not so until an event has told that it is; `invert` turns it round."""

    invert: bool = Field(default=False, description="Holds while it is not so.")

    def next(self, before: So, event: Any) -> So:
        """What makes it so after an event of `heard`; `before` where that says nothing."""
        raise NotImplementedError

    def words(self) -> str:
        """What is so, in words; "not" is put before it."""
        raise NotImplementedError


class Moment(Condition):
    """Something that happens and is over. It has no `invert`: what does not happen happens at no time."""

    def hears(self, event: Any) -> bool:
        """Whether this event, of `heard`, is it."""
        raise NotImplementedError

    def words(self) -> str:
        """What happens, in words."""
        raise NotImplementedError


def joined(before: So, what: str, *, so: bool) -> So:
    """`before` with or without one thing more that makes it so."""
    return before | {what} if so else before - {what}


def quoted(what: str, name: str, many: str) -> str:
    """One by its name, or, where none is named, `many`."""
    return f'{what} "{name}"' if name else many
