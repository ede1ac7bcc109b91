"""What groups and buttons say of others that cannot be: names that nobody has, and more telephones than may ring."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from voipnode.calls.contacts.settings import SOME_DOMAIN
from voipnode.calls.errors import CallError
from voipnode.calls.references import Broken, Place, listed
from voipnode.calls.ringing.plan import MAX_AT_ONCE
from voipnode.calls.ringing.settings import GroupSettings, is_address
from voipnode.calls.schedules.settings import BUILT_IN, no_such_schedule
from voipnode.calls.vms.ports import VMS
from voipnode.calls.ways import parse_target


class Named(Protocol):
    @property
    def name(self) -> str: ...


def broken_groups(
    groups: Sequence[GroupSettings], *, contacts: Collection[str], extensions: Collection[str]
) -> Iterator[Broken]:
    """Recipients that nobody knows, the same one twice in a stage, and a seventh that would ring at the same time."""
    names = {group.name for group in groups}
    for index, group in enumerate(groups):
        kept: set[str] = set()
        for parties, keep in _stages(group):
            at_once = set(kept)
            for place, party in parties:
                words = _unknown(party, contacts, extensions, names)
                if not words and party in at_once - kept:
                    words = "is there twice; each rings once"
                elif not words and party != VMS and len((at_once | {party}) - {VMS}) > MAX_AT_ONCE:
                    words = f"is the seventh to ring at the same time; {MAX_AT_ONCE} do at most"
                    words += f", and {len(kept)} go on from the stages before (keep)" if kept else ""
                if words:
                    yield ("groups", index, *place), party, words
                at_once.add(party)
            if keep:
                kept |= {party for _, party in parties}
        yield from _too_late(index, group)


def _too_late(index: int, group: GroupSettings) -> Iterator[Broken]:
    """A stage that would begin when the group's time is over already."""
    begins_s = 0
    for number, lasts_s in enumerate(group.stage_times_s, 1):
        if group.calling_timeout_s is not None and begins_s >= group.calling_timeout_s:
            words = f"is over when stage {number} begins, after {begins_s} s; allow more, or shorten those before"
            yield ("groups", index, "calling_timeout_s"), group.calling_timeout_s, words
            return
        begins_s += lasts_s


def _stages(group: GroupSettings) -> Iterator[tuple[Sequence[tuple[Place, str]], bool]]:
    """Who is in each stage, with the place where it stands in the group, and whether they are kept."""
    for number, stage in enumerate(group.stages):
        yield [(("stages", number, "ring", at), party) for at, party in enumerate(stage.ring)], stage.keep
    members: list[tuple[Place, str]] = [(("members", at), party) for at, party in enumerate(group.members)]
    if group.strategy == "all":
        yield members, False
    else:
        yield from (([member], False) for member in members)


def _unknown(party: str, contacts: Collection[str], extensions: Collection[str], groups: Collection[str]) -> str:
    """Why this cannot be rung in a group; "" where it can."""
    if party in contacts or party in extensions or party == VMS:
        return ""
    if party in groups:
        return "is a group; a group rings contacts, extensions and addresses, and another group as its fallback"
    if not is_address(party):
        return f"there is no such contact or extension; there is {listed({*contacts, *extensions})}"
    try:
        parse_target(party, SOME_DOMAIN)
    except CallError:
        return "cannot be called; write a SIP address such as sip:anna@192.168.1.20, or a number such as 101"
    return ""


def clashing_numbers(lists: Mapping[str, Sequence[Named]], extensions: Sequence[str]) -> Iterator[Broken]:
    """Names of contacts and groups that are an extension's number, too."""
    for key, entries in lists.items():
        for index, entry in enumerate(entries):
            if entry.name in extensions:
                words = f"extensions[{extensions.index(entry.name)}] has this number; each needs its own"
                yield (key, index, "name"), entry.name, words


class Button(Protocol):
    """What is checked of a call button."""

    @property
    def ring(self) -> str: ...
    @property
    def rings(self) -> Sequence[ScheduledRing]: ...
    @property
    def fallback(self) -> str: ...


class ScheduledRing(Protocol):
    @property
    def ring(self) -> str: ...
    @property
    def schedule(self) -> str: ...


def broken_buttons(buttons: Sequence[Button], *, names: Collection[str], schedules: Sequence[str]) -> Iterator[Broken]:
    """Buttons that ring whom nobody knows, or by a schedule that there is not. `names`: of contacts and groups."""
    for index, button in enumerate(buttons):
        here: Place = ("buttons", index)
        used: list[tuple[Place, str]] = [((*here, "ring"), button.ring), ((*here, "fallback"), button.fallback)]
        for number, choice in enumerate(button.rings):
            used.append(((*here, "rings", number, "ring"), choice.ring))
            if choice.schedule and choice.schedule not in (*schedules, *BUILT_IN):
                yield (*here, "rings", number, "schedule"), choice.schedule, no_such_schedule(schedules)
        for place, name in used:
            if name and name not in names:
                yield place, name, f"there is no such contact or group; there is {listed(names)}"
