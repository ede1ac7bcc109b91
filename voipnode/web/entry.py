"""The entry list over HTTP, and the readers' cards and keys by software."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import (
    AddHolder,
    ChangeHolder,
    DrawCode,
    LastCredential,
    ListHolders,
    ReadCard,
    ReadKeys,
    RemoveHolder,
    ShowHolder,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems

HolderId = Annotated[int, Path(ge=1, description="Id of the holder")]
ReaderName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="Name of the reader")]
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


class Card(BaseModel):
    """A card as a reader reads it."""

    model_config = ConfigDict(extra="forbid")

    uid: str = Field(min_length=2, max_length=200, description="Its UID in hexadecimal", examples=["04A1B2C3"])
    bits: int = Field(default=0, ge=0, le=512, description="How many bits it has; 0: all of the UID's")


class Keys(BaseModel):
    """Keys that are pressed one after the other."""

    model_config = ConfigDict(extra="forbid")

    keys: str = Field(pattern=r"^[0-9*#]{1,64}$", description="0-9, * to begin anew, # at the end", examples=["7391#"])


class Outcome(BaseModel):
    """What came of it: granted, denied, pin (the card's PIN has to follow), key (more have to follow), locked."""

    outcome: str


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

    @app.get("/api/v1/readers/last-card", tags=[TAG], summary="The card that was read last; {} for none yet")
    async def last_card() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(LastCredential()))
        return found

    @app.post(
        "/api/v1/readers/{name}/card",
        tags=[TAG],
        summary="Show a card to a reader, by software",
        responses=problems.documented(409, 415, 422),
    )
    async def card(name: ReaderName, shown: Card) -> Outcome:
        return Outcome(outcome=await commands.execute(ReadCard(reader=name, uid=shown.uid, bits=shown.bits)))

    @app.post(
        "/api/v1/readers/{name}/keys",
        tags=[TAG],
        summary="Press keys of a reader, by software",
        responses=problems.documented(409, 415, 422),
    )
    async def keys(name: ReaderName, pressed: Keys) -> Outcome:
        return Outcome(outcome=await commands.execute(ReadKeys(reader=name, keys=pressed.keys)))
