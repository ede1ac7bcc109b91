"""The door controller over HTTP: whether it is reached, which entrances it offers, and its settings."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI
from pydantic import BaseModel, Field

from voipnode.calls.commands import ChangeSection, DescribeSection, ReadSection, ShowController
from voipnode.calls.hooks import Commands
from voipnode.web import problems

SECTION = "controller"
Changes = Annotated[
    dict[str, Any],
    Body(
        description="Keys of [controller] in the settings file, and of the tables in it; null: its default",
        examples=[{"protocol": "osdp", "osdp": {"device": "/dev/ttyS1"}}],
        max_length=20,
    ),
]


class Entrance(BaseModel):
    """An access point that leads in."""

    name: str
    token: str


class ControllerState(BaseModel):
    """The door controller whose reader the node is."""

    protocol: Literal["none", "osdp", "wiegand", "http"]
    state: Literal["connected", "connecting", "not connected"]
    detail: str = Field(description="In words, for people")
    entrances: list[Entrance] = Field(description="Of a controller that is asked for them (http)")


def add_controller(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/controller", tags=["readers"], summary="The door controller, and how it is reached")
    async def controller() -> ControllerState:
        return ControllerState.model_validate_json(await commands.execute(ShowController()))

    @app.get("/api/v1/settings/controller", tags=["settings"], summary="The settings of the door controller")
    async def settings() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(ReadSection(section=SECTION)))
        return found

    @app.get("/api/v1/schemas/controller", tags=["settings"], summary="What can be set of it, as JSON Schema")
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(DescribeSection(section=SECTION)))
        return found

    @app.patch(
        "/api/v1/settings/controller",
        status_code=204,
        tags=["settings"],
        summary="Change settings of the door controller",
        description="Written to the settings file, whose comments stay, and in use at once.",
        responses=problems.documented(409, 415, 422),
    )
    async def change(changes: Changes) -> None:
        await commands.execute(ChangeSection(section=SECTION, changes=changes))
