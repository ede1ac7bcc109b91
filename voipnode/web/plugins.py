"""Plug-ins over HTTP: how they are, and their own commands."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path
from pydantic import BaseModel, Field

from voipnode.calls.commands import AskPlugin, ListPlugins
from voipnode.calls.hooks import Commands
from voipnode.web import problems

PluginName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="Name of the plug-in")]
CommandName = Annotated[str, Path(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$", description="Name of its command")]
Values = Annotated[
    dict[str, Any], Body(description="The fields of the command", max_length=100, examples=[{"count": 0}])
]
TAG = "plug-ins"


class Plugin(BaseModel):
    """A plug-in of the settings. `trouble`: what is, or was last, wrong with it."""

    name: str
    package: str
    state: str = Field(description="running, failed, missing (no package offers it), off")
    trouble: str
    silenced: bool = Field(description="It failed so often that it hears no more events")
    commands: list[str]


class Said(BaseModel):
    """What the plug-in answered."""

    said: str


def add_plugins(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/plugins", tags=[TAG], summary="The plug-ins of the settings", responses=problems.documented(422))
    async def plugins() -> list[Plugin]:
        return [Plugin.model_validate(each) for each in json.loads(await commands.execute(ListPlugins()))]

    @app.post(
        "/api/v1/plugins/{name}/{command}",
        tags=[TAG],
        summary="Have a plug-in carry out a command of its own",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def ask(name: PluginName, command: CommandName, values: Values) -> Said:
        return Said(said=await commands.execute(AskPlugin(plugin=name, command=command, values=values)))
