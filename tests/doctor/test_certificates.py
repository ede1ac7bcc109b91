"""Certificates: what is over, or soon will be, in files and at servers."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.certificates import Authority, now
from tests.support.doctor_case import found_by
from voipnode.doctor.certificates import check_certificates

DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(("ends_in", "level"), [(400 * DAY, "good"), (10 * DAY, "warning"), (-DAY, "problem")])
def test_the_node_s_own_certificate_is_read(tmp_path: Path, ends_in: datetime.timedelta, level: str) -> None:
    path = Authority(tmp_path).issue("door.example.com", begins=now() - 2 * DAY, ends=now() + ends_in)
    settings = {"sip": {"tls": {"certificate": str(path)}}}
    (finding,) = run_test(found_by(check_certificates, settings, tmp_path))
    assert finding.level == level
    assert str(path) in finding.words
    assert ("renew it" in finding.remedy) is (level != "good")


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nothing.pem"
    path.write_text("nothing")
    findings = run_test(found_by(check_certificates, {"sip": {"tls": {"certificate": str(path)}}}, tmp_path))
    assert [finding.level for finding in findings] == ["problem"]
    assert findings[0].words.startswith("sip.tls.certificate: ")


def account(port: int) -> dict[str, object]:
    server = f"127.0.0.1:{port}"
    return {"accounts": [{"name": "PBX", "type": "registered", "transport": "tls", "domain": server}]}


def test_a_server_s_certificate_that_is_over_is_told(tmp_path: Path) -> None:
    path = Authority(tmp_path).issue("127.0.0.1", begins=now() - 2 * DAY, ends=now() - DAY)

    async def play() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        findings = await found_by(check_certificates, account(port), tmp_path)
        server.close()
        assert [finding.level for finding in findings] == ["problem"]
        assert "is over since" in findings[0].words

    run_test(play())


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        (finding,) = await found_by(check_certificates, account(port), tmp_path)
        assert finding.level == "problem"
        assert "cannot be seen" in finding.words

    run_test(play())
