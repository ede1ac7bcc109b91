"""The node as a user of a real telephone system: registering, being called and calling, over every transport."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.cli.test_commands import voipnode
from tests.support.aio import run_test, within
from tests.support.certificates import Authority
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.peers.kamailio import Kamailio
from tests.support.peers.linphone import Linphone
from tests.support.running import running
from tests.support.wav_files import write_tone

pytestmark = pytest.mark.interop

HOST = "127.0.0.2"  # Kamailio takes every port of its host for its own, so the phones are on another one
TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")


def account(pbx: Kamailio, transport: str = "udp", *, more: str = "", user: str = "door", password: str = "") -> str:
    """An account of the node's at that server."""
    port = {"udp": pbx.port, "tcp": pbx.port, "tls": pbx.tls_port, "ws": pbx.ws_port, "wss": pbx.tls_port}[transport]
    return (
        f'[[accounts]]\nname = "PBX"\ntype = "registered"\nuser_id = "{user}"\ndomain = "pbx.test"\n'
        f'registrar = "{pbx.host}:{port}"\n'
        f'password = "{password or "doorpw"}"\ntransport = "{transport}"\n{more}'
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_node_registers_calls_and_is_called(tmp_path: Path, authority: Authority, transport: str) -> None:
    certificate = authority.issue("pbx.test", HOST)
    tone = write_tone(tmp_path / "440.wav", 440.0)

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST, certificate=certificate)) as pbx:
            more = f'auto_answer = true\nca = "{authority.ca}"\n'
            server = f"{HOST}:{pbx.port}"
            async with (
                running(
                    Baresip.start(tmp_path / "bob", microphone=tone, user="bob", password="bobpw", servers=(server,))
                ) as bob,
                running(Node.start(tmp_path / "node", more=account(pbx, transport, more=more))) as node,
            ):
                await bob.registered()
                bob.command("uafind", f"sip:bob@{server}")
                assert (await node.account("registered"))["status"] == 200
                (contact,) = await pbx.contacts("door")
                if transport in ("ws", "wss"):
                    assert ".invalid;transport=ws" in contact  # RFC 7118 §5.2, §B.1

                await node.press("bob")
                await bob.event("CALL_INCOMING")
                bob.command("accept")
                await node.event("call.changed", state="Active")
                bob.command("sndcode", "1")
                assert (await node.event("door.opened"))["how"]
                mark = len(node.events)
                bob.command("hangup")
                await node.event("call.changed", state="Terminated", after=mark)

                mark = len(node.events)
                bob.command("dial", f"sip:door@{server}")
                called = await node.event("call.changed", state="Active", after=mark)
                assert (called["direction"], called["account"]) == ("incoming", "PBX")
                await bob.event("CALL_ESTABLISHED")
                mark = len(node.events)
                await node.client.delete(f"/api/v1/calls/{called['call']}")
                await bob.event("CALL_CLOSED")
                await node.event("call.changed", state="Terminated", after=mark)
            assert await pbx.contacts("door") == [], "it has taken its registration back"

    run_test(play())


def test_one_call_as_an_account_goes_through_its_server_and_leaves_its_registration_alone(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440.0)

    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx:
            server = f"{HOST}:{pbx.port}"
            phone = Baresip.start(tmp_path / "bob", microphone=tone, user="bob", password="bobpw", servers=(server,))
            (tmp_path / "voipnode.toml").write_text(account(pbx))
            async with running(phone) as bob:
                await bob.registered()
                calling = asyncio.create_task(
                    voipnode("call", "bob", "--account", "PBX", "--duration", "0.5", cwd=tmp_path)
                )
                await bob.event("CALL_INCOMING")
                bob.command("accept")
                code, said = await calling
                assert (code, "active: sip:bob@pbx.test" in said) == (0, True), said
                assert await pbx.contacts("door") == []

    run_test(play())


def test_an_account_is_added_over_http_used_changed_and_removed_while_the_node_runs(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx,
            running(Node.start(tmp_path / "node")) as node,
        ):
            settings = {"name": "PBX", "type": "registered", "user_id": "door", "domain": "pbx.test"}
            settings |= {"registrar": f"{HOST}:{pbx.port}", "password": "wrong"}
            assert (await node.client.post("/api/v1/accounts", json=settings)).status_code == 201
            assert "password" in (await node.account("problem"))["reason"]
            answer = await node.client.patch("/api/v1/accounts/PBX", json={"password": "doorpw"})
            assert answer.status_code == 200, answer.text
            assert (await node.account("registered"))["status"] == 200
            assert len(await pbx.contacts("door")) == 1
            assert (await node.client.delete("/api/v1/accounts/PBX")).status_code == 204
            assert await pbx.contacts("door") == [], "it has taken its registration back"

    run_test(play())


async def last_cseq(pbx: Kamailio) -> int:
    """The number of the last REGISTER of the door's that was taken."""
    found = await pbx.rpc("ul.lookup", "location", "door")
    return int(found["Contacts"][0]["Contact"]["CSeq"])


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_it_refreshes_in_time_and_with_nonces_that_run_out(tmp_path: Path, algorithm: str) -> None:
    async def play() -> None:
        async with (
            running(
                Kamailio.start(tmp_path / "pbx", host=HOST, algorithm=algorithm, max_expires_s=3, nonce_expire_s=1)
            ) as pbx,
            running(Node.start(tmp_path / "node", more=account(pbx))) as node,
        ):
            assert (await node.account("registered"))["expires_s"] == 3
            first = await last_cseq(pbx)
            async with within(15, "two refreshes"):
                while await last_cseq(pbx) < first + 2:  # each question goes there and back
                    pass
            told = [event for event in node.events if event["event"] == "registration.changed"]
            assert told in ([], told[-1:]), "a refresh is no news, a nonce that ran out no problem"
            assert (await node.account("registered"))["status"] == 200

    run_test(play())


def test_it_registers_on_demand(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx,
            running(Node.start(tmp_path / "node", more=account(pbx))) as node,
        ):
            await node.account("registered")
            first = await last_cseq(pbx)
            assert (await node.client.post("/api/v1/accounts/PBX/register")).status_code == 202
            async with within(5, "a REGISTER long before its time"):
                while await last_cseq(pbx) == first:  # each question goes there and back
                    pass

    run_test(play())


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_its_pongs_tell_that_it_lives_and_it_is_not_asked_otherwise(tmp_path: Path, transport: str) -> None:
    async def play() -> None:
        more = "keep_alive_interval_s = 1\nresponse_timeout_s = 1\n"
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST, max_expires_s=4, flow_timer_s=30)) as pbx,
            running(Node.start(tmp_path / "node", more=account(pbx, transport, more=more))) as node,
        ):
            await node.account("registered")
            first = await last_cseq(pbx)
            async with within(20, "two refreshes"):
                while await last_cseq(pbx) < first + 2:  # each question goes there and back
                    pass
            (options,) = await pbx.rpc("stats.get_statistics", "rcv_requests_options")
            assert options.endswith(" = 0"), options
            mark = len(node.events)
            pbx.freeze()
            lost = await node.event("registration.changed", state="registering", after=mark)
            assert (lost["status"], "does not answer" in lost["reason"]) == (408, True), lost

    run_test(play())


@pytest.mark.parametrize(
    ("user", "password", "status", "words"), [("door", "guess", 401, "password"), ("nobody", "x", 404, "user")]
)
def test_what_is_wrong_is_told_to_an_installer(
    tmp_path: Path, user: str, password: str, status: int, words: str
) -> None:
    async def play() -> None:
        async with running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx:
            settings = account(pbx, user=user, password=password)
            async with running(Node.start(tmp_path / "node", more=settings)) as node:
                problem = await node.account("problem")
                assert (problem["status"], words in problem["reason"]) == (status, True), problem

    run_test(play())


def test_linphone_is_rung_through_it_and_opens_by_info(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440.0)

    async def play() -> None:
        async with (
            running(Kamailio.start(tmp_path / "pbx", host=HOST)) as pbx,
            running(
                Linphone.start(
                    tmp_path / "phone",
                    microphone=tone,
                    auto_answer=True,
                    digits_by="info",
                    server=f"{HOST}:{pbx.port};transport=udp",
                )
            ) as phone,
            running(Node.start(tmp_path / "node", more=account(pbx))) as node,
        ):
            await node.account("registered")
            await pbx.registered("bob")
            await node.press("bob")
            await node.event("call.changed", state="Active")
            phone.say("1")
            await node.event("port.changed", port="door", active=True)
            phone.say("terminate")
            await node.event("call.changed", state="Terminated")

    run_test(play())
