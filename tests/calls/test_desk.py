"""What people type as an address, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from tests.support.switchboard import DOOR, Phone, Switchboard, answers, rings
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import (
    HangUp,
    HoldCall,
    PlaceCall,
    RegisterAccount,
    ResumeCall,
    RingRecipients,
    SendDtmf,
    TransferCall,
)
from voipnode.calls.desk import Desk
from voipnode.calls.errors import CallError, NotNowError, UnknownNameError
from voipnode.calls.hooks import Commands
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


def desk(board: Switchboard) -> Commands:
    commands = Commands()
    ways = Ways(board.switch.accounts, Names(), lambda hop: DOOR)
    Desk(board.switch, ways, lambda: board.wire.now).register(commands)
    return commands


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


def test_unknown_transports_and_too_many_recipients_are_refused() -> None:
    commands = desk(Switchboard())
    with pytest.raises(CallError, match="SCTP"):
        run_virtual(commands.execute(PlaceCall(to="sip:anna@192.168.1.20;transport=sctp")))
    with pytest.raises(CallError, match="1 to 6"):
        run_virtual(commands.execute(RingRecipients(recipients=("sip:a@192.168.1.20",) * 7)))
