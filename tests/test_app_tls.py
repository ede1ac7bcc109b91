"""What keeps the node from starting with TLS or WebSocket, by the setting that has to be changed."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority
from tests.support.free_ports import free_port
from voipnode.app import Node, StartError
from voipnode.calls.events import Problem
from voipnode.settings import NodeSettings


def refusal(folder: Path, sip: dict[str, Any], **more: Any) -> str:
    """The words with which a node of these settings does not start."""

    async def start() -> str:
        settings = {
            "sip": {"hosts": ["127.0.0.1"], "port": free_port(), **sip},
            "audio": {"device": "simulated"},
            "web": {"enabled": False},
            **more,
        }
        node = Node(NodeSettings.model_validate(settings), folder / "state")
        with pytest.raises(StartError) as caught:
            await node.start()
        return str(caught.value)

    return run_test(start())


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        words = f" = {port}: another program has this port; stop it, or set another one (1024 to 65535)"
        assert refusal(tmp_path, {"tls": {"port": port}}) == f"sip.tls.port{words}"
        websocket = {"enabled": True, "port": free_port(), "secure_port": port}
        assert refusal(tmp_path, {"tls": {"enabled": False}, "websocket": websocket}) == (
            f"sip.websocket.secure_port{words}"
        )


def test_files_that_cannot_be_used_are_named_by_their_setting(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    good, other, gone = authority.issue("door.example"), authority.issue("x.example"), tmp_path / "gone.pem"
    assert refusal(tmp_path, {"tls": {"certificate": str(gone)}}) == (
        f"sip.tls.certificate: {gone} cannot be read: No such file or directory"
    )
    assert refusal(tmp_path, {"tls": {"certificate": str(good), "private_key": str(other)}}) == (
        f"sip.tls.private_key: the key in {other} does not belong to the certificate in {good}"
    )
    tls = {"certificate": str(good), "verify_clients": "required", "client_ca": str(gone), "port": free_port()}
    assert refusal(tmp_path, {"tls": tls}).startswith(f"sip.tls.client_ca: {gone} cannot be read")
    unwritable = {"key_log": str(tmp_path), "port": free_port()}
    for where in ({}, {"accounts": [{"name": "Office", "transport": "tls"}]}):
        assert refusal(tmp_path, {"tls": unwritable}, **where) == (
            f"sip.tls.key_log: {tmp_path} cannot be written: Is a directory"
        )
    account = {"name": "Office", "certificate": str(good), "private_key": str(gone), "transport": "tls"}
    assert refusal(tmp_path, {"tls": {"port": free_port()}}, accounts=[account]) == (
        f'account "Office", private_key: {gone} cannot be read: No such file or directory'
    )


def test_where_tls_is_served_its_address_is_among_those_to_call(tmp_path: Path) -> None:
    async def play(tls: dict[str, Any], folder: Path) -> list[str]:
        settings = {
            "sip": {"hosts": ["127.0.0.1"], "port": free_port(), "tls": tls},
            "audio": {"device": "simulated"},
            "web": {"enabled": False},
        }
        node = Node(NodeSettings.model_validate(settings), folder)
        await node.start()
        try:
            addresses: list[str] = node.about()["sip_addresses"]
            return addresses
        finally:
            await node.stop()

    port = free_port()
    plain, secure = run_test(play({"port": port}, tmp_path / "with"))
    assert plain.startswith("sip:door@127.0.0.1:")
    assert secure == f"sip:door@127.0.0.1:{port};transport=tls"
    assert len(run_test(play({"enabled": False}, tmp_path / "without"))) == 1


def test_while_keys_are_written_down_it_is_said_at_every_start(tmp_path: Path) -> None:
    async def play() -> None:
        settings = {
            "sip": {
                "hosts": ["127.0.0.1"],
                "port": free_port(),
                "tls": {"port": free_port(), "key_log": str(tmp_path / "tls.keys")},
            },
            "audio": {"device": "simulated"},
            "web": {"enabled": False},
        }
        node = Node(NodeSettings.model_validate(settings), tmp_path / "state")
        problems: list[Problem] = []
        node.bus.subscribe(Problem, problems.append, who="test")
        await node.start()
        await node.stop()
        (told,) = problems
        assert told.where == "sip.tls.key_log"
        assert "whoever has that file reads and hears the calls" in told.detail

    run_test(play())


def test_certificates_are_read_again_on_demand_and_bad_ones_are_told(tmp_path: Path) -> None:
    path = Authority(tmp_path / "ca").issue("door.example", to=tmp_path / "door.pem")

    async def play() -> None:
        tls = {"port": free_port(), "certificate": str(path)}
        settings = {
            "sip": {"hosts": ["127.0.0.1"], "port": free_port(), "tls": tls},
            "audio": {"device": "simulated"},
            "web": {"enabled": False},
        }
        node = Node(NodeSettings.model_validate(settings), tmp_path / "state")
        problems: list[Problem] = []
        node.bus.subscribe(Problem, problems.append, who="test")
        await node.start()
        try:
            await node.reload()
            assert problems == []
            path.write_bytes(b"half of it")
            await node.reload()
            assert [problem.where for problem in problems] == ["sip.tls"]
            assert problems[0].detail.startswith(
                f"sip.tls.certificate: no certificate with its key in PEM form in {path}"
            )
            _, writer = await asyncio.open_connection("127.0.0.1", tls["port"])  # the old one serves on
            writer.close()
        finally:
            await node.stop()

    run_test(play())
