"""The laboratory with its servers running: a telephone system and a TURN server between two sites behind NATs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Authority
from tests.support.nat_lab import PBX, RELAY, Nat, NatLab
from tests.support.peers.coturn import PASSWORD, PORT, TLS_PORT, USER, Coturn
from tests.support.peers.kamailio import Kamailio

# For baresip, whose TURN does not work within ICE ("connchk: add channel: Invalid argument").
ICE = f'medianat=ice;stunserver="stun:{RELAY}:{PORT}"'
TURN = f'medianat=turn;stunserver="turn:{RELAY}:{PORT}";stunuser={USER};stunpass={PASSWORD}'


@dataclass
class Stage:
    """Kamailio at PBX with its users (`kamailio.USERS`), coturn at RELAY; `authority` vouches for both."""

    lab: NatLab
    pbx: Kamailio
    turn: Coturn
    authority: Authority
    certificate: Path

    @classmethod
    async def open(cls, folder: Path, a: Nat, b: Nat) -> Stage:
        lab = await NatLab.open(a, b)
        authority = Authority(folder / "authority")
        certificate = authority.issue("pbx.test", "turn.test", PBX, RELAY)
        pbx = await Kamailio.start(folder / "pbx", host=PBX, certificate=certificate, inside=lab.public)
        turn = await Coturn.start(folder / "turn", host=RELAY, certificate=certificate, inside=lab.public)
        return cls(lab, pbx, turn, authority, certificate)

    async def turn_again(self, folder: Path) -> None:
        """Start the TURN server anew, with no memory of its relays."""
        await self.turn.stop()
        self.turn = await Coturn.start(
            folder / "turn", host=RELAY, certificate=self.certificate, inside=self.lab.public
        )

    def ice_servers(self, relay: str) -> tuple[dict[str, str], ...]:
        """For a browser: STUN, and TURN over "udp", "tcp" or "tls" if wanted."""
        stun = {"urls": f"stun:{RELAY}:{PORT}"}
        if not relay:
            return (stun,)
        turn = {
            "udp": f"turn:{RELAY}:{PORT}?transport=udp",
            "tcp": f"turn:{RELAY}:{PORT}?transport=tcp",
            "tls": f"turns:{RELAY}:{TLS_PORT}?transport=tcp",
        }[relay]
        return stun, {"urls": turn, "username": USER, "credential": PASSWORD}
