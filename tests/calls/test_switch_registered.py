"""Calls that come through an account's server: let in wherever it is, on the right account, from whom it says."""

from __future__ import annotations

from tests.support.registrar import PASSWORD, PRIMARY, Registrar, account
from tests.support.sip_agents import message
from tests.support.switchboard import DOOR, Switchboard, sdp
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.events import RegistrationChanged
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.transport import Address

NAMES = {"pbx.example": [PRIMARY]}


def invite(sender: Address, user: str, *more: str) -> bytes:
    return message(
        f"INVITE sip:{user}@192.168.1.10 SIP/2.0",
        f"Via: SIP/2.0/UDP {sender};branch=z9hG4bK{user}",
        "Max-Forwards: 70",
        "From: <sip:claims@anything.example>;tag=far",
        f"To: <sip:{user}@pbx.example>",
        f"Call-ID: in-{user}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:{sender}>",
        *more,
        body=sdp(sender.host),
    )


def board_and_server(
    *more: AccountSettings, settings: SipSettings | None = None, **fields: object
) -> tuple[Switchboard, Registrar]:
    board = Switchboard(account=account(user_id="100", **fields), more_accounts=more, names=NAMES, settings=settings)
    server = Registrar(board.wire, "pbx", PRIMARY, password=PASSWORD)
    board.switch.register(0.0)
    board.wire.run(1.0)
    return board, server


def test_its_server_may_call_though_it_is_in_none_of_the_incoming_networks() -> None:
    board, server = board_and_server()
    server.say(invite(PRIMARY, "100"), DOOR)
    board.wire.run(2.0)
    assert board.states == ["Ringing"]
    assert (board.last.account, board.last.remote) == ("office", "sip:claims@anything.example")


def test_nobody_else_may_from_there() -> None:
    board, _ = board_and_server()
    stranger = Registrar(board.wire, "stranger", Address("192.0.2.66", 5060))
    stranger.say(invite(stranger.address, "100"), DOOR)
    board.wire.run(2.0)
    assert board.states == []
    assert board.wire.ladder.pick(sender="door")[-1].receiver == "pbx", "nobody answers there"


def test_before_the_server_is_known_it_is_a_stranger_too() -> None:
    board = Switchboard(account=account(user_id="100"), names=NAMES)
    server = Registrar(board.wire, "pbx", PRIMARY)
    server.say(invite(PRIMARY, "100"), DOOR)
    board.wire.run(1.0)
    assert board.states == []


def test_who_calls_is_what_the_server_asserts() -> None:
    board, server = board_and_server()
    server.say(invite(PRIMARY, "100", 'P-Asserted-Identity: "Anna" <sip:1001@pbx.example>'), DOOR)
    board.wire.run(2.0)
    assert board.last.remote == "sip:1001@pbx.example"


def test_what_others_assert_counts_for_nothing() -> None:
    board, _ = board_and_server(AccountSettings(name="lan"))
    neighbour = Registrar(board.wire, "neighbour", Address("192.168.1.66", 5060))
    neighbour.say(invite(neighbour.address, "100", "P-Asserted-Identity: <sip:boss@pbx.example>"), DOOR)
    board.wire.run(2.0)
    assert (board.last.account, board.last.remote) == ("lan", "sip:claims@anything.example")


def test_of_two_accounts_at_one_server_the_user_decides() -> None:
    board, server = board_and_server(account(name="gate", user_id="200"))
    server.say(invite(PRIMARY, "200"), DOOR)
    board.wire.run(2.0)
    assert board.last.account == "gate"


def test_a_server_that_calls_an_unknown_user_reaches_its_own_account_and_not_the_default_one() -> None:
    board = Switchboard(
        account=AccountSettings(name="lan"), more_accounts=(account(user_id="100", default=False),), names=NAMES
    )
    server = Registrar(board.wire, "pbx", PRIMARY, password=PASSWORD)
    board.switch.register(0.0)
    board.wire.run(1.0)
    server.say(invite(PRIMARY, "s"), DOOR)
    board.wire.run(2.0)
    assert board.last.account == "office"


def test_passwords_are_in_no_event_and_no_text_of_the_settings() -> None:
    board, _ = board_and_server()
    told = [event.to_dict() for event in board.events if isinstance(event, RegistrationChanged)]
    assert told
    assert PASSWORD not in repr(told)
    settings = account(proxies=[{"address": "edge.example", "user": "u", "password": PASSWORD}])
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in settings.model_dump_json()
