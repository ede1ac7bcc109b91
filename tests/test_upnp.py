"""A node whose router forwards its ports: what is forwarded, what a phone outside is told, and what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.aio import run_test, within
from tests.support.igd_router import IgdRouter
from tests.support.node import Node
from tests.support.running import running

OUTER = "9.9.9.9"
UPNP = "[sip.upnp]\nenabled = true\nrtp_pairs = 2\n"


def test_ports_are_forwarded_while_the_node_runs(tmp_path: Path) -> None:
    pytest.importorskip("async_upnp_client", reason='the extra "upnp" is not installed')

    async def play() -> None:
        router = await IgdRouter.start(outer=OUTER)
        async with running(Node.start(tmp_path / "node", more=UPNP)) as node:
            async with within(30.0, "forwarded ports", lambda: router.asked):
                await router.until(1 + 3 + 4)  # UDP and TCP, TLS; two pairs
            first = node.rtp_start
            assert set(router.mappings) == {
                ("UDP", node.sip_port),
                ("TCP", node.sip_port),
                ("TCP", node.tls_port),
                *(("UDP", port) for port in range(first, first + 4)),
            }
            assert {(host, lease) for host, _, lease in router.mappings.values()} == {("127.0.0.1", 3600)}
        assert router.mappings == {}

    run_test(play())


def test_a_network_without_such_a_router_is_told_and_calls_go_on(tmp_path: Path) -> None:
    pytest.importorskip("async_upnp_client", reason='the extra "upnp" is not installed')

    async def play() -> None:
        more = f"{UPNP}timeout_s = 0.5\n"
        async with running(Node.start(tmp_path / "node", more=more)) as node:
            line = await node.process.line_with("no router that forwards ports has answered within 0.5 s")
            assert "sip.upnp" in line

    run_test(play())
