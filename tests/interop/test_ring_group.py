"""Six real phones in ring groups: the third answers, one refuses, two answer at once, nobody does, one vanishes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.linphone import Linphone
from tests.support.peers.sipp import Sipp
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

NAMES = ("anna", "ben", "cora", "dora")


def settings(phones: dict[str, str]) -> str:
    """A button for each group."""
    groups = {
        "everybody": ((*NAMES, "bob", "fred"), "ring_s = 60\ncalling_timeout_s = 60"),
        "five": ((*NAMES, "bob"), "ring_s = 60"),
        "two": (("anna", "ben"), 'ring_s = 1\nfallback = "office"'),
        "office": (("cora",), 'fallback = "night"'),
        "night": (("bob",), ""),
        "lone": (("dora",), 'ring_s = 2\nfallback = "rescue"'),
        "rescue": (("anna",), ""),
    }
    lines = []
    for name, (members, more) in groups.items():
        uris = ", ".join(f'"{phones[member]}"' for member in members)
        lines.append(f'[[groups]]\nname = "{name}"\nmembers = [{uris}]\n{more}')
    for name in ("everybody", "five", "two", "lone"):
        lines += [f'[[inputs]]\nname = "{name}"', f'[[buttons]]\nname = "{name}"\ninput = "{name}"\nring = "{name}"']
    return "\n".join(lines)


class Street:
    """The node, and the phones that it rings."""

    def __init__(self, node: Node, phones: dict[str, Baresip], bob: Linphone, fred: Sipp) -> None:
        self.node, self.phones, self.bob, self.fred = node, phones, bob, fred
        self.uris = {**{name: phone.uri for name, phone in phones.items()}, "bob": bob.uri, "fred": fred.uri}
        self.mark = 0

    @classmethod
    async def start(cls, folder: Path) -> Street:
        tone = write_tone(folder / "440.wav", 440.0)
        *phones, bob, fred = await asyncio.gather(
            *(Baresip.start(folder / name, microphone=tone, user=name) for name in NAMES),
            Linphone.start(folder / "bob", microphone=tone),
            Sipp.phone(folder / "fred", "phone/ring", "phone/be_cancelled"),
        )
        street = cls(None, dict(zip(NAMES, phones, strict=True)), bob, fred)  # type: ignore[arg-type]  # set below
        street.node = await Node.start(folder / "node", more=settings(street.uris))
        return street

    async def press(self, button: str) -> str:
        """Ring at this button; the call's id."""
        self.mark = len(self.node.events)
        response = await self.node.client.post(f"/api/v1/inputs/{button}/press", json={})
        assert response.status_code < 300, response.text
        event = await self.state("Calling")
        return str(event["call"])

    async def state(self, state: str) -> dict[str, Any]:
        return await self.node.event("call.changed", state=state, after=self.mark)

    async def rings(self, *names: str) -> None:
        await asyncio.gather(*(self.phones[name].event("CALL_INCOMING") for name in names))

    async def closed(self, *names: str) -> None:
        await asyncio.gather(*(self.phones[name].event("CALL_CLOSED") for name in names))

    async def rang(self, name: str, outcome: str) -> None:
        await self.node.event("recipient.rang", address=self.uris[name], outcome=outcome, after=self.mark)

    def outcomes(self) -> dict[str, str]:
        """What has become of whom since the press."""
        by_uri = {uri: name for name, uri in self.uris.items()}
        told = [event for event in self.node.events[self.mark :] if event["event"] == "recipient.rang"]
        return {by_uri[event["address"]]: event["outcome"] for event in told}

    async def hang_up(self, call: str) -> None:
        assert (await self.node.client.delete(f"/api/v1/calls/{call}")).status_code < 300
        await self.state("Terminated")


async def the_third_answers(street: Street) -> None:
    call = await street.press("everybody")
    await street.rings(*NAMES)
    await street.bob.process.line_with("incoming", "Receiving new incoming call")
    await street.fred.said("SIP/2.0 180")
    street.phones["cora"].command("accept")
    active = await street.state("Active")
    assert active["remote"] == street.uris["cora"]
    await street.closed("anna", "ben", "dora")
    await street.fred.end()
    cancel = next(message for message in street.fred.messages() if message.startswith("CANCEL"))
    assert 'Reason: SIP;cause=200;text="Call completed elsewhere"' in cancel
    others = dict.fromkeys(("anna", "ben", "dora", "bob", "fred"), "elsewhere")
    assert street.outcomes() == {"cora": "answered", **others}
    await street.hang_up(call)
    await street.closed("cora")


async def some_refuse_and_two_answer_at_once(street: Street) -> None:
    call = await street.press("five")
    await street.rings(*NAMES)
    await street.bob.process.line_with("incoming", "Receiving new incoming call", count=2)
    street.phones["ben"].command("hangup")
    street.bob.say("terminate")
    await street.rang("ben", "busy")
    await street.rang("bob", "refused")
    for name in ("anna", "cora"):
        street.phones[name].command("accept")
    active = await street.state("Active")
    winner = next(name for name in ("anna", "cora") if street.uris[name] == active["remote"])
    loser = "anna" if winner == "cora" else "cora"
    await street.closed(loser, "dora", "ben")
    assert street.outcomes() == {
        "ben": "busy",
        "bob": "refused",
        "dora": "elsewhere",
        winner: "answered",
        loser: "elsewhere",
    }
    await street.hang_up(call)
    await street.closed(winner)


async def nobody_answers_and_the_fallback_is_busy(street: Street) -> None:
    call = await street.press("two")
    await street.rings("anna", "ben")
    await street.closed("anna", "ben")
    await street.rings("cora")
    street.phones["cora"].command("hangup")
    await street.bob.process.line_with("incoming", "Receiving new incoming call", count=3)
    street.bob.say("answer")
    active = await street.state("Active")
    assert (active["call"], active["remote"]) == (call, street.uris["bob"])
    assert street.outcomes() == {"anna": "silent", "ben": "silent", "cora": "busy", "bob": "answered"}
    await street.hang_up(call)
    await street.closed("cora")


async def one_vanishes_while_it_rings(street: Street) -> None:
    call = await street.press("lone")
    await street.rings("dora")
    street.phones["dora"].process.process.kill()
    await street.rings("anna")
    street.phones["anna"].command("accept")
    await street.state("Active")
    assert street.outcomes() == {"dora": "silent", "anna": "answered"}
    await street.hang_up(call)
    await street.closed("anna")


def test_six_phones_in_ring_groups(tmp_path: Path) -> None:
    async def play() -> None:
        street = await Street.start(tmp_path)
        try:
            await the_third_answers(street)
            await some_refuse_and_two_answer_at_once(street)
            await nobody_answers_and_the_fallback_is_busy(street)
            await one_vanishes_while_it_rings(street)
            calls = (await street.node.client.get("/api/v1/calls")).json()
            assert {call["state"] for call in calls} == {"Terminated"}
        finally:
            await street.node.stop()

    run_test(play())
