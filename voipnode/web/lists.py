"""Lists of the settings over HTTP: entries read, added, changed and removed by their names, exported and imported."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Path, Query, Response
from pydantic import BaseModel, Field

from voipnode.calls.commands import AddToList, ChangeInList, DescribeList, ImportList, ReadList, RemoveFromList
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.web import problems

EntryName = Annotated[str, Path(min_length=1, max_length=128, description="Name of the entry")]
Values = Annotated[
    dict[str, Any], Body(description="Keys of an entry in the settings file; null: its default", max_length=100)
]
Document = Annotated[dict[str, Any], Body(description="What the export answers")]
Mode = Annotated[
    Literal["add", "overwrite", "replace"],
    Query(description="Add new ones; overwrite those of the same name, too; or remove all others before"),
]


class EntryId(BaseModel):
    name: str = Field(description="The name of the entry; another one when it was renamed")


class EntriesImported(BaseModel):
    words: str = Field(description="What came of it", examples=["2 imported, there are 5 now"])


def add_list(app: FastAPI, commands: Commands, key: str, noun: str) -> None:
    """Add the paths of one list, such as "signals", of which an entry is called `noun`: settings/KEY and below."""
    path, tag = f"/api/v1/settings/{key}", "settings"
    written = "Written to the settings file, whose comments stay; `settings.changed` tells."

    @app.get(path, tags=[tag], summary=f"The settings of every {noun}", operation_id=f"read_{key}")
    async def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await commands.execute(ReadList(list=key)))
        return found

    @app.get(
        f"/api/v1/schemas/{key}",
        tags=[tag],
        summary=f"What can be set of a {noun}, as JSON Schema",
        operation_id=f"describe_{key}",
    )
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await commands.execute(DescribeList(list=key)))
        return found

    @app.get(
        f"{path}/{{name}}",
        tags=[tag],
        summary=f"The settings of one {noun}",
        operation_id=f"read_one_of_{key}",
        responses=problems.documented(404),
    )
    async def one(name: EntryName) -> dict[str, Any]:
        for entry in await entries():
            if entry["name"] == name:
                return entry
        raise UnknownNameError(f"there is no {noun} {problems.short(name)!r}")

    @app.post(
        path,
        status_code=201,
        tags=[tag],
        summary=f"Add a {noun}",
        description=written,
        operation_id=f"add_to_{key}",
        responses=problems.documented(409, 415, 422),
    )
    async def add(values: Values) -> EntryId:
        return EntryId(name=await commands.execute(AddToList(list=key, values=values)))

    @app.patch(
        f"{path}/{{name}}",
        tags=[tag],
        summary=f"Change keys of a {noun}",
        description=written,
        operation_id=f"change_in_{key}",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def change(name: EntryName, values: Values) -> EntryId:
        return EntryId(name=await commands.execute(ChangeInList(list=key, name=name, changes=values)))

    @app.delete(
        f"{path}/{{name}}",
        status_code=204,
        tags=[tag],
        summary=f"Remove a {noun}",
        operation_id=f"remove_from_{key}",
        responses=problems.documented(404, 409, 422),
    )
    async def remove(name: EntryName) -> None:
        await commands.execute(RemoveFromList(list=key, name=name))

    _add_transport(app, commands, key, noun)


def _add_transport(app: FastAPI, commands: Commands, key: str, noun: str) -> None:
    """From node to node."""
    path, tag = f"/api/v1/exports/{key}", "settings"

    @app.get(
        path,
        tags=[tag],
        summary=f"Export every {noun}, or those that are named, without passwords",
        operation_id=f"export_{key}",
    )
    async def export(response: Response, name: Annotated[list[str], Query(max_length=300)] = []) -> dict[str, Any]:  # noqa: B006 # FastAPI copies it
        entries: list[dict[str, Any]] = json.loads(await commands.execute(ReadList(list=key, brief=True)))
        response.headers["content-disposition"] = f'attachment; filename="{key}.json"'
        return {"format": f"voipnode {key}", key: [each for each in entries if not name or each["name"] in name]}

    @app.post(
        path,
        tags=[tag],
        summary=f"Import entries of {key}: all or none",
        operation_id=f"import_{key}",
        responses=problems.documented(409, 413, 415, 422),
    )
    async def take(document: Document, mode: Mode = "add") -> EntriesImported:
        entries = document.get(key)
        if not isinstance(entries, list):
            entries = [None]  # refused with its place
        return EntriesImported(words=await commands.execute(ImportList(list=key, entries=entries, mode=mode)))
