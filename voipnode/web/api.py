"""The HTTP API: commands in, the view and the events out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query, Response

from voipnode.calls.commands import (
    AnswerCall,
    ChangeRoom,
    ChangeSound,
    HangUp,
    HoldCall,
    PlaceCall,
    PressInput,
    ReadSound,
    ReadSoundLevel,
    ResumeCall,
    SendDtmf,
    TransferCall,
)
from voipnode.calls.errors import UnknownNameError
from voipnode.calls.hooks import CallAudio, Commands
from voipnode.web import models, problems
from voipnode.web.accounts import add_accounts
from voipnode.web.call_audio import add_call_audio
from voipnode.web.clips import add_clips
from voipnode.web.contacts import add_contacts
from voipnode.web.controller import add_controller
from voipnode.web.detectors import add_detectors
from voipnode.web.display import add_display
from voipnode.web.entry import add_entry
from voipnode.web.exchange import add_exchange
from voipnode.web.extensions import add_extensions
from voipnode.web.history import add_history
from voipnode.web.lists import add_list
from voipnode.web.plugins import add_plugins
from voipnode.web.ports import add_ports, inputs_now, ports_now
from voipnode.web.readers import add_readers
from voipnode.web.recipients import add_recipients
from voipnode.web.rules import add_rules
from voipnode.web.signals import add_signals
from voipnode.web.speaker_test import add_speaker_test
from voipnode.web.stream import RING_EVENTS, EventsResponse, EventStream
from voipnode.web.view import View

Name = Annotated[str, Path(min_length=1, max_length=128, description="Name of the input", examples=["button"])]
CallId = Annotated[str, Path(min_length=1, max_length=128, description="Id of the call", examples=["c7"])]

# Of the settings, that are edited over HTTP: what an entry is called.
LISTS = {
    "groups": "group",
    "schedules": "schedule",
    "signals": "profile",
    "pages": "page",
    "recipients": "recipient",
    "readers": "reader",
    "detectors": "detector",
    "ports": "output",
    "inputs": "input",
}
API_VERSION = "1.0.0"  # of the API, not of the node: clients depend on this one
DESCRIPTION = """
Rings, calls and listens at a network door intercom.

The API serves programs on the same machine; it refuses requests that a browser sends for pages of other sites.
Bodies are JSON of at most 16 KiB where nothing else is said, but for audio files. Errors are RFC 9457 problem details
that name the field, its value and what is right.
"""
_EVENTS_DOC = """
Everything that happens, as server-sent events. Each has an `id` and JSON `data`: its name as `event`, its own fields
and the time of day. Comments arrive every 15 s while nothing happens. After a break, send the last id as
`Last-Event-ID` (browsers do): what was missed comes first. If it is too long ago, a `gap` event says so and the newest
500 follow. A reader that does not keep up is disconnected; there may be 16.
"""
_EVENT_EXAMPLE = (
    "id: 5f1c2a90-41\n"
    'data: {"event": "door.opened", "at": 512.3, "port": "door", "who": "sip:desk@192.0.2.10", "how": "dtmf \\"1\\"", '
    '"duration_s": 7.0, "time": "2026-11-20T08:00:00.000Z"}\n\n'
)


def build_app(
    view: View, stream: EventStream, commands: Commands, about: Mapping[str, Any], audio: CallAudio | None = None
) -> FastAPI:
    """The application: its paths read `view`, follow `stream`, execute `commands`, read `about` at each request, and
    carry the sound of calls."""
    app = problems.ProblemApp(
        title="voipnode",
        summary="Door intercom and small SIP softswitch",
        description=DESCRIPTION,
        version=API_VERSION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # the usual pages load scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    _add_reading(app, view, stream, about)
    _add_acting(app, view, commands)
    add_accounts(app, commands, about)
    add_contacts(app, view, commands, about)
    add_history(app, commands)
    add_extensions(app, commands)
    add_plugins(app, commands)
    add_detectors(app, commands)
    add_exchange(app, view.through_calls)
    add_speaker_test(app, view, commands)
    add_clips(app, commands)
    add_entry(app, commands, about)
    add_readers(app, commands)
    add_controller(app, commands)
    add_call_audio(app, audio)
    add_rules(app, commands)
    add_recipients(app, commands)
    add_signals(app, commands)
    add_display(app, commands)
    add_ports(app, view, commands, about)
    for key, noun in LISTS.items():
        add_list(app, commands, key, noun)
    return app


def _add_reading(app: FastAPI, view: View, stream: EventStream, about: Mapping[str, Any]) -> None:
    def accounts_now() -> list[models.Account]:
        known = about.get("accounts", ())
        return [models.Account.model_validate({**item, **view.registration(item["id"])}) for item in known]

    @app.get("/api/v1/status", tags=["status"], summary="Everything at once", responses=problems.documented(403, 421))
    async def status() -> models.Status:
        node = {**view.node(), **{key: value for key, value in about.items() if key in models.Node.model_fields}}
        defaults = {"name": "", "sip_addresses": [], "audio": "", "inputs": []}
        return models.Status.model_validate(
            {
                "node": {**defaults, **node, "accounts": accounts_now()},
                "light": view.light(),
                "guardian": view.guardian(),
                "calls": view.calls(),
                "ports": ports_now(view, about),
                "inputs": inputs_now(view, about),
                "speaker_test": view.speaker_test(),
                "sound": view.sound(),
                "sound_level": view.sound_level(),
                "problems": view.problems(),
                "last_event_id": stream.last_id,
            }
        )

    @app.get("/api/v1/calls", tags=["calls"], summary="Calls that go on or ended lately")
    async def calls() -> list[models.Call]:
        return [models.Call.model_validate(call) for call in view.calls()]

    @app.get("/api/v1/accounts", tags=["accounts"], summary="SIP accounts and how they stand with their servers")
    async def accounts() -> list[models.Account]:
        return accounts_now()

    @app.get(
        "/api/v1/events",
        tags=["events"],
        summary="Live events",
        description=_EVENTS_DOC,
        response_class=Response,
        responses={
            200: {"description": "Never ends", "content": {"text/event-stream": {"example": _EVENT_EXAMPLE}}},
            **problems.documented(403, 503),
        },
    )
    async def events(
        last_event_id: Annotated[str, Header(max_length=64, description="Continue after this event")] = "",
        newest: Annotated[int, Query(ge=0, le=RING_EVENTS, description="Begin with this many past events")] = 0,
    ) -> Response:
        return EventsResponse(stream, last_event_id, newest)


def _add_acting(app: FastAPI, view: View, commands: Commands) -> None:
    @app.post(
        "/api/v1/inputs/{name}/press",
        tags=["inputs"],
        summary="Press and release an input",
        description="As a visitor does; a call button rings its recipients, or those given here for this press.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def press(name: Name, wish: Annotated[models.PressRequest | None, Body()] = None) -> models.PressResult:
        wish = wish or models.PressRequest()
        command = PressInput(input=name, recipients=tuple(wish.recipients), source=wish.source)
        return models.PressResult(call=await commands.execute(command))

    @app.post(
        "/api/v1/calls",
        status_code=201,
        tags=["calls"],
        summary="Place a call",
        description="Digits that the other party presses in such a call open nothing: a call button's do.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def place(wish: models.CallRequest, response: Response) -> models.CallCreated:
        call = await commands.execute(PlaceCall(to=wish.to, account=wish.account))
        response.headers["location"] = f"/api/v1/calls/{call}"
        return models.CallCreated(id=call)

    @app.get(
        "/api/v1/calls/{id}", tags=["calls"], summary="One call", responses=problems.documented(404), name="one_call"
    )
    async def one_call(id: CallId) -> models.Call:
        call = view.call(id)
        if call is None:
            raise UnknownNameError(f"there is no call {problems.short(id)!r}; it may have ended long ago")
        return models.Call.model_validate(call)

    @app.delete(
        "/api/v1/calls/{id}",
        status_code=204,
        tags=["calls"],
        summary="End a call",
        description="Cancels it while it rings out, rejects it while it rings in, hangs up once it is active.",
        responses=problems.documented(404, 409),
    )
    async def hang_up(id: CallId) -> None:
        await commands.execute(HangUp(call=id))

    @app.post(
        "/api/v1/calls/{id}/answer",
        status_code=204,
        tags=["calls"],
        summary="Answer an incoming call",
        responses=problems.documented(404, 409),
    )
    async def answer(id: CallId) -> None:
        await commands.execute(AnswerCall(call=id))

    @app.post(
        "/api/v1/calls/{id}/dtmf",
        status_code=204,
        tags=["calls"],
        summary="Send digits",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def dtmf(id: CallId, wish: models.DtmfRequest) -> None:
        await commands.execute(SendDtmf(call=id, digits=wish.digits))

    @app.post(
        "/api/v1/calls/{id}/hold",
        status_code=204,
        tags=["calls"],
        summary="Put a call on hold",
        description="The other party neither hears the door nor is heard there; `call.held` tells when it has agreed.",
        responses=problems.documented(404, 409),
    )
    async def hold(id: CallId) -> None:
        await commands.execute(HoldCall(call=id))

    @app.post(
        "/api/v1/calls/{id}/resume",
        status_code=204,
        tags=["calls"],
        summary="Take a call off hold",
        responses=problems.documented(404, 409),
    )
    async def resume(id: CallId) -> None:
        await commands.execute(ResumeCall(call=id))

    @app.post(
        "/api/v1/calls/{id}/transfer",
        status_code=202,
        tags=["calls"],
        summary="Transfer a call",
        description="Sends the other party to an address, or joins it with that of another call. `call.transfer` tells"
        " how it goes; the call ends when it has succeeded, and goes on when it has not.",
        responses=problems.documented(404, 409, 415, 422),
    )
    async def transfer(id: CallId, wish: models.TransferRequest) -> None:
        await commands.execute(TransferCall(call=id, to=wish.to or "", with_call=wish.with_call or ""))

    @app.patch(
        "/api/v1/simulation/room",
        status_code=204,
        tags=["simulation"],
        summary="Change the simulated room",
        description="Moves the loudspeaker, breaks it, or makes it noisy, while calls go on. Only where microphone and"
        " loudspeaker are simulated; what is not sent stays.",
        responses=problems.documented(415, 422),
    )
    async def change_room(wish: models.RoomRequest) -> None:
        await commands.execute(ChangeRoom(values=wish.model_dump(exclude_none=True)))

    @app.get(
        "/api/v1/sound",
        tags=["sound"],
        summary="What is heard at the door now",
        responses=problems.documented(422),
    )
    async def sound() -> models.SoundNow:
        return models.SoundNow.model_validate_json(await commands.execute(ReadSound()))

    @app.patch(
        "/api/v1/sound",
        status_code=204,
        tags=["sound"],
        summary="Set gains, mute, or switch what improves the sound",
        description="While calls go on, without a click. What is set is kept in the settings file, and told by"
        " `sound.changed`.",
        responses=problems.documented(415, 422),
    )
    async def change_sound(wish: models.SoundRequest) -> None:
        await commands.execute(ChangeSound(**wish.model_dump()))

    @app.get(
        "/api/v1/sound-level",
        tags=["sound"],
        summary="How loud it is at the door now",
        description="For whoever looks for the right threshold; `sound_level.passed` tells when it is passed.",
        responses=problems.documented(422),
    )
    async def sound_level() -> models.SoundLevel:
        return models.SoundLevel.model_validate_json(await commands.execute(ReadSoundLevel()))
