"""The display: shows a page for a while, then the home page again; its buttons call."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

from voipnode.calls.commands import (
    HidePage,
    ListImages,
    PressInput,
    PressItem,
    ReadDisplay,
    ReadImage,
    RingRecipients,
    ShowPage,
)
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import ButtonPressed, CallChanged, CallState, DisplayChanged
from voipnode.calls.hooks import House, ModuleDescriptor, Subscription
from voipnode.modules.display.picture import MAX_BYTES
from voipnode.modules.display.settings import ItemSettings, PageSettings, PagesSettings

NAME = "display"
FOLDER = "images"  # in the state folder
SIZE = (480, 800)
MAX_S = 24 * 3600.0
OVER = (CallState.IDLE, CallState.TERMINATING, CallState.TERMINATED)


class DisplayModule:
    """Publishes `DisplayChanged` when another page is shown; `page` is the present one."""

    def __init__(self, house: House, settings: PagesSettings) -> None:
        self._bus = house.bus
        self._commands = house.commands
        self._folder = house.state_dir / FOLDER
        self._settings = settings
        self._pages = {page.name: page for page in settings.all_pages}
        self.page = settings.display.home
        self._until_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._call = ""  # that a button of the display began
        self._ringing_up = False
        self._ended: set[str] = set()  # calls that ended while it was not known yet which one is ours
        self._places: list[Subscription] = []

    async def start(self) -> None:
        commands = self._commands
        self._places = [
            self._bus.subscribe(CallChanged, self._call_changed, who=NAME),
            commands.register(ShowPage, self._show_page, who=NAME),
            commands.register(HidePage, self._hide_page, who=NAME),
            commands.register(ReadDisplay, self._read, who=NAME),
            commands.register(PressItem, self._press, who=NAME),
            commands.register(ListImages, self._list_images, who=NAME),
            commands.register(ReadImage, self._read_image, who=NAME),
        ]

    async def stop(self) -> None:
        for place in self._places:
            place.cancel()
        self._places = []
        self._cancel_timer()

    def use(self, settings: PagesSettings) -> None:
        """Have these pages from now on; a page that is gone gives way to the home page."""
        home_was, home = self._settings.display.home, settings.display.home
        self._settings = settings
        before, self._pages = self._pages, {page.name: page for page in settings.all_pages}
        if self.page not in self._pages or (self.page == home_was and home != home_was):
            self._show(home, why="other settings")
        elif before != self._pages:
            self._show(self.page, max(0.0, self._until_at - self._bus.clock()), "other settings")

    # -- pages

    def _show_page(self, command: ShowPage) -> str:
        if not 0 <= command.duration_s <= MAX_S:
            raise CallError(f"duration_s = {command.duration_s}: 0 (until told otherwise) to {MAX_S:.0f} are right")
        self._known(command.page)
        self._show(command.page, command.duration_s, command.who)
        return ""

    def _hide_page(self, command: HidePage) -> str:
        home = self._settings.display.home
        if command.page:
            self._known(command.page)
        if self.page != home and command.page in ("", self.page):
            self._show(home)
        return ""

    def _known(self, name: str) -> PageSettings:
        if name not in self._pages:
            known = ", ".join(f'"{each}"' for each in self._pages)
            raise UnknownNameError(f'page "{name}": there is no such page; there is {known}')
        return self._pages[name]

    def _show(self, page: str, for_s: float = 0.0, why: str = "") -> None:
        self._cancel_timer()
        self.page = page
        self._until_at = self._bus.clock() + for_s if for_s else 0.0
        if for_s:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(for_s, self._show, self._settings.display.home, 0.0, "its time is over")
        self._bus.publish(DisplayChanged(at=self._bus.clock(), page=page, for_s=for_s, why=why))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read(self, command: ReadDisplay) -> str:
        left_s = max(0.0, self._until_at - self._bus.clock()) if self._until_at else 0.0
        own = {page.name for page in self._settings.pages}
        pages: list[dict[str, Any]] = [
            {
                "name": page.name,
                "default": page.name not in own,
                "items": [{**item.model_dump(), "label": item.label} for item in page.items],
            }
            for page in self._pages.values()
        ]
        home = self._settings.display.home
        return json.dumps({"page": self.page, "for_s": round(left_s, 1), "home": home, "size": SIZE, "pages": pages})

    # -- its buttons

    async def _press(self, command: PressItem) -> str:
        if command.page != self.page:
            raise NotNowError(f'page "{command.page}" is not shown now: "{self.page}" is')
        items = self._known(command.page).items
        item = items[command.item] if 0 <= command.item < len(items) else None
        if item is None or item.type != "button":
            raise UnknownNameError(f'page "{command.page}" has no button at item {command.item}')
        if item.input:
            return await self._commands.execute(PressInput(input=item.input, source="panel"))
        self._bus.publish(ButtonPressed(at=self._bus.clock(), button=item.label, source="panel"))
        if self._call or self._ringing_up:  # the press belongs to the call that is on
            return self._call
        return await self._ring(item)

    async def _ring(self, item: ItemSettings) -> str:
        self._ringing_up = True
        try:
            call = await self._commands.execute(RingRecipients(plan=item.ring, button=item.label))
            self._call = "" if call in self._ended else call
            return call
        finally:
            self._ringing_up = False
            self._ended.clear()

    def _call_changed(self, event: CallChanged) -> None:
        if event.state not in OVER:
            return
        if self._ringing_up:
            self._ended.add(event.call)
        if event.call == self._call:
            self._call = ""

    # -- images

    async def _list_images(self, command: ListImages) -> str:
        images = self._settings.images
        sizes = await asyncio.to_thread(lambda: [_size(self._folder / each.file) for each in images])
        used = {item.image for page in self._pages.values() for item in page.items}
        return json.dumps(
            [
                {"name": each.name, "file": each.file, "bytes": size, "used": each.name in used}
                for each, size in zip(images, sizes, strict=True)
            ]
        )

    async def _read_image(self, command: ReadImage) -> str:
        known = {each.name: each.file for each in self._settings.images}
        if command.image not in known:
            there = ", ".join(f'"{each}"' for each in known) or "none"
            raise UnknownNameError(f'image "{command.image}": there is no such image; there is {there}')
        path = self._folder / known[command.image]
        try:
            content = await asyncio.to_thread(_content, path)
        except OSError as error:
            words = f'image "{command.image}" ({path.name}): it cannot be read: {error.strerror or error}'
            raise UnknownNameError(words) from None
        return json.dumps({"file": path.name, "content": base64.b64encode(content).decode()})


def _size(path: Path) -> int:
    """Bytes on the disk; 0 where it is not there. Blocks."""
    return path.stat().st_size if path.is_file() else 0


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def build(house: House, settings: PagesSettings) -> DisplayModule:
    return DisplayModule(house, settings)


DESCRIPTOR = ModuleDescriptor(NAME, PagesSettings, build)
