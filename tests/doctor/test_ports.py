"""Ports: who has them is named, and what is free is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import found_by, told
from tests.support.free_ports import free_port, rtp_range
from voipnode.doctor.port_owner import Owner, owner_of
from voipnode.doctor.ports import check_ports


def settings(**sip: object) -> dict[str, object]:
    ports = {"port": free_port(), "rtp_start_port": rtp_range(), "tls": {"port": free_port()}}
    return {"sip": ports | sip, "web": {"port": free_port()}}


def test_what_is_free_is_told(tmp_path: Path) -> None:
    findings = run_test(found_by(check_ports, settings(), tmp_path))
    assert [finding.level for finding in findings] == ["good", "good"]


@pytest.mark.parametrize(("kind", "transport"), [(socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")])
def test_who_has_a_port_is_named_with_the_remedy(tmp_path: Path, kind: int, transport: str) -> None:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if transport == "TCP":
            sock.listen()
        port = sock.getsockname()[1]
        findings = run_test(found_by(check_ports, settings(port=port), tmp_path))
    (bad,) = [finding for finding in findings if finding.level == "problem"]
    assert bad.words.startswith(f"sip.port = {port} ({transport}): process {os.getpid()} (")
    assert "another sip.port" in bad.remedy


def test_an_address_that_is_not_this_machine_s_is_told(tmp_path: Path) -> None:
    findings = run_test(found_by(check_ports, settings(hosts=["192.0.2.77"]), tmp_path))
    assert ("problem", "sip.port: this machine does not have the address 192.0.2.77") in told(findings)


def test_ports_for_sound_that_are_taken_are_counted(tmp_path: Path) -> None:
    start = rtp_range()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", start + 2))
        findings = run_test(found_by(check_ports, settings(rtp_start_port=start, max_calls=4), tmp_path))
    assert findings[-1].level == "note"
    assert findings[-1].words.startswith("1 of 4 pairs")


def test_a_running_node_may_have_its_ports() -> None:
    assert Owner(1, "/usr/bin/python3 -m voipnode run").is_node
    assert not Owner(1, "/usr/bin/baresip -f /etc").is_node
    assert owner_of("tcp", 1) is None
