"""The laboratory with NATs itself, with two peers that are not ours: who meets whom, and who needs a relay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.nat_lab import PBX, RELAY, Nat, NatLab
from tests.support.peers.baresip import Baresip
from tests.support.peers.coturn import PASSWORD, PORT, USER, Coturn
from tests.support.peers.kamailio import Kamailio
from tests.support.sound import PCM_TONE_HZ, assert_tone
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

ICE = f'medianat=ice;stunserver="stun:{RELAY}:{PORT}"'
TURN = f'medianat=turn;stunserver="turn:{RELAY}:{PORT}";stunuser={USER};stunpass={PASSWORD}'


@pytest.mark.parametrize(
    ("a", "b", "media"),
    [(Nat.RESTRICTED, Nat.RESTRICTED, ICE), (Nat.SYMMETRIC, Nat.SYMMETRIC, TURN)],
    ids=["restricted cones by STUN", "symmetric by TURN"],
)
def test_two_phones_talk_across_routers(tmp_path: Path, a: Nat, b: Nat, media: str) -> None:
    certificate = Authority(tmp_path / "ca").issue("turn.test", RELAY)

    async def play() -> None:
        lab = await NatLab.open(a, b)
        pbx = await Kamailio.start(tmp_path / "pbx", host=PBX, inside=lab.public)
        await Coturn.start(tmp_path / "turn", inside=lab.public, host=RELAY, certificate=certificate)
        phones = []
        for site, user, hz in ((lab.a, "alice", 440.0), (lab.b, "bob", PCM_TONE_HZ)):
            phone = await Baresip.start(
                tmp_path / user,
                microphone=write_tone(tmp_path / f"{user}.wav", hz),
                answer="auto" if user == "bob" else "manual",
                user=user,
                password=f"{user}pw",
                servers=(f"{PBX}:{pbx.port}",),
                modules=("stun", "turn", "ice"),
                media=media,
                inside=await site.host(),
            )
            await phone.registered()
            phones.append(phone)
        alice, bob = phones
        alice.command("uafind", f"sip:alice@{PBX}:{pbx.port}")
        alice.command("dial", f"sip:bob@{PBX}:{pbx.port}")
        for phone in phones:
            await phone.event("CALL_RTPESTAB")
        for phone in phones:
            await phone.hear(3.0)
        alice.command("hangup")
        await bob.event("CALL_CLOSED")
        assert_tone(alice.heard(), PCM_TONE_HZ)
        assert_tone(bob.heard(), 440.0)

    run_test(play())
