"""Extensions over HTTP: real server, and a switchboard at which telephones have registered."""

from __future__ import annotations

import asyncio
import json

import httpx

from tests.support.aio import PATIENCE_S
from tests.support.exchange import talking
from tests.support.extensions import PASSWORD
from tests.support.switchboard import Switchboard
from tests.support.web_rig import WebRig, web_rig
from tests.web.test_api import problem
from voipnode.calls.commands import ReadExtensions


def told_by(board: Switchboard, rig: WebRig) -> None:
    """Have the house answer as the telephone line of this switchboard does."""
    rig.commands.register(
        ReadExtensions, lambda command: json.dumps(board.switch.extensions(board.wire.now)), who="calls"
    )


def test_extensions_are_shown_with_their_telephones_and_calls_and_without_their_passwords() -> None:
    board, _, _ = talking()

    async def main() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            web_rig() as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
        ):
            told_by(board, rig)
            answer = await client.get("/api/v1/extensions")
            assert PASSWORD not in answer.text
            anna, _, carl, _ = answer.json()
            assert (anna["number"], anna["name"], anna["do_not_disturb"]) == ("101", "Anna", False)
            (device,) = anna["devices"]
            assert (device["address"], device["transport"]) == ("192.168.1.21:5060", "UDP")
            assert anna["calls"] == [
                {"state": "confirmed", "direction": "outgoing", "remote": "sip:102@door", "remote_name": ""}
            ]
            assert (carl["devices"], carl["calls"]) == ([], [])
            bert = (await client.get("/api/v1/extensions/102")).json()
            assert (bert["calls"][0]["direction"], bert["calls"][0]["remote_name"]) == ("incoming", "Anna")
            assert "'999'" in problem(await client.get("/api/v1/extensions/999"), 404)["detail"]

    asyncio.run(main())
