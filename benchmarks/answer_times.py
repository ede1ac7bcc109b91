"""How long after its INVITE each call was answered, read from a capture: sipp's own clock ticks too coarsely."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import dpkt

SNAP_BYTES = 800  # the header fields that are looked at, and the frame around them
MAX_PACKETS = 200_000  # of the capture; the first half minute of the heaviest load
_CALL_ID = re.compile(rb"\r\nCall-ID:\s*(\S+)", re.IGNORECASE)
_INVITE_CSEQ = re.compile(rb"\r\nCSeq:\s*\d+\s+INVITE", re.IGNORECASE)


class AnswerTimes:
    """Captures what goes over loopback at a port; nothing where dumpcap is not installed or not allowed."""

    def __init__(self, path: Path, sip_port: int) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        if shutil.which("dumpcap") is None:
            return
        limits = ["-s", str(SNAP_BYTES), "-c", str(MAX_PACKETS), "-B", "16"]
        command = ["dumpcap", "-q", "-i", "lo", "-P", *limits, "-f", f"udp port {sip_port}", "-w", str(path)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up_at = time.monotonic() + 5.0
        while not path.exists() and self._process.poll() is None and time.monotonic() < give_up_at:
            time.sleep(0.05)

    def stop(self) -> list[float]:
        """End the capture; milliseconds from INVITE to 200 of every call in it, ascending."""
        if self._process is None:
            return []
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(20)
        return sorted(_read(self._path)) if self._path.exists() else []


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The value that `share` of all do not exceed (nearest rank); None of nothing."""
    if not ascending:
        return None
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)]


def _read(path: Path) -> list[float]:
    asked: dict[bytes, float] = {}
    times_ms: list[float] = []
    with path.open("rb") as file:
        for at, frame in dpkt.pcap.UniversalReader(file):
            ip = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(ip, dpkt.ip.IP) or not isinstance(ip.data, dpkt.udp.UDP):
                continue
            message = bytes(ip.data.data)
            call_id = _CALL_ID.search(message)
            if call_id is None:
                continue
            if message.startswith(b"INVITE "):
                asked.setdefault(call_id[1], float(at))
            elif message.startswith(b"SIP/2.0 200") and _INVITE_CSEQ.search(message) and call_id[1] in asked:
                times_ms.append((float(at) - asked.pop(call_id[1])) * 1000.0)
    return times_ms
