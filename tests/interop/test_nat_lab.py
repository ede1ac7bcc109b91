"""The laboratory with NATs itself, with peers that are not ours: who meets whom, and who needs a relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.nat_lab import PBX, Nat
from tests.support.nat_stage import ICE, Stage
from tests.support.peers.baresip import Baresip
from tests.support.peers.browser import RATE_HZ, BrowserPhone
from tests.support.sound import PCM_TONE_HZ, assert_tone, assert_tone_in
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

ALICE_HZ, BOB_HZ = 440.0, PCM_TONE_HZ
LONG_ENOUGH_S = 2.5


def test_baresip_meets_itself_through_two_cones(tmp_path: Path) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, Nat.RESTRICTED, Nat.RESTRICTED)
        server = f"{PBX}:{stage.pbx.port}"
        phones = [
            await Baresip.start(
                tmp_path / user,
                microphone=write_tone(tmp_path / f"{user}.wav", hz),
                answer="auto" if user == "bob" else "manual",
                user=user,
                password=f"{user}pw",
                servers=(server,),
                modules=("stun", "ice"),
                media=ICE,
                inside=await site.host(),
            )
            for site, user, hz in ((stage.lab.a, "alice", ALICE_HZ), (stage.lab.b, "bob", BOB_HZ))
        ]
        alice, bob = phones
        for phone in phones:
            await phone.registered()
        alice.command("uafind", f"sip:alice@{server}")
        alice.command("dial", f"sip:bob@{server}")
        for phone in phones:
            await phone.event("CALL_RTPESTAB")
        for phone in phones:
            await phone.hear(LONG_ENOUGH_S)
        alice.command("hangup")
        await bob.event("CALL_CLOSED")
        assert_tone(alice.heard(), BOB_HZ)
        assert_tone(bob.heard(), ALICE_HZ)

    run_test(play())


def test_chromium_meets_itself_by_a_relay_where_no_hole_can_be_punched(tmp_path: Path) -> None:
    async def play() -> None:
        stage = await Stage.open(tmp_path, Nat.SYMMETRIC, Nat.SYMMETRIC)
        phones = [
            await BrowserPhone.start(
                tmp_path / user,
                microphone=write_tone(tmp_path / f"{user}.wav", hz),
                url=f"ws://{PBX}:{stage.pbx.ws_port}",
                user=user,
                password=f"{user}pw",
                auto_answer=user == "bob",
                ice_servers=stage.ice_servers("udp"),
                inside=await site.host(),
            )
            for site, user, hz in ((stage.lab.a, "alice", ALICE_HZ), (stage.lab.b, "bob", BOB_HZ))
        ]
        alice, bob = phones
        await alice.dial("sip:bob@pbx.test")
        for phone, hz in ((alice, BOB_HZ), (bob, ALICE_HZ)):
            await phone.hear(LONG_ENOUGH_S)
            pair = (await phone.ask("phone.statistics()"))["pair"]
            assert {pair["local"]["type"], pair["remote"]["type"]} == {"relay", "prflx"}, pair
            assert_tone_in(await phone.heard(), RATE_HZ, hz)
        await alice.ask("phone.hangUp()")
        await bob.event("over", "BYE")

    run_test(play())
