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
    assert told.startswith('voipnode.toml:3: extensions[0].password = "(not shown)": must have at least 8')


def test_the_entry_list_opens_a_port_that_there_is_and_that_takes_it() -> None:
    with pytest.raises(ValidationError, match=r'there is no such port; \[\[ports\]\] has "gate"'):
        NodeSettings.model_validate({"ports": [{"name": "gate"}], "entry": {"port": "door"}})
    with pytest.raises(ValidationError, match="at most 60 s"):
        NodeSettings.model_validate({"entry": {"duration_s": 61}})
    assert NodeSettings.model_validate({"ports": [{"name": "gate"}]}).entry.port == ""
