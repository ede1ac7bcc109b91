"""Who calls as an extension proves it; everybody else is a caller at the door."""

from __future__ import annotations

import pytest

from tests.support.extensions import Telephone, extension
from tests.support.switchboard import Switchboard, rings
from tests.support.virtual_loop import run_virtual
from voipnode.calls.access_settings import AccessSettings, CallerSettings
from voipnode.calls.commands import PlaceCall, RingRecipients
from voipnode.calls.desk import Desk
from voipnode.calls.errors import NotNowError
from voipnode.calls.hooks import Commands
from voipnode.calls.settings import SipSettings
from voipnode.calls.ways import Ways
from voipnode.sipstack import events as sip
from voipnode.sipstack.transport import Address
from voipnode.sipstack.uri import SipUri, parse_uri

ANNA, BEN = "192.168.1.20", "192.168.1.21"


def board(*, opens: bool = True, settings: SipSettings | None = None) -> Switchboard:
    return Switchboard(extensions=(extension("101", opens=opens), extension("102")), settings=settings)


def statuses(house: Switchboard) -> list[str]:
    return [rung.what for rung in house.wire.ladder.pick(sender="door")]


@pytest.mark.parametrize("opens", [True, False])
def test_an_extension_calls_the_door_by_its_password_and_opens_where_it_may(opens: bool) -> None:
    house = board(opens=opens)
    anna = Telephone(house, "101", ANNA)
    anna.call_as("door")
    house.wire.run(1.0)
    assert statuses(house) == ["401 INVITE", "100 INVITE", "180 INVITE"]
    (call,) = house.switch.calls
    assert (call.account.id, call.authorised, call.remote) == ("extension 101", opens, "sip:101@192.168.1.10")


def test_who_calls_himself_an_extension_and_cannot_prove_it_gets_no_further() -> None:
    house = board()
    Telephone(house, "101", ANNA).call_as("door", password=False)
    Telephone(house, "101", BEN, password="wrong battery").call_as("door")
    house.wire.run(1.0)
    assert set(statuses(house)) == {"401 INVITE"}
    assert house.switch.calls == ()


def test_one_extension_is_not_another() -> None:
    house = board()
    anna = Telephone(house, "101", ANNA)
    anna.call_as("door", caller="102")
    house.wire.run(1.0)
    assert statuses(house) == ["401 INVITE", "403 INVITE"]
    assert [event.status for event in anna.of(sip.SessionEnded)] == [403]


def test_who_says_nothing_of_an_extension_rings_at_the_door_as_before() -> None:
    house = board()
    guest = house.phone("guest", BEN)
    guest.call(Address("192.168.1.10", 5060))
    house.wire.run(1.0)
    (call,) = house.switch.calls
    assert (call.account.id, call.authorised) == ("Peer to peer (default)", False)


def test_a_caller_with_a_password_is_no_extension() -> None:
    callers = (CallerSettings(name="carol", password="battery staple", opens=True),)  # type: ignore[arg-type]
    access = AccessSettings(authenticate="always", callers=callers)
    house = board(settings=SipSettings(access=access, max_calls=2))
    carol = Telephone(house, "carol", BEN, password="battery staple")
    carol.call_as("door")
    house.wire.run(1.0)
    assert [(call.account.id, call.authorised) for call in house.switch.calls] == [("Peer to peer (default)", True)]
    assert carol.register().status == 404


def desk(house: Switchboard) -> Commands:
    commands = Commands()
    local = house.endpoint._core.own_addresses._local
    ways = Ways(house.switch.accounts, house, local, house.switch.registrar)
    Desk(house.switch, ways, lambda: house.wire.now).register(commands)
    return commands


@pytest.mark.parametrize("address", ["101", " 101 ", "sip:101@192.168.1.10", "101@192.168.1.10:5060"])
def test_a_number_of_ours_is_called_at_its_telephones(address: str) -> None:
    house = board()
    anna = Telephone(house, "101", ANNA, plan=rings)
    anna.register()
    run_virtual(desk(house).execute(PlaceCall(to=address)))
    house.wire.run(2.0)
    assert house.states == ["Calling", "Ringing"]
    invite = house.wire.ladder.pick("INVITE")[-1].data
    assert invite.startswith(b"INVITE sip:101@192.168.1.20 SIP/2.0\r\n")
    assert b"\r\nFrom: <sip:door@192.168.1.10>;tag=" in invite


def test_a_press_rings_every_telephone_of_an_extension_and_other_recipients() -> None:
    house = board()
    phones = [Telephone(house, "101", host, plan=rings) for host in (ANNA, BEN)]
    for phone in phones:
        phone.register()
    guest = house.phone("guest", "192.168.1.30", plan=rings)
    house.names["guest.example"] = [guest.address]
    run_virtual(desk(house).execute(RingRecipients(recipients=("101", "102", "sip:guest@guest.example"))))
    house.wire.run(3.0)
    assert [len(phone.of(sip.IncomingCall)) for phone in (*phones, guest)] == [1, 1, 1]


def test_an_extension_without_a_telephone_is_said() -> None:
    with pytest.raises(NotNowError, match='"102" has no telephone registered'):
        run_virtual(desk(board()).execute(PlaceCall(to="102")))


def test_the_same_number_elsewhere_is_not_ours() -> None:
    house = board()
    ways = Ways(house.switch.accounts, house, house.endpoint._core.own_addresses._local, house.switch.registrar)
    elsewhere = [
        parse_uri(text) for text in ("sip:101@192.168.1.99", "sip:101@pbx.example", "sip:101@192.168.1.10:5070")
    ]
    assert [ways.extension(uri) for uri in elsewhere if isinstance(uri, SipUri)] == ["", "", ""]


# ---- guessing


def guess(house: Switchboard, host: str, number: str = "101", times: int = 1) -> list[int]:
    """Wrong passwords from a host; the last answer to each attempt."""
    phone = Telephone(house, number, host, password="wrong battery")
    found = []
    for _ in range(times):
        phone.series = phone.endpoint.series(phone.credentials)
        found.append(phone.register().status)
    return found


def patient(wrong_passwords: int = 100) -> Switchboard:
    return board(settings=SipSettings(access=AccessSettings(wrong_passwords=wrong_passwords)))


def test_a_password_guessed_at_by_many_hosts_is_looked_at_now_and_then_and_telephones_go_on() -> None:
    house = patient()
    anna = Telephone(house, "101", ANNA)
    anna.register()
    hosts = [f"192.168.2.{number}" for number in range(1, 24)]
    assert [guess(house, host) for host in hosts[:20]] == [[401]] * 20
    # An attempt takes a second here: of the next ones, every fifth second's is looked at.
    answers = [guess(house, host)[0] for host in hosts[20:]]
    assert answers == [503, 503, 503]
    assert guess(house, "192.168.2.99", "102") == [401], "nobody else's name goes slowly"
    assert guess(house, "192.168.2.98", "102") == [401]
    assert anna.register().status == 200, "where it is registered it goes on"
    house.wire.run(house.wire.now + 5.0)
    assert Telephone(house, "101", BEN).register().status == 200, "a new telephone gets its turn"


def test_one_telephone_with_a_wrong_password_does_not_cut_off_the_house_that_it_is_in() -> None:
    """Behind one NAT all have one address."""
    house = patient(wrong_passwords=3)
    anna = Telephone(house, "101", ANNA)
    anna.register()
    assert set(guess(house, ANNA, "102", times=10)) == {401}
    again = Telephone(house, "101", ANNA)
    assert again.register().status == 200
    assert guess(house, BEN, "102", times=3)[:3] == [401, 401, 401]
    with pytest.raises(ValueError, match="not enough values"):
        guess(house, BEN, "102")
