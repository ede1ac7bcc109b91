"""Audio clips over HTTP: the list, files up and down, and links that play them."""

from __future__ import annotations

import base64
import json
from typing import Annotated, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from pydantic import BaseModel, Field

from voipnode.calls.commands import AddClip, ListClips, PlayClip, ReadClip, RemoveClip, RenameClip, StopClip
from voipnode.calls.hooks import Commands
from voipnode.web import problems
from voipnode.web.models import Request as Body

Name = Annotated[str, Path(min_length=1, max_length=64, description="Name of the clip", examples=["Welcome"])]
To = Annotated[
    Literal["door", "call", "both"], Query(description="Who hears it: the visitor, the far side of the call, or both")
]
Volume = Annotated[float, Query(gt=0, le=200, description="Percentage of how it was recorded")]
Repeat = Annotated[int, Query(ge=0, le=1000, description="How many times more than once")]
Gain = Annotated[float, Query(ge=-40, le=20, description="Louder or softer than it was recorded, for good")]
Normalise = Annotated[bool, Query(description="Play it as loud as all clips that are so, -20 LUFS")]

KINDS = {
    "au": "audio/basic",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "vorbis": "audio/ogg",
    "ogg": "audio/ogg",
}
_PLAY_DOC = """
One plays at a time, and gives way to the next. This is a link for other devices: GET and POST do the same, and a
browser that opens it for a page of another site is refused. `clip.changed` tells when it begins and ends.
"""


class Clip(BaseModel):
    """One clip."""

    name: str = Field(examples=["Welcome"])
    file: str = Field(description="In the folder clips of the node", examples=["welcome.mp3"])
    bytes: int = Field(description="0 where the file is missing", examples=[48_120])
    gain_db: float
    normalise: bool


class Clips(BaseModel):
    """All clips, and the one that plays."""

    clips: list[Clip]
    playing: str = Field(description='The clip that plays now, "" for none', examples=["Welcome"])
    to: str = Field(description="Who hears it", examples=["door"])


class ClipRequest(Body):
    """A clip's new name."""

    name: str = Field(min_length=1, max_length=64, examples=["Good morning"])


def add_clips(app: FastAPI, commands: Commands) -> None:
    _add_list(app, commands)
    _add_files(app, commands)
    _add_playing(app, commands)


def _add_list(app: FastAPI, commands: Commands) -> None:
    @app.get("/api/v1/clips", tags=["clips"], summary="All clips, and the one that plays")
    async def clips() -> Clips:
        return Clips.model_validate_json(await commands.execute(ListClips()))

    @app.patch(
        "/api/v1/clips/{name}",
        status_code=204,
        tags=["clips"],
        summary="Rename a clip",
        description="Settings that play it do so by its new name.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def rename(name: Name, wish: ClipRequest) -> None:
        await commands.execute(RenameClip(clip=name, name=wish.name))

    @app.delete(
        "/api/v1/clips/{name}",
        status_code=204,
        tags=["clips"],
        summary="Remove a clip and its file",
        responses=problems.documented(404, 409, 422),
    )
    async def remove(name: Name) -> None:
        await commands.execute(RemoveClip(clip=name))


def _add_files(app: FastAPI, commands: Commands) -> None:
    @app.put(
        "/api/v1/clips/{name}",
        status_code=201,
        tags=["clips"],
        summary="Add a clip",
        description="The body is the file: au, wav, mp3, opus or vorbis, at most 10 MB and 120 s, with Content-Type:"
        " audio/... of its kind. A name that is taken is refused.",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses=problems.documented(409, 413, 415, 422),
    )
    async def add(name: Name, request: Request, gain_db: Gain = 0.0, normalise: Normalise = False) -> None:
        content = await request.body()
        await commands.execute(AddClip(clip=name, content=content, gain_db=gain_db, normalise=normalise))

    @app.get(
        "/api/v1/clips/{name}/file",
        tags=["clips"],
        summary="The file of a clip",
        response_class=Response,
        responses={200: {"content": {"audio/*": {}}}, **problems.documented(404, 422)},
    )
    async def file(name: Name) -> Response:
        found = json.loads(await commands.execute(ReadClip(clip=name)))
        kind = KINDS.get(found["file"].rpartition(".")[2].lower(), "application/octet-stream")
        headers = {"content-disposition": f'attachment; filename="{found["file"]}"'}
        return Response(base64.b64decode(found["content"]), media_type=kind, headers=headers)


def _add_playing(app: FastAPI, commands: Commands) -> None:
    @app.get(
        "/api/v1/clips/{name}/play", status_code=204, tags=["clips"], summary="Play a clip", include_in_schema=False
    )
    @app.post(
        "/api/v1/clips/{name}/play",
        status_code=204,
        tags=["clips"],
        summary="Play a clip",
        description=_PLAY_DOC,
        responses=problems.documented(403, 404, 409, 422),
    )
    async def play(name: Name, to: To = "door", volume: Volume = 100.0, repeat: Repeat = 0) -> None:
        await commands.execute(PlayClip(clip=name, to=to, volume=volume, repeat=repeat))

    @app.post("/api/v1/clips/stop", status_code=204, tags=["clips"], summary="Stop the clip that plays")
    async def stop_any() -> None:
        await commands.execute(StopClip())

    @app.post(
        "/api/v1/clips/{name}/stop",
        status_code=204,
        tags=["clips"],
        summary="Stop a clip, if it is the one that plays",
    )
    async def stop(name: Name) -> None:
        await commands.execute(StopClip(clip=name))
