"""Settings of the display: `[display]`, `[[pages]]` and `[[images]]` of voipnode.toml."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

HOME = "Home"
MAX_PAGES = 50
MAX_IMAGES = 100
MAX_ITEMS = 24
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f/\\?#]+$")]
Size = Literal["small", "medium", "large"]
Where = tuple[str | int, ...]


class ItemSettings(BaseModel):
    """One item of a page: a button that calls somebody, an image, or words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["button", "image", "text"] = "button"
    name: str = Field(default="", max_length=64, description="What it says; a button without says whom it calls.")
    ring: str = Field(default="", max_length=64, description="Button: the contact or group that it calls.")
    input: str = Field(default="", max_length=32, description="Button: or the input that it presses.")
    image: str = Field(default="", max_length=64, description="Image: which of [[images]].")
    size: Size = Field(default="medium", description="Small ones stand side by side.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.type == "button" and bool(self.ring) == bool(self.input):
            raise ValueError("a button calls a contact or group (ring), or presses an input: one of the two is needed")
        if self.type == "image" and not self.image:
            raise ValueError("an image item says which of [[images]] it shows: image is needed")
        if self.type == "text" and not self.name:
            raise ValueError("a text item needs its words: name")
        return self

    @property
    def label(self) -> str:
        """What is read on it."""
        return self.name or self.ring or self.input or self.image


class PageSettings(BaseModel):
    """One page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="By which rules and commands show it; no other page has it.")
    items: tuple[ItemSettings, ...] = Field(default=(), max_length=MAX_ITEMS, description="From top to bottom.")


class ImageSettings(BaseModel):
    """One image that pages show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="By which pages show it; no other image has it.")
    file: str = Field(
        max_length=128,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. -]*$",
        description="A file in the folder images of the node's own folder: png or jpeg, at most 2048x2048.",
    )


class DisplaySettings(BaseModel):
    """The display."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: str = Field(
        default=HOME, max_length=64, description="The page that is shown while no other is; Home is there by itself."
    )


class PagesSettings(BaseModel):
    """The display of the node, its pages and their images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    display: DisplaySettings = DisplaySettings()
    pages: tuple[PageSettings, ...] = Field(default=(), max_length=MAX_PAGES)
    images: tuple[ImageSettings, ...] = Field(default=(), max_length=MAX_IMAGES)

    @property
    def call_inputs(self) -> tuple[str, ...]:
        """The inputs of the call buttons, which the default home page has."""
        return ()

    @property
    def all_pages(self) -> tuple[PageSettings, ...]:
        """The pages; the default home page, with the call buttons, where none has its name."""
        if any(page.name == HOME for page in self.pages):
            return self.pages
        inputs = self.call_inputs[: MAX_ITEMS - 1]
        size: Size = "large" if len(inputs) <= 2 else "medium"
        words = [name[0].upper() + name[1:] if len(inputs) > 1 else "Ring" for name in inputs]
        buttons = [
            ItemSettings(type="button", name=says, input=name, size=size)
            for says, name in zip(words, inputs, strict=True)
        ]
        welcome = ItemSettings(type="text", name="Welcome", size="large")
        return (PageSettings(name=HOME, items=(welcome, *buttons)), *self.pages)

    @model_validator(mode="after")
    def _pages_differ(self) -> Self:
        for what, names in (
            ("page", [page.name for page in self.pages]),
            ("image", [each.name for each in self.images]),
        ):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f'the {what} name "{twice[0]}" is used twice in [[{what}s]]; names must differ')
        return self


def broken_pages(
    settings: PagesSettings, *, parties: Collection[str], inputs: Collection[str]
) -> Iterator[tuple[Where, Any, str]]:
    """What pages name and there is not: place, value, what would be right. `parties`: contacts and groups."""
    known = {"ring": ("contact or group", parties), "input": ("input", inputs)}
    known["image"] = ("image; [[images]]", [each.name for each in settings.images])
    for index, page in enumerate(settings.pages):
        for place, item in enumerate(page.items):
            for key, (what, names) in known.items():
                name = getattr(item, key)
                if name and name not in names:
                    there = ", ".join(f'"{each}"' for each in sorted(names)[:20]) or "none"
                    yield ("pages", index, "items", place, key), name, f"there is no such {what}; there is {there}"
    names = [page.name for page in settings.all_pages]
    if settings.display.home not in names:
        there = ", ".join(f'"{each}"' for each in names[:20])
        yield ("display", "home"), settings.display.home, f"there is no such page; there is {there}"
