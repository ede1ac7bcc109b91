"""The sound of calls over HTTP: whoever sends some answers the call that rings for clients, and ends it by stopping.

The older paths are those that video management systems know: `/axis-cgi/audio/transmit.cgi` and `receive.cgi`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.hooks import CallAudio, DoorEar, DoorVoice
from voipnode.web import problems

Call = Annotated[str, Query(max_length=128, description="Id of the call; none: the one that there is", examples=["c7"])]
Kind = Annotated[
    str,
    Query(
        alias="type",
        max_length=64,
        description="audio/basic (µ-law, 8 kHz), audio/L16;rate=8000 or audio/L16;rate=16000 (RFC 2586)",
    ),
]
KINDS = {("audio/basic", ""): "PCMU/8000", ("audio/l16", "8000"): "L16/8000", ("audio/l16", "16000"): "L16/16000"}
_SPEAK_DOC = """
The body is sound, for as long as the call lasts: `audio/basic` (µ-law, 8 kHz, also as an au file) or `audio/L16` with
`rate=8000` or `rate=16000`, mono. Its first byte answers the call to "vms" that rings; when the body ends, or no sound
comes for `vms.silent_after_s`, the call is over. What comes faster than it is heard has to wait.
"""
_LISTEN_DOC = """
What the door hears, from the answer of the call until its end, in a body without an end. May be asked for before the
call is answered; any number may listen.
"""


def add_call_audio(app: FastAPI, audio: CallAudio | None) -> None:
    """Paths that carry sound; `audio` None: they say that there is none."""

    @app.post("/axis-cgi/audio/transmit.cgi", status_code=204, include_in_schema=False)
    @app.post(
        "/api/v1/call-audio",
        status_code=204,
        tags=["calls"],
        summary="Answer a call by sending sound",
        description=_SPEAK_DOC,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"audio/basic": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
        responses=problems.documented(403, 409, 415, 422),
    )
    async def speak(request: Request, call: Call = "") -> Response:
        form = _form(request.headers.get("content-type", ""))
        who = f"http://{request.client.host}" if request.client else "http"
        await _carry(request, lambda: _there(audio).speak(form, who, call))
        return Response(status_code=204, headers={"connection": "close"})  # more may be on its way

    @app.get("/axis-cgi/audio/receive.cgi", include_in_schema=False)
    @app.get(
        "/api/v1/call-audio",
        tags=["calls"],
        summary="Hear the door in a call",
        description=_LISTEN_DOC,
        response_class=Response,
        responses={200: {"content": {"audio/basic": {}, "audio/L16": {}}}, **problems.documented(403, 409, 422)},
    )
    async def listen(call: Call = "", kind: Kind = "audio/basic") -> Response:
        ear = _there(audio).listen(_form(kind), call)
        return StreamingResponse(_heard(ear), media_type=kind)


def _there(audio: CallAudio | None) -> CallAudio:
    if audio is None:
        raise NotNowError("this node carries no sound of calls by HTTP")
    return audio


def _form(kind: str) -> str:
    """The format that a media type names. Raises CallError."""
    name, _, rest = kind.partition(";")
    params = dict(part.strip().lower().partition("=")[::2] for part in rest.split(";") if part.strip())
    if params.get("channels", "1") != "1":
        raise CallError(f"{kind!r}: one channel is right")
    base = name.strip().lower()
    form = KINDS.get((base, params.get("rate", "8000") if base == "audio/l16" else ""))
    if form is None:
        raise CallError(f"{kind!r}: audio/basic, audio/L16;rate=8000 and audio/L16;rate=16000 are right")
    return form


async def _carry(request: Request, answer: Callable[[], DoorVoice]) -> None:
    """Take the body's sound to the call, until either has ended."""
    voice: DoorVoice | None = None
    over: asyncio.Task[None] | None = None
    try:
        async with aclosing(request.stream()) as stream:
            while True:
                coming = asyncio.ensure_future(anext(stream, None))
                await asyncio.wait([coming, *([over] if over else [])], return_when=asyncio.FIRST_COMPLETED)
                if over is not None and over.done():
                    coming.cancel()
                    return
                data = coming.result()
                if data is None:
                    return
                if not data:
                    continue
                if voice is None:
                    voice = answer()
                    over = asyncio.ensure_future(voice.until_over())
                if not await voice.feed(data):
                    return
    except ClientDisconnect:
        return
    finally:
        if voice is not None:
            voice.end()
        if over is not None:
            over.cancel()


async def _heard(ear: DoorEar) -> AsyncIterator[bytes]:
    try:
        while data := await ear.read():
            yield data
    finally:
        ear.close()
