"""A far relay and its board in virtual time: slow, silent, refusing, back again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from tests.support.virtual_loop import run_virtual
from voipnode.modules.relay.board import BoardError, BoardKeeper, Order, Outcome, Urls

ON, OFF, PULSE = "http://board/on", "http://board/off", "http://board/pulse?t={tenths}"


class Board:
    """What it was asked and when; `behave` says how it answers, and `is_on` what came of it."""

    def __init__(self, pulse: str) -> None:
        self.asked: list[tuple[float, str]] = []
        self.told: list[tuple[float, Outcome]] = []
        self.behave: Callable[[str], Awaitable[None]] = self.well
        self.keeper = BoardKeeper(Urls(ON, OFF, pulse), self.ask, self.tell, self.now)

    def now(self) -> float:
        return round(asyncio.get_running_loop().time(), 6)

    def tell(self, outcome: Outcome) -> None:
        self.told.append((self.now(), outcome))

    async def ask(self, url: str) -> None:
        self.asked.append((self.now(), url.removeprefix("http://board/")))
        await self.behave(url)

    async def well(self, url: str) -> None:
        await asyncio.sleep(0.01)

    async def silent(self, url: str) -> None:
        await asyncio.Event().wait()

    async def unreachable(self, url: str) -> None:
        raise BoardError("no route to host", reached=False)

    def forget(self) -> None:
        self.asked.clear()
        self.told.clear()


def play(story: Callable[[Board], Awaitable[None]], pulse: str = "") -> None:
    async def main() -> None:
        board = Board(pulse)
        keeping = asyncio.create_task(board.keeper.run())
        await asyncio.sleep(1)
        assert board.asked == [(1000.0, "off")]
        board.forget()
        await story(board)
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    run_virtual(main(), start_s=1000.0)


def test_on_and_off_at_the_end_of_the_lease_without_another_word() -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1008.0))
        await asyncio.sleep(60)
        assert board.asked == [(1001.0, "on"), (1008.0, "off")]
        assert board.told == [(1001.01, Outcome(1, True, ""))]

    play(story)


def test_a_longer_lease_asks_the_board_for_nothing_and_a_release_for_off() -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1008.0))
        await asyncio.sleep(4)
        board.keeper.order(Order(2, 1012.0))
        await asyncio.sleep(4.5)
        board.keeper.order(Order(3, 0.0))
        await asyncio.sleep(60)
        assert board.asked == [(1001.0, "on"), (1009.5, "off")]
        assert [outcome.number for _, outcome in board.told] == [1, 2]

    play(story)


def test_a_board_that_times_itself_is_told_for_how_long_each_time() -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1008.0))
        await asyncio.sleep(4)
        board.keeper.order(Order(2, 1010.55))
        await asyncio.sleep(60)
        assert board.asked == [(1001.0, "pulse?t=70"), (1005.0, "pulse?t=56"), (1010.55, "off")]

    play(story, PULSE)


@pytest.mark.parametrize(("name", "asked"), [("seconds", "7"), ("tenths", "66"), ("ms", "6550")])
def test_the_time_is_rounded_up_to_what_the_board_counts_in(name: str, asked: str) -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1007.55))
        await asyncio.sleep(1)
        assert board.asked == [(1001.0, asked)]

    play(story, f"http://board/{{{name}}}")


def test_a_board_that_cannot_be_reached_when_it_should_open_is_told_in_time() -> None:
    async def story(board: Board) -> None:
        board.behave = board.unreachable
        board.keeper.order(Order(1, 1008.0))
        await asyncio.sleep(3)
        (at, outcome), *_ = board.told
        assert (at, outcome.ok, outcome.unsure) == (1003.5, False, False)  # after 2.5 s
        assert outcome.detail == "the board has not confirmed: no route to host"
        assert [url for _, url in board.asked].count("on") == 10

    play(story)


def test_an_order_that_comes_after_its_end_activates_nothing() -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1000.5))
        await asyncio.sleep(1)
        assert [url for _, url in board.asked] == ["off"]
        assert board.told[0][1].detail == "the board has not confirmed: the order came too late"

    play(story)


def test_off_is_tried_until_it_is_confirmed_and_told_once_each_way() -> None:
    async def story(board: Board) -> None:
        board.keeper.order(Order(1, 1003.0))
        await asyncio.sleep(1)
        board.behave = board.unreachable
        board.forget()
        await asyncio.sleep(20)
        assert [at for at, url in board.asked] == [
            1003.0,
            1003.25,
            1003.75,
            1004.75,
            1006.75,
            1010.75,
            1015.75,
            1020.75,
        ]
        board.behave = board.well
        await asyncio.sleep(60)
        assert board.asked[-1] == (1025.75, "off")
        words = "the board has not confirmed that it is at rest (no route to host): it is asked until it does"
        assert board.told == [
            (1003.0, Outcome(1, False, words)),
            (1025.76, Outcome(1, True, "the board is at rest, 23 s after it should have been")),
        ]

    play(story)


def test_a_silent_board_is_asked_again_for_an_activation_may_lie_in_its_queue() -> None:
    async def story(board: Board) -> None:
        board.behave = board.silent
        board.keeper.order(Order(1, 1002.0))
        await asyncio.sleep(1.5)
        assert board.told[0] == (1002.0, Outcome(1, False, "the board has not confirmed: no answer in 1.0 s", True))
        board.behave = board.well
        board.forget()
        await asyncio.sleep(60)
        # confirmed, and 1, 5 and 25 s later once more
        assert board.asked == [(1004.25, "off"), (1005.26, "off"), (1010.27, "off"), (1035.28, "off")]

    play(story)


def test_a_release_does_not_wait_for_an_activation_under_way() -> None:
    async def story(board: Board) -> None:
        board.behave = board.silent
        board.keeper.order(Order(1, 1009.0))
        await asyncio.sleep(0.5)
        board.behave = board.well
        board.keeper.order(Order(2, 0.0))
        await asyncio.sleep(60)
        assert board.asked == [(1001.0, "on"), (1001.5, "off"), *((at, "off") for at in (1002.51, 1007.52, 1032.53))]

    play(story)


def test_let_go_it_brings_the_relay_to_rest_however_long_that_takes_and_ends() -> None:
    async def main() -> None:
        board = Board("")
        keeping = asyncio.create_task(board.keeper.run())
        board.keeper.order(Order(1, 1008.0))
        await asyncio.sleep(1)
        board.behave = board.unreachable
        board.keeper.let_go()
        board.keeper.let_go()
        await asyncio.sleep(100)
        assert not keeping.done()
        board.keeper.order(Order(2, 2000.0))  # nobody gives orders any more
        board.behave = board.well
        await asyncio.wait_for(keeping, 6)
        assert board.asked[-1][1] == "off"

    run_virtual(main(), start_s=1000.0)
