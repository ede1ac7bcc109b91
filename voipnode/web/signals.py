"""Light and siren over HTTP: what is shown, what runs, starting and stopping, and finding the device."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Path
from pydantic import Field

from voipnode.calls.commands import (
    Locate,
    PressControlButton,
    PreviewSignal,
    ReadSignals,
    StartSignal,
    StopSignal,
    SwitchIndicator,
)
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request

ProfileName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the profile", examples=["Alarm"])]
IndicatorName = Annotated[str, Path(min_length=1, max_length=32, description="Name of the indicator")]
TAG = "light and siren"


class StartRequest(Request):
    """What a profile is started for."""

    activity: str = Field(default="", max_length=64, description="Its name in the list; the profile's own without")


class LocateRequest(Request):
    """For how long the device makes itself seen and heard."""

    duration_s: float = Field(default=60.0, gt=0, le=3600)


class HoldRequest(Request):
    """For how long the control button is held."""

    held_s: float = Field(default=0.2, gt=0, le=60)


class IndicatorRequest(Request):
    """What an indicator LED shows."""

    colour: Literal["off", "red", "green", "amber", "blue"]
    blink: bool = False


def add_signals(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get(
        "/api/v1/signals",
        tags=[TAG],
        summary="What light and siren show, the activities that run, the profiles",
        responses=problems.documented(422),
    )
    async def signals() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(ReadSignals()))
        return found

    @app.post(
        "/api/v1/signals/{name}/start",
        status_code=204,
        tags=[TAG],
        summary="Start a profile",
        description="One that runs begins anew. Up to 10 run; of them the one with the highest priority is shown.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def start(name: ProfileName, wish: Annotated[StartRequest | None, Body()] = None) -> None:
        activity = wish.activity if wish is not None else ""
        await commands.execute(StartSignal(profile=name, activity=activity, who="api"))

    @app.post(
        "/api/v1/signals/{name}/stop",
        status_code=204,
        tags=[TAG],
        summary="Stop all activities of a profile",
        responses=problems.documented(404, 409),
    )
    async def stop(name: ProfileName) -> None:
        await commands.execute(StopSignal(profile=name))

    @app.post("/api/v1/signals/stop", status_code=204, tags=[TAG], summary="Stop all that can be stopped")
    async def stop_all() -> None:
        await commands.execute(StopSignal())

    @app.post(
        "/api/v1/signals/preview",
        status_code=204,
        tags=[TAG],
        summary="See and hear a profile before it is kept",
        description="For 30 s, or until Preview is stopped. The body has the keys of a profile.",
        responses=problems.documented(415, 422),
    )
    async def preview(
        values: Annotated[dict[str, Any], Body(max_length=30)], only: Literal["", "light", "siren"] = ""
    ) -> None:
        await commands.execute(PreviewSignal(values=values, only=only))

    @app.put(
        "/api/v1/indicators/{name}",
        status_code=204,
        tags=[TAG],
        summary="Switch an indicator LED",
        responses=problems.documented(415, 422),
    )
    async def indicate(name: IndicatorName, wish: IndicatorRequest) -> None:
        await commands.execute(SwitchIndicator(indicator=name, colour=wish.colour, blink=wish.blink))

    _add_device(app, commands)


def _add_device(app: FastAPI, commands: Commands) -> None:
    @app.post(
        "/api/v1/locate",
        status_code=204,
        tags=["device"],
        summary="Have the device be seen and heard, so that it is found",
        responses=problems.documented(415, 422),
    )
    async def locate(wish: Annotated[LocateRequest | None, Body()] = None) -> None:
        await commands.execute(Locate(duration_s=(wish or LocateRequest()).duration_s, who="api"))

    @app.delete("/api/v1/locate", status_code=204, tags=["device"], summary="It was found")
    async def found() -> None:
        await commands.execute(Locate(on=False))

    @app.post(
        "/api/v1/control-button",
        status_code=204,
        tags=["device"],
        summary="Hold the control button, and let it go",
        description="What it does at which length is set in [control_button]; `control_button.pressed` tells rules.",
        responses=problems.documented(409, 415, 422),
    )
    async def hold(wish: Annotated[HoldRequest | None, Body()] = None) -> None:
        await commands.execute(PressControlButton(held_s=(wish or HoldRequest()).held_s, source="api"))
