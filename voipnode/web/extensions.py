"""The node's own telephones over HTTP: which extensions there are, who is registered for them, who is talking."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field

from voipnode.calls.commands import ReadExtensions, SetDoNotDisturb
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request as Body

Number = Annotated[str, Path(min_length=1, max_length=32, description="Number of the extension", examples=["101"])]


class Device(BaseModel):
    """A telephone that has registered."""

    contact: str = Field(description="As it calls itself", examples=["sip:101@192.168.1.20:5060"])
    address: str = Field(description="Where it is reached", examples=["192.168.1.20:5060"])
    transport: str = Field(examples=["UDP"])
    user_agent: str = Field(description="As it calls itself; it may be anything", examples=["baresip v1.0.0"])
    expires_s: int = Field(description="Until it has to register again", examples=[3412])


class ExtensionCall(BaseModel):
    """A call of the extension."""

    state: Literal["early", "confirmed"] = Field(description="It rings, or it is answered")
    direction: Literal["incoming", "outgoing"] = Field(description="As the telephone sees it")
    remote: str = Field(description="Who is at the other end", examples=["sip:102@door"])
    remote_name: str = Field(examples=["Kitchen"])


class ExtensionNow(BaseModel):
    """An extension as it stands now; passwords are never shown."""

    number: str = Field(examples=["101"])
    name: str = Field(examples=["Kitchen"])
    do_not_disturb: bool
    devices: list[Device]
    calls: list[ExtensionCall]


class QuietRequest(Body):
    """Whether somebody is not to be disturbed."""

    on: bool


def add_extensions(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    async def all_of_them() -> list[ExtensionNow]:
        return [ExtensionNow.model_validate(each) for each in json.loads(await commands.execute(ReadExtensions()))]

    @app.get(
        "/api/v1/extensions",
        tags=["extensions"],
        summary="Extensions, their telephones and calls",
        description="`extension.changed` tells when telephones come and go.",
        responses=problems.documented(409),
    )
    async def extensions() -> list[ExtensionNow]:
        return await all_of_them()

    @app.put(
        "/api/v1/extensions/{number}/do-not-disturb",
        status_code=204,
        tags=["extensions"],
        summary="Have an extension not be rung, or be rung again",
        description="Until it is set otherwise, over restarts, too; `do_not_disturb.changed` tells.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def extension_quiet(number: Number, wish: QuietRequest) -> None:
        await commands.execute(SetDoNotDisturb(extension=number, on=wish.on))

    @app.put(
        "/api/v1/do-not-disturb",
        status_code=204,
        tags=["calls"],
        summary="Have the door not ring for callers, or ring again",
        description="Visitors can call all the same. Until it is set otherwise, over restarts, too; set as the schedule"
        " of the settings says, that counts again.",
        responses=problems.documented(409, 415, 422),
    )
    async def door_quiet(wish: QuietRequest) -> None:
        await commands.execute(SetDoNotDisturb(on=wish.on))

    @app.get(
        "/api/v1/extensions/{number}",
        tags=["extensions"],
        summary="An extension",
        responses=problems.documented(404, 409),
    )
    async def one_extension(number: Number) -> ExtensionNow:
        for extension in await all_of_them():
            if extension.number == number:
                return extension
        raise UnknownNameError(f"there is no extension {problems.short(number)!r}")
