"""The order of SRV records (RFC 2782), with chance handed in."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from voipnode.net.dns_servers import Srv
from voipnode.net.srv import in_order, is_withdrawn


def srv(target: str, priority: int = 0, weight: int = 0, port: int = 5060) -> Srv:
    return Srv(priority, weight, port, target)


class Drawn:
    """Chance that was agreed on, and what it was asked for."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.asked: list[int] = []

    def __call__(self, most: int) -> int:
        self.asked.append(most)
        return self.numbers.pop(0)


# "Choose a uniform random number between 0 and the sum computed (inclusive), and select the RR whose running sum value
# is the first in the selected order which is greater than or equal to the random number selected."
@pytest.mark.parametrize(
    ("numbers", "order", "asked"),
    [
        ((0, 0, 0), ["idle", "one", "three"], [4, 4, 3]),
        ((1, 0, 0), ["one", "idle", "three"], [4, 3, 3]),
        ((1, 1, 0), ["one", "three", "idle"], [4, 3, 0]),
        ((2, 0, 0), ["three", "idle", "one"], [4, 1, 1]),
        ((4, 1, 0), ["three", "one", "idle"], [4, 1, 0]),
    ],
)
def test_a_weight_is_a_share_of_the_running_sum(numbers: tuple[int, ...], order: list[str], asked: list[int]) -> None:
    draw = Drawn(*numbers)
    records = [srv("one", weight=1), srv("three", weight=3), srv("idle")]
    assert [record.target for record in in_order(records, draw)] == order
    assert draw.asked == asked


def test_every_number_that_can_be_drawn_serves_each_as_often_as_its_weight_says() -> None:
    records = [srv("small", weight=10), srv("big", weight=30)]
    first = Counter(in_order(records, Drawn(number, 0))[0].target for number in range(41))
    assert first == {"small": 11, "big": 30}  # the number 0 is the inclusive range's, as the RFC has it


def test_priorities_come_before_weights() -> None:
    records = [srv("backup", 20, 65535), srv("second", 10, 1), srv("first", 10, 60)]
    assert [record.target for record in in_order(records, Drawn(61, 0, 0))] == ["first", "second", "backup"]


def test_among_weights_of_zero_chance_alone_decides() -> None:
    records = [srv("a"), srv("b"), srv("c")]
    orders = {
        "".join(record.target for record in in_order(records, Drawn(*numbers)))
        for numbers in itertools.product(range(3), range(2), range(1))
    }
    assert orders == {"abc", "acb", "bac", "bca", "cab", "cba"}


def test_a_record_without_port_or_target_serves_nobody_and_a_double_serves_once() -> None:
    records = [srv("no-port", port=0), srv(""), srv("good"), srv("good")]
    assert in_order(records, lambda most: 0) == [srv("good")]


def test_the_root_as_the_only_target_withdraws_the_service() -> None:
    assert is_withdrawn([srv("")])
    assert not is_withdrawn([srv(""), srv("good")])
    assert not is_withdrawn([])


def test_a_number_beyond_the_sum_is_a_fault_of_chance_and_said() -> None:
    with pytest.raises(ValueError, match="beyond the sum"):
        in_order([srv("a", weight=1), srv("b", weight=1)], lambda most: most + 1)
