"""Settings of conferences: names that are one's own, and rules that lead somewhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voipnode.calls.exchange.settings import SwitchSettings, broken_dial_plan


def test_two_conferences_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match='two conferences are called "house"'):
        SwitchSettings(conferences=[{"name": "house"}, {"name": "house"}])  # type: ignore[arg-type]  # as a file says it


def test_a_rule_that_leads_to_no_conference_is_refused() -> None:
    switch = SwitchSettings(
        dial_plan=("600 -> conference house", "601 -> conference garden"),
        conferences=[{"name": "house", "max_parties": 4, "with_door": True}],  # type: ignore[arg-type]
    )
    broken = list(broken_dial_plan(switch, extensions=(), groups=(), trunks=(), incoming=()))
    words = 'there is no conference "garden"; there is "house"'
    assert broken == [(("switch", "dial_plan", 1), "601 -> conference garden", words)]


def test_a_conference_of_one_is_none() -> None:
    with pytest.raises(ValidationError, match="max_parties"):
        SwitchSettings(conferences=[{"name": "house", "max_parties": 1}])  # type: ignore[arg-type]
