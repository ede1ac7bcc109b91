"""Contacts over HTTP: read, added, changed and removed, taken from node to node, dialled and tried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Body, FastAPI, Path, Query, Response
from pydantic import BaseModel, Field

from voipnode.calls.commands import (
    AddContact,
    ChangeContact,
    ExportContacts,
    ImportContacts,
    ReadContacts,
    RemoveContact,
    SpeedDial,
    TestCall,
)
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import Commands
from voipnode.web import models, problems
from voipnode.web.view import View

ContactName = Annotated[str, Path(min_length=1, max_length=64, description="Name of the contact", examples=["Anna"])]
Settings = Annotated[
    dict[str, Any],
    Body(
        description="Keys of [[contacts]] in the settings file; the schema is at /api/v1/schemas/contact",
        examples=[{"name": "Anna", "address": "sip:anna@192.0.2.10", "speed_dial": "11", "fallback": "Bob"}],
        max_length=100,
    ),
]
AddressBook = Annotated[
    dict[str, Any],
    Body(
        description="What GET answers; the keys of a contact are those of [[contacts]] in the settings file",
        examples=[
            {
                "format": "voipnode contacts",
                "version": 1,
                "contacts": [{"name": "Anna", "address": "sip:anna@192.0.2.10"}],
            }
        ],
    ),
]
_APPLIED = " Written to the settings file, whose comments stay; the next call finds it. `contacts.changed` tells."


class Contact(BaseModel):
    """Somebody who can be called by name."""

    name: str = Field(examples=["Anna"])
    first_name: str = Field(examples=["Anna"])
    last_name: str = Field(examples=["Huber"])
    address: str = Field(description="SIP address, number or extension", examples=["sip:anna@192.0.2.10"])
    account: str = Field(description="Account to call from; empty: the default", examples=[""])
    speed_dial: str = Field(description="Digits that call it from the device", examples=["11"])
    schedule: str = Field(description="When it is available; empty: always", examples=["office hours"])
    fallback: str = Field(description="Who is called in its place", examples=["Bob"])
    note: str = Field(examples=["after six at home"])
    available: bool = Field(description="Whether its schedule is active now")


class ContactId(BaseModel):
    name: str = Field(description="The name of the contact; another one when it was renamed", examples=["Anna"])


class Imported(BaseModel):
    words: str = Field(description="What came of it", examples=["12 imported, there are 14 now"])


class DialRequest(models.Request):
    digits: str = Field(min_length=1, max_length=16, description="Speed dial of a contact", examples=["11"])


class ContactTestRequest(models.Request):
    timeout_s: float = Field(30.0, ge=1, le=120, description="How long it may ring", examples=[30])


class TestCallRequest(ContactTestRequest):
    """Whom to try, and for how long."""

    to: models.Address = Field(description="SIP address to call", examples=["sip:anna@192.0.2.10"])
    account: str = Field("", max_length=128, description="Account to call from; empty: the default", examples=[""])


class TestCallResult(BaseModel):
    """What came of a test call."""

    to: str = Field(description="The address that was called", examples=["sip:anna@192.0.2.10"])
    ok: bool = Field(description="Whether it was answered")
    outcome: Literal["answered", "no answer", "busy", "refused", "failed"] = Field(examples=["answered"])
    words: str = Field(
        description="How it went, for people",
        examples=["rang after 0.12 s, answered after 3.4 s, G722, not encrypted, and was hung up"],
    )
    rang_after_s: float | None = Field(description="Since the test began", examples=[0.12])
    answered_after_s: float | None = Field(description="Since the test began", examples=[3.4])
    codec: str = Field(examples=["G722"])
    encryption: str = Field(description='"sdes", "dtls", "none", or "" where none was agreed upon', examples=["none"])
    cipher: str = Field(description="The SRTP suite in use", examples=["AES_CM_128_HMAC_SHA1_80"])
    status: int = Field(description="The SIP status by which it failed, 0 for none", examples=[0])


class Schedule(BaseModel):
    """A schedule of the settings, as it stands now."""

    name: str = Field(examples=["office hours"])
    active: bool
    until_utc: str = Field(
        description="When that changes next, empty where not soon", examples=["2026-11-23T07:00:00Z"]
    )


def add_contacts(app: FastAPI, view: View, commands: Commands, about: Mapping[str, Any]) -> None:
    """Add the paths; `about` has the schema of a contact's settings."""
    _add_reading(app, view, commands, about)
    _add_editing(app, commands)
    _add_calling(app, commands)


def _add_reading(app: FastAPI, view: View, commands: Commands, about: Mapping[str, Any]) -> None:
    async def all_contacts() -> list[Contact]:
        return [Contact.model_validate(each) for each in json.loads(await commands.execute(ReadContacts()))]

    @app.get("/api/v1/schemas/contact", tags=["contacts"], summary="What a contact can be set to, as JSON Schema")
    async def schema() -> dict[str, Any]:
        found: dict[str, Any] = about.get("contact_schema", {})
        return found

    @app.get("/api/v1/contacts", tags=["contacts"], summary="Contacts, and whether they are available now")
    async def contacts() -> list[Contact]:
        return await all_contacts()

    @app.get("/api/v1/contacts/{name}", tags=["contacts"], summary="A contact", responses=problems.documented(404))
    async def one_contact(name: ContactName) -> Contact:
        for contact in await all_contacts():
            if contact.name == name:
                return contact
        raise UnknownNameError(f"there is no contact {problems.short(name)!r}")

    @app.get("/api/v1/schedules", tags=["contacts"], summary="Schedules, and whether they are active now")
    async def schedules() -> list[Schedule]:
        return [Schedule.model_validate(each) for each in view.schedules()]

    @app.get(
        "/api/v1/address-book",
        tags=["contacts"],
        summary="All contacts as one JSON document",
        description="To be sent to another node as it is.",
        responses={200: {"content": {"application/json": {"example": {"format": "voipnode contacts", "version": 1}}}}},
        response_class=Response,
    )
    async def export() -> Response:
        headers = {"content-disposition": 'attachment; filename="contacts.json"'}
        return Response(await commands.execute(ExportContacts()), media_type="application/json", headers=headers)


def _add_editing(app: FastAPI, commands: Commands) -> None:
    @app.post(
        "/api/v1/contacts",
        status_code=201,
        tags=["contacts"],
        summary="Add a contact",
        description="There may be 1000." + _APPLIED,
        responses=problems.documented(415, 422),
    )
    async def add(settings: Settings, response: Response) -> ContactId:
        name = await commands.execute(AddContact(settings=settings))
        response.headers["location"] = f"/api/v1/contacts/{problems.quoted(name)}"
        return ContactId(name=name)

    @app.patch(
        "/api/v1/contacts/{name}",
        tags=["contacts"],
        summary="Change a contact",
        description="Only what is sent changes; null empties a setting. Whoever falls back on it, and groups that"
        " ring it, do so by a new name, too; a button that rings it keeps it from having one." + _APPLIED,
        responses=problems.documented(404, 415, 422),
    )
    async def change(name: ContactName, changes: Settings) -> ContactId:
        return ContactId(name=await commands.execute(ChangeContact(contact=name, changes=changes)))

    @app.delete(
        "/api/v1/contacts/{name}",
        status_code=204,
        tags=["contacts"],
        summary="Remove a contact",
        description="Not one that another entry of the settings names." + _APPLIED,
        responses=problems.documented(404, 422),
    )
    async def remove(name: ContactName) -> None:
        await commands.execute(RemoveContact(contact=name))

    @app.post(
        "/api/v1/address-book",
        tags=["contacts"],
        summary="Import contacts",
        description="All of them, or none where one is wrong. Contacts of the same name become as they are sent, others"
        " are added; `replace` removes those that are not sent. At most 1 MB." + _APPLIED,
        responses=problems.documented(415, 422),
    )
    async def take(
        document: AddressBook,
        mode: Annotated[Literal["merge", "replace"], Query(description="What becomes of the others")] = "merge",
    ) -> Imported:
        return Imported(words=await commands.execute(ImportContacts(document=document, mode=mode)))


def _add_calling(app: FastAPI, commands: Commands) -> None:
    @app.post(
        "/api/v1/contacts/{name}/test-call",
        tags=["contacts"],
        summary="Try whether a contact can be called",
        description="Calls it, and hangs up when it is answered, or after so long; answers when that is over. Nobody"
        " else is called in its place, and digits open nothing.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def try_contact(
        name: ContactName, wish: Annotated[ContactTestRequest | None, Body()] = None
    ) -> TestCallResult:
        command = TestCall(contact=name, timeout_s=(wish or ContactTestRequest()).timeout_s)
        return TestCallResult.model_validate_json(await commands.execute(command))

    @app.post(
        "/api/v1/test-calls",
        tags=["contacts"],
        summary="Try whether an address can be called",
        description="Calls it from an account, and hangs up when it is answered; answers when that is over.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def try_address(wish: TestCallRequest) -> TestCallResult:
        command = TestCall(to=wish.to, account=wish.account, timeout_s=wish.timeout_s)
        return TestCallResult.model_validate_json(await commands.execute(command))

    @app.post(
        "/api/v1/dial",
        status_code=201,
        tags=["contacts"],
        summary="Dial a speed dial",
        description="As a visitor does at a keypad: the contact rings as a button's recipients do, and may open.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def dial(wish: DialRequest, response: Response) -> models.CallCreated:
        call = await commands.execute(SpeedDial(digits=wish.digits))
        response.headers["location"] = f"/api/v1/calls/{call}"
        return models.CallCreated(id=call)
