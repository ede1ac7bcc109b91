"""The clock against a time server of the test's own."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from voipnode.doctor import clock
from voipnode.doctor.clock import check_clock, offset_s


class TimeServer(asyncio.DatagramProtocol):
    """Answers what `answer` makes of the question."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._answer(data), addr)


def says(off_s: float, *, stratum: int = 2, leap: int = 0) -> Callable[[bytes], bytes]:
    """A server whose clock is ahead of ours."""

    def answer(question: bytes) -> bytes:
        now = time.time() + off_s + 2_208_988_800
        stamp = struct.pack("!II", int(now) & 0xFFFFFFFF, int(now % 1 * 2**32))
        return bytes([leap << 6 | 0x24, stratum]) + bytes(22) + question[40:48] + stamp + stamp

    return answer


@asynccontextmanager
async def serving(answer: Callable[[bytes], bytes]):  # type: ignore[no-untyped-def]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: TimeServer(answer), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@pytest.mark.parametrize("off_s", [0.0, 5.0, -120.0, 3600.0 * 24 * 365])
def test_the_offset_is_measured(off_s: float) -> None:
    async def play() -> float:
        async with serving(says(off_s)) as port:
            return await offset_s("127.0.0.1", port)

    assert run_test(play()) == pytest.approx(off_s, abs=0.2)


@pytest.mark.parametrize(
    "answer", [lambda question: b"x", lambda question: bytes(48), says(0, stratum=0), says(0, leap=3)]
)
def test_nonsense_is_no_time(answer: Callable[[bytes], bytes]) -> None:
    async def play() -> None:
        async with serving(answer) as port:
            await offset_s("127.0.0.1", port)

    with pytest.raises(ValueError, match="it "):
        run_test(play())


@pytest.mark.parametrize(("off_s", "level"), [(0.0, "good"), (10.0, "warning"), (-900.0, "problem")])
def test_a_clock_that_is_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off_s: float, level: str) -> None:
    async def play() -> None:
        async with serving(says(off_s)) as port:
            monkeypatch.setattr(clock, "NTP_PORT", port)
            findings = await found_by(check_clock, {}, tmp_path, ntp="127.0.0.1")
            assert findings[-1].level == level

    run_test(play())


def test_a_dead_time_server_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "NTP_S", 0.2)
    findings = run_test(found_by(check_clock, {}, tmp_path, ntp="127.0.0.1"))
    assert findings[-1].level == "warning"
    assert "does not answer" in findings[-1].words
