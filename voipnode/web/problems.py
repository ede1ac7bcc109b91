"""Errors of the API as RFC 9457 problem details: what is wrong, where, and what would be right."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from voipnode.calls.errors import CallError, FieldsError, NotNowError, UnknownNameError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_VALUE_CHARS = 100


class FieldError(BaseModel):
    """One part of the request that is wrong."""

    field: str = Field(description="Where: a key of the body, or a part of the path", examples=["digits"])
    value: Any = Field(None, description="What was sent", examples=["12x"])
    message: str = Field(description="What is wrong and what would be right", examples=["digits are 0-9 A-D # *"])


class ProblemDetails(BaseModel):
    """RFC 9457 problem details. `type` is "about:blank": the status says the kind, `detail` the rest."""

    type: str = Field("about:blank", examples=["about:blank"])
    title: str = Field(description="The status in words", examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(description="What is wrong and what would be right", examples=["call c7 is not active"])
    instance: str = Field("", description="The path that was asked for", examples=["/api/v1/calls/c7/dtmf"])
    errors: list[FieldError] = Field([], description="Each wrong field")


class ProblemResponse(JSONResponse):
    """A problem as an HTTP response."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        instance: str = "",
        errors: Sequence[FieldError] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        title = HTTPStatus(status).phrase
        problem = ProblemDetails(title=title, status=status, detail=detail, instance=instance, errors=list(errors))
        super().__init__(problem.model_dump(exclude_defaults=True) | {"type": "about:blank"}, status, headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These error statuses for the OpenAPI description of a path."""
    return {status: {"model": ProblemDetails} for status in statuses}


class ProblemApp(FastAPI):
    """FastAPI whose description shows errors as they are: all of them problems, none in FastAPI's own form."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        description = super().openapi()
        operations = [item for path in description["paths"].values() for item in path.values()]
        for responses in [operation["responses"] for operation in operations]:
            for status, response in responses.items():
                if int(status) >= 400:
                    schema = {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
                    response.update(description=HTTPStatus(int(status)).phrase, content={MEDIA_TYPE: schema})
        for unused in ("HTTPValidationError", "ValidationError"):
            description["components"]["schemas"].pop(unused, None)
        return description


def install(app: FastAPI) -> None:
    """Make `app` answer every error as a problem."""
    app.add_exception_handler(CallError, _call_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _bug)


async def _call_error(request: Request, error: Exception) -> ProblemResponse:
    status = 404 if isinstance(error, UnknownNameError) else 409 if isinstance(error, NotNowError) else 422
    named = {key: value for key, value in request.path_params.items() if status == 404}
    wrong = (
        error.fields if isinstance(error, FieldsError) else [(key, value, str(error)) for key, value in named.items()]
    )
    errors = [FieldError(field=key, value=short(value), message=words) for key, value, words in wrong]
    return ProblemResponse(status, str(error), instance=request.url.path, errors=errors)


async def _validation_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        reason = found[0].get("ctx", {}).get("error", "it ends early")
        return ProblemResponse(400, f"the body is not JSON: {reason}", instance=request.url.path)
    errors = [_field_error(item) for item in found]
    detail = "; ".join(f"{item.field}: {item.message}" for item in errors)
    return ProblemResponse(422, detail, instance=request.url.path, errors=errors)


async def _http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"there is nothing at {short(request.url.path)}; /api/v1/openapi.json lists what there is"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here; use {(error.headers or {}).get('Allow', 'another method')}"
    headers = dict(error.headers) if error.headers else None
    return ProblemResponse(error.status_code, detail, instance=request.url.path, headers=headers)


async def _bug(request: Request, error: Exception) -> ProblemResponse:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return ProblemResponse(500, "the node made a mistake; its log tells more", instance=request.url.path)


def _field_error(item: Any) -> FieldError:
    where = [str(part) for part in item["loc"]]
    field = ".".join(where[1:]) or where[0]
    if item["type"] == "missing":
        return FieldError(field=field, value=None, message="is missing")
    if item["type"] == "extra_forbidden":
        return FieldError(field=field, value=short(item["input"]), message="is not known here")
    message = item["ctx"]["error"] if item["type"] == "value_error" else item["msg"].replace("Input should", "should")
    return FieldError(field=field, value=short(item["input"]), message=str(message))


def quoted(name: str) -> str:
    """`name` as one segment of a path."""
    return quote(name, safe="")


def short(value: Any) -> Any:
    """`value` as it may be shown: strings cut, numbers and truth as they are, the rest left out."""
    if isinstance(value, str):
        return value if len(value) <= MAX_VALUE_CHARS else value[: MAX_VALUE_CHARS - 1] + "…"
    return value if isinstance(value, (int, float)) else None
