"""The settings as a whole: defaults, the example file, and what one section says about another."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import load_settings, parse_settings

EXAMPLE = Path(__file__).resolve().parents[1] / "voipnode.example.toml"


def problems(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, NodeSettings, "voipnode.toml")
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_the_defaults_are_a_working_node() -> None:
    settings = load_settings(None, NodeSettings)
    assert [port.name for port in settings.ports] == ["door"]
    assert settings.dtmf[0].open is not None
    assert (settings.dtmf[0].sequence, settings.dtmf[0].open.duration_s) == ("1", 7.0)
    assert [account.default for account in settings.all_accounts] == [True]


def test_the_example_file_says_the_defaults() -> None:
    example = load_settings(EXAMPLE, NodeSettings)
    assert example.model_dump(exclude={"accounts"}) == NodeSettings().model_dump(exclude={"accounts"})
    assert example.all_accounts == NodeSettings().all_accounts


def test_every_problem_is_told_at_once_with_line_value_and_what_would_be_right() -> None:
    told = problems('[sip]\nport = 80\ncaling_timeout_s = 5\n[audio]\ndevice = "trumpet"\n')
    assert len(told) == 3
    assert told[0].startswith("voipnode.toml:2: sip.port = 80: ")
    assert "1024" in told[0]
    assert "65535" in told[0]
    assert told[1].startswith("voipnode.toml:3: sip.caling_timeout_s")
    assert "calling_timeout_s" in told[1]
    assert "simulated" in told[2]


def test_names_that_one_section_uses_of_another_must_exist() -> None:
    told = problems(
        '[[buttons]]\nname = "b"\ninput = "button"\naccount = "office"\n\n'
        '[[dtmf]]\nsequence = "2"\naccounts = ["office"]\nopen = { port = "gate" }\n'
    )
    assert [line.split(":")[1] for line in told] == ["4", "8", "9"]
    assert 'there is no such port; [[ports]] has "door"' in told[2]


def test_an_activation_longer_than_the_port_allows_is_refused_where_it_stands() -> None:
    (told,) = problems('[[dtmf]]\nsequence = "2"\nopen = { port = "door", duration_s = 61 }\n')
    assert told.startswith("voipnode.toml:3: dtmf[0].open.duration_s = 61")


def test_whoever_names_other_ports_and_inputs_is_not_held_to_the_default_ones() -> None:
    settings = parse_settings('[[ports]]\nname = "gate"\n[[inputs]]\nname = "bell"\n', NodeSettings, "x")
    assert settings.dtmf == ()
    assert settings.buttons == ()


def test_two_default_accounts_are_refused() -> None:
    (told,) = problems('[[accounts]]\nname = "a"\ndefault = true\n[[accounts]]\nname = "b"\ndefault = true\n')
    assert "exactly one" in told


def test_no_setting_of_the_program_alone_can_be_written() -> None:
    (told,) = problems('peer_to_peer_accounts = ["x"]\n')
    assert "peer_to_peer_accounts" in told


def test_do_not_disturb_names_a_schedule() -> None:
    (told,) = problems('[sip.incoming]\ndo_not_disturb = "night"\n')
    assert told.startswith('voipnode.toml:2: sip.incoming.do_not_disturb = "night": there is no such schedule')


def test_a_clip_that_is_played_must_exist_and_have_a_name_of_its_own() -> None:
    told = problems(
        '[sip.sounds]\nringback_clip = "Music"\n[[clips]]\nname = "Welcome"\nfile = "a.wav"\n'
        '[[clips]]\nname = "Welcome"\nfile = "b.wav"\n'
    )
    assert told[0].startswith('voipnode.toml:2: sip.sounds.ringback_clip = "Music": there is no such clip')
    assert 'has "Welcome"' in told[0]
    assert told[1].startswith("voipnode.toml:7: clips[1].name")
    (told_path,) = problems('[[clips]]\nname = "W"\nfile = "../voipnode.toml"\n')
    assert told_path.startswith("voipnode.toml:3: clips[0].file")


def test_extensions_that_clash_are_refused_with_the_line() -> None:
    text = "".join(
        f'[[extensions]]\nnumber = "{number}"\npassword = "correct horse"\n'
        for number in ("101", "door", "101", "carol")
    )
    callers = '[[sip.access.callers]]\nname = "carol"\npassword = "battery staple"\n'
    told = problems(text + callers)
    assert [line.partition(": ")[0] for line in told] == [f"voipnode.toml:{number}" for number in (5, 8, 11)]
    assert 'account "Peer to peer (default)" is called so already' in told[0]
    assert "extension 1 of the file has this number" in told[1]
    assert "a caller of [[sip.access.callers]] is called so already" in told[2]


def test_an_extension_needs_a_password_that_nobody_guesses() -> None:
    (told,) = problems('[[extensions]]\nnumber = "101"\npassword = "1234"\n')
    assert told.startswith(
        'voipnode.toml:3: extensions[0].password = "(not shown)": must have 8 to 128 characters, has 4'
    )


def test_the_entry_list_opens_a_port_that_there_is_and_that_takes_it() -> None:
    with pytest.raises(ValidationError, match=r'there is no such port; \[\[ports\]\] has "gate"'):
        NodeSettings.model_validate({"ports": [{"name": "gate"}], "entry": {"port": "door"}})
    with pytest.raises(ValidationError, match="at most 60 s"):
        NodeSettings.model_validate({"entry": {"duration_s": 61}})
    assert NodeSettings.model_validate({"ports": [{"name": "gate"}]}).entry.port == ""


PEOPLE = """
[[contacts]]
name = "Anna"
address = "sip:anna@192.168.1.20"
[[contacts]]
name = "Ben"
address = "sip:ben@192.168.1.21"
fallback = "family"
[[groups]]
name = "family"
members = ["Anna", "Ben", "sip:gran@192.168.1.22", "101"]
fallback = "Anna"
"""


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            'members = ["Ana"]',
            ['groups[1].members[0] = "Ana": there is no such contact or extension; there is "Anna", "Ben"'],
        ),
        ("", ['group "g": nobody rings']),
        ('members = ["Anna"]\nstages = [{ring = ["Ben"]}]', ["both members and stages are given"]),
        ("stages = [{ring = []}]", ["groups[1].stages[0].ring = []: "]),
        ('members = ["family"]', ['groups[1].members[0] = "family": is a group']),
        ('members = ["Anna", "Anna"]', ['groups[1].members[1] = "Anna": is there twice']),
        ('members = ["sip:a b@c"]', ['groups[1].members[0] = "sip:a b@c": cannot be called']),
        (
            'members = ["Anna"]\nfallback = "nobody"',
            ['groups[1].fallback = "nobody": there is no such contact or group'],
        ),
        ('members = ["Anna"]\nbusy_clip = "song"', ['groups[1].busy_clip = "song": there is no such clip']),
        ('members = ["Anna"]\non_busy = "stop"', ['groups[1].on_busy = "stop": ']),
        ('members = ["Anna"]\nmax_call_duration_s = 4000', ["1 to 3600 seconds"]),
        (
            'stages = [{ring = ["Anna"]}, {ring = ["Ben"]}]\ncalling_timeout_s = 20',
            ["groups[1].calling_timeout_s = 20: is over when stage 2 begins, after 20 s"],
        ),
        ('stages = [{ring = ["Anna"]}]\nring_s = 5', ["strategy and ring_s are about members"]),
        ('members = ["1", "2", "3", "4", "5", "6", "7"]', ['groups[1].members[6] = "7": is the seventh to ring']),
        (
            'stages = [{ring = ["1", "2", "3", "4"]}, {ring = ["4", "5", "6"]}, {ring = ["7"]}]',
            ['groups[1].stages[2].ring[0] = "7": is the seventh to ring at the same time; 6 do at most, and 6 go on'],
        ),
    ],
)
def test_what_cannot_be_about_a_group_is_refused_where_it_stands(more: str, told: list[str]) -> None:
    found = problems(PEOPLE + f'[[groups]]\nname = "g"\n{more}\n')
    assert len(found) == len(told), found
    for problem, words in zip(found, told, strict=True):
        assert words in problem


def test_groups_that_can_be() -> None:
    more = """
[[groups]]
name = "200"
stages = [{ring = ["1", "2", "3"], keep = false}, {ring = ["3", "4", "5", "6", "7"]}, {ring = ["8"]}]
[[groups]]
name = "night"
members = ["1", "2", "3", "4", "5", "6", "7", "1"]
strategy = "in_turn"
on_refused = "end_all"
[[groups]]
name = "all"
members = ["1", "2", "3", "vms", "4", "5", "6"]
"""
    assert [group.name for group in parse_settings(PEOPLE + more, NodeSettings, "x").groups] == [
        "family",
        "200",
        "night",
        "all",
    ]


def test_fallbacks_in_a_circle_and_names_that_clash_are_refused() -> None:
    circle = PEOPLE.replace('name = "Anna"', 'name = "Anna"\nfallback = "family"')
    assert [problem.partition(": ")[2] for problem in problems(circle)] == [
        'contacts[0].fallback = "family": leads in a circle: Anna -> family -> Anna'
    ]
    extension = '[[extensions]]\nnumber = "family"\npassword = "correct horse"\n'
    clash = PEOPLE + extension + '[[groups]]\nname = "Ben"\nmembers = ["Anna"]\n'
    assert [problem.partition(": ")[2] for problem in problems(clash)] == [
        'groups[0].name = "family": extensions[0] has this number; each needs its own',
        'groups[1].name = "Ben": is the name of contacts[1], too; each needs its own',
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            'ring = "familie"',
            'buttons[0].ring = "familie": there is no such contact or group; there is "Anna", "Ben", "family"',
        ),
        ('rings = [{ring = "Anna", schedule = "noon"}]', 'buttons[0].rings[0].schedule = "noon": '),
        ('rings = [{ring = "Carl"}]', 'buttons[0].rings[0].ring = "Carl": there is no such'),
        ('ring = "Anna"\nfallback = "Carl"', 'buttons[0].fallback = "Carl": there is no such'),
        ('ring = "Anna"\nrecipients = ["sip:anna@192.168.1.20"]', "recipients and ring are given"),
    ],
)
def test_what_cannot_be_about_a_button_is_refused_where_it_stands(more: str, told: str) -> None:
    (problem,) = problems(PEOPLE + f'[[buttons]]\nname = "button"\ninput = "button"\n{more}\n')
    assert told in problem


def test_no_check_of_one_module_takes_the_place_of_anothers() -> None:
    """The settings types of several modules are bases of the whole: checks of the same name would hide each other."""
    bases = NodeSettings.__bases__
    checks = [name for base in bases for name in vars(base)["__pydantic_decorators__"].model_validators]
    assert len(checks) >= 6
    assert sorted(checks) == sorted(set(checks))


def test_one_sequence_has_one_meaning_in_the_whole_file() -> None:
    text = '[[dtmf]]\nsequence = "1"\nname = "a"\n[[dtmf]]\nsequence = "1"\nname = "b"\n'
    with pytest.raises(SettingsError, match='the sequence "1" is used twice'):
        parse_settings(text, NodeSettings, "voipnode.toml")


def test_a_controller_that_is_not_there_gets_nothing() -> None:
    with pytest.raises(ValidationError, match=r"entry\.use_controller\n.*there is no door controller"):
        NodeSettings.model_validate({"entry": {"use_controller": True}})
    wire = {"protocol": "wiegand", "wiegand": {"device": "/run/wiegand"}}
    assert NodeSettings.model_validate({"entry": {"use_controller": True}, "controller": wire}).entry.use_controller


@pytest.mark.parametrize("condition", [{"is": "mqtt_message", "name": "ring"}, {"is": "mqtt", "name": "home"}])
def test_no_door_opens_by_what_a_broker_kept_while_we_were_away(condition: dict[str, str]) -> None:
    subscriptions = [{"name": "ring", "filter": "a"}, {"name": "home", "filter": "b", "on": "1"}]
    rule = {"name": "r", "conditions": [condition], "actions": [{"do": "pulse", "port": "door"}]}
    settings = {"ports": [{"name": "door"}], "rules": [rule]}
    NodeSettings.model_validate({**settings, "mqtt": {"subscriptions": subscriptions}})
    with pytest.raises(ValidationError, match=r"mqtt\.clean_session\n.*a door would open late"):
        NodeSettings.model_validate({**settings, "mqtt": {"subscriptions": subscriptions, "clean_session": False}})
