"""What contacts, and whatever else can be called by name, say of each other that cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.references import Broken, listed
from voipnode.calls.schedules.settings import BUILT_IN, no_such_schedule


class Named(Protocol):
    """Can be called by name, and names who is called in its place."""

    @property
    def name(self) -> str: ...

    @property
    def fallback(self) -> str: ...


def broken_contacts(
    contacts: Sequence[ContactSettings], *, accounts: Collection[str], schedules: Sequence[str]
) -> Iterator[Broken]:
    """Unknown accounts and schedules, and speed dials given twice."""
    dials: dict[str, int] = {}
    for index, contact in enumerate(contacts):
        here = ("contacts", index)
        if contact.account and contact.account not in accounts:
            yield (*here, "account"), contact.account, f"there is no such account; there is {listed(accounts)}"
        if contact.schedule and contact.schedule not in (*schedules, *BUILT_IN):
            yield (*here, "schedule"), contact.schedule, no_such_schedule(schedules)
        if contact.speed_dial and dials.setdefault(contact.speed_dial, index) != index:
            first = contacts[dials[contact.speed_dial]].name
            yield (*here, "speed_dial"), contact.speed_dial, f'calls "{first}" already; give it other digits'


def broken_names(lists: Mapping[str, Sequence[Named]]) -> Iterator[Broken]:
    """Names used twice in all `lists`, fallbacks that do not exist, and such as lead in a circle, told with it.

    `lists` are those of the settings whose entries share one space of names, by their keys: "contacts", "groups".
    """
    places: dict[str, tuple[str, int]] = {}
    fallbacks: dict[str, str] = {}
    for key, entries in lists.items():
        for index, entry in enumerate(entries):
            if entry.name in places:
                there, at = places[entry.name]
                yield (key, index, "name"), entry.name, f"is the name of {there}[{at}], too; each needs its own"
            else:
                places[entry.name] = (key, index)
                fallbacks[entry.name] = entry.fallback
    for name, (key, index) in places.items():
        fallback, here = fallbacks[name], (key, index, "fallback")
        if fallback and fallback not in places:
            yield here, fallback, f"there is no such contact or group; there is {listed(places)}"
        elif (circle := _circle(name, fallbacks)) and name == min(circle, key=list(places).index):
            yield here, fallback, f"leads in a circle: {' -> '.join(circle)}"


def _circle(name: str, fallbacks: Mapping[str, str]) -> list[str]:
    """The way from `name` by fallbacks back to it, both ends said; empty where it ends, or ends in another circle."""
    chain = [name]
    while (following := fallbacks.get(chain[-1], "")) and following not in chain:
        chain.append(following)
    return [*chain, name] if following == name else []
