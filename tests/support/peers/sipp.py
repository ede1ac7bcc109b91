"""sipp, the SIP tester of Debian's package sip-tester: plays a caller or a phone, and counts what went wrong.

A scenario is put together from parts, the files of tests/interop/sipp, so that each is written once: "caller/invite",
"caller/ack", "caller/bye". A word in braces in a part, `{caller}`, is filled in from `fill`.
"""

from __future__ import annotations

import asyncio
import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.aio import PATIENCE_S, within
from tests.support.free_ports import free_port, rtp_range
from tests.support.peers.process import PeerProcess, need
from voipnode.sipstack.transport import Address

PARTS = Path(__file__).parents[2] / "interop" / "sipp"
HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n<scenario name="parts">\n'
DEFAULTS = {"caller": "sipp", "user": "door", "media": "media_port", "formats": "0 8 101"}
ALL_WELL = 0  # exit code: every call went as the scenario says


@dataclass(frozen=True, slots=True)
class Statistics:
    """What sipp counted from its start to its end."""

    successful: int
    failed: int
    retransmissions: int
    unexpected: int


def write_scenario(folder: Path, parts: Sequence[str], fill: Mapping[str, str]) -> Path:
    """The parts in their order as one scenario file in `folder`."""
    text = HEAD
    for part in parts:
        body = (PARTS / f"{part}.xml").read_text()
        text += body.removeprefix("<part>\n").removesuffix("</part>\n")
    text += "</scenario>\n"
    for word, value in {**DEFAULTS, **fill}.items():
        text = text.replace(f"{{{word}}}", value)
    path = folder / "scenario.xml"
    path.write_text(text)
    return path


def read_statistics(path: Path) -> Statistics:
    """The last row of a statistics file (sipp -trace_stat)."""
    with path.open(newline="") as file:
        row = list(csv.DictReader(file, delimiter=";"))[-1]
    return Statistics(
        successful=int(row["SuccessfulCall(C)"]),
        failed=int(row["FailedCall(C)"]),
        retransmissions=int(row["Retransmissions(C)"]),
        unexpected=int(row["FailedUnexpectedMessage(C)"]),
    )


class Sipp:
    """One sipp that plays its scenario `calls` times and ends. `uri` is where it is called when it is a phone."""

    def __init__(self, folder: Path, process: PeerProcess, sip_port: int, transport: str, host: str) -> None:
        self.folder = folder
        self.process = process
        self.sip_port = sip_port
        suffix = ";transport=tcp" if transport == "t1" else ""
        self.uri = f"sip:phone@{Address(host, sip_port)}{suffix}"

    @classmethod
    async def caller(
        cls,
        folder: Path,
        *parts: str,
        to_port: int,
        transport: str = "u1",
        fill: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> Sipp:
        """Call the node at `host`, `to_port`; `transport` is "u1" for UDP or "t1" for TCP."""
        return await cls._start(folder, parts, transport, fill, (*options, str(Address(host, to_port))), host)

    @classmethod
    async def phone(
        cls,
        folder: Path,
        *parts: str,
        transport: str = "u1",
        fill: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> Sipp:
        """Wait to be called at `uri`; returns once it listens."""
        phone = await cls._start(folder, parts, transport, fill, options, host)
        async with within(PATIENCE_S, f"socket of sipp at port {phone.sip_port}", phone.process.account):
            while not _is_bound(host, phone.sip_port, transport):
                assert phone.process.process.returncode is None, phone.complaints()
                await asyncio.sleep(0.02)
        return phone

    @classmethod
    async def _start(
        cls,
        folder: Path,
        parts: Sequence[str],
        transport: str,
        fill: Mapping[str, str] | None,
        options: Sequence[str],
        host: str,
    ) -> Sipp:
        need("sipp")
        folder.mkdir(parents=True, exist_ok=True)
        scenario = write_scenario(folder, parts, fill or {})
        if os.geteuid() != 0 and "play_pcap_audio" in scenario.read_text():
            pytest.skip("sipp plays captures through a raw socket, for which it must be root")
        sip_port = free_port()
        command: tuple[str | Path, ...] = (
            *("sipp", "-sf", scenario, "-m", "1", "-nostdin"),
            *("-i", host, "-p", str(sip_port), "-bind_local", "-t", transport),
            *("-mi", host, "-mp", str(rtp_range()), "-ci", "127.0.0.1", "-cp", str(free_port())),
            *("-trace_stat", "-stf", folder / "statistics.csv", "-fd", "1"),
            *("-trace_err", "-error_file", folder / "errors.log"),
            *("-trace_msg", "-message_file", folder / "messages.log"),
            *options,
        )
        process = await PeerProcess.start(*command, cwd=folder)
        return cls(folder, process, sip_port, transport, host)

    async def end(self, seconds: float = PATIENCE_S) -> Statistics:
        """Wait until it has played its scenario, and fail where a call did not go as the scenario says."""
        code = await self.process.wait(seconds)
        assert code == ALL_WELL, f"sipp ended with {code}: {self.complaints()}"
        return read_statistics(self.folder / "statistics.csv")

    def complaints(self) -> str:
        """What it wrote down as unexpected, else its last words."""
        path = self.folder / "errors.log"
        return path.read_text(errors="replace") if path.exists() else "\n".join(self.process.lines[-20:])

    def messages(self) -> list[str]:
        """Every SIP message it sent and received so far, as text, oldest first."""
        path = self.folder / "messages.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return [block.partition("\n\n")[2] for block in text.split("-" * 47) if block.strip()]

    async def said(self, start: str, seconds: float = PATIENCE_S) -> None:
        """Wait until it has sent or received a message that begins so ("ACK", "SIP/2.0 501")."""
        async with within(seconds, f"{start} among the messages of sipp", self.complaints):
            while not any(message.startswith(start) for message in self.messages()):  # noqa: ASYNC110 -- sipp's file
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        await self.process.stop()


def _is_bound(host: str, port: int, transport: str) -> bool:
    """Whether a socket of ours waits at this port, by the kernel's own table."""
    table = Path("/proc/net/tcp" if transport == "t1" else "/proc/net/udp")
    if ":" in host:
        return f"{'0' * 24}01000000:{port:04X} {'0' * 32}:0000" in table.with_name(f"{table.name}6").read_text()
    return f"0100007F:{port:04X} 00000000:0000" in table.read_text()
