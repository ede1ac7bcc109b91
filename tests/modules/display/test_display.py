"""The display: pages come, stay as long as they should, and go; buttons call once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import HidePage, PressInput, PressItem, ReadDisplay, RingRecipients, ShowPage
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import ButtonPressed, CallChanged, CallReason, CallState, DisplayChanged
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.modules.display.module import DisplayModule
from voipnode.modules.display.settings import PagesSettings
from voipnode.settings import NodeSettings
from voipnode.store.problems import SettingsError
from voipnode.store.settings_file import parse_settings

MAP = {"name": "Map page", "items": [{"type": "image", "name": "Map image", "image": "map"}]}
LOBBY = {"name": "Lobby", "items": [{"ring": "Reception", "size": "large"}, {"input": "bell", "name": "Ring"}]}
PAGES = {"pages": [MAP, LOBBY], "images": [{"name": "map", "file": "map.png"}]}


class Scene:
    def __init__(self, **more: Any) -> None:
        loop = asyncio.get_running_loop()
        self.bus, self.commands = Bus(loop.time), Commands()
        self.told: list[tuple[float, str, float, str]] = []
        self.done: list[Any] = []
        self.bus.subscribe(DisplayChanged, self._hear, who="test")
        self.bus.subscribe(ButtonPressed, self.done.append, who="test")
        self.commands.register(RingRecipients, self._ring, who="test")
        self.commands.register(PressInput, self._ring, who="test")
        house = House(self.bus, self.commands, Path("/nonexistent"))
        self.display = DisplayModule(house, PagesSettings.model_validate({**PAGES, **more}))

    def _hear(self, event: DisplayChanged) -> None:
        self.told.append((event.at, event.page, event.for_s, event.why))

    def _ring(self, command: Any) -> str:
        self.done.append(command)
        return f"c{len(self.done)}"

    def end(self, call: str) -> None:
        self.bus.publish(
            CallChanged(
                call=call,
                state=CallState.TERMINATED,
                reason=CallReason.TERMINATED,
                direction="outgoing",
                remote="a",
                account="",
            )
        )

    async def do(self, *commands: Any) -> str:
        answer = ""
        for command in commands:
            answer = await self.commands.execute(command)
        return answer

    async def read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.do(ReadDisplay()))
        return found


def played(scenario: Callable[[Scene], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        scene = Scene(**more)
        await scene.display.start()
        await scenario(scene)
        await scene.display.stop()

    run_virtual(run())


def test_the_map_is_shown_for_thirty_seconds_then_the_home_page_returns() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(ShowPage(page="Map page", duration_s=30.0, who="rule"))
        await asyncio.sleep(10)
        read = await scene.read()
        assert (read["page"], read["for_s"], read["home"]) == ("Map page", 20.0, "Home")
        await asyncio.sleep(30)
        assert scene.told == [(0.0, "Map page", 30.0, "rule"), (30.0, "Home", 0.0, "its time is over")]
        assert (await scene.read())["for_s"] == 0.0

    played(scenario)


def test_a_page_that_is_shown_again_begins_its_time_anew_and_can_be_left() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(ShowPage(page="Map page", duration_s=30.0))
        await asyncio.sleep(20)
        await scene.do(ShowPage(page="Map page", duration_s=30.0))
        await asyncio.sleep(29)
        assert scene.display.page == "Map page"
        await scene.do(HidePage(page="Lobby"))
        assert scene.display.page == "Map page", "it is another one"
        await scene.do(HidePage(page="Map page"), HidePage())
        assert scene.display.page == "Home"
        await scene.do(ShowPage(page="Lobby"))
        await asyncio.sleep(3000)
        assert scene.display.page == "Lobby", "until told otherwise"

    played(scenario)


def test_a_button_calls_its_contact_once_while_the_call_is_on() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(ShowPage(page="Lobby"))
        press = PressItem(page="Lobby", item=0)
        first = await scene.do(press)
        assert await scene.do(press) == first
        calls = [each for each in scene.done if isinstance(each, RingRecipients)]
        assert calls == [RingRecipients(plan="Reception", button="Reception")]
        assert len([each for each in scene.done if isinstance(each, ButtonPressed)]) == 2
        scene.end(first)
        assert await scene.do(press) != first
        await scene.do(PressItem(page="Lobby", item=1))
        assert scene.done[-1] == PressInput(input="bell", source="panel")

    played(scenario)


def test_what_is_not_shown_or_no_button_cannot_be_pressed() -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(NotNowError, match='"Lobby" is not shown now: "Home" is'):
            await scene.do(PressItem(page="Lobby", item=0))
        await scene.do(ShowPage(page="Lobby"))
        for item in (-1, 2):
            with pytest.raises(UnknownNameError, match="has no button"):
                await scene.do(PressItem(page="Lobby", item=item))
        await scene.do(ShowPage(page="Map page"))
        with pytest.raises(UnknownNameError, match="has no button at item 0"):
            await scene.do(PressItem(page="Map page", item=0))
        with pytest.raises(UnknownNameError, match='there is "Home", "Map page", "Lobby"'):
            await scene.do(ShowPage(page="Nothing"))
        for duration_s in (-1.0, 86_401.0):
            with pytest.raises(CallError, match="to 86400 are right"):
                await scene.do(ShowPage(page="Lobby", duration_s=duration_s))
        assert scene.done == []

    played(scenario)


def test_other_settings_take_a_page_away_while_it_is_shown() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.do(ShowPage(page="Lobby", duration_s=30.0))
        scene.display.use(PagesSettings.model_validate({**PAGES, "pages": [MAP]}))
        assert (scene.display.page, scene.told[-1]) == ("Home", (0.0, "Home", 0.0, "other settings"))
        scene.display.use(PagesSettings.model_validate({**PAGES, "display": {"home": "Map page"}}))
        assert scene.display.page == "Map page"
        await asyncio.sleep(60)
        assert scene.told[-1][0] == 0.0, "no timer of the page that is gone"

    played(scenario)


def test_home_is_there_by_itself_with_the_call_buttons_until_somebody_makes_one() -> None:
    node = NodeSettings()
    (home,) = node.all_pages
    assert [(item.type, item.label, item.input, item.size) for item in home.items] == [
        ("text", "Welcome", "", "large"),
        ("button", "Ring", "button", "large"),
    ]
    assert (home.name, node.model_dump(exclude_defaults=True)) == ("Home", {}), "none of it is in the settings"
    own = NodeSettings.model_validate({"pages": [{"name": "Home", "items": [{"type": "text", "name": "Welcome"}]}]})
    assert [item.label for page in own.all_pages for item in page.items] == ["Welcome"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[pages]]\nname = "a"\nitems = [{ring = "Anna"}]', 'pages[0].items[0].ring = "Anna"'),
        ('[[pages]]\nname = "a"\nitems = [{type = "image", image = "map"}]', 'pages[0].items[0].image = "map"'),
        ('[[pages]]\nname = "a"\nitems = [{input = "bell"}]', 'pages[0].items[0].input = "bell"'),
        ('[display]\nhome = "a"', 'display.home = "a"'),
    ],
)
def test_what_a_page_names_and_there_is_not_is_refused_where_it_stands(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_settings(text, NodeSettings, "voipnode.toml")
    assert told in str(error.value)
    assert "there is no such" in str(error.value)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({}, "one of the two is needed"),
        ({"ring": "a", "input": "b"}, "one of the two is needed"),
        ({"type": "image"}, "image is needed"),
        ({"type": "text"}, "needs its words"),
        ({"ring": "a", "size": "huge"}, "'small', 'medium' or 'large'"),
    ],
)
def test_an_item_that_is_not_whole_is_refused(item: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PagesSettings.model_validate({"pages": [{"name": "a", "items": [item]}]})


def test_pages_and_images_have_names_of_their_own() -> None:
    for key, entry in (("pages", MAP), ("images", {"name": "map", "file": "map.png"})):
        with pytest.raises(ValidationError, match="is used twice"):
            PagesSettings.model_validate({**PAGES, key: [entry, entry]})
