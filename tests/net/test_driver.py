"""EngineDriver: every input is followed by events, packets and the timer; nothing escapes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from tests.net.conftest import Run
from voipnode.net.driver import EngineDriver
from voipnode.sipstack.transport import Address, Hop, Packet

PEER = Hop("UDP", Address("192.0.2.9", 5060))


class Ladder:
    """An engine and a wire in one: writes down what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.packets: list[Packet] = []
        self.to_close: list[Hop] = []
        self.deadline_at: float | None = None
        self.due = asyncio.Event()
        self.fail_on = ""

    def _happens(self, what: str) -> None:
        self.log.append(what)
        if what.split()[0] == self.fail_on:
            raise RuntimeError(what)

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self._happens(f"receive {data.decode()}")

    def connection_closed(self, source: Hop, now: float) -> None:
        self._happens(f"connection_closed {source.connection}")

    def send_failed(self, transaction: str, now: float, why: str = "") -> None:
        self._happens(f"send_failed {transaction} {why}".rstrip())

    def outbox(self, now: float) -> list[Packet]:
        packets, self.packets = self.packets, []
        return packets

    def closes(self) -> list[Hop]:
        closes, self.to_close = self.to_close, []
        return closes

    def next_deadline(self) -> float | None:
        return self.deadline_at

    def on_deadline(self, now: float) -> None:
        assert self.deadline_at is None or now >= self.deadline_at
        self.due.set()
        self._happens("on_deadline")

    def send(self, packet: Packet) -> None:
        self._happens(f"send {packet.data.decode()}")

    def close_connection(self, hop: Hop) -> None:
        self._happens(f"close {hop.connection}")


def test_an_input_is_followed_by_events_then_packets_then_closes(run: Run) -> None:
    async def main() -> None:
        ladder = Ladder()

        def on_events() -> None:
            ladder.log.append("events")
            ladder.packets.append(Packet(b"answer", PEER))  # a command given while events are handled

        driver = EngineDriver(ladder, ladder, on_events)
        ladder.to_close.append(Hop("TCP", PEER.remote, 7))
        driver.receive(b"question", PEER)
        driver.connection_closed(Hop("TCP", PEER.remote, 3))
        driver.send_failed("t1", "refused")
        assert ladder.log == [
            "receive question", "events", "send answer", "close 7",
            "connection_closed 3", "events", "send answer",
            "send_failed t1 refused", "events", "send answer",
        ]  # fmt: skip

    run(main())


def test_flush_inside_an_event_is_left_to_the_end_of_the_input(run: Run) -> None:
    async def main() -> None:
        ladder = Ladder()
        handlers: list[Callable[[], None]] = []
        driver = EngineDriver(ladder, ladder, lambda: handlers[0]())

        def on_events() -> None:
            ladder.packets.append(Packet(b"one", PEER))
            driver.flush()
            ladder.log.append("still in events")

        handlers.append(on_events)
        driver.receive(b"x", PEER)
        assert ladder.log == ["receive x", "still in events", "send one"]
        ladder.packets.append(Packet(b"two", PEER))
        driver.flush()
        assert ladder.log[-1] == "send two"

    run(main())


def test_the_timer_calls_on_deadline_not_before_it_is_due(run: Run) -> None:
    async def main() -> None:
        ladder = Ladder()
        driver = EngineDriver(ladder, ladder)
        ladder.deadline_at = asyncio.get_running_loop().time() + 0.005
        driver.flush()
        await ladder.due.wait()
        driver.close()
        assert "on_deadline" in ladder.log

    run(main())


@pytest.mark.parametrize("verb", ["receive", "connection_closed", "send_failed", "on_deadline", "send"])
def test_nothing_that_the_engine_raises_escapes(run: Run, verb: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        ladder = Ladder()
        driver = EngineDriver(ladder, ladder)
        ladder.fail_on = verb
        ladder.packets = [Packet(b"out", PEER)]
        driver.receive(b"\xff" * 0 + b"in" * 500, PEER)
        driver.connection_closed(PEER)
        driver.send_failed("t")
        ladder.deadline_at = 0.0
        driver.flush()
        await ladder.due.wait()
        assert driver.mishaps.count >= 1
        driver.close()

    with caplog.at_level(logging.CRITICAL, "voipnode.net.mishaps"):
        run(main())


def test_an_engine_that_fails_at_every_deadline_is_asked_again_only_after_a_pause(run: Run) -> None:
    async def main() -> None:
        ladder = Ladder()
        driver = EngineDriver(ladder, ladder)
        ladder.fail_on = "on_deadline"
        ladder.deadline_at = 0.0
        loop = asyncio.get_running_loop()
        driver.flush()
        await ladder.due.wait()
        first_at = loop.time()
        ladder.due.clear()
        await ladder.due.wait()
        driver.close()
        assert loop.time() - first_at > 0.09

    logging.getLogger("voipnode.net.mishaps").disabled = True
    try:
        run(main())
    finally:
        logging.getLogger("voipnode.net.mishaps").disabled = False


def test_the_log_of_a_failure_shows_source_and_a_bounded_part_of_the_bytes(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        ladder = Ladder()
        ladder.fail_on = "receive"
        driver = EngineDriver(ladder, ladder)
        for _ in range(500):
            driver.receive(b"a" * 5000, PEER)
        driver.close()
        assert driver.mishaps.count == 500

    run(main())
    assert len(caplog.records) == 10
    assert "192.0.2.9" in caplog.records[0].message
    assert caplog.records[0].message.endswith("61" * 64)
