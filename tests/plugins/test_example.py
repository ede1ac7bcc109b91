"""The worked example of docs/plugins.md: installed with real entry points, configured, run, asked, removed."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import re
from pathlib import Path

import pytest

from tests.support.plugin_package import EXAMPLE, Packages
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import AskPlugin, ListPlugins
from voipnode.calls.events import ButtonPressed, Event, Problem
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.cli.exit_codes import ExitCode
from voipnode.cli.plugins import list_plugins
from voipnode.plugins.host import PluginHost
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import parse_settings

MANUAL = EXAMPLE.parents[1] / "plugins.md"


def settings_of_the_manual() -> str:
    (found,) = re.findall(r"```toml\n(\[plugins\.doorbell_counter\].*?)```", MANUAL.read_text(), re.DOTALL)
    return str(found)


def test_it_counts_tells_takes_its_command_and_is_missed_when_it_is_gone(packages: Packages, tmp_path: Path) -> None:
    packages.install_example()
    told: list[tuple[str, object]] = []

    def note(event: Event) -> None:
        told.append((event.name, event.detail if isinstance(event, Problem) else event.to_dict().get("count")))

    async def run(presses: int) -> tuple[str, str]:
        settings = parse_settings(settings_of_the_manual(), NodeSettings, "voipnode.toml")
        bus, commands = Bus(asyncio.get_running_loop().time), Commands()
        bus.subscribe(Event, note, who="test")
        host = PluginHost(settings.plugins, House(bus, commands, tmp_path))
        await host.start()
        for _ in range(presses):
            bus.publish(ButtonPressed(button="gate", source="test"))
        (listed,) = json.loads(await commands.execute(ListPlugins()))
        ask = AskPlugin(plugin="doorbell_counter", command="SetCount", values={"count": 9})
        said = await commands.execute(ask) if listed["state"] == "running" else ""
        await host.stop()
        return listed["state"], said

    assert run_virtual(run(10)) == ("running", "10")
    assert run_virtual(run(1)) == ("running", "10")
    assert [each for each in told if each[0] != "button.pressed"] == [("doorbell_counter.counted", 10)] * 2
    packages.uninstall("voipnode-doorbell-counter")
    assert run_virtual(run(1)) == ("missing", "")
    assert told[-2:] == [
        ("problem", "no installed package offers this plug-in; installed: none"),
        ("button.pressed", None),
    ]


def test_the_command_line_lists_it(packages: Packages, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages.install_example()
    path = tmp_path / "voipnode.toml"
    path.write_text("")
    assert list_plugins(path) == ExitCode.OK
    line = "doorbell_counter         voipnode-doorbell-counter 1.0    "
    assert capsys.readouterr().out == f"{line}not in the settings: [plugins.doorbell_counter] loads it\n"
    path.write_text("[plugins.doorbell_counter]\nmay_open = true\n[plugins.gone]\n[plugins.off]\nenabled = false")
    assert list_plugins(path) == ExitCode.FAILED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{line}is loaded, and may open"
    assert lines[1].split(None, 2)[2].startswith("cannot be used: no installed package offers this plug-in")
    assert lines[2].split(None, 2)[2] == "off (enabled = false)"
    path.write_text("[plugins.doorbell_counter]\nevry = 3")
    assert list_plugins(path) == ExitCode.SETTINGS
    said = capsys.readouterr().err
    assert 'plugins.doorbell_counter.evry = 3: there is no such setting; did you mean "every"?' in said


def test_its_own_tests_pass(packages: Packages, tmp_path: Path) -> None:
    packages.install_example()
    (file,) = (EXAMPLE / "tests").glob("test_*.py")
    spec = importlib.util.spec_from_file_location("example_tests", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [each for name, each in vars(module).items() if name.startswith("test_") and inspect.isfunction(each)]
    assert tests
    for number, each in enumerate(tests):
        folder = tmp_path / f"own{number}"
        folder.mkdir()
        each(folder)


def test_the_rule_of_the_manual_is_what_the_settings_take(packages: Packages) -> None:
    packages.install_example()
    (rule,) = re.findall(r"```toml\n(\[\[rules\]\].*?)```", MANUAL.read_text(), re.DOTALL)
    settings = parse_settings(settings_of_the_manual() + rule, NodeSettings, "voipnode.toml")
    assert settings.rules[0].name == "A hundred rings"
    wrong = rule.replace('plugin = "doorbell_counter", event', 'plugin = "bell", event')
    with pytest.raises(SettingsError, match='there is no such plug-in; there is "doorbell_counter"'):
        parse_settings(settings_of_the_manual() + wrong, NodeSettings, "voipnode.toml")


def test_the_manual_shows_the_package_as_it_is() -> None:
    text = MANUAL.read_text()
    for file in (EXAMPLE / "pyproject.toml", EXAMPLE / "voipnode_doorbell_counter" / "__init__.py"):
        assert file.read_text().strip() in text, f"{file.name} and docs/plugins.md differ"
