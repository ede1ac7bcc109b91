"""The directory: what the name of a contact or group, or an address, means when it is rung."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.references import listed
from voipnode.calls.ringing.plan import Recipient, RingPlan, Stage
from voipnode.calls.ringing.settings import IN_TURN_S, GroupSettings, StageSettings
from voipnode.calls.settings import SipSettings

MAX_DEPTH = 12  # fallbacks of fallbacks, and of their members
Within = tuple[str, ...]


class Directory:
    """Makes plans of the contacts and groups as they are when it is asked; who is available is asked when it rings.

    `replace` changes groups and general settings while the node runs. A member of a group may have that very group as
    its fallback, for when it is called alone: within the group that says nothing, and a plan has an end.
    """

    def __init__(
        self,
        book: ContactBook | None = None,
        groups: Sequence[GroupSettings] = (),
        sip: SipSettings | None = None,
    ) -> None:
        self._book = book or ContactBook()
        self.replace(groups, sip or SipSettings())

    def replace(self, groups: Sequence[GroupSettings], sip: SipSettings) -> None:
        """Have these from now on; they belong to checked settings."""
        self._groups = {group.name: group for group in groups}
        self._sip = sip

    @property
    def groups(self) -> tuple[GroupSettings, ...]:
        """In the order of the settings."""
        return tuple(self._groups.values())

    def knows(self, name: str) -> bool:
        """Whether a contact or group has this name."""
        return name in self._groups or self._book.find(name) is not None

    def plan(self, name: str) -> RingPlan:
        """What is rung for a contact or group. Raises UnknownNameError."""
        return self._plan(name, ())

    def _plan(self, name: str, within: Within) -> RingPlan:
        """`within`: the names that led here."""
        within = (*within, name)
        group = self._groups.get(name)
        if group is not None:
            plan = self._made(name, self._stages(group, within), group.fallback, within)
            return replace(self._limited(plan, group), rules=group.rules, sounds=group)
        contact = self._book.find(name)
        if contact is None:
            names = {*self._groups, *(contact.name for contact in self._book.contacts)}
            raise UnknownNameError(f'"{name}": there is no such contact or group; there is {listed(names)}')
        return self._made(name, (Stage((self._person(contact),)),), contact.fallback, within)

    def of_addresses(self, addresses: Iterable[str], account: str = "") -> RingPlan:
        """All of these at once."""
        return self._made("", (Stage(tuple([Recipient(address, address, account) for address in addresses])),), "", ())

    def choose(self, rings: Iterable[tuple[str, str]], now: datetime) -> str:
        """Of contacts and groups, each with the name of its schedule, the first that is to be rung at `now`; or ""."""
        return next((name for name, schedule in rings if self._book.schedules.is_active(schedule, now)), "")

    def hindrance(self, recipient: Recipient, now: datetime) -> str:
        """Why somebody may not be rung at `now`, an aware datetime, in words; "" where nothing is in the way."""
        if self._book.schedules.is_active(recipient.schedule, now):
            return ""
        return f'{recipient.name} is not available now (schedule "{recipient.schedule}")'

    # Inside

    def _made(self, name: str, stages: tuple[Stage, ...], fallback: str, within: Within) -> RingPlan:
        longest = self._sip.max_call_duration_s
        return RingPlan(
            name,
            stages,
            float(self._sip.calling_timeout_s),
            math.inf if longest == "infinite" else float(longest),
            fallback=self._fallback(fallback, within),
        )

    @staticmethod
    def _limited(plan: RingPlan, group: GroupSettings) -> RingPlan:
        """The plan with the group's own times: without a limit of its own, those of its stages where all have one."""
        stages_s = sum(stage.for_s for stage in plan.stages)
        if group.calling_timeout_s is not None:
            plan = replace(plan, calling_timeout_s=float(group.calling_timeout_s))
        elif stages_s < math.inf:
            plan = replace(plan, calling_timeout_s=stages_s)
        if group.max_call_duration_s is not None:
            longest = group.max_call_duration_s
            plan = replace(plan, max_call_duration_s=math.inf if longest == "infinite" else float(longest))
        return plan

    def _fallback(self, name: str, within: Within) -> RingPlan | None:
        return self._plan(name, within) if name and name not in within and len(within) < MAX_DEPTH else None

    def _stages(self, group: GroupSettings, within: Within) -> tuple[Stage, ...]:
        if group.stages:
            return tuple([self._stage(stage, within) for stage in group.stages])
        members = [self._party(member, within) for member in group.members]
        if group.strategy == "all":
            return (Stage(tuple(members), math.inf if group.ring_s is None else float(group.ring_s)),)
        return tuple([Stage((member,), float(group.ring_s or IN_TURN_S)) for member in members])

    def _stage(self, stage: StageSettings, within: Within) -> Stage:
        return Stage(tuple([self._party(each, within) for each in stage.ring]), float(stage.for_s), stage.keep)

    def _party(self, text: str, within: Within) -> Recipient:
        """Who is meant in a group: a contact with its own fallback, or an address as it is."""
        contact = self._book.find(text)
        if contact is None:
            return Recipient(text, text)
        return self._person(contact, self._fallback(contact.fallback, (*within, text)))

    @staticmethod
    def _person(contact: ContactSettings, fallback: RingPlan | None = None) -> Recipient:
        return Recipient(contact.name, contact.address, contact.account, contact.schedule, fallback)
