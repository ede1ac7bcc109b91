"""Rules and manual triggers over HTTP."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import ListRecipients, ListRules, PullTrigger, SwitchRule, TestRecipient
from voipnode.calls.hooks import Commands
from voipnode.web import problems

RuleName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the rule")]
TriggerName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the trigger")]
RecipientName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the recipient")]
TAG = "rules"


class RuleCondition(BaseModel):
    """A condition in words. `holds` is null for a moment, which never lasts."""

    condition: str
    holds: bool | None


class Rule(BaseModel):
    """A rule as it stands. `why_not`: why it would not fire now, "" where nothing is missing or only its moment."""

    name: str
    on: bool
    fired: int = Field(description="How often since the node started")
    running: bool = Field(description="Its actions are being done")
    conditions: list[RuleCondition]
    actions: list[str]
    why_not: str


class Firing(BaseModel):
    """A rule that fired."""

    at_utc: str
    rule: str
    because: str
    outcome: str


class Rules(BaseModel):
    """The rules, and what fired lately, newest first."""

    rules: list[Rule]
    history: list[Firing]


class Recipient(BaseModel):
    """Somebody who is told of things, and what is the trouble, "" for none."""

    name: str
    kind: str
    waiting: int = Field(description="Messages that are not delivered yet")
    trouble: str


class Told(BaseModel):
    """What a recipient's server said."""

    said: str


class RuleSwitch(BaseModel):
    """Whether a rule is at work, until the next start."""

    model_config = ConfigDict(extra="forbid")

    on: bool


def add_rules(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/rules", tags=[TAG], summary="The rules: what holds, what is missing, what fired lately")
    async def rules() -> Rules:
        return Rules.model_validate(json.loads(await commands.execute(ListRules())))

    @app.patch(
        "/api/v1/rules/{name}",
        status_code=204,
        tags=[TAG],
        summary="Switch a rule on or off until the next start",
        responses=problems.documented(404, 415, 422),
    )
    async def switch(name: RuleName, wish: RuleSwitch) -> None:
        await commands.execute(SwitchRule(rule=name, on=wish.on))

    @app.post(
        "/api/v1/triggers/{name}",
        status_code=204,
        tags=[TAG],
        summary="Pull a manual trigger",
        responses=problems.documented(404),
    )
    async def pull(name: TriggerName) -> None:
        await commands.execute(PullTrigger(trigger=name))

    @app.get("/api/v1/recipients", tags=[TAG], summary="Who is told of things, and how many messages wait")
    async def recipients() -> list[Recipient]:
        return [Recipient.model_validate(each) for each in json.loads(await commands.execute(ListRecipients()))]

    @app.post(
        "/api/v1/recipients/{name}/test",
        tags=[TAG],
        summary="Try to tell a recipient something, once and now",
        responses=problems.documented(404, 409),
    )
    async def try_out(name: RecipientName) -> Told:
        return Told(said=await commands.execute(TestRecipient(recipient=name)))
