"""Detectors in a house: what is reported, what comes of it, and when it is over."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import ReadDetectors, ReportDetector
from voipnode.calls.errors import CallError
from voipnode.calls.events import DetectorChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.detectors.module import DESCRIPTOR
from voipnode.modules.detectors.settings import DetectorsSettings, ShockSettings
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import parse_settings


class Scene:
    """Detectors, and what they told, with its virtual time."""

    def __init__(self, *detectors: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        bus, self.commands = Bus(loop.time), Commands()
        self.told: list[tuple[float, str, bool, str]] = []
        bus.subscribe(
            DetectorChanged,
            lambda event: self.told.append((loop.time(), event.detector, event.active, event.detail)),
            who="test",
        )
        settings = DetectorsSettings.model_validate({"detectors": detectors})
        self.module = DESCRIPTOR.build(House(bus, self.commands, Path("/nonexistent")), settings)

    async def report(self, detector: str, active: bool = True, detail: str = "", **more: Any) -> None:
        await self.commands.execute(ReportDetector(detector=detector, active=active, detail=detail, **more))


def tell(story: Callable[[Scene], Awaitable[None]], *detectors: dict[str, Any]) -> None:
    async def main() -> None:
        scene = Scene(*detectors)
        await scene.module.start()
        await story(scene)
        await scene.module.stop()

    run_virtual(main())


def test_somebody_before_the_door_is_told_once_and_is_gone_ten_seconds_after_the_last_movement() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(3):
            await scene.report("entrance", detail="left")
            await asyncio.sleep(8)
        await asyncio.sleep(20)
        assert scene.told == [
            (0.0, "entrance", False, ""),
            (0.0, "entrance", True, "left"),
            (26.0, "entrance", False, ""),
        ]
        await scene.report("entrance")
        await scene.report("entrance", False)
        await scene.report("entrance")
        assert [each[2] for each in scene.told[3:]] == [True, False, True]
        listed = json.loads(await scene.commands.execute(ReadDetectors()))
        assert listed == [{"name": "entrance", "kind": "pir", "enabled": True, "active": True}]

    tell(story, {"name": "entrance", "kind": "pir"})


def test_without_hold_it_is_over_when_that_is_reported() -> None:
    async def story(scene: Scene) -> None:
        await scene.report("cam")
        await asyncio.sleep(3000)
        assert len(scene.told) == 2
        await scene.report("cam", False)
        assert scene.told[-1] == (3000.0, "cam", False, "")

    tell(story, {"name": "cam", "kind": "motion", "hold_s": 0})


@pytest.mark.parametrize(("sensitivity", "threshold_g"), [(0, 8.0), (25, 2.249), (50, 0.632), (75, 0.178), (100, 0.05)])
def test_a_low_sensitivity_takes_powerful_hits_alone(sensitivity: int, threshold_g: float) -> None:
    settings = ShockSettings(name="case", kind="shock", sensitivity=sensitivity)
    assert round(settings.threshold_g, 3) == threshold_g

    async def story(scene: Scene) -> None:
        await scene.report("case", strength_g=threshold_g * 0.99)
        assert len(scene.told) == 1
        await scene.report("case", strength_g=threshold_g * 1.01)
        assert scene.told[1][:3] == (0.0, "case", True)
        assert scene.told[1][3].endswith(" g")
        await asyncio.sleep(6)
        assert scene.told[2] == (5.0, "case", False, "")
        await scene.report("case")
        assert scene.told[3][2], "a sensor that only says that it was hit decides by itself"

    tell(story, {"name": "case", "kind": "shock", "sensitivity": sensitivity})


def test_tampering_that_is_reported_waits_for_its_delay() -> None:
    async def story(scene: Scene) -> None:
        await scene.report("lens")
        await asyncio.sleep(4)
        await scene.report("lens", False)
        await asyncio.sleep(10)
        assert len(scene.told) == 1
        for _ in range(3):
            await scene.report("lens", detail="sprayed")
            await asyncio.sleep(3)
        await scene.report("lens", False)
        assert scene.told[1:] == [(19.0, "lens", True, "sprayed"), (23.0, "lens", False, "")]

    tell(story, {"name": "lens", "kind": "tampering"})


def test_tampering_is_seen_in_pictures_of_a_simulated_camera() -> None:
    async def story(scene: Scene) -> None:
        await asyncio.sleep(20.5)
        await scene.report("lens", detail="defocused")
        await asyncio.sleep(20)
        await scene.report("lens", False)
        await asyncio.sleep(5)
        assert scene.told[1:] == [
            (26.0, "lens", True, "covered, turned, or out of focus"),
            (41.0, "lens", False, ""),
        ]
        with pytest.raises(CallError, match="one of covered, defocused, turned, dark"):
            await scene.report("lens", detail="stolen")
        (listed,) = json.loads(await scene.commands.execute(ReadDetectors()))
        assert listed["look"] == ""

    tell(story, {"name": "lens", "kind": "tampering", "pictures": "simulated"})


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({"detector": "nobody"}, "there is no detector 'nobody'; there is case, off"),
        ({"detector": "off"}, "detector off is off"),
        ({"detector": "case", "strength_g": float("nan")}, "0 or more is right"),
        ({"detector": "off", "strength_g": 1.0}, "detector off is off"),
    ],
)
def test_what_cannot_be_reported_is_refused(report: dict[str, Any], why: str) -> None:
    async def story(scene: Scene) -> None:
        with pytest.raises(CallError, match=why):
            await scene.report(**report)
        assert [each[1] for each in scene.told] == ["case"]

    tell(story, {"name": "case", "kind": "shock"}, {"name": "off", "kind": "pir", "enabled": False})


def test_settings_say_what_is_wrong_and_rules_name_only_detectors_that_there_are() -> None:
    rule = """
[[rules]]
name = "alarm"
conditions = [{is = "detector", name = "cas"}]
actions = [{do = "stop_clip"}]
"""
    cases = {
        '[[detectors]]\nname = "case"\nkind = "shok"': 'detectors[0].kind = "shok"',
        '[[detectors]]\nname = "a"\nkind = "shock"\nsensitivity = 101': "detectors[0].sensitivity = 101",
        '[[detectors]]\nname = "a"\nkind = "pir"\n[[detectors]]\nname = "a"\nkind = "pir"': '"a" is used twice',
        f'[[detectors]]\nname = "case"\nkind = "shock"\n{rule}': 'there is no such detector; there is "case"',
    }
    for text, words in cases.items():
        with pytest.raises(SettingsError) as caught:
            parse_settings(text, NodeSettings, "f")
        assert words in str(caught.value)


def test_other_settings_while_it_runs_leave_alone_what_stays() -> None:
    async def story(scene: Scene) -> None:
        for name in ("stays", "goes", "changes"):
            await scene.report(name)
        del scene.told[:]
        pir = {"kind": "pir", "hold_s": 0}
        settings = DetectorsSettings.model_validate(
            {
                "detectors": [
                    {"name": "stays", **pir},
                    {"name": "changes", "kind": "shock"},
                    {"name": "comes", **pir},
                    {"name": "off", "enabled": False, **pir},
                ]
            }
        )
        scene.module.use(settings)
        told = sorted(each[1] for each in scene.told)
        assert told == ["changes", "changes", "comes", "goes"], "one ends, and a new one of its name begins"
        assert not any(active for _, _, active, _ in scene.told)
        listed = json.loads(await scene.commands.execute(ReadDetectors()))
        assert {each["name"]: each["active"] for each in listed} == {
            "stays": True,
            "changes": False,
            "comes": False,
            "off": False,
        }
        del scene.told[:]
        scene.module.use(settings)
        assert scene.told == []

    pir = {"kind": "pir", "hold_s": 0}
    tell(story, {"name": "stays", **pir}, {"name": "goes", **pir}, {"name": "changes", **pir})
