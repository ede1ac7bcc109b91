"""The dial plan: what each line means, who may reach what it leads to, and what is wrong with a plan."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from voipnode.calls.exchange.destination import OUTSIDE, Caller, Destination
from voipnode.calls.exchange.dial_plan import DialPlan, Rule
from voipnode.calls.exchange.settings import SwitchSettings, broken_dial_plan
from voipnode.sipstack.uri import parse_uri

EVERYTHING = frozenset({"extensions", "door", "trunks"})
ANNA = Caller("extension", "101", EVERYTHING)
PLAN = (
    "10x -> extension",
    "5x -> extension, strip 1, prefix 10",
    "9 -> group family",
    "2xx -> group",
    "0900. -> refuse",
    '0. -> account "My PBX", strip 1',
    "+. -> account My PBX",
    "*8 -> pickup",
    "*8. -> pickup, strip 2",
    "600 -> conference house",
    "700 -> page",
    "99 -> look out",
    "100# -> door",
)


def plan(*rules: str) -> DialPlan:
    return DialPlan(
        [Rule.parse(text) for text in rules or PLAN],
        extensions={"101", "102"}.__contains__,
        groups={"family", "201", "office"}.__contains__,
        door_users={"door"},
        incoming={"PBX": "office", "Provider": "102", "Old": "door", "Gone": "nobody"},
    )


def route(dialled: str, caller: Caller = ANNA) -> Destination:
    return plan().route(caller, parse_uri(f"sip:{dialled}@192.168.1.10"))


@pytest.mark.parametrize(
    ("dialled", "to"),
    [
        ("102", Destination("extension", "102")),
        ("52", Destination("extension", "102")),
        ("9", Destination("group", "family")),
        ("201", Destination("group", "201")),
        ("office", Destination("group", "office")),
        ("0123", Destination("trunk", "My PBX", "123")),
        ("+43123", Destination("trunk", "My PBX", "+43123")),
        ("*8", Destination("pickup")),
        ("*8102", Destination("pickup", number="102")),
        ("600", Destination("conference", "house")),
        ("700", Destination("page")),
        ("99", Destination("look_out")),
        ("100#", Destination("door")),
        ("door", Destination("door")),
    ],
)
def test_where_dialled_numbers_lead(dialled: str, to: Destination) -> None:
    assert route(dialled) == to


def test_a_telephone_number_is_its_digits() -> None:
    assert plan().route(ANNA, parse_uri("tel:0-12.3")) == Destination("trunk", "My PBX", "123")


@pytest.mark.parametrize(("dialled", "status"), [("109", 404), ("299", 404), ("anna", 404), ("0", 404), ("09001", 403)])
def test_what_leads_nowhere(dialled: str, status: int) -> None:
    assert (route(dialled).kind, route(dialled).status) == ("refused", status)


@pytest.mark.parametrize(
    ("dialled", "right"),
    [("102", "extensions"), ("9", "extensions"), ("0123", "trunks"), ("door", "door"), ("99", "door")],
)
def test_an_extension_reaches_what_it_may_call(dialled: str, right: str) -> None:
    for may in EVERYTHING:
        found = route(dialled, Caller("extension", "101", frozenset({may})))
        assert (found.status == 403) is (may != right), found


def test_strangers_reach_the_door_whatever_they_dial() -> None:
    assert {route(dialled, OUTSIDE).kind for dialled in ("102", "0123", "9", "600", "*8", "door")} == {"door"}


@pytest.mark.parametrize(
    ("account", "to"),
    [
        ("PBX", Destination("group", "office")),
        ("Provider", Destination("extension", "102")),
        ("Old", Destination("door")),
        ("Unknown", Destination("door")),
    ],
)
def test_a_server_reaches_what_its_account_says_and_never_another_server(account: str, to: Destination) -> None:
    assert {route(dialled, Caller("trunk", account)) for dialled in ("0123", "102", "+4366", "door")} == {to}


@pytest.mark.parametrize("caller", [Caller("trunk", "PBX"), OUTSIDE])
def test_who_came_from_outside_is_sent_on_to_nobody_outside(caller: Caller) -> None:
    def onward(dialled: str) -> str:
        return plan().onward(caller, parse_uri(f"sip:{dialled}@192.168.1.10")).kind

    assert [onward(dialled) for dialled in ("102", "9", "door")] == ["extension", "group", "door"]
    assert {onward(dialled) for dialled in ("0123", "+43123", "600", "99", "700", "*8")} == {"refused"}


def test_a_plan_is_optional() -> None:
    bare = DialPlan([], extensions={"101"}.__contains__, groups={"all"}.__contains__, door_users={"door"}, incoming={})
    found = [bare.route(ANNA, parse_uri(f"sip:{user}@host")) for user in ("101", "all", "door")]
    assert found == [Destination("extension", "101"), Destination("group", "all"), Destination("door")]
    assert bare.route(ANNA, parse_uri("sip:host")) == Destination("door")
    assert bare.route(ANNA, parse_uri("sip:0123@host")).status == 404


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("10x extension", "is no rule"),
        ("10y -> extension", "is no pattern"),
        ("10x -> somewhere", "is nowhere to go"),
        ("0. -> account", "which account is meant"),
        ("600 -> conference", "which conference is meant"),
        ("0. -> account PBX, strip 2", "more signs away"),
        ("100 -> door front", "says nothing"),
    ],
)
def test_a_line_that_is_no_rule_is_refused(rule: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SwitchSettings(dial_plan=("*1 -> door", rule))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (("10x -> extension", "10x -> group"), 'rule 2 "10x -> group" is never reached: rule 1 .* takes the same'),
        (("0. -> account PBX", "00. -> refuse"), 'rule 2 "00. -> refuse" is never reached: rule 1 .* takes all'),
    ],
)
def test_rules_that_are_never_reached_are_named(rules: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SwitchSettings(dial_plan=rules)


def broken(*rules: str, incoming: tuple[str, ...] = ()) -> list[tuple[tuple[str | int, ...], str]]:
    found = broken_dial_plan(
        SwitchSettings(dial_plan=rules), extensions=["101", "102"], groups=["family"], trunks=["PBX"], incoming=incoming
    )
    return [(place, words) for place, _, words in found]


def test_a_plan_that_names_nobody_is_refused_with_its_line() -> None:
    assert broken("1xx -> extension", "0. -> account PBX, strip 1", "9 -> group family") == []
    assert broken("9 -> door", "0. -> account Pbx, strip 1") == [
        (("switch", "dial_plan", 1), 'there is no registered account "Pbx"; there is "PBX"')
    ]
    assert broken("9 -> group all")[0][1] == 'there is no group "all"; there is "family"'
    assert broken("9 -> extension 109")[0][1] == 'there is no extension "109"; there is "101", "102"'


def test_a_rule_that_hides_an_extension_is_refused() -> None:
    assert broken("1xx -> account PBX") == [
        (("switch", "dial_plan", 0), 'the extension "101" cannot be dialled: this rule takes its number'),
        (("switch", "dial_plan", 0), 'the extension "102" cannot be dialled: this rule takes its number'),
    ]
    assert broken("101 -> extension", "102 -> refuse", "1xx -> account PBX") == []


def test_an_account_whose_calls_would_reach_nobody_is_refused() -> None:
    assert broken(incoming=("door", "102", "family")) == []
    assert broken(incoming=("", "103"))[0][0] == ("accounts", 1, "incoming")
