"""Settings errors of contacts and schedules: each is told in its place, with its line and what would be right."""

from __future__ import annotations

import pytest

from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import parse_settings


def told(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, NodeSettings, "voipnode.toml")
    return [str(problem).removeprefix("voipnode.toml:") for problem in caught.value.problems]


def contact(name: str, **more: str) -> str:
    lines = [f'{key} = "{value}"' for key, value in {"name": name, "address": "sip:a@192.0.2.1", **more}.items()]
    return "\n".join(["[[contacts]]", *lines, ""])


def schedule(name: str, *exceptions: str) -> str:
    return f'[[schedules]]\nname = "{name}"\ntimes = ["daily"]\nexcept = {list(exceptions)}\n'


def test_a_circle_of_fallbacks_is_told_once_with_the_whole_chain() -> None:
    text = contact("Carl", fallback="Anna") + contact("Anna", fallback="Bob") + contact("Bob", fallback="Anna")
    assert told(text) == ['8: contacts[1].fallback = "Bob": leads in a circle: Anna -> Bob -> Anna']


def test_somebody_who_falls_back_on_herself_is_a_circle() -> None:
    assert told(contact("Anna", fallback="Anna")) == [
        '4: contacts[0].fallback = "Anna": leads in a circle: Anna -> Anna'
    ]


def test_a_chain_that_ends_is_none() -> None:
    text = contact("Anna", fallback="Bob") + contact("Bob", fallback="Carl") + contact("Carl")
    assert len(parse_settings(text, NodeSettings, "voipnode.toml").contacts) == 3


def test_names_and_speed_dials_are_given_once() -> None:
    assert told(contact("Anna", speed_dial="1") + contact("Anna") + contact("Bob", speed_dial="1")) == [
        '6: contacts[1].name = "Anna": is the name of contacts[0], too; each needs its own',
        '11: contacts[2].speed_dial = "1": calls "Anna" already; give it other digits',
    ]


def test_what_a_contact_names_must_exist() -> None:
    lines = told(contact("Anna", account="office", schedule="nights", fallback="Bob") + schedule("days"))
    assert [line.split(" = ")[0] for line in lines] == [
        "4: contacts[0].account",
        "5: contacts[0].schedule",
        "6: contacts[0].fallback",
    ]
    assert 'there is no such account; there is "Peer to peer (default)"' in lines[0]
    assert 'there is no such schedule; there is "always", "days", "never"' in lines[1]
    assert 'there is no such contact or group; there is "Anna"' in lines[2]


@pytest.mark.parametrize("name", ["sip:anna", "anna@example.com", "101", "+43123", " Anna"])
def test_a_name_that_reads_like_an_address_is_refused(name: str) -> None:
    assert len(told(contact(name))) == 1


@pytest.mark.parametrize("address", ["101", "+43 1 234".replace(" ", ""), "anna", "192.0.2.1:5070", "anna@example.com"])
def test_addresses_as_people_type_them(address: str) -> None:
    settings = parse_settings(contact("Anna", address=address), NodeSettings, "voipnode.toml")
    assert settings.contacts[0].address == address


def test_an_address_that_cannot_be_called_is_refused() -> None:
    (line,) = told(contact("Anna", address="anna huber"))
    assert 'contacts[0].address = "anna huber": "anna huber" cannot be called; write a SIP address' in line


def test_schedules_that_are_exceptions_of_each_other_or_of_none() -> None:
    lines = told(schedule("a", "b") + schedule("b", "a", "c") + schedule("b") + schedule("always"))
    assert [line.split(": ", 1)[1].split(" = ")[0] for line in lines] == [
        "schedules[0].except",
        "schedules[1].except[1]",
        "schedules[2].name",
        "schedules[3].name",
    ]
    assert "leads in a circle: a -> b -> a" in lines[0]


def test_a_schedule_says_something() -> None:
    (line,) = told('[[schedules]]\nname = "empty"\n')
    assert "a schedule needs times" in line
