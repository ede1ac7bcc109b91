"""Plug-ins of the settings: found by their entry points, checked with the whole file, told of where they are not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.plugin_package import Packages
from voipnode.plugins.installed import PluginError, installed, load
from voipnode.plugins.settings import troubles
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import edit_settings, parse_settings

PLUGIN = """
from typing import Annotated
from pydantic import BaseModel, Field, SecretStr, field_validator
from voipnode.calls.hooks import ModuleDescriptor

class Settings(BaseModel):
    who: str
    step: int = Field(default=1, ge=1, le=10)
    webhook: SecretStr = Field(default="", max_length=4)
    odd: str = ""

    @field_validator("odd")
    @classmethod
    def _odd(cls, value):
        raise KeyError(value)

DESCRIPTOR = ModuleDescriptor("acme", Settings, lambda house, settings: None)
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, NodeSettings, "f")
    return [str(each) for each in caught.value.problems]


def trouble_of(text: str) -> str:
    settings = parse_settings(text, NodeSettings, "f")
    ((_, words),) = troubles(settings.plugins)
    return words


def test_its_settings_are_checked_with_the_file_by_its_own_type(packages: Packages) -> None:
    packages.install("acme", PLUGIN, {"acme": "DESCRIPTOR"})
    (offer,) = installed()["acme"]
    assert (offer.name, offer.package) == ("acme", "acme 1.0")
    settings = parse_settings('[plugins.acme]\nwho = "me"\nstep = 3\nmay_open = true', NodeSettings, "f")
    table = settings.plugins["acme"]
    assert (table.settings.who, table.settings.step, table.keys.may_open, table.trouble) == ("me", 3, True, "")
    text = '[plugins.acme]\nstep = 11\nsteps = 2\nwebhook = "http://x/"\nmay_open = "perhaps"\n[web]\nport = 1'
    assert problems_of(text) == [
        'f:5: plugins.acme.may_open = "perhaps": must be true or false (without quotes)',
        "f:7: web.port = 1: ports must be 1024 to 65535",
    ]
    assert problems_of(text.replace('"perhaps"', "true")) == [
        'f:1: plugins.acme.who: is missing; it must be text in quotes, such as "abc"',
        "f:2: plugins.acme.step = 11: must be 1 to 10",
        'f:3: plugins.acme.steps = 2: there is no such setting; did you mean "step"?',
        'f:4: plugins.acme.webhook = "(not shown)": must have at most 4 characters, has 9',
        "f:7: web.port = 1: ports must be 1024 to 65535",
    ]
    assert problems_of("plugins = 3") == [
        'f:1: plugins = 3: must be tables, such as [plugins.NAME]; "voipnode plugins" lists the names'
    ]


def test_a_plug_in_that_is_not_there_or_broken_is_no_fault_of_the_file(packages: Packages) -> None:
    packages.install("acme", PLUGIN, {"acme": "DESCRIPTOR"})
    packages.install("broken", "raise SystemExit(3)", {"broken": "DESCRIPTOR"})
    assert trouble_of("[plugins.acne]") == "no installed package offers this plug-in; installed: acme, broken"
    assert trouble_of("[plugins.broken]\nx = 1") == "cannot be imported: SystemExit: 3"
    assert trouble_of('[plugins.acme]\nwho = "x"\nodd = "x"') == "cannot check its settings: KeyError: 'x'"
    packages.uninstall("acme")
    assert trouble_of('[plugins.acme]\nwho = "x"') == "no installed package offers this plug-in; installed: broken"
    assert list(troubles(parse_settings("[plugins.acme]\nenabled = false\nx = 1", NodeSettings, "f").plugins)) == []


def test_two_packages_that_offer_the_same_name_are_both_left_alone(packages: Packages) -> None:
    packages.install("acme", PLUGIN, {"acme": "DESCRIPTOR"})
    packages.install("acme-too", PLUGIN, {"acme": "DESCRIPTOR"})
    assert "offered by acme 1.0 and acme-too 1.0: neither is loaded" in trouble_of('[plugins.acme]\nwho = "x"')


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("DESCRIPTOR = 3", "is a int; a ModuleDescriptor is right"),
        ("x", "NameError"),
        (PLUGIN.replace('"acme"', '"other"'), 'its descriptor is named "other"'),
        (PLUGIN.replace("Settings, lambda", "dict, lambda"), "is no pydantic model"),
        (PLUGIN.replace("lambda house, settings: None", "None"), "its build cannot be called"),
    ],
)
def test_what_is_no_plug_in_is_told(packages: Packages, code: str, why: str) -> None:
    packages.install("acme", code, {"acme": "DESCRIPTOR"})
    assert why in trouble_of('[plugins.acme]\nwho = "x"')


def test_no_plug_in_has_a_name_that_events_of_the_node_begin_with(packages: Packages) -> None:
    packages.install("sly", PLUGIN.replace('"acme"', '"door"'), {"door": "DESCRIPTOR"})
    assert "none that events of the node begin with" in trouble_of('[plugins.door]\nwho = "x"')


def test_an_import_that_never_ends_is_not_waited_for(packages: Packages) -> None:
    packages.install("slow", "import threading\nthreading.Event().wait()", {"slow": "DESCRIPTOR"})
    (offer,) = installed()["slow"]
    begun = time.monotonic()
    with pytest.raises(PluginError, match=r"is not imported after 0\.05 s"):
        load(offer, limit_s=0.05)
    assert time.monotonic() - begun < 60, "it came back at all"


def test_nothing_is_imported_that_the_settings_do_not_name(packages: Packages) -> None:
    packages.install("trap", "raise SystemExit('imported')", {"trap": "DESCRIPTOR"})
    assert parse_settings("", NodeSettings, "f").plugins == {}
    assert list(troubles(parse_settings("[plugins.trap]\nenabled = false", NodeSettings, "f").plugins)) == []


def test_the_file_is_edited_with_its_plug_ins_in_it(packages: Packages, tmp_path: Path) -> None:
    packages.install("acme", PLUGIN, {"acme": "DESCRIPTOR"})
    path = tmp_path / "voipnode.toml"
    path.write_text('name = "x" # mine\n[plugins.acme]\nwho = "me"\n')
    text, settings = edit_settings(path, {"plugins.acme.step": 4}, NodeSettings)
    assert settings.plugins["acme"].settings.step == 4
    assert "# mine" in text
