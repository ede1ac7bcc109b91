"""Detectors over HTTP: what they notice, and reports of what hardware elsewhere has noticed."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import FastAPI, Path
from pydantic import Field

from voipnode.calls.commands import ReadDetectors, ReportDetector
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request

DetectorName = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="Name of the detector")]
TAG = "detectors"


class Report(Request):
    """What a detector notices."""

    active: bool = Field(default=True, description="false: no longer")
    source: str = Field(default="api", max_length=32, description="Who reports it")
    detail: str = Field(default="", max_length=200, description="More of it, for people", examples=["left of the door"])
    strength_g: float | None = Field(default=None, ge=0, le=1000, description="How hard a hit was, where measured")


def add_detectors(app: FastAPI, commands: Commands) -> None:
    """Add the paths."""

    @app.get(
        "/api/v1/detectors", tags=[TAG], summary="What the detectors notice now", responses=problems.documented(422)
    )
    async def detectors() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await commands.execute(ReadDetectors()))
        return found

    @app.post(
        "/api/v1/detectors/{name}",
        status_code=204,
        tags=[TAG],
        summary="Report what a detector notices",
        description="As a driver does. Where tampering is looked for in simulated pictures, `detail` is what is done to"
        " the camera: covered, defocused, turned, dark.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def report(name: DetectorName, said: Report) -> None:
        await commands.execute(ReportDetector(detector=name, **said.model_dump()))
