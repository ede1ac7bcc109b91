"""A source's numbers as a sender's own: losses stay losses, what is left out makes none, our own goes in between."""

from __future__ import annotations

import random

from voipnode.media.renumbering import Place, Renumbering

CLOCK_HZ = 8000
SLACK = 2 * CLOCK_HZ


class Sender:
    """The numbers of a sender: the next sequence number, and a time that goes on by itself."""

    def __init__(self, due: int = 65534, stamp: int = 2**32 - 320) -> None:
        self.passes = Renumbering()
        self.due, self.stamp = due, stamp

    def take(self, sequence: int, timestamp: int, *, timed: bool = True, after: int = 160) -> Place | None:
        self.stamp = (self.stamp + after) & 0xFFFFFFFF
        place = self.passes.place(sequence, timestamp, due=self.due, stamp=self.stamp, slack=SLACK, timed=timed)
        if place is not None and place.newest:
            self.due = (place.sequence + 1) & 0xFFFF
            self.stamp = place.timestamp if timed else self.stamp
        return place

    def numbers(self, *sequences: int) -> list[int | None]:
        """Where packets of these numbers stand, whose timestamps count along."""
        places = [self.take(sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF) for sequence in sequences]
        return [None if place is None else place.sequence for place in places]


def test_what_comes_in_order_goes_on_in_our_numbers_which_wrap() -> None:
    sender = Sender(due=65534)
    assert sender.numbers(10, 11, 12, 13) == [65534, 65535, 0, 1]


def test_the_first_packet_begins_a_talk_spurt_at_our_time() -> None:
    sender = Sender(due=5, stamp=2**32 - 320)
    assert sender.take(700, 1_000_000) == Place(5, 2**32 - 160, begins=True, newest=True)
    assert sender.take(701, 1_000_160) == Place(6, 0, begins=False, newest=True)


def test_a_loss_before_us_is_a_loss_after_us() -> None:
    sender = Sender(due=100)
    assert sender.numbers(10, 11, 14, 15) == [100, 101, 104, 105]


def test_what_was_overtaken_keeps_its_place() -> None:
    sender = Sender(due=100)
    assert sender.numbers(10, 12, 11, 13) == [100, 102, 101, 103]


def test_what_was_before_the_first_one_has_no_place() -> None:
    sender = Sender(due=100)
    assert sender.numbers(10, 9, 11) == [100, None, 101]


def test_what_is_left_out_is_not_missed() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 11)
    sender.passes.leave_out(12)
    assert sender.numbers(13, 15, 14) == [102, 104, 103]


def test_a_loss_before_what_is_left_out_stays_one() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 11)
    sender.passes.leave_out(13)  # and 12 was lost
    assert sender.numbers(14) == [103]
    assert sender.numbers(12) == [None], "its place was given away"


def test_our_own_packets_stand_between_those_of_the_source() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 11)
    sender.due += 3  # digits of ours
    assert sender.numbers(12, 14, 13) == [105, 107, 106]


def test_what_came_before_our_own_packets_keeps_its_place_when_it_is_late() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 12)
    sender.due += 3
    assert sender.numbers(11) == [101]
    assert sender.numbers(13) == [106]


def test_a_wild_jump_is_a_restart_and_goes_on_where_we_are() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 11)
    place = sender.take(40_000, 5)
    assert place is not None
    assert (place.sequence, place.begins) == (102, True)
    assert place.timestamp == sender.stamp


def test_another_source_of_near_numbers_is_not_taken_for_the_one_before() -> None:
    sender = Sender(due=100)
    sender.numbers(10, 11)
    sender.passes.restart()
    assert sender.numbers(12, 13) == [102, 103]
    sender.passes.restart()
    assert sender.take(9, 77) == Place(104, sender.stamp, begins=True, newest=True)


def test_a_time_base_that_jumps_is_brought_back_to_the_time_that_passed() -> None:
    sender = Sender(due=100, stamp=0)
    sender.take(10, 1000)
    assert sender.take(11, 1160) == Place(101, 320, begins=False, newest=True)
    assert sender.take(12, 900_000) == Place(102, 480, begins=True, newest=True)
    assert sender.take(13, 900_160) == Place(103, 640, begins=False, newest=True)


def test_a_source_whose_time_stood_still_in_a_pause_is_brought_forward() -> None:
    sender = Sender(due=100, stamp=0)
    sender.take(10, 1000)
    place = sender.take(11, 1160, after=60 * CLOCK_HZ)
    assert place is not None
    assert place.timestamp == 160 + 60 * CLOCK_HZ
    assert place.begins


def test_an_event_keeps_the_time_of_its_begin_however_long_it_lasts() -> None:
    sender = Sender(due=100, stamp=0)
    sender.take(10, 1000)
    places = [sender.take(11 + number, 1160, timed=False) for number in range(500)]  # ten seconds
    assert {place.timestamp for place in places if place is not None} == {320}
    assert not any(place.begins for place in places if place is not None)
    assert sender.take(511, 1160 + 500 * 160) == Place(601, 320 + 500 * 160, begins=False, newest=True)


def test_no_two_packets_get_the_same_number_whatever_the_network_does() -> None:
    for seed in range(50):
        dice = random.Random(seed)
        sender = Sender(due=dice.randrange(65536))
        arrivals = sorted((n + dice.random() * dice.choice((0, 3, 30)), n) for n in range(300) if dice.random() > 0.1)
        seen: list[int] = []
        for _, number in arrivals:
            fate = dice.random()
            if fate < 0.1:
                sender.passes.leave_out(65500 + number & 0xFFFF)
            elif fate < 0.15:
                seen.append(sender.due)  # one of our own
                sender.due = (sender.due + 1) & 0xFFFF
            else:
                seen += [place for place in sender.numbers(65500 + number) if place is not None]
        assert len(seen) == len(set(seen)), f"seed {seed}"
