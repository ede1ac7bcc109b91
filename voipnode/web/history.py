"""The call history over HTTP: read by filters and pages, and exported."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Query, Response
from pydantic import BaseModel, Field

from voipnode.calls.commands import ExportHistory, ReadHistory
from voipnode.calls.hooks import Commands
from voipnode.web import problems

Outcome = Literal["answered", "no answer", "busy", "refused", "failed", "given up", "node stopped"]
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


class Opening(BaseModel):
    """A door that was opened during the call."""

    port: str = Field(examples=["door"])
    who: str = Field(description="Who opened", examples=["sip:anna@192.0.2.10"])
    how: str = Field(description="By what", examples=['dtmf "1"'])
    at_utc: str = Field(examples=["2026-11-22T12:00:09.120Z"])


class Heard(BaseModel):
    """How a party sounded, and we sounded there; null: not known."""

    remote: str = Field(description="Who", examples=["sip:anna@192.0.2.10"])
    codec: str = Field(examples=["opus"])
    loss_percent: float = Field(description="Packets that never came", examples=[0.4])
    jitter_ms: float = Field(description="RFC 3550", examples=[3.2])
    round_trip_ms: float | None = Field(examples=[24.0])
    mos: float | None = Field(description="By the E-model, with delay: 1.0 bad to 4.5 best", examples=[4.35])
    remote_mos: float | None = Field(description="What the far side says of us", examples=[4.1])
    packets_received: int = Field(examples=[1500])
    packets_sent: int = Field(examples=[1510])


class PastCall(BaseModel):
    """A call of the past, or one that goes on: its outcome is empty then."""

    id: str = Field(examples=["2026-11-22T12:00:00.000Z-5f1c2a90-c7"])
    kind: str = Field(description='"door", or "exchange": between two others', examples=["door"])
    direction: str = Field(description='"incoming", "outgoing" or "internal"', examples=["outgoing"])
    caller: str = Field(description="Empty: the door", examples=[""])
    callee: str = Field(description="Empty: the door", examples=["sip:anna@192.0.2.10, sip:bob@192.0.2.11"])
    account: str = Field(examples=["PBX"])
    began_utc: str = Field(examples=["2026-11-22T12:00:00.000Z"])
    answered_utc: str = Field(description="Empty: it was not", examples=["2026-11-22T12:00:04.500Z"])
    ended_utc: str = Field(description="Empty: it goes on", examples=["2026-11-22T12:00:34.500Z"])
    answered_by: str = Field(description="Who of those that rang", examples=["sip:anna@192.0.2.10"])
    ring_s: float = Field(description="Until it was answered or given up", examples=[4.5])
    talk_s: float = Field(examples=[30.0])
    outcome: Outcome | Literal[""] = Field(examples=["answered"])
    reason: str = Field(description="Why it ended", examples=["Terminated"])
    status: int = Field(description="The SIP status by which it ended, 0 for none", examples=[0])
    detail: str = Field(description="Why it ended, in words", examples=["the far side hung up"])
    codec: str = Field(examples=["opus"])
    encryption: str = Field(description='"sdes", "dtls", "none", or "" where no media was agreed on', examples=["none"])
    cipher: str = Field(description="The SRTP suite", examples=[""])
    openings: list[Opening]
    heard: list[Heard] = Field(description="Of each party that had the call, one after the other")


class Page(BaseModel):
    calls: list[PastCall]
    next: str = Field(description="`before` of the next page, empty where there is none", examples=[""])


def wanted_calls(
    since: Annotated[
        datetime | None,
        Query(alias="from", description="Calls that began then or later; without a zone in UTC"),
    ] = None,
    until: Annotated[datetime | None, Query(alias="to", description="Calls that began before")] = None,
    direction: Annotated[Literal["", "incoming", "outgoing", "internal"], Query()] = "",
    outcome: Annotated[Outcome | Literal[""], Query()] = "",
    kind: Annotated[Literal["", "door", "exchange"], Query()] = "",
    account: Annotated[str, Query(max_length=64)] = "",
    text: Annotated[str, Query(max_length=128, description="A part of who took part")] = "",
) -> Mapping[str, str]:
    """The filters of a request; "" is no matter."""
    return {
        "from_utc": _utc(since),
        "to_utc": _utc(until),
        "direction": direction,
        "outcome": outcome,
        "kind": kind,
        "account": account,
        "text": text,
    }


def _utc(moment: datetime | None) -> str:
    if moment is None:
        return ""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


Wanted = Annotated[Mapping[str, str], Depends(wanted_calls)]


def add_history(app: FastAPI, commands: Commands) -> None:
    @app.get(
        "/api/v1/history",
        tags=["history"],
        summary="Calls of the past, newest first",
        description="Also those that go on. How long they are kept is set in [history].",
        responses=problems.documented(409, 422),
    )
    async def history(
        wanted: Wanted,
        limit: Annotated[int, Query(ge=1, le=500, description="Length of a page")] = 50,
        before: Annotated[str, Query(max_length=128, description="`next` of the page before")] = "",
    ) -> Page:
        command = ReadHistory(wanted=wanted, limit=limit, before=before)
        return Page.model_validate_json(await commands.execute(command))

    @app.get(
        "/api/v1/history/export",
        tags=["history"],
        summary="All calls of the past as one file",
        description="CSV for spreadsheets, in which no text is a formula, or JSON with all that is known.",
        response_class=Response,
        responses={200: {"content": {"text/csv": {}, "application/json": {}}}, **problems.documented(409, 422)},
    )
    async def export(wanted: Wanted, format: Annotated[Literal["csv", "json"], Query()] = "csv") -> Response:
        text = await commands.execute(ExportHistory(format=format, wanted=wanted))
        headers = {"content-disposition": f'attachment; filename="calls.{format}"'}
        return Response(text, media_type=MEDIA_TYPES[format], headers=headers)
