"""What we find in the TLS of our captures, and what Wireshark finds in it with the same keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.peers.process import need
from voipnode.replay.capture import read_capture
from voipnode.replay.steps import describe
from voipnode.sipstack.message import Message
from voipnode.sipstack.stream import StreamFramer
from voipnode.sipstack.transport import Address

pytestmark = pytest.mark.interop

PCAPS = Path(__file__).resolve().parents[2] / "pcaps"
WITH_KEYS = sorted(path.with_suffix(".pcap") for path in PCAPS.glob("tls-*.keys"))


def by_us(capture: Path) -> list[str]:
    framers: dict[tuple[Address, Address], StreamFramer] = {}
    found: list[str] = []
    for seen in read_capture(capture):
        if seen.transport == "TLS":
            framer = framers.setdefault((seen.source, seen.destination), StreamFramer())
            framer.receive(seen.data)
            while isinstance(message := framer.next_message(), Message):
                found.append(f"{describe(message).split()[0]} {message.call_id} {message.cseq.number}")
    return found


def by_tshark(capture: Path) -> list[str]:
    need("tshark")
    ports = {seen.destination.port for seen in read_capture(capture) if seen.transport == "TLS"}
    sip = [part for port in sorted(ports) for part in ("-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},sip")]
    fields = [part for name in ("Method", "Status-Code", "Call-ID", "CSeq.seq") for part in ("-e", f"sip.{name}")]
    keys = f"tls.keylog_file:{capture.with_suffix('.keys')}"
    command = ["tshark", "-r", str(capture), "-o", keys, *sip, "-Y", "sip", "-T", "fields", *fields]
    found: list[str] = []
    for line in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines():
        methods, statuses, call_ids, numbers = (field.split(",") for field in line.split("\t"))
        # One segment may hold several messages; their methods and statuses come in lists of their own.
        starts = [each for each in (*statuses, *methods) if each]
        found += [f"{start} {call} {number}" for start, call, number in zip(starts, call_ids, numbers, strict=True)]
    return found


@pytest.mark.parametrize(
    "capture", sorted(path.with_suffix(".pcap") for path in PCAPS.glob("tls-*.keys")), ids=lambda p: p.stem
)
def test_tshark_finds_the_same_sip_in_tls(capture: Path) -> None:
    ours = by_us(capture)
    assert ours == by_tshark(capture) != []
