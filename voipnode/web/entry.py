"""The entry list over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Path, Response
from pydantic import BaseModel, Field

from voipnode.calls.commands import (
    AddHolder,
    ChangeHolder,
    DrawCode,
    IssuePass,
    ListHolders,
    RemoveHolder,
    ShowHolder,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request

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


class PassRequest(Request):
    """How a QR reader gives what it reads."""

    shown_as: Literal["code", "card"] = Field(
        default="code", description="code: as keys, and it may be typed; card: as a card's number, of 64 bits"
    )


class Pass(BaseModel):
    """What is handed to a visitor. The code is shown this once."""

    name: str
    code: str = Field(examples=["7391"])
    svg: str = Field(description="The code as a QR code")
    valid_from_utc: str
    valid_to_utc: str
    uses_left: int | None = Field(description="null: as often as he likes")
    schedule: str
    suspended: bool


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
        "/api/v1/holders/{id}/pass",
        tags=[TAG],
        summary="Give a holder a fresh code, as a QR code to print or send",
        description="The one that he had is void. It is good as long and as often as the holder is.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def issue(id: HolderId, wish: Annotated[PassRequest | None, Body()] = None) -> Pass:
        shown_as = wish.shown_as if wish is not None else "code"
        return Pass.model_validate_json(await commands.execute(IssuePass(holder=id, shown_as=shown_as)))

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
