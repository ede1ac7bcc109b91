"""Accounts over HTTP: their settings read, added, changed and removed while the node runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Response

from voipnode.calls.commands import AddAccount, ChangeAccount, RegisterAccount, RemoveAccount
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.web import models, problems

AccountName = Annotated[str, Path(min_length=1, max_length=80, description="Id of the account", examples=["PBX"])]
Settings = Annotated[
    dict[str, Any],
    Body(
        description="Keys of [[accounts]] in the settings file; the schema is at /api/v1/schemas/account",
        examples=[{"name": "PBX", "type": "registered", "registrar": "pbx.example.com", "user_id": "100"}],
        max_length=100,
    ),
]
_APPLIED = (
    " Written to the settings file, whose comments stay, and in use at once, or once the call that is on is over;"
    " meanwhile, for about a second, no call comes in. `line_settings.changed` tells."
)


def add_accounts(app: FastAPI, commands: Commands, about: Mapping[str, Any]) -> None:
    """Add the paths; `about` has the settings of each account, without secrets, and their schema."""

    @app.get("/api/v1/schemas/account", tags=["accounts"], summary="What an account can be set to, as JSON Schema")
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = about.get("account_schema", {})
        return found

    @app.get(
        "/api/v1/accounts/{name}",
        tags=["accounts"],
        summary="Settings of an account; passwords are never shown",
        responses=problems.documented(404),
    )
    async def one_account(name: AccountName) -> dict[str, Any]:
        found: dict[str, Any] | None = about.get("account_settings", {}).get(name)
        if found is None:
            raise UnknownNameError(f"there is no account {problems.short(name)!r}")
        return found

    @app.post(
        "/api/v1/accounts",
        status_code=201,
        tags=["accounts"],
        summary="Add an account",
        description="There may be 100." + _APPLIED,
        responses=problems.documented(409, 415, 422),
    )
    async def add(settings: Settings, response: Response) -> models.AccountId:
        account = await commands.execute(AddAccount(settings=settings))
        response.headers["location"] = f"/api/v1/accounts/{problems.quoted(account)}"
        return models.AccountId(id=account)

    @app.patch(
        "/api/v1/accounts/{name}",
        tags=["accounts"],
        summary="Change settings of an account",
        description="Only what is sent changes; null returns a setting to its default. A new name is a new id."
        + _APPLIED,
        responses=problems.documented(404, 409, 415, 422),
    )
    async def change(name: AccountName, changes: Settings) -> models.AccountId:
        return models.AccountId(id=await commands.execute(ChangeAccount(account=name, changes=changes)))

    @app.delete(
        "/api/v1/accounts/{name}",
        status_code=204,
        tags=["accounts"],
        summary="Remove an account",
        description="Not the default one while there are others." + _APPLIED,
        responses=problems.documented(404, 409),
    )
    async def remove(name: AccountName) -> None:
        await commands.execute(RemoveAccount(account=name))

    @app.post(
        "/api/v1/accounts/{name}/register",
        status_code=202,
        tags=["accounts"],
        summary="Register an account now",
        description="Refreshes its registration, or ends the wait after an attempt in vain; what is new by it is told"
        " by `registration.changed`.",
        responses=problems.documented(404, 422),
    )
    async def register(name: AccountName) -> None:
        await commands.execute(RegisterAccount(account=name))
