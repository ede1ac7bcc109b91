"""The contacts as whoever calls finds them."""

from __future__ import annotations

from datetime import UTC, datetime

from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings

OFFICE = Schedules([ScheduleSettings(name="office", times=("Mon-Fri 08:00-18:00",))], UTC)
ANNA = ContactSettings(name="Anna", address="101", speed_dial="1", schedule="office")
BOB = ContactSettings(name="Bob", address="102")
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_found_by_name_and_speed_dial() -> None:
    book = ContactBook([ANNA, BOB], OFFICE)
    assert (book.find("Anna"), book.find("anna"), book.by_speed_dial("1"), book.by_speed_dial("")) == (
        ANNA,
        None,
        ANNA,
        None,
    )


def test_available_while_the_schedule_is_active() -> None:
    book = ContactBook([ANNA, BOB], OFFICE)
    assert [book.is_available(ANNA, MONDAY.replace(hour=hour)) for hour in (7, 8, 17, 18)] == [False, True, True, False]
    assert book.is_available(BOB, MONDAY.replace(hour=3))


def test_others_take_their_place_at_once() -> None:
    book = ContactBook([ANNA], OFFICE)
    book.replace([BOB], OFFICE)
    assert (book.contacts, book.find("Anna"), book.by_speed_dial("1")) == ((BOB,), None, None)
