"""`voipnode doctor` with real servers, good and bad, and behind real routers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.free_ports import free_port, rtp_range
from tests.support.namespaces import Namespace
from tests.support.nat_lab import PBX, RELAY, Nat, NatLab
from tests.support.peers.coturn import PASSWORD, USER, Coturn
from tests.support.peers.dnsmasq import dnsmasq
from tests.support.peers.kamailio import USERS, Kamailio
from tests.support.running import running
from voipnode.modules.relay.child import Child

pytestmark = pytest.mark.interop

BOUND_S = 15.0
USER_ID = next(iter(USERS))


@dataclass
class Told:
    """What the doctor said: its exit code, how long it took, and its findings by check."""

    code: int
    took_s: float
    checks: dict[str, list[dict[str, str]]]

    def words(self, check: str, level: str = "") -> list[str]:
        return [one["words"] for one in self.checks[check] if level in ("", one["level"])]


async def examined(folder: Path, settings: str, *, inside: Namespace | None = None) -> Told:
    """Run it on these settings; it plays nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "voipnode.toml"
    path.write_text(settings)
    command = (sys.executable, "-m", "voipnode", "doctor", "--quiet", "--json", "-s", path, "--state-dir", folder)
    begun = time.monotonic()
    process = await Child.start(
        [*map(str, command if inside is None else inside.command(*command))], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.read())
    code = await process.wait()
    checks = {check["title"]: check["findings"] for check in told["checks"]}
    return Told(code, time.monotonic() - begun, checks)


def sip(more: str = "", *, host: str = "127.0.0.1") -> str:
    ports = f"port = {free_port()}\nrtp_start_port = {rtp_range()}\ntls = {{ port = {free_port()} }}"
    return f'[audio]\ndevice = "simulated"\n[web]\nport = {free_port()}\n[sip]\nhosts = ["{host}"]\n{ports}\n{more}\n'


def stun(*servers: str) -> str:
    return f"[sip.stun]\nservers = {json.dumps(list(servers))}\n"


def turn(server: str, password: str = PASSWORD, more: str = "") -> str:
    return f'[[sip.turn]]\nserver = "{server}"\nusername = "{USER}"\npassword = "{password}"\n{more}\n'


def test_stun_and_turn_on_this_machine_are_found_to_work(tmp_path: Path) -> None:
    async def play() -> None:
        authority = Authority(tmp_path)
        port, tls_port = free_port(), free_port()
        relay = Coturn.start(
            tmp_path / "coturn",
            host="127.0.0.1",
            certificate=authority.issue("127.0.0.1"),
            port=port,
            tls_port=tls_port,
            relays=(rtp_range(), 65535),
            more=f"allow-loopback-peers\nlistening-ip=127.0.0.2\nalt-listening-port={free_port()}",
        )
        async with running(relay):
            servers = stun(f"127.0.0.1:{port}") + turn(f"127.0.0.1:{port}")
            servers += turn(f"turn:127.0.0.1:{port}?transport=tcp")
            servers += turn(f"turns:127.0.0.1:{tls_port}", more=f'ca = "{authority.ca}"')
            servers += turn(f"127.0.0.1:{port}", "wrong")
            told = await examined(tmp_path / "node", sip(servers))
        assert any("answers: it sees us at 127.0.0.1:" in words for words in told.words("Router (NAT), STUN", "good"))
        assert "no router changes our address: the far side sees 127.0.0.1" in told.words("Router (NAT), STUN", "good")
        lent = told.words("TURN", "good")
        assert [sum(f"by {name} lends 127.0.0.1:" in words for words in lent) for name in ("UDP", "TCP", "TLS")] == [
            1, 1, 1,
        ]  # fmt: skip
        (refused,) = told.words("TURN", "problem")
        assert "password" in refused
        assert told.code == 1

    run_test(play())


def test_what_is_dead_is_told_in_time_and_with_its_remedy(tmp_path: Path) -> None:
    """Nobody answers anything: DNS, STUN, TURN by UDP and TCP, a registrar by UDP and one by TCP."""

    async def play() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as mute,
        ):
            silent.bind(("127.0.0.1", 0))
            mute.bind(("127.0.0.1", 0))
            mute.listen(5)  # accepts by the kernel alone, and says nothing
            dead, stuck = (f"127.0.0.1:{sock.getsockname()[1]}" for sock in (silent, mute))
            settings = sip(
                f'[sip.dns]\nservers = ["{dead}"]\n' + stun(dead, "stun.test") + turn(dead)
                + turn(f"turn:{stuck}?transport=tcp")
            )  # fmt: skip
            for name, domain, transport in (("A", dead, "udp"), ("B", stuck, "tcp"), ("C", "pbx.test", "tls")):
                settings += f'[[accounts]]\nname = "{name}"\ntype = "registered"\ndomain = "{domain}"\n'
                settings += f'transport = "{transport}"\n'
            told = await examined(tmp_path, settings)
        assert told.took_s < BOUND_S
        assert told.code == 1
        problems = {title: told.words(title, "problem") for title in told.checks}
        assert any(f"the DNS server {dead} does not answer" in words for words in problems["DNS"])
        assert f"the STUN server {dead} does not answer" in problems["Router (NAT), STUN"]
        assert len(problems["TURN"]) == 2
        assert len(problems["Accounts"]) == 3
        everything = [one for findings in told.checks.values() for one in findings]
        assert all(one["remedy"] for one in everything if one["level"] in ("warning", "problem"))

    run_test(play())


def account(password: str, domain: str) -> str:
    return (
        f'[[accounts]]\nname = "{password}"\ntype = "registered"\nuser_id = "{USER_ID}"\ntransport = "auto"\n'
        f'domain = "{domain}"\npassword = "{password}"\n'
    )


def test_accounts_are_tried_at_a_real_server_that_is_found_by_dns_and_not_registered(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx")) as pbx:
            srv = f"srv-host=_sip._udp.pbx.test,one.pbx.test,{pbx.port}"
            async with dnsmasq(srv, "host-record=one.pbx.test,127.0.0.1") as dns:
                settings = sip(f'[sip.dns]\nservers = ["{dns}"]')
                settings += account(USERS[USER_ID], "pbx.test") + account("wrong", "pbx.test")
                settings += account("nowhere", "other.test")
                told = await examined(tmp_path / "node", settings)
            assert await pbx.contacts(USER_ID) == [], "asking changes nothing"
        (taken,) = told.words("Accounts", "good")
        assert taken.endswith("the server takes the password; it is not registered now")
        refused = told.words("Accounts", "problem")
        assert any('"wrong"' in words and "password" in words for words in refused)
        assert any('"nowhere"' in words for words in refused)
        assert any(
            f"leads to UDP 127.0.0.1:{pbx.port} (by SRV and address records)" in one for one in told.words("DNS")
        )
        assert any("other.test leads nowhere" in words for words in told.words("DNS", "problem"))

    run_test(play())


@pytest.mark.parametrize(
    ("nat", "says"),
    [
        (Nat.RESTRICTED, "(a port-restricted cone)"),
        (Nat.SYMMETRIC, "(a symmetric NAT)"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Nat) else "",
)
def test_a_router_is_known_by_how_it_behaves(tmp_path: Path, nat: Nat, says: str) -> None:
    async def play() -> None:
        lab = await NatLab.open(nat)
        host = await lab.a.host()
        certificate = Authority(tmp_path).issue(RELAY)
        second = f"listening-ip={PBX}"
        relay = Coturn.start(tmp_path / "coturn", inside=lab.public, host=RELAY, certificate=certificate, more=second)
        async with running(relay):
            told = await examined(tmp_path / "node", sip(stun(RELAY) + turn(RELAY), host="0.0.0.0"), inside=host)
        router = [words for words in told.words("Router (NAT), STUN") if "a router is between" in words]
        assert len(router) == 1
        assert says in router[0]
        assert f"{host.address} is 203.0.113.1 outside" in router[0]
        assert any(f"lends {RELAY}:" in words for words in told.words("TURN", "good"))

    run_test(play())
