"""What people type as an address, and what becomes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, rings
from tests.support.virtual_loop import run_virtual, settle
from voipnode.calls.commands import (
    Command,
    HangUp,
    HoldCall,
    PlaceCall,
    RegisterAccount,
    ResumeCall,
    RingRecipients,
    SendDtmf,
    TransferCall,
)
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.desk import Desk
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.events import CallReason
from voipnode.calls.hooks import Commands
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.settings import GroupSettings
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.schedules.settings import ScheduleSettings
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.calls.ways import Ways, parse_target
from voipnode.sipstack import events as sip
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("sip:anna@192.168.1.20", "sip:anna@192.168.1.20"),
        (" anna@192.168.1.20 ", "sip:anna@192.168.1.20"),
        ("192.168.1.20", "sip:192.168.1.20"),
        ("192.168.1.20:5070", "sip:192.168.1.20:5070"),
        ("anna@[2001:db8::1]:5070", "sip:anna@[2001:db8::1]:5070"),
        ("sip:anna@pbx.example;transport=tcp", "sip:anna@pbx.example;transport=tcp"),
    ],
)
def test_addresses_are_taken_as_people_type_them(typed: str, uri: str) -> None:
    assert str(parse_target(typed)) == uri


@pytest.mark.parametrize("typed", ["", "tel:+49301234", "http:anna", "sip:", "sip:a b@c", "sip:anna@host:99999"])
def test_what_cannot_be_called_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(CallError, match="address"):
        parse_target(typed)


class Names:
    """A locator that knows two names."""

    known: ClassVar = {"anna.example": "192.168.1.20", "ben.example": "192.168.1.21"}

    async def locate(
        self, uri: SipUri, *, transport: str = "", prefer_ipv6: bool = False, profile: str = ""
    ) -> list[Hop]:
        host = self.known.get(uri.host, uri.host if uri.host[0].isdigit() else None)
        return [Hop(transport, Address(host, uri.port or 5060), domain=uri.host)] if host else []


PEOPLE = [
    ContactSettings(name="Anna", address="anna@anna.example", account="guard", schedule="day", fallback="Ben"),
    ContactSettings(name="Ben", address="ben@ben.example"),
]
FAMILY = GroupSettings(name="family", members=("Anna", "Ben"), calling_timeout_s=15)
DAY = Schedules([ScheduleSettings(name="day", times=("08:00-18:00",), time_zone="UTC")])
NOON, NIGHT = (datetime(2026, 7, 1, hour, tzinfo=UTC) for hour in (12, 23))


def desk(board: Switchboard, now: datetime = NOON) -> Commands:
    commands = Commands()
    ways = Ways(board.switch.accounts, Names(), lambda hop: DOOR)
    directory = Directory(ContactBook(PEOPLE, DAY), [FAMILY], board.settings)
    Desk(board.switch, ways, lambda: board.wire.now, directory, lambda: now).register(commands)
    return commands


def with_people() -> Switchboard:
    """Anna and Ben, whose phones ring; Anna is called by an account of her own."""
    board = Switchboard(more_accounts=(AccountSettings(name="guard", user_id="gate", default=False),))
    board.phone("anna", "192.168.1.20", plan=rings)
    board.phone("ben", "192.168.1.21", plan=rings)
    return board


def run(commands: Commands, board: Switchboard, wish: Command, until: float = 1.0) -> list[tuple[float, str, str]]:
    """Carry it out: when whom was called by whom."""

    async def main() -> None:
        await commands.execute(wish)
        while board.wire.now < until:
            await settle()
            board.wire.run(board.wire.now + 1.0)

    run_virtual(main())
    invites = board.wire.ladder.pick("INVITE", "door")
    return [(rung.at, rung.receiver, rung.data.split(b"From: ")[1].split(b"@")[0].decode()) for rung in invites]


def test_a_name_is_resolved_and_stays_in_the_request() -> None:
    board = Switchboard()
    board.phone("anna", "192.168.1.20", plan=answers)
    commands = desk(board)
    assert run_virtual(commands.execute(PlaceCall(to="anna@anna.example"))) == "c1"
    ladder = board.wire.run(1.0)
    assert ladder[0].data.startswith(b"INVITE sip:anna@anna.example SIP/2.0\r\n")
    assert board.states[-1] == "Active"
    run_virtual(commands.execute(SendDtmf(call="c1", digits="5")))
    run_virtual(commands.execute(HangUp(call="c1")))
    board.wire.run(40.0)
    board.assert_quiet()


def test_a_name_that_does_not_resolve_is_said() -> None:
    board = Switchboard()
    with pytest.raises(NotNowError, match=r"nowhere\.example"):
        run_virtual(desk(board).execute(PlaceCall(to="sip:x@nowhere.example")))


def test_without_a_directory_the_times_are_those_of_the_line() -> None:
    board = Switchboard(settings=SipSettings(calling_timeout_s=3))
    board.phone("anna", "192.168.1.20", plan=rings)
    commands = Commands()
    Desk(board.switch, Ways(board.switch.accounts, Names(), lambda hop: DOOR), lambda: board.wire.now).register(
        commands
    )
    run_virtual(commands.execute(PlaceCall(to="anna@anna.example")))
    board.wire.run(40.0)
    assert (board.last.at, board.last.reason) == (3.0, CallReason.NO_ANSWER)


def test_hold_resume_and_transfer_are_commands_too() -> None:
    board = Switchboard()
    anna = board.phone("anna", "192.168.1.20", plan=answers)
    commands = desk(board)
    run_virtual(commands.execute(PlaceCall(to="anna@anna.example")))
    board.wire.run(1.0)
    for wrong in (TransferCall(call="c1"), TransferCall(call="c1", to="sip:b@192.168.1.21", with_call="c2")):
        with pytest.raises(CallError, match="not both"):
            run_virtual(commands.execute(wrong))
    run_virtual(commands.execute(HoldCall(call="c1")))
    with pytest.raises(NotNowError, match="under way"):
        run_virtual(commands.execute(ResumeCall(call="c1")))
    run_virtual(commands.execute(TransferCall(call="c1", to="ben@192.168.1.21")))
    board.wire.run(2.0)
    assert [str(event.refer_to) for event in anna.of(sip.ReferReceived)] == ["sip:ben@192.168.1.21"]


def test_an_account_that_does_not_register_says_so_on_demand() -> None:
    commands = desk(Switchboard())
    with pytest.raises(CallError, match="does not register"):
        run_virtual(commands.execute(RegisterAccount(account="")))
    with pytest.raises(UnknownNameError, match='"nobody"'):
        run_virtual(commands.execute(RegisterAccount(account="nobody")))


@pytest.mark.parametrize("host", ["ben.example", "nowhere.example"])
def test_an_address_that_a_far_side_names_is_looked_up(host: str) -> None:
    board = Switchboard()

    def redirects(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            fields = (("Contact", f"<sip:ben@{host}>"),)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=fields)

    board.phone("anna", "192.168.1.20", plan=redirects)
    board.phone("ben", "192.168.1.21", plan=answers)
    commands = desk(board)

    async def main() -> None:
        await commands.execute(PlaceCall(to="anna@anna.example"))
        board.wire.run(1.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        board.wire.run(2.0)

    run_virtual(main())
    assert board.states[-1] == ("Active" if host == "ben.example" else "Terminated")


def test_one_recipient_that_cannot_be_found_does_not_silence_the_others() -> None:
    board = Switchboard()
    board.phone("ben", "192.168.1.21", plan=rings)
    wanted = RingRecipients(recipients=("sip:x@nowhere.example", "sip:ben@ben.example"), button="button")
    run_virtual(desk(board).execute(wanted))
    board.wire.run(1.0)
    assert board.states[-1] == "Ringing"


@pytest.mark.parametrize(
    ("wish", "at_noon", "at_night"),
    [
        (RingRecipients(plan="Anna"), ["anna"], ["ben"]),
        (RingRecipients(plan="family"), ["anna", "ben"], ["ben"]),
        (RingRecipients(rings=(("Anna", "day"), ("Ben", ""))), ["anna"], ["ben"]),
        (RingRecipients(rings=(("family", "day"),), fallback="Ben"), ["anna", "ben"], ["ben"]),
        (RingRecipients(recipients=("sip:x@nowhere.example",), fallback="Ben"), ["ben"], ["ben"]),
        (PlaceCall(to="family"), ["anna", "ben"], ["ben"]),
    ],
)
def test_names_are_rung_by_who_is_available(wish: Command, at_noon: list[str], at_night: list[str]) -> None:
    for now, who in ((NOON, at_noon), (NIGHT, at_night)):
        board = with_people()
        called = run(desk(board, now), board, wish)
        accounts = {"anna": "<sip:gate", "ben": "<sip:door"}
        assert called == [(0.0, name, accounts[name]) for name in who]


def test_the_button_s_fallback_comes_after_the_group_s_time() -> None:
    board = with_people()
    board.phone("cora", "192.168.1.22", plan=rings)
    wish = RingRecipients(recipients=("sip:cora@192.168.1.22",), fallback="family", button="button")
    board.switch._core.settings = board.settings = SipSettings(calling_timeout_s=10)
    called = run(desk(board), board, wish, until=30.0)
    assert [(at, name) for at, name, _ in called] == [(0.0, "cora"), (10.0, "anna"), (10.0, "ben")]
    assert (board.last.at, board.last.reason) == (25.0, CallReason.NO_ANSWER)


def test_an_account_that_is_off_silences_its_own_contacts_alone() -> None:
    board = Switchboard()
    board.phone("ben", "192.168.1.21", plan=rings)
    assert run(desk(board), board, RingRecipients(plan="family")) == [(0.0, "ben", "<sip:door")]


def test_a_fallback_that_comes_anyway_comes_once() -> None:
    board = with_people()
    called = run(desk(board), board, RingRecipients(plan="Anna", fallback="Ben", button="b"), until=130.0)
    assert [(at, name) for at, name, _ in called] == [(0.0, "anna"), (60.0, "ben")]
    assert (board.states[-1], board.last.at) == ("Terminated", 120.0)


def test_nobody_to_ring_is_said_and_unknown_names_are() -> None:
    commands = desk(Switchboard(), NIGHT)
    with pytest.raises(NotNowError, match="no schedule of the button's rings is active"):
        run_virtual(commands.execute(RingRecipients(rings=(("Anna", "day"),))))
    with pytest.raises(UnknownNameError, match=r'"Carl".* "Anna", "Ben", "family"'):
        run_virtual(commands.execute(RingRecipients(plan="Carl")))
    with pytest.raises(CallError, match="none given"):
        run_virtual(commands.execute(RingRecipients()))
    with pytest.raises(CallError, match="malformed"):
        run_virtual(commands.execute(RingRecipients(recipients=("http:x", "sip:a b@c"))))


def test_unknown_transports_and_too_many_recipients_are_refused() -> None:
    commands = desk(Switchboard())
    with pytest.raises(CallError, match="SCTP"):
        run_virtual(commands.execute(PlaceCall(to="sip:anna@192.168.1.20;transport=sctp")))
    with pytest.raises(CallError, match="1 to 6"):
        run_virtual(commands.execute(RingRecipients(recipients=("sip:a@192.168.1.20",) * 7)))
