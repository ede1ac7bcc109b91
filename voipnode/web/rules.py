"""Rules and manual triggers over HTTP."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from voipnode.calls.commands import (
    AddRule,
    ChangeRule,
    DescribeRules,
    ListRules,
    PullTrigger,
    ReadRule,
    RemoveRule,
    SetVirtualInput,
    SwitchRule,
    TryRule,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems

RuleName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the rule")]
InputName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the virtual input")]
TriggerName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the trigger")]
Settings = Annotated[
    dict[str, Any],
    Body(
        description="Keys of [[rules]] in the settings file; the schema is at /api/v1/schemas/rule",
        examples=[
            {
                "name": "Welcome",
                "conditions": [{"is": "access_granted"}],
                "actions": [{"do": "play_clip", "clip": "Welcome"}],
            }
        ],
        max_length=20,
    ),
]
TAG = "rules"
_APPLIED = " Written to the settings file, whose comments stay, and in use at once. `rules.changed` tells."


class RuleCondition(BaseModel):
    """A condition in words. `holds` is null for a moment, which never lasts."""

    condition: str
    holds: bool | None


class Rule(BaseModel):
    """A rule as it stands. `why_not`: why it would not fire now, "" where nothing is missing or only its moment."""

    name: str
    on: bool
    enabled: bool = Field(description="Whether it is on after the next start")
    preconfigured: bool = Field(description="The node comes with it; it is not in the settings file")
    active: bool = Field(description="It has fired, and its lasting conditions hold yet")
    fired: int = Field(description="How often since the node started")
    running: bool = Field(description="Its actions are being done")
    conditions: list[RuleCondition]
    actions: list[str] = Field(description="In words")
    why_not: str


class Firing(BaseModel):
    """A rule that fired."""

    at_utc: str
    rule: str
    because: str
    outcome: str


class VirtualInput(BaseModel):
    """A virtual input that rules have as a condition."""

    name: str
    active: bool


class Rules(BaseModel):
    """The rules, what can be pulled and set for them, and what fired lately, newest first."""

    rules: list[Rule]
    triggers: list[str]
    virtual_inputs: list[VirtualInput]
    history: list[Firing]


class DryRun(BaseModel):
    """What a rule would do now. `would_fire`: nothing is missing but the moment, or that what holds begins anew."""

    would_fire: bool
    why: str
    conditions: list[RuleCondition]
    actions: list[str]


class VirtualInputWish(BaseModel):
    """What a virtual input is to be, and for how long."""

    model_config = ConfigDict(extra="forbid")

    active: bool
    for_s: float = Field(0.0, ge=0, le=86_400, description="It ends by itself then; 0: when it is ended")


class RuleId(BaseModel):
    """A rule by its name."""

    name: str


def add_rules(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get("/api/v1/rules", tags=[TAG], summary="The rules: what holds, what is missing, what fired lately")
    async def rules() -> Rules:
        return Rules.model_validate(json.loads(await commands.execute(ListRules())))

    @app.get("/api/v1/schemas/rule", tags=[TAG], summary="What a rule can be made of, as JSON Schema")
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(DescribeRules()))
        return found

    @app.get(
        "/api/v1/rules/{name}", tags=[TAG], summary="The settings of a rule", responses=problems.documented(404, 409)
    )
    async def one(name: RuleName) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(ReadRule(rule=name)))
        return found

    @app.post(
        "/api/v1/rules",
        status_code=201,
        tags=[TAG],
        summary="Add a rule",
        description="There may be 256." + _APPLIED,
        responses=problems.documented(409, 415, 422),
    )
    async def add(settings: Settings, response: Response) -> RuleId:
        rule = await commands.execute(AddRule(settings=settings))
        response.headers["location"] = f"/api/v1/rules/{problems.quoted(rule)}"
        return RuleId(name=rule)

    @app.patch(
        "/api/v1/rules/{name}",
        tags=[TAG],
        summary="Change a rule, or switch it on or off",
        description="`enabled` switches it for good, `on` alone until the next start. What else is sent changes it, and"
        " a rule that was on is off then, unless `enabled` is sent, too." + _APPLIED,
        responses=problems.documented(404, 409, 415, 422),
    )
    async def change(name: RuleName, changes: Settings) -> RuleId:
        if changes.keys() == {"on"} and isinstance(changes["on"], bool):
            await commands.execute(SwitchRule(rule=name, on=changes["on"]))
            return RuleId(name=name)
        return RuleId(name=await commands.execute(ChangeRule(rule=name, changes=changes)))

    @app.delete(
        "/api/v1/rules/{name}",
        status_code=204,
        tags=[TAG],
        summary="Remove a rule",
        description="One that the node comes with is as it was then.",
        responses=problems.documented(404, 409, 422),
    )
    async def remove(name: RuleName) -> None:
        await commands.execute(RemoveRule(rule=name))

    @app.post(
        "/api/v1/rules/{name}/dry-run",
        tags=[TAG],
        summary="What a rule would do now, and why it would not",
        description="Nothing is done.",
        responses=problems.documented(404),
    )
    async def dry_run(name: RuleName) -> DryRun:
        return DryRun.model_validate_json(await commands.execute(TryRule(rule=name)))

    @app.put(
        "/api/v1/virtual-inputs/{name}",
        status_code=204,
        tags=[TAG],
        summary="Activate a virtual input, or end it",
        description="There are those that rules have as a condition; none is active after a start.",
        responses=problems.documented(404, 415, 422),
    )
    async def set_input(name: InputName, wish: VirtualInputWish) -> None:
        await commands.execute(SetVirtualInput(input=name, active=wish.active, for_s=wish.for_s))

    @app.post(
        "/api/v1/triggers/{name}",
        status_code=204,
        tags=[TAG],
        summary="Pull a manual trigger",
        responses=problems.documented(404),
    )
    async def pull(name: TriggerName) -> None:
        await commands.execute(PullTrigger(trigger=name))
