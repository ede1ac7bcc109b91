"""DNS: who answers, and where the accounts' servers are."""

from __future__ import annotations

import socket
from pathlib import Path

import dns.message
import dns.rdatatype

from tests.support.aio import run_test
from tests.support.dns_server import DnsServer, answer
from tests.support.doctor_case import found_by, told
from voipnode.doctor.names import check_names

RECORDS = {
    ("NAPTR", "pbx.example."): '0 0 "s" "SIP+D2T" "" _sip._tcp.pbx.example.',
    ("SRV", "_sip._tcp.pbx.example."): "0 0 5070 one.pbx.example.",
    ("A", "one.pbx.example."): "192.0.2.5",
}


def settings(dns: str, *domains: str) -> dict[str, object]:
    accounts = [{"name": name, "type": "registered", "domain": name, "transport": "auto"} for name in domains]
    return {"sip": {"dns": {"servers": [dns], "timeout_s": 0.5}}, "accounts": accounts}


def test_an_account_s_server_is_found_by_the_records_that_are_named(tmp_path: Path) -> None:
    def reply(query: dns.message.Message) -> list[bytes]:
        question = query.question[0]
        kind, name = dns.rdatatype.to_text(question.rdtype), question.name.to_text()
        found = RECORDS.get((kind, name))
        return [answer(query, *([f"{name[:-1]} 60 {kind} {found}"] if found else []))]

    async def play() -> None:
        async with DnsServer.serving(reply) as server:
            findings = await found_by(check_names, settings(str(server.address), "pbx.example", "no.example"), tmp_path)
        assert findings[0].level == "good"
        assert (
            "good",
            'account "pbx.example": pbx.example leads to TCP 192.0.2.5:5070 (by NAPTR and SRV and address records)',
        ) in told(findings)
        (bad,) = [finding for finding in findings if finding.level == "problem"]
        assert "no.example leads nowhere" in bad.words

    run_test(play())


def test_a_dead_server_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{silent.getsockname()[1]}"
        findings = run_test(found_by(check_names, settings(dead, "pbx.example"), tmp_path))
    assert [finding.level for finding in findings] == ["problem", "problem"]
    assert dead in findings[0].words
