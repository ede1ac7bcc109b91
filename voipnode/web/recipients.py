"""Recipients over HTTP: how they stand, and tried. What is set of them is a list of the settings like others."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field

from voipnode.calls.commands import ListRecipients, ReadMqtt, TestRecipient
from voipnode.calls.hooks import Commands
from voipnode.web import problems

RecipientName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the recipient")]
TAG = "rules"


class ListedRecipient(BaseModel):
    """Somebody who is told of things, and what is the trouble, "" for none."""

    name: str = Field(examples=["Guard"])
    kind: str = Field(examples=["email"])
    to: str = Field(description="Who or what it is, in words", examples=["guard@example.com"])
    waiting: int = Field(description="Messages that are not delivered yet")
    since_utc: str = Field(description="Since when the oldest of them waits; empty for none")
    trouble: str = Field(description="Why the last try failed", examples=["Connection refused"])
    delivered: int = Field(description="How many messages it was told since the node started")
    last_utc: str = Field(description="When that was last; empty for never")


class Broker(BaseModel):
    """The MQTT broker, as far as the node has one."""

    enabled: bool
    broker: str = Field(default="", examples=["broker.example.com:1883"])
    connected: bool = False
    since_utc: str = Field(default="", description="Since when it is connected, or no more")
    waiting: int = Field(default=0, description="Messages that it is yet to be told")
    lost: int = Field(default=0, description="Messages that were dropped since then")
    trouble: str = Field(default="", description="Why there is no connection")


class Told(BaseModel):
    """What a recipient's server said."""

    said: str


def add_recipients(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/recipients", tags=[TAG], summary="Who is told of things, and how many messages wait")
    async def recipients() -> list[ListedRecipient]:
        return [ListedRecipient.model_validate(each) for each in json.loads(await commands.execute(ListRecipients()))]

    @app.get("/api/v1/mqtt", tags=[TAG], summary="How the node stands to its MQTT broker")
    async def broker() -> Broker:
        if not commands.taken_by(ReadMqtt):
            return Broker(enabled=False)
        return Broker(enabled=True, **json.loads(await commands.execute(ReadMqtt())))

    @app.post(
        "/api/v1/recipients/{name}/test",
        tags=[TAG],
        summary="Try to tell a recipient something, once and now",
        responses=problems.documented(404, 409),
    )
    async def try_out(name: RecipientName) -> Told:
        return Told(said=await commands.execute(TestRecipient(recipient=name)))
