"""The speaker test over HTTP: how it stands, its picture, and asking for it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

from voipnode.calls.commands import CalibrateSpeaker, DrawSpeakerTest, TestSpeaker
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.web import models, problems
from voipnode.web.view import View


def add_speaker_test(app: FastAPI, view: View, commands: Commands) -> None:
    @app.get(
        "/api/v1/speaker-test",
        tags=["speaker test"],
        summary="How the speaker test stands",
        responses=problems.documented(404),
    )
    async def stands() -> models.SpeakerTestStatus:
        known: dict[str, Any] | None = view.speaker_test()
        if known is None:
            raise UnknownNameError("this node has no speaker test")
        return models.SpeakerTestStatus.model_validate(known)

    @app.post(
        "/api/v1/speaker-test/calibrate",
        status_code=202,
        tags=["speaker test"],
        summary="Calibrate the speaker test",
        description="Plays sweeps for half a minute, and takes how they are heard as what is well. It should be quiet."
        " `speaker_test.changed` tells how it goes.",
        responses=problems.documented(409, 422),
    )
    async def calibrate() -> None:
        await commands.execute(CalibrateSpeaker())

    @app.post(
        "/api/v1/speaker-test/run",
        status_code=202,
        tags=["speaker test"],
        summary="Test the loudspeaker",
        description="Plays sweeps for ten seconds, more than once where the first does not make it clear."
        " `speaker_test.finished` has the result. A call that begins meanwhile has priority; it is done after it.",
        responses=problems.documented(409, 422),
    )
    async def run() -> None:
        await commands.execute(TestSpeaker(trigger="api"))

    @app.get(
        "/api/v1/speaker-test/picture.svg",
        tags=["speaker test"],
        summary="A picture of calibration and last test",
        response_class=Response,
        responses={200: {"content": {"image/svg+xml": {}}}, **problems.documented(409)},
    )
    async def picture() -> Response:
        return Response(await commands.execute(DrawSpeakerTest()), media_type="image/svg+xml")
