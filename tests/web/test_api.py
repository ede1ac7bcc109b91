"""The HTTP API, over the real server on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import DESK, SOUND, SOUND_NOW, WebRig, web_rig
from voipnode.calls.commands import (
    AddAccount,
    AnswerCall,
    ChangeAccount,
    ChangeRoom,
    ChangeSound,
    HangUp,
    HoldCall,
    PlaceCall,
    PressInput,
    RegisterAccount,
    RemoveAccount,
    ResumeCall,
    SendDtmf,
    SimulateInput,
    TransferCall,
)
from voipnode.calls.errors import CallError
from voipnode.calls.events import DoorRefused, InputChanged, InputTampered, RegistrationChanged, RegistrationState
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.web.guard import MAX_BODY_BYTES
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

Test = Callable[[WebRig, httpx.AsyncClient], Awaitable[None]]


def serve(test: Test, host: str = "127.0.0.1") -> None:
    """Run `test` with a started server and a client of it."""

    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig(host) as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        ):
            await test(rig, client)

    asyncio.run(main())


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of an answer, after checking their form (RFC 9457, section 3)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    return body


def list_paths(name: str) -> tuple[str, ...]:
    """The paths of a list of the settings."""
    return f"settings/{name}", f"settings/{name}/{{name}}", f"schemas/{name}", f"exports/{name}"


def test_the_status_tells_everything_at_once() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        rig.door.open(call := rig.door.ring_out(), 60.0)
        status = (await client.get("/api/v1/status")).json()
        assert status["node"]["version"] == "0.1.0"
        assert status["node"]["sip_addresses"] == ["sip:192.0.2.20:5060"]
        assert status["node"]["previous"] == "stopped cleanly"
        assert status["light"] == "green"
        assert status["guardian"] == {"up": True, "detail": "1 line, simulated"}
        assert [(c["id"], c["state"], c["remote"]) for c in status["calls"]] == [(call, "Calling", DESK)]
        [port] = status["ports"]
        assert (port["name"], port["active"], port["lease_s"]) == ("door", True, 60.0)
        assert (port["usage"], port["normal_state"], port["state"]) == ("Door", "open", "closed")
        assert 50.0 < port["remaining_s"] <= 60.0
        assert status["last_event_id"].endswith("-10")

    serve(test)


def test_inputs_tell_their_contacts_and_simulated_ones_are_moved() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async def inputs() -> list[tuple[Any, ...]]:
            told = (await client.get("/api/v1/inputs")).json()
            return [(each["name"], each["state"], each["active"], each["tampered"]) for each in told]

        assert await inputs() == [("button", "open", False, False), ("loop", "closed", False, False)]
        rig.door.bus.publish(InputChanged(input="loop", active=True, source="hardware"))
        assert (await inputs())[1] == ("loop", "open", True, False)
        rig.door.bus.publish(InputChanged(input="loop", active=False, source="hardware"))
        rig.door.bus.publish(InputTampered(input="loop", tampered=True, why="cut"))
        assert (await inputs())[1] == ("loop", "cut", False, True)
        moved = await client.patch("/api/v1/simulation/inputs/loop", json={"voltage_v": None})
        assert (moved.status_code, moved.json()) == (200, {"state": "cut"})
        assert rig.door.seen == [SimulateInput(input="loop", voltage_v=None)]
        for wrong in ({}, {"voltage_v": 1.0, "contact": "open"}, {"contact": "ajar"}):
            problem(await client.patch("/api/v1/simulation/inputs/loop", json=wrong), 422)

    serve(test)


def test_a_press_sends_the_command_and_tells_the_call() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/inputs/button/press", json={"recipients": ["sip:a@b", "sip:c@d"]})
        assert (answer.status_code, answer.json()) == (200, {"call": "c1"})
        assert rig.door.seen == [PressInput(input="button", recipients=("sip:a@b", "sip:c@d"), source="api")]

    serve(test)


def test_a_press_needs_no_body() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert (await client.post("/api/v1/inputs/button/press")).status_code == 200
        assert rig.door.seen == [PressInput(input="button", recipients=(), source="api")]

    serve(test)


def test_accounts_are_read_added_changed_and_removed() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/v1/accounts/peer%20to%20peer")).json() == {
            "name": "peer to peer",
            "active": True,
        }
        assert "properties" in (await client.get("/api/v1/schemas/account")).json()
        answer = await client.post("/api/v1/accounts", json={"name": "a/b", "password": "x"})
        assert (answer.status_code, answer.json()) == (201, {"id": "a/b"})
        assert answer.headers["location"] == "/api/v1/accounts/a%2Fb"
        answer = await client.patch("/api/v1/accounts/a", json={"active": False})
        assert (answer.status_code, answer.json()) == (200, {"id": "a"})
        assert (await client.delete("/api/v1/accounts/a")).status_code == 204
        assert rig.door.seen == [
            AddAccount(settings={"name": "a/b", "password": "x"}),
            ChangeAccount(account="a", changes={"active": False}),
            RemoveAccount(account="a"),
        ]
        assert "'x'" not in repr(rig.door.seen)

    serve(test)


def test_what_is_wrong_with_an_account_is_said_by_field() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        problem(await client.get("/api/v1/accounts/nobody"), 404)
        problem(await client.patch("/api/v1/accounts/nobody", json={"active": False}), 404)
        body = problem(await client.post("/api/v1/accounts", json={"transport": "x"}), 422)
        assert body["errors"] == [{"field": "transport", "value": "x", "message": "udp is right"}]
        problem(await client.post("/api/v1/accounts", json=["no", "table"]), 422)

    serve(test)


def test_a_call_is_placed_watched_answered_sent_digits_and_ended() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/v1/calls", json={"to": DESK})
        assert (answer.status_code, answer.json()) == (201, {"id": "c1"})
        assert answer.headers["location"] == "/api/v1/calls/c1"
        rig.door.picked_up("c1", "sdes", "AEAD_AES_256_GCM")
        call = (await client.get("/api/v1/calls/c1")).json()
        assert (call["state"], call["encryption"], call["cipher"]) == ("Active", "sdes", "AEAD_AES_256_GCM")
        assert call["rejected_packets"] == 0
        assert (await client.post("/api/v1/calls/c1/dtmf", json={"digits": "4a#"})).status_code == 204
        assert (await client.delete("/api/v1/calls/c1")).status_code == 204
        rig.door.ring_in()
        assert (await client.post("/api/v1/calls/c2/answer")).status_code == 204
        assert [call["state"] for call in (await client.get("/api/v1/calls")).json()] == ["Active", "Terminated"]
        assert rig.door.seen == [
            PlaceCall(to=DESK),
            SendDtmf(call="c1", digits="4A#"),
            HangUp(call="c1"),
            AnswerCall(call="c2"),
        ]

    serve(test)


def test_a_call_is_held_taken_back_and_transferred() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        await client.post("/api/v1/calls", json={"to": DESK})
        problem(await client.post("/api/v1/calls/c1/hold"), 409)
        rig.door.picked_up("c1")
        rig.door.seen.clear()
        assert (await client.post("/api/v1/calls/c1/hold")).status_code == 204
        assert (await client.post("/api/v1/calls/c1/resume")).status_code == 204
        assert (await client.post("/api/v1/calls/c1/transfer", json={"to": DESK})).status_code == 202
        assert (await client.post("/api/v1/calls/c1/transfer", json={"with_call": "c8"})).status_code == 202
        assert rig.door.seen == [
            HoldCall(call="c1"),
            ResumeCall(call="c1"),
            TransferCall(call="c1", to=DESK),
            TransferCall(call="c1", with_call="c8"),
        ]
        problem(await client.post("/api/v1/calls/c9/hold"), 404)

    serve(test)


def test_the_doors_sound_is_set_and_its_levels_are_read() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/v1/status")).json()["sound"] is None
        rig.door.tell_sound()
        assert (await client.get("/api/v1/status")).json()["sound"] == SOUND
        change = {"input_muted": True, "output_gain_db": -6.0}
        assert (await client.patch("/api/v1/sound", json=change)).status_code == 204
        assert rig.door.seen == [ChangeSound(input_muted=True, output_gain_db=-6.0)]
        assert (await client.get("/api/v1/status")).json()["sound"] == {**SOUND, **change}
        assert (await client.get("/api/v1/sound")).json() == SOUND_NOW
        refused = problem(await client.patch("/api/v1/sound", json={"input_gain_db": 31}), 422)
        assert "-40 to 30 is right" in refused["detail"]
        problem(await client.patch("/api/v1/sound", json={"volume": 3}), 422)

    serve(test)


def test_an_account_is_registered_on_demand() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert (await client.post("/api/v1/accounts/PBX/register")).status_code == 202
        assert rig.door.seen == [RegisterAccount(account="PBX")]
        problem(await client.post("/api/v1/accounts/Office/register"), 404)

    serve(test)


def test_a_call_placed_over_the_api_never_gives_its_party_the_right_to_open() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        refused = await client.post("/api/v1/calls", json={"to": DESK, "authorised": True})
        assert problem(refused, 422)["errors"][0] == {
            "field": "authorised",
            "value": True,
            "message": "is not known here",
        }
        await client.post("/api/v1/calls", json={"to": DESK})
        assert [command.authorised for command in rig.door.seen if isinstance(command, PlaceCall)] == [False]

    serve(test)


def test_unknown_names_are_404_wrong_moments_409_and_refused_commands_422() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        unknown = problem(await client.post("/api/v1/inputs/bell/press"), 404)
        assert unknown["detail"] == "there is no input 'bell'; inputs are: button"
        assert unknown["errors"][0]["field"] == "name"
        assert unknown["errors"][0]["value"] == "bell"
        assert unknown["instance"] == "/api/v1/inputs/bell/press"
        for request in (client.delete("/api/v1/calls/c9"), client.get("/api/v1/calls/c9")):
            assert problem(await request, 404)["errors"][0]["value"] == "c9"
        await client.post("/api/v1/inputs/button/press")
        assert "hang it up" in problem(await client.post("/api/v1/inputs/button/press"), 409)["detail"]
        assert "c1" in problem(await client.post("/api/v1/calls/c1/dtmf", json={"digits": "1"}), 409)["detail"]
        assert "sip:desk@" in problem(await client.post("/api/v1/calls", json={"to": "desk"}), 422)["detail"]

    serve(test)


def test_a_command_that_no_module_handles_is_refused_not_a_crash() -> None:
    async def main() -> None:
        house = House(Bus(asyncio.get_running_loop().time), Commands(), Path("/nonexistent"))
        server = WebServer(WebSettings.model_construct(host="127.0.0.1", port=0), house, {})
        await server.start()
        try:
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
                answer = await client.post("/api/v1/calls", json={"to": DESK})
                assert "PlaceCall" in problem(answer, 422)["detail"]
                assert (await client.get("/api/v1/status")).json()["node"]["version"] == ""
        finally:
            await server.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        ("calls", {}, "to", "is missing"),
        ("calls", {"to": "a b"}, "to", "must be a SIP address"),
        ("calls", {"to": "sip:" + "x" * 300}, "to", "at most 256"),
        ("calls", {"to": "sip:a@b\r\nEvil: 1"}, "to", "no blanks"),
        ("calls", {"to": 5}, "to", "should be a valid string"),
        ("calls/c1/dtmf", {"digits": "12x"}, "digits", "0-9 A-D # *"),
        ("calls/c1/dtmf", {"digits": ""}, "digits", "1 to 32"),
        ("calls/c1/transfer", {"to": "a b"}, "to", "must be a SIP address"),
        ("calls/c1/transfer", {"to": "sip:a@b", "with_call": "c8"}, "body", "not both"),
        ("calls/c1/transfer", {}, "body", "either to or with_call"),
        ("inputs/button/press", {"recipients": ["sip:a@b"] * 7}, "recipients", "at most 6"),
        ("inputs/button/press", {"recipients": ["sip:a@b", ""]}, "recipients.1", "must be a SIP address"),
        ("inputs/button/press", {"source": "hardware"}, "source", "'api' or 'panel'"),
        ("inputs/button/press", {"who": "me"}, "who", "is not known here"),
    ],
)
def test_a_wrong_body_is_refused_with_field_value_and_what_is_right(
    path: str, body: dict[str, Any], field: str, message: str
) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        [error] = problem(await client.post(f"/api/v1/{path}", json=body), 422)["errors"]
        assert error["field"] == field
        assert message in error["message"]
        assert rig.door.seen == []

    serve(test)


def test_what_is_not_there_not_json_or_not_the_method_is_a_problem_too() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        json_type = {"content-type": "application/json"}
        problem(await client.get("/nowhere"), 404)
        assert "POST" in problem(await client.get("/api/v1/inputs/button/press"), 405)["detail"]
        problem(await client.post("/api/v1/calls", content=b'{"to": ', headers=json_type), 400)
        problem(await client.post("/api/v1/calls", content=b"[" * 9000, headers=json_type), 400)
        problem(await client.get("/" + "x" * 2000), 414)

    serve(test)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},  # DNS rebinding: a foreign name that resolves to loopback
        {"host": "127.0.0.1.evil.example"},
        {"host": "192.168.1.5:8080"},
        {"host": "localhost@evil.example"},
        {"host": ""},
    ],
)
def test_a_host_that_is_not_loopback_is_refused_on_every_path(headers: dict[str, str]) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        for path in ("/", "/static/panel.js", "/api/v1/status", "/api/v1/events"):
            problem(await client.get(path, headers=headers), 421)
        problem(await client.post("/api/v1/inputs/button/press", headers=headers), 421)
        assert rig.door.seen == []

    serve(test)


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
def test_every_loopback_name_is_served(host: str) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/v1/status", headers={"host": host})).status_code == 200

    serve(test)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},  # another server of this machine
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_may_neither_act_nor_listen(headers: dict[str, str]) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        problem(await client.post("/api/v1/inputs/button/press", headers=headers), 403)
        problem(await client.post("/api/v1/calls", json={"to": DESK}, headers=headers), 403)
        problem(await client.delete("/api/v1/calls/c1", headers=headers), 403)
        problem(await client.get("/api/v1/events", headers=headers), 403)
        assert rig.door.seen == []

    serve(test)


def test_the_own_page_may_act() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        headers = {"origin": rig.url, "sec-fetch-site": "same-origin"}
        assert (await client.post("/api/v1/inputs/button/press", json={}, headers=headers)).status_code == 200

    serve(test)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_a_page_may_send_across_sites_unasked_is_refused(kind: str) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        body = b'{"recipients": []}'
        problem(await client.post("/api/v1/inputs/button/press", content=body, headers={"content-type": kind}), 415)
        assert rig.door.seen == []

    serve(test)


def test_a_body_too_large_is_refused_by_its_length_and_by_its_bytes() -> None:
    async def pieces() -> Any:
        for _ in range(3):
            yield b" " * (MAX_BODY_BYTES // 2)

    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "application/json"}
        problem(await client.post("/api/v1/calls", content=b" " * (MAX_BODY_BYTES + 1), headers=headers), 413)
        problem(await client.post("/api/v1/calls", content=pieces(), headers=headers), 413)

    serve(test)


def test_every_answer_carries_the_security_headers_and_nothing_names_the_server() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        for path in ("/", "/static/panel.css", "/api/v1/status", "/nowhere"):
            headers = (await client.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "access-control-allow-origin" not in headers
            assert "server" not in headers
        assert (await client.get("/api/v1/status")).headers["cache-control"] == "no-store"

    serve(test)


def test_the_page_is_served_with_an_etag_and_without_anything_from_elsewhere() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        for path in ("/", "/static/panel.js", "/static/words.js", "/static/panel.css", "/static/icon.svg"):
            answer = await client.get(path)
            assert answer.status_code == 200
            text = answer.text.replace("http://www.w3.org/2000/svg", "")
            assert "http://" not in text
            assert "https://" not in text
            again = await client.get(path, headers={"if-none-match": answer.headers["etag"]})
            assert again.status_code == 304
        page = (await client.get("/")).text
        assert " style=" not in page, "the content security policy would drop it"
        assert "onclick=" not in page

    serve(test)


def test_accounts_say_how_they_stand_and_nothing_secret() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        (account,) = (await client.get("/api/v1/accounts")).json()
        assert (account["state"], account["status"]) == ("unregistered", 0)
        words = 'wrong password or authentication ID, user "100" (401 Unauthorized)'
        told = RegistrationChanged(
            account=account["name"],
            id=account["id"],
            state=RegistrationState.PROBLEM,
            status=401,
            reason=words,
            server="pbx.example",
        )
        rig.door.bus.publish(told)
        (account,) = (await client.get("/api/v1/accounts")).json()
        assert (account["state"], account["status"], account["reason"]) == ("problem", 401, words)
        assert (await client.get("/api/v1/status")).json()["node"]["accounts"] == [account]
        assert not [key for key in account if "password" in key]

    serve(test)


def test_the_description_covers_every_path_with_summary_and_problems() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        description = (await client.get("/api/v1/openapi.json")).json()
        paths = description["paths"]
        assert set(paths) == {
            "/api/v1/status",
            "/api/v1/accounts",
            "/api/v1/accounts/{name}",
            "/api/v1/schemas/account",
            "/api/v1/inputs/{name}/press",
            "/api/v1/calls",
            "/api/v1/calls/{id}",
            "/api/v1/calls/{id}/answer",
            "/api/v1/accounts/{name}/register",
            "/api/v1/schemas/contact",
            "/api/v1/extensions",
            "/api/v1/extensions/{number}",
            "/api/v1/extensions/{number}/do-not-disturb",
            "/api/v1/do-not-disturb",
            "/api/v1/exchange/calls",
            "/api/v1/history",
            "/api/v1/history/export",
            "/api/v1/contacts",
            "/api/v1/contacts/{name}",
            "/api/v1/contacts/{name}/test-call",
            "/api/v1/test-calls",
            "/api/v1/address-book",
            "/api/v1/schedules",
            "/api/v1/dial",
            "/api/v1/calls/{id}/dtmf",
            "/api/v1/calls/{id}/hold",
            "/api/v1/calls/{id}/resume",
            "/api/v1/calls/{id}/transfer",
            "/api/v1/ports",
            "/api/v1/events",
            "/api/v1/simulation/room",
            "/api/v1/sound",
            "/api/v1/sound-level",
            "/api/v1/speaker-test",
            "/api/v1/speaker-test/calibrate",
            "/api/v1/speaker-test/run",
            "/api/v1/speaker-test/picture.svg",
            "/api/v1/call-audio",
            "/api/v1/clips",
            "/api/v1/clips/stop",
            "/api/v1/clips/{name}",
            "/api/v1/clips/{name}/file",
            "/api/v1/clips/{name}/play",
            "/api/v1/clips/{name}/stop",
            "/api/v1/controller",
            "/api/v1/settings/controller",
            "/api/v1/schemas/controller",
            "/api/v1/settings/groups",
            "/api/v1/settings/groups/{name}",
            "/api/v1/schemas/groups",
            "/api/v1/exports/groups",
            "/api/v1/signals",
            "/api/v1/settings/schedules",
            "/api/v1/settings/schedules/{name}",
            "/api/v1/schemas/schedules",
            "/api/v1/exports/schedules",
            "/api/v1/settings/signals",
            "/api/v1/settings/signals/{name}",
            "/api/v1/schemas/signals",
            "/api/v1/settings/pages",
            "/api/v1/settings/pages/{name}",
            "/api/v1/schemas/pages",
            "/api/v1/exports/pages",
            "/api/v1/display",
            "/api/v1/display/pages/{name}/show",
            "/api/v1/display/home",
            "/api/v1/display/press",
            "/api/v1/images",
            "/api/v1/images/{name}",
            "/api/v1/images/{name}/file",
            "/api/v1/schemas/recipients",
            "/api/v1/settings/recipients",
            "/api/v1/settings/recipients/{name}",
            "/api/v1/exports/recipients",
            "/api/v1/exports/signals",
            "/api/v1/signals/stop",
            "/api/v1/signals/preview",
            "/api/v1/signals/{name}/start",
            "/api/v1/signals/{name}/stop",
            "/api/v1/indicators/{name}",
            "/api/v1/locate",
            "/api/v1/control-button",
            "/api/v1/inputs",
            "/api/v1/simulation/inputs/{name}",
            "/api/v1/detectors",
            "/api/v1/detectors/{name}",
            "/api/v1/plugins",
            "/api/v1/plugins/{name}/{command}",
            "/api/v1/rules",
            "/api/v1/rules/{name}",
            "/api/v1/rules/{name}/dry-run",
            "/api/v1/schemas/rule",
            "/api/v1/virtual-inputs/{name}",
            "/api/v1/triggers/{name}",
            "/api/v1/recipients",
            "/api/v1/mqtt",
            "/api/v1/recipients/{name}/test",
            "/api/v1/schemas/holder",
            "/api/v1/holders",
            "/api/v1/holders/{id}",
            "/api/v1/holders/{id}/pass",
            "/api/v1/codes",
            "/api/v1/settings/detectors",
            "/api/v1/settings/detectors/{name}",
            "/api/v1/schemas/detectors",
            "/api/v1/exports/detectors",
            *(f"/api/v1/{path}" for name in ("ports", "inputs") for path in list_paths(name)),
            "/api/v1/settings/readers",
            "/api/v1/settings/readers/{name}",
            "/api/v1/schemas/readers",
            "/api/v1/exports/readers",
            "/api/v1/readers",
            "/api/v1/readers/{name}/pair",
            "/api/v1/readers/last-card",
            "/api/v1/readers/{name}/card",
            "/api/v1/readers/{name}/keys",
        }
        assert all(operation["summary"] for path in paths.values() for operation in path.values())
        dtmf = paths["/api/v1/calls/{id}/dtmf"]["post"]["responses"]
        assert {"204", "404", "409", "415", "422"} <= set(dtmf)
        for path in paths.values():
            for operation in path.values():
                errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
                assert all(set(answer["content"]) == {"application/problem+json"} for answer in errors.values())
        assert "ProblemDetails" in description["components"]["schemas"]
        assert "HTTPValidationError" not in description["components"]["schemas"]
        assert description["info"]["version"] == "1.0.0"

    serve(test)


def test_ipv6_loopback_is_served() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        assert rig.url.startswith("http://[::1]:")
        assert (await client.get("/api/v1/ports")).json()[0]["name"] == "door"

    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    serve(test, host="::1")


def test_a_port_that_is_taken_is_said_by_name_and_value() -> None:
    async def main() -> None:
        async with web_rig() as rig:
            port = int(rig.url.rpartition(":")[2])
            house = House(rig.bus, Commands(), Path("/nonexistent"))
            second = WebServer(WebSettings(port=port), house, {})
            with pytest.raises(CallError, match=f"web.port = {port}: cannot listen there"):
                await second.start()
            await second.stop()

    asyncio.run(main())


def test_what_happened_before_the_server_started_is_known() -> None:
    async def main() -> None:
        rig = WebRig()
        rig.door.start()
        rig.door.bus.publish(DoorRefused(port="door", who="x", how="y", why="z"))
        await rig.server.start()
        async with httpx.AsyncClient(base_url=rig.url, trust_env=False) as client:
            assert (await client.get("/api/v1/ports")).json()[0]["why"] == "restart"
        await rig.server.stop()
        await rig.server.stop()

    asyncio.run(main())


def test_the_simulated_room_is_changed_where_there_is_one() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        path = "/api/v1/simulation/room"
        assert "nothing here handles" in problem(await client.patch(path, json={"fault": "weak"}), 422)["detail"]
        seen: list[ChangeRoom] = []
        rig.commands.register(ChangeRoom, lambda command: seen.append(command) or "", who="room")
        assert (await client.patch(path, json={"fault": "weak", "delay_ms": 30})).status_code == 204
        assert [command.values for command in seen] == [{"fault": "weak", "delay_ms": 30.0}]
        assert problem(await client.patch(path, json={"wall": "brick"}), 422)["errors"][0]["field"] == "wall"

    serve(test)
