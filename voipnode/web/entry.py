"""The entry list over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Response
from pydantic import BaseModel

from voipnode.calls.commands import (
    AddHolder,
    ChangeHolder,
    DrawCode,
    ListHolders,
    RemoveHolder,
    ShowHolder,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems

HolderId = Annotated[int, Path(ge=1, description="Id of the holder")]
Fields = Annotated[
    dict[str, Any],
    Body(
        description="What can be set of a holder; the schema is at /api/v1/schemas/holder",
        examples=[{"name": "Anna", "card_uid": "04A1B2C3", "pin": "7391", "uses_left": 10}],
        max_length=30,
    ),
]
TAG = "entry list"


class HolderCreated(BaseModel):
    """A holder that is in the list now."""

    id: int


def add_entry(app: FastAPI, commands: Commands, about: Mapping[str, Any]) -> None:
    """Add the paths; `about` has the schema of a holder."""

    @app.get("/api/v1/schemas/holder", tags=[TAG], summary="What can be set of a holder, as JSON Schema")
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = about.get("holder_schema", {})
        return found

    @app.get(
        "/api/v1/holders",
        tags=[TAG],
        summary="All holders, by name; their codes are never shown",
        responses=problems.documented(409),
    )
    async def holders() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await commands.execute(ListHolders()))
        return found

    @app.get(
        "/api/v1/holders/{id}", tags=[TAG], summary="One holder, without codes", responses=problems.documented(404, 409)
    )
    async def one(id: HolderId) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(ShowHolder(holder=id)))
        return found

    @app.post(
        "/api/v1/holders",
        status_code=201,
        tags=[TAG],
        summary="Add a holder",
        responses=problems.documented(409, 415, 422),
    )
    async def add(fields: Fields, response: Response) -> HolderCreated:
        holder = int(await commands.execute(AddHolder(values=fields)))
        response.headers["location"] = f"/api/v1/holders/{holder}"
        return HolderCreated(id=holder)

    @app.patch(
        "/api/v1/holders/{id}",
        status_code=204,
        tags=[TAG],
        summary="Change fields of a holder",
        description="null gives a field its default, and takes a code away.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def change(id: HolderId, fields: Fields) -> None:
        await commands.execute(ChangeHolder(holder=id, values=fields))

    @app.delete(
        "/api/v1/holders/{id}",
        status_code=204,
        tags=[TAG],
        summary="Remove a holder",
        responses=problems.documented(404),
    )
    async def remove(id: HolderId) -> None:
        await commands.execute(RemoveHolder(holder=id))

    @app.post(
        "/api/v1/codes",
        tags=[TAG],
        summary="Draw a code that nobody has",
        description="It is good for nothing until a holder has it.",
        responses=problems.documented(409),
    )
    async def draw() -> dict[str, str]:
        drawn: dict[str, str] = json.loads(await commands.execute(DrawCode()))
        return drawn
