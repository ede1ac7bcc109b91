"""The event stream: numbered, replayed, bounded, ended at once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.aio import PATIENCE_S
from tests.support.web_rig import WebRig, web_rig
from voipnode.calls.events import LightChanged, Problem
from voipnode.web import stream
from voipnode.web.stream import MAX_READERS, RING_EVENTS


def serve(test: Callable[[WebRig, httpx.AsyncClient], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(PATIENCE_S), web_rig() as rig:
            limits = httpx.Limits(max_connections=100)
            async with httpx.AsyncClient(base_url=rig.url, trust_env=False, limits=limits, timeout=10) as client:
                await test(rig, client)

    asyncio.run(main())


async def events(answer: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """(id, data) of each event, by the rules of the WHATWG event stream."""
    number = ""
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            yield number, json.loads(line[6:])


async def take(source: AsyncIterator[tuple[str, dict[str, Any]]], count: int) -> list[tuple[str, dict[str, Any]]]:
    return [await anext(source) for _ in range(count)]


def light(rig: WebRig, colour: str) -> None:
    rig.bus.publish(LightChanged(at=1.5, colour=colour))


def test_events_arrive_live_with_ids_names_and_the_time_of_day() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/events") as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            source = events(answer)
            light(rig, "blue")
            rig.bus.publish(Problem(where="store", detail="one\ntwo"))
            (first_id, first), (second_id, second) = await take(source, 2)
            assert (first["event"], first["colour"], first["at"]) == ("light.changed", "blue", 1.5)
            assert first["time"].endswith("Z")
            assert second["detail"] == "one\ntwo", "a line break in the data does not break the stream"
            assert [identity.split("-")[1] for identity in (first_id, second_id)] == ["5", "6"]

    serve(test)


def test_a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/events", params={"newest": 1}) as answer:
            [(last, _)] = await take(events(answer), 1)
        for colour in ("amber", "blue"):
            light(rig, colour)
        async with client.stream("GET", "/api/v1/events", headers={"last-event-id": last}) as answer:
            source = events(answer)
            light(rig, "green")
            assert [data["colour"] for _, data in await take(source, 3)] == ["amber", "blue", "green"]

    serve(test)


@pytest.mark.parametrize("last", ["00000000-3", "nonsense", "{run}-99999", "{run}-0", "{run}-3", "{run}-²"])
def test_an_id_that_is_unknown_or_too_old_gives_a_gap_and_the_whole_ring(last: str) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        for number in range(RING_EVENTS):
            light(rig, str(number))
        run = (await client.get("/api/v1/status")).json()["last_event_id"].split("-")[0]
        headers = [(b"last-event-id", last.format(run=run).encode())]
        async with client.stream("GET", "/api/v1/events", headers=headers) as answer:
            gap, *rest = await take(events(answer), RING_EVENTS + 1)
            assert gap[1]["event"] == "gap"
            assert [data["colour"] for _, data in rest] == [str(number) for number in range(RING_EVENTS)]

    serve(test)


def test_the_oldest_id_that_the_ring_can_continue_from_gives_no_gap() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        for number in range(RING_EVENTS):  # after the 4 events of the start, so 5 is the first in the ring
            light(rig, str(number))
        run = (await client.get("/api/v1/status")).json()["last_event_id"].split("-")[0]
        async with client.stream("GET", "/api/v1/events", headers={"last-event-id": f"{run}-4"}) as answer:
            [(first_id, first)] = await take(events(answer), 1)
            assert (first_id, first["colour"]) == (f"{run}-5", "0")

    serve(test)


def test_there_may_be_sixteen_readers_and_a_place_is_free_again_when_one_goes() -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        readers = [client.stream("GET", "/api/v1/events") for _ in range(MAX_READERS)]
        for reader in readers:
            assert (await reader.__aenter__()).status_code == 200
        refused = await client.get("/api/v1/events")
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["retry-after"] == "5"
        await readers.pop().__aexit__(None, None, None)
        while (await client.get("/api/v1/status")).status_code == 200:
            async with client.stream("GET", "/api/v1/events") as again:
                if again.status_code == 200:
                    break
        for reader in readers:
            await reader.__aexit__(None, None, None)

    serve(test)


def test_a_heartbeat_keeps_a_silent_stream_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.01)

    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/api/v1/events") as answer:
            lines = answer.aiter_lines()
            seen = [await anext(lines) for _ in range(4)]
            assert seen == ["retry: 2000", "", ": still here", ""]

    serve(test)


def test_a_reader_that_takes_nothing_is_dropped_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def test(rig: WebRig, client: httpx.AsyncClient) -> None:
        loop = asyncio.get_running_loop()
        sleeper = socket.socket()
        sleeper.setblocking(False)
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(sleeper, ("127.0.0.1", int(rig.url.rpartition(":")[2])))
        await loop.sock_sendall(sleeper, b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await loop.sock_recv(sleeper, 15)).startswith(b"HTTP/1.1 200")
        async with client.stream("GET", "/api/v1/events") as answer:
            source = events(answer)
            count = 0
            while "dropped" not in caplog.text:
                rig.bus.publish(Problem(where="x" * 8000, detail=str(count)))
                _, data = await anext(source)
                assert data["detail"] == str(count)
                count += 1
        sleeper.close()

    with caplog.at_level("WARNING"):
        serve(test)


def test_stopping_ends_the_streams_at_once_and_cleanly(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with (
            web_rig() as rig,
            httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
            client.stream("GET", "/api/v1/events") as answer,
        ):
            source = events(answer)
            light(rig, "blue")
            await anext(source)
            async with asyncio.timeout(2):
                stopping = asyncio.create_task(rig.server.stop())
                assert [item async for item in source] == [], "the end of the body, not a broken connection"
                await stopping

    asyncio.run(main())
    assert "without completing" not in caplog.text


def test_stopping_does_not_wait_for_a_reader_that_is_stuck() -> None:
    async def main() -> None:
        async with web_rig() as rig:
            loop = asyncio.get_running_loop()
            sleeper = socket.socket()
            sleeper.setblocking(False)
            sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(sleeper, ("127.0.0.1", int(rig.url.rpartition(":")[2])))
            await loop.sock_sendall(sleeper, b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await loop.sock_recv(sleeper, 15)
            for number in range(200):
                rig.bus.publish(Problem(where="x" * 60_000, detail=str(number)))
                await asyncio.sleep(0)
            async with asyncio.timeout(4):
                await rig.server.stop()
            sleeper.close()

    asyncio.run(main())
