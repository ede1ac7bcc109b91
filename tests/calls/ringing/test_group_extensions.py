"""Extensions in ring groups: one party with several telephones, each with the rights of its extension."""

from __future__ import annotations

import pytest

from tests.support.extensions import Telephone, extension
from tests.support.switchboard import Phone, Switchboard, answers, busy, rings, sdp
from tests.support.virtual_loop import run_virtual
from voipnode.calls.commands import RingRecipients
from voipnode.calls.desk import Desk
from voipnode.calls.events import RecipientRang
from voipnode.calls.hooks import Commands
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.settings import GroupSettings
from voipnode.calls.ways import Ways
from voipnode.sipstack import events as sip

INFO = ("application/dtmf-relay", b"Signal=1\r\nDuration=160\r\n")


def press(house: Switchboard, *members: str) -> None:
    """Ring these as one group."""
    commands = Commands()
    local = house.endpoint._core.own_addresses._local
    ways = Ways(house.switch.accounts, house, local, house.switch.registrar)
    directory = Directory(groups=[GroupSettings(name="all", members=members)], sip=house.settings)
    Desk(house.switch, ways, lambda: house.wire.now, directory).register(commands)
    run_virtual(commands.execute(RingRecipients(plan="all", button="button")))


def rang(house: Switchboard) -> list[str]:
    return [f"{event.recipient} {event.outcome}" for event in house.events if isinstance(event, RecipientRang)]


def test_an_extension_is_one_party_with_a_leg_for_each_telephone() -> None:
    house = Switchboard(extensions=(extension("101"), extension("102"), extension("103", do_not_disturb=True)))
    for host in ("192.168.1.20", "192.168.1.21", "192.168.1.22"):
        Telephone(house, "101", host, plan=rings).register()
    ben = Telephone(house, "102", "192.168.1.30", plan=answers)
    ben.register()
    Telephone(house, "103", "192.168.1.40", plan=answers).register()
    press(house, "101", "102", "103")
    house.wire.run(house.wire.now + 2.0)
    assert len(house.wire.ladder.pick("INVITE", "door")) == 4
    assert len(house.wire.ladder.pick("CANCEL", "door")) == 3
    assert sorted(rang(house)) == ["101 elsewhere", "102 answered", "103 unreachable"]
    assert (house.last.account, house.states[-1]) == ("extension 102", "Active")


@pytest.mark.parametrize("opens", [True, False])
def test_digits_act_by_the_right_of_the_extension_that_answered(opens: bool) -> None:
    house = Switchboard(extensions=(extension("101", opens=opens), extension("102")))
    anna = Telephone(house, "101", "192.168.1.20", plan=answers)
    anna.register()
    Telephone(house, "102", "192.168.1.21", plan=busy).register()
    press(house, "101", "102")
    house.wire.run(house.wire.now + 1.0)
    anna.endpoint.info(anna.session, *INFO, house.wire.now)
    house.wire.run(house.wire.now + 1.0)
    assert [digit.authorised for digit in house.digits] == [opens]


@pytest.mark.parametrize("opens", [True, False])
def test_who_is_redirected_to_has_no_more_rights_than_who_redirects(opens: bool) -> None:
    def moved(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            contact = (("Contact", "<sip:mobile@192.168.1.99>"),)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=contact)

    house = Switchboard(extensions=(extension("101", opens=opens),))
    Telephone(house, "101", "192.168.1.20", plan=moved).register()
    mobile = house.phone("mobile", "192.168.1.99", plan=answers)
    press(house, "101")
    house.switch.reach_by(lambda uri, account, done: done([house.way(mobile, mobile.hop)], house.wire.now))
    house.wire.run(house.wire.now + 1.0)
    mobile.endpoint.info(mobile.session, *INFO, house.wire.now)
    house.wire.run(house.wire.now + 1.0)
    assert [digit.authorised for digit in house.digits] == [opens]


def test_who_is_redirected_to_an_extension_reaches_all_its_telephones() -> None:
    """One of them is busy, the other rings on and answers; who rings in the group already is not called twice."""

    def moved(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            contact = (("Contact", "<sip:102@192.168.1.10>;q=0.5, <sip:103@192.168.1.10>"),)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=contact)

    house = Switchboard(extensions=tuple(extension(number) for number in ("101", "102", "103")))
    Telephone(house, "101", "192.168.1.20", plan=moved).register()
    desk, cell = (Telephone(house, "102", f"192.168.1.{host}", plan=plan) for host, plan in ((30, busy), (31, rings)))
    carl = Telephone(house, "103", "192.168.1.40", plan=rings)
    for phone in (desk, cell, carl):
        phone.register()
    press(house, "101", "103")
    own = house.switch.registrar
    house.switch.reach_by(lambda uri, account, done: done(own.ways_to(uri.user or ""), house.wire.now))
    house.wire.run(house.wire.now + 1.0)
    assert [len(phone.of(sip.IncomingCall)) for phone in (desk, cell, carl)] == [1, 1, 1]
    cell.endpoint.accept(cell.session, sdp(cell.address.host), house.wire.now)
    house.wire.run(house.wire.now + 1.0)
    assert (house.last.account, house.states[-1]) == ("extension 102", "Active")
    assert [[why.cause for why in end.why] for end in carl.of(sip.SessionEnded)] == [[200]]
