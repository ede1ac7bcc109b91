"""Readers over HTTP: how they are reached, pairing, what was read last, and cards and keys by software."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import LastCredential, ListReaders, PairReader, PresentCard, ReadKeys
from voipnode.calls.hooks import Commands
from voipnode.web import problems

ReaderName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="Name of the reader")]
TAG = "readers"


class ReaderState(BaseModel):
    """A reader, and how it is reached."""

    name: str
    driver: str
    enabled: bool
    state: Literal["connected", "connecting", "not connected"]
    secure: bool = Field(description="By an encrypted channel")
    tampered: bool = Field(description="Somebody has opened it, or taken it from the wall")
    detail: str = Field(description="In words, for people")
    pairs: bool = Field(description="It can be given a key by pairing")
    chip_types: list[str]
    refused: int = Field(description="How often it sent what is neither card nor keys, since the node started")


class Pairing(BaseModel):
    """For how long a key is offered."""

    model_config = ConfigDict(extra="forbid")

    for_s: float = Field(default=60.0, gt=0, le=600)


class ChipPlace(BaseModel):
    """A place in a card's memory, and the key that opens it."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(max_length=64, examples=["F51780/1"])
    key: str = Field(default="", max_length=128, description="In hexadecimal")
    data: str = Field(max_length=512, description="In hexadecimal")


class Card(BaseModel):
    """A card as a reader reads it."""

    model_config = ConfigDict(extra="forbid")

    uid: str = Field(min_length=2, max_length=200, description="Its UID in hexadecimal", examples=["04A1B2C3"])
    bits: int = Field(default=0, ge=0, le=512, description="How many bits it has; 0: all of the UID's")
    chip: str = Field(default="", max_length=40, description="What kind it is", examples=["MIFARE_DESFire"])
    secure_id: str = Field(default="", max_length=200, description="The chip's own protected number, in hexadecimal")
    places: list[ChipPlace] = Field(default=[], max_length=32, description="Of its memory, for data sets")


class Keys(BaseModel):
    """Keys that are pressed one after the other."""

    model_config = ConfigDict(extra="forbid")

    keys: str = Field(pattern=r"^[0-9*#]{1,64}$", description="0-9, * to begin anew, # at the end", examples=["7391#"])


class Outcome(BaseModel):
    """What came of it: granted, denied, pin (the card's PIN has to follow), key (more have to follow), locked,
    ignored (a kind of card that is not read here)."""

    outcome: str


def add_readers(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/readers", tags=[TAG], summary="The readers, and how they are reached")
    async def readers() -> list[ReaderState]:
        return [ReaderState.model_validate(each) for each in json.loads(await commands.execute(ListReaders()))]

    @app.post(
        "/api/v1/readers/{name}/pair",
        status_code=202,
        tags=[TAG],
        summary="Give an OSDP reader in its installation mode a new key",
        description="`reader.changed` tells what comes of it. Cards are not read meanwhile.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def pair(name: ReaderName, wish: Annotated[Pairing | None, Body()] = None) -> None:
        await commands.execute(PairReader(reader=name, for_s=(wish or Pairing()).for_s))

    @app.get("/api/v1/readers/last-card", tags=[TAG], summary="The card that was read last; {} for none yet")
    async def last_card() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(LastCredential()))
        return found

    @app.post(
        "/api/v1/readers/{name}/card",
        tags=[TAG],
        summary="Show a card to a reader, by software",
        description="What the reader's settings do to cards is done to this one. Who may enter opens the door.",
        responses=problems.documented(409, 415, 422),
    )
    async def card(name: ReaderName, shown: Card) -> Outcome:
        places = tuple((each.address, each.key, each.data) for each in shown.places)
        wish = PresentCard(
            reader=name, uid=shown.uid, bits=shown.bits, chip=shown.chip, secure_id=shown.secure_id, places=places
        )
        return Outcome(outcome=await commands.execute(wish))

    @app.post(
        "/api/v1/readers/{name}/keys",
        tags=[TAG],
        summary="Press keys of a reader, by software",
        responses=problems.documented(409, 415, 422),
    )
    async def keys(name: ReaderName, pressed: Keys) -> Outcome:
        return Outcome(outcome=await commands.execute(ReadKeys(reader=name, keys=pressed.keys)))
