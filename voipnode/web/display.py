"""The display over HTTP: its pages shown, its buttons pressed, its images up and down."""

from __future__ import annotations

import base64
import json
import re
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, BeforeValidator, Field

from voipnode.calls.commands import (
    AddImage,
    HidePage,
    ListImages,
    PressItem,
    ReadDisplay,
    ReadImage,
    RemoveImage,
    ShowPage,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request

PageName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the page", examples=["Map page"])]
ImageName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the image", examples=["Map"])]
KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg"}
TAG = "display"
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")


def _seconds(value: Any) -> Any:
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else value


class PageRequest(Request):
    """For how long a page is shown."""

    duration_s: Annotated[float, BeforeValidator(_seconds)] = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description='Seconds, or "hh:mm:ss"; 0: until told otherwise',
        examples=["00:00:30"],
    )


class ItemRequest(Request):
    """A button of the page that is shown."""

    page: str = Field(min_length=1, max_length=64)
    item: int = Field(ge=0, le=100, description="Its place among the items; the first is 0")


class ItemPressed(BaseModel):
    """What came of a press."""

    call: str = Field(description='The call that rings, or rang already; "" for none', examples=["c7"])


class Image(BaseModel):
    """One image."""

    name: str = Field(examples=["Map"])
    file: str = Field(description="In the folder images of the node", examples=["map.png"])
    bytes: int = Field(description="0 where the file is missing")
    used: bool = Field(description="A page shows it")


def add_display(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/display", tags=[TAG], summary="The page that is shown, and all pages with their items")
    async def display() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(ReadDisplay()))
        return found

    @app.post(
        "/api/v1/display/pages/{name}/show",
        status_code=204,
        tags=[TAG],
        summary="Show a page",
        description="When its time is over, the home page returns.",
        responses=problems.documented(404, 415, 422),
    )
    async def show(name: PageName, wish: Annotated[PageRequest | None, Body()] = None) -> None:
        await commands.execute(ShowPage(page=name, duration_s=(wish or PageRequest()).duration_s, who="api"))

    @app.post("/api/v1/display/home", status_code=204, tags=[TAG], summary="Show the home page")
    async def home() -> None:
        await commands.execute(HidePage())

    @app.post(
        "/api/v1/display/press",
        tags=[TAG],
        summary="Press a button of the page that is shown",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def press(wish: ItemRequest) -> ItemPressed:
        return ItemPressed(call=await commands.execute(PressItem(page=wish.page, item=wish.item)))

    _add_images(app, commands)


def _add_images(app: FastAPI, commands: Commands) -> None:
    @app.get("/api/v1/images", tags=[TAG], summary="All images")
    async def images() -> list[Image]:
        return [Image.model_validate(each) for each in json.loads(await commands.execute(ListImages()))]

    @app.put(
        "/api/v1/images/{name}",
        status_code=201,
        tags=[TAG],
        summary="Add an image",
        description="The body is the file: png or jpeg, at most 5 MB and 2048x2048 pixels (480x800 fill the display),"
        " with Content-Type: image/... of its kind. A name that is taken is refused.",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses=problems.documented(409, 413, 415, 422),
    )
    async def add(name: ImageName, request: HttpRequest) -> None:
        await commands.execute(AddImage(image=name, content=await request.body()))

    @app.get(
        "/api/v1/images/{name}/file",
        tags=[TAG],
        summary="The file of an image",
        response_class=Response,
        responses={200: {"content": {"image/*": {}}}, **problems.documented(404)},
    )
    async def file(name: ImageName) -> Response:
        found = json.loads(await commands.execute(ReadImage(image=name)))
        kind = KINDS.get(found["file"].rpartition(".")[2].lower(), "application/octet-stream")
        return Response(base64.b64decode(found["content"]), media_type=kind)

    @app.delete(
        "/api/v1/images/{name}",
        status_code=204,
        tags=[TAG],
        summary="Remove an image and its file",
        responses=problems.documented(404, 409, 422),
    )
    async def remove(name: ImageName) -> None:
        await commands.execute(RemoveImage(image=name))
