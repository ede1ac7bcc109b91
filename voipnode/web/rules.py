"""Rules and manual triggers over HTTP."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import FastAPI, Path
from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import ListRules, PullTrigger, SwitchRule
from voipnode.calls.hooks import Commands
from voipnode.web import problems

RuleName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the rule")]
TriggerName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the trigger")]
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
