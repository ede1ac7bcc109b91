"""Calls over TLS with a real phone, both ways, and a sips call that the phone answers with a sip Contact."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.support.aio import run_test
from tests.support.capture_net import Capture
from tests.support.certificates import Authority
from tests.support.node import Node
from tests.support.peers.baresip import Baresip
from tests.support.running import running
from tests.support.wav_files import write_tone

pytestmark = [pytest.mark.interop, pytest.mark.promise]

AUTO_ANSWER = "[[accounts]]\ndefault = true\nauto_answer = true\n"


def phone_with(folder: Path, certificate: Path | None = None, **more: str) -> Coroutine[Any, Any, Baresip]:
    tone = write_tone(folder / "440.wav", 440.0)
    return Baresip.start(folder / "phone", microphone=tone, certificate=certificate, **more)


def trusting(authority: Authority) -> str:
    """An account that trusts that authority alone."""
    return f'[[accounts]]\ndefault = true\nca = "{authority.ca}"\n'


def test_a_phone_calls_by_tls_and_hears_the_end_over_the_connection_it_opened(tmp_path: Path) -> None:
    """The node shows the certificate that it made itself, and the phone has none to be called back with."""

    async def play() -> None:
        async with (
            running(Node.start(tmp_path / "node", more=AUTO_ANSWER)) as node,
            running(phone_with(tmp_path)) as phone,
        ):
            capture = await Capture.start(tmp_path / "sip.pcap", f"port {node.sip_port}")
            phone.command("dial", f"sip:door@127.0.0.1:{node.tls_port};transport=tls")
            await phone.event("CALL_ESTABLISHED")
            active = await node.event("call.changed", state="Active")
            response = await node.client.delete(f"/api/v1/calls/{active['call']}")
            assert response.status_code == 204
            await phone.event("CALL_CLOSED")
            await node.event("call.changed", state="Terminated")
            capture_file = await capture.stop()
            assert capture_file.stat().st_size == 24  # the file's own header: nothing went by UDP or TCP

    run_test(play())


@pytest.mark.parametrize("scheme", ["sip", "sips"])
def test_the_node_calls_by_tls_and_by_sips(tmp_path: Path, scheme: str) -> None:
    """baresip answers a sips call with `Contact: <sip:...;transport=tls>`, at which ACK and BYE must reach it."""

    async def play() -> None:
        authority = Authority(tmp_path / "ca")
        certificate = authority.issue("127.0.0.1", "localhost")
        async with (
            running(phone_with(tmp_path, certificate, answer="auto")) as phone,
            running(Node.start(tmp_path / "node", more=trusting(authority))) as node,
        ):
            parameter = ";transport=tls" if scheme == "sip" else ""
            # By the name that the certificate proves: the phone's Contact names its address instead.
            await node.press(f"{scheme}:anna@localhost:{phone.tls_port}{parameter}")
            active = await node.event("call.changed", state="Active")
            await phone.event("CALL_ESTABLISHED")  # told at the ACK
            response = await node.client.delete(f"/api/v1/calls/{active['call']}")
            assert response.status_code == 204
            await phone.event("CALL_CLOSED")
            ended = await node.event("call.changed", state="Terminated")
            assert ended["detail"] == "hung up here"

    run_test(play())


def test_a_phone_that_does_not_prove_its_name_is_not_called_and_it_is_said_why(tmp_path: Path) -> None:
    async def play() -> None:
        authority = Authority(tmp_path / "ca")
        certificate = authority.issue("other.example")
        async with (
            running(phone_with(tmp_path, certificate, answer="auto")) as phone,
            running(Node.start(tmp_path / "node", more=trusting(authority))) as node,
        ):
            await node.press(f"sip:anna@127.0.0.1:{phone.tls_port};transport=tls")
            ended = await node.event("call.changed", state="Terminated")
            assert 'the peer\'s certificate is not for "127.0.0.1" but for other.example' in ended["detail"]

    run_test(play())
