"""What names mean when they are rung."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.plan import RingPlan, Rules
from voipnode.calls.ringing.settings import GroupSettings
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings
from voipnode.calls.settings import SipSettings

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)  # a Wednesday
NIGHT = datetime(2026, 7, 1, 23, tzinfo=UTC)
SCHEDULES = Schedules([ScheduleSettings(name="day", times=("Mon-Fri 08:00-18:00",), time_zone="UTC")])
ANNA = ContactSettings(name="Anna", address="sip:anna@192.168.1.20", account="lan", schedule="day", fallback="Gran")
BEN = ContactSettings(name="Ben", address="102", fallback="family")
GRAN = ContactSettings(name="Gran", address="sip:gran@192.168.1.22")


def directory(*groups: dict[str, object], sip: SipSettings | None = None) -> Directory:
    """The people, and these groups; `family` is there in any case."""
    named = {group["name"]: group for group in ({"name": "family", "members": ["Anna"]}, *groups)}
    book = ContactBook([ANNA, BEN, GRAN], SCHEDULES)
    return Directory(book, [GroupSettings.model_validate(group) for group in named.values()], sip)


def shape(plan: RingPlan) -> list[tuple[str, float, bool]]:
    return [(" ".join(each.name for each in stage.recipients), stage.for_s, stage.keep) for stage in plan.stages]


def test_a_contact_alone_with_its_fallback() -> None:
    plan = directory(sip=SipSettings(calling_timeout_s=30, max_call_duration_s=90)).plan("Anna")
    (stage,) = plan.stages
    (anna,) = stage.recipients
    assert (anna.address, anna.account, anna.schedule, anna.fallback) == ("sip:anna@192.168.1.20", "lan", "day", None)
    assert (stage.for_s, plan.calling_timeout_s, plan.max_call_duration_s) == (math.inf, 30, 90)
    assert plan.fallback is not None
    assert (plan.fallback.name, plan.fallback.fallback) == ("Gran", None)


@pytest.mark.parametrize(
    ("group", "stages"),
    [
        ({"members": ["Anna", "101"]}, [("Anna 101", math.inf, False)]),
        ({"members": ["Anna", "101"], "ring_s": 15}, [("Anna 101", 15, False)]),
        ({"members": ["Anna", "101"], "strategy": "in_turn"}, [("Anna", 20, False), ("101", 20, False)]),
        ({"members": ["Anna", "101"], "strategy": "in_turn", "ring_s": 7}, [("Anna", 7, False), ("101", 7, False)]),
        (
            {"stages": [{"ring": ["Anna", "Ben"]}, {"ring": ["sip:x@y"], "for_s": 30, "keep": False}]},
            [("Anna Ben", 20, True), ("sip:x@y", 30, False)],
        ),
    ],
)
def test_groups_at_once_in_turn_and_in_stages(group: dict[str, object], stages: list[tuple[str, float, bool]]) -> None:
    assert shape(directory({"name": "g", **group}).plan("g")) == stages


def test_a_group_has_its_own_times_rules_and_sounds() -> None:
    group = {"name": "g", "members": ["Anna"], "calling_timeout_s": 12, "max_call_duration_s": "infinite"}
    plan = directory({**group, "on_refused": "end_all", "busy_clip": "song"}, sip=SipSettings()).plan("g")
    assert (plan.calling_timeout_s, plan.max_call_duration_s) == (12, math.inf)
    assert (plan.rules, plan.sounds.busy_clip) == (Rules(on_refused="end_all"), "song")
    assert directory({"name": "g", "members": ["Anna"]}).plan("g").max_call_duration_s == 600


@pytest.mark.parametrize(
    ("group", "time_s"),
    [
        ({"members": ["Anna"]}, 30),
        ({"members": ["Anna"], "ring_s": 45}, 45),
        ({"members": ["Anna", "Ben", "Gran"], "strategy": "in_turn"}, 60),
        ({"stages": [{"ring": ["Anna"]}, {"ring": ["Ben"], "for_s": 25}]}, 45),
        ({"stages": [{"ring": ["Anna"]}, {"ring": ["Ben"], "for_s": 25}], "calling_timeout_s": 40}, 40),
    ],
)
def test_how_long_a_group_rings(group: dict[str, object], time_s: int) -> None:
    plan = directory({"name": "g", **group}, sip=SipSettings(calling_timeout_s=30)).plan("g")
    assert plan.calling_timeout_s == time_s


def test_members_bring_their_own_fallbacks_except_the_group_that_they_are_in() -> None:
    house = directory({"name": "family", "members": ["Anna", "Ben"], "fallback": "Gran"})
    anna, ben = house.plan("family").stages[0].recipients
    assert anna.fallback is not None
    assert (anna.fallback.name, ben.fallback) == ("Gran", None)
    alone = house.plan("Ben")
    assert alone.fallback is not None
    assert shape(alone.fallback) == [("Anna Ben", math.inf, False)]
    assert alone.fallback.fallback is not None
    assert alone.fallback.fallback.name == "Gran"


def test_whatever_leads_to_whatever_a_plan_has_an_end() -> None:
    groups = [{"name": f"g{i}", "members": ["Ben"], "fallback": f"g{(i + 1) % 40}"} for i in range(40)]
    plan: RingPlan | None = directory({"name": "family", "members": ["Ben"], "fallback": "g0"}, *groups).plan("g3")
    length = 0
    while plan is not None:
        plan, length = plan.fallback, length + 1
    assert length == 12


def test_who_is_there_is_asked_for_the_moment() -> None:
    house = directory()
    (anna,) = house.plan("Anna").stages[0].recipients
    assert house.hindrance(anna, NOON) == ""
    assert house.hindrance(anna, NIGHT) == 'Anna is not available now (schedule "day")'


def test_the_first_whose_schedule_is_active_is_chosen() -> None:
    rings = (("Anna", "day"), ("family", "never"), ("Gran", ""))
    house = directory()
    assert [house.choose(rings, now) for now in (NOON, NIGHT)] == ["Anna", "Gran"]
    assert house.choose(rings[:2], NIGHT) == ""


def test_an_unknown_name_is_said_with_those_that_there_are() -> None:
    house = directory({"name": "family", "members": ["Anna"]})
    assert [house.knows(name) for name in ("family", "Anna", "anna")] == [True, True, False]
    with pytest.raises(UnknownNameError, match=r'"anna": .* there is "Anna", "Ben", "Gran", "family"'):
        house.plan("anna")
    house.replace([], SipSettings())
    assert not house.knows("family")
