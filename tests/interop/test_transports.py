"""A registered account over TLS, WebSocket and secure WebSocket, with Kamailio as the telephone system."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.node import Node
from tests.support.peers.kamailio import USERS, Kamailio
from tests.support.running import running

pytestmark = pytest.mark.interop

# To this Kamailio every port of its own address is itself, and a Contact there the Route of a strict router (§16.4).
ELSEWHERE = '["127.0.0.2"]'
ACCOUNT = """\
[[accounts]]
name = "{user}"
default = true
auto_answer = true
type = "registered"
user_id = "{user}"
domain = "localhost"
registrar = "localhost:{port}"
password = "{password}"
transport = "{transport}"
ca = "{ca}"
"""


def account(user: str, transport: str, pbx: Kamailio, ca: Path) -> str:
    port = {"udp": pbx.port, "ws": pbx.ws_port, "wss": pbx.tls_port, "tls": pbx.tls_port}[transport]
    return ACCOUNT.format(user=user, transport=transport, port=port, password=USERS[user], ca=ca)


async def registered(node: Node, user: str) -> None:
    await node.process.line_with(f"registration.changed account={user} state=registered")


async def call(caller: Node, callee: Node, uri: str, *, ended_by: Node) -> None:
    """A call through the server that one side ends, and the other side hears of it."""
    sides = {id(node): (node, len(node.events)) for node in (caller, callee)}
    placed = await caller.client.post("/api/v1/calls", json={"to": uri})
    assert placed.status_code == 201, placed.text
    active = {
        key: await node.event("call.changed", after=first, state="Active") for key, (node, first) in sides.items()
    }
    response = await ended_by.client.delete(f"/api/v1/calls/{active[id(ended_by)]['call']}")
    assert response.status_code == 204
    for node, first in sides.values():
        ended = await node.event("call.changed", after=first, state="Terminated")
        assert ended["detail"].startswith("hung up here" if node is ended_by else "hung up by the far side")


@pytest.mark.parametrize("transport", ["tls", "ws", "wss"])
def test_an_account_is_called_and_calls_over_the_connection_that_it_registered_by(
    tmp_path: Path, transport: str
) -> None:
    async def play() -> None:
        authority = Authority(tmp_path / "ca")
        certificate = authority.issue("localhost")
        async with running(Kamailio.start(tmp_path / "pbx", certificate=certificate)) as pbx:
            of_door, of_anna = (
                account(user, how, pbx, authority.ca) for user, how in (("door", transport), ("anna", "udp"))
            )
            async with (
                running(Node.start(tmp_path / "door", hosts=ELSEWHERE, more=of_door)) as door,
                running(Node.start(tmp_path / "anna", hosts=ELSEWHERE, more=of_anna)) as anna,
            ):
                await registered(door, "door")
                await registered(anna, "anna")
                (contact,) = await pbx.contacts("door")
                assert contact.endswith(f";transport={transport[:3].replace('wss', 'ws')}")
                assert (".invalid;" in contact) == (transport != "tls")  # RFC 7118 §B.1
                await call(anna, door, "sip:door@localhost", ended_by=door)
                await call(door, anna, "sip:anna@localhost", ended_by=anna)

    run_test(play())
