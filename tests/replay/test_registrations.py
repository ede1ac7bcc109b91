"""The accounts of a node as a capture shows them: from REGISTERs and OPTIONS, and from how long it waited."""

from __future__ import annotations

import pytest

from voipnode.replay.script import make_script
from voipnode.replay.seen import Seen
from voipnode.replay.steps import OwnRequest, Script
from voipnode.sipstack.transport import Address

DOOR = Address("192.168.1.10", 5060)
FIRST, SECOND = Address("192.0.2.11", 5060), Address("192.0.2.12", 5060)


class Talk:
    """A capture that is written by hand."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def ask(
        self,
        at: float,
        to: Address,
        method: str = "REGISTER",
        *,
        number: int = 1,
        user: str = "door",
        uri: str = "",
        more: str = "Expires: 600\r\n",
        transport: str = "UDP",
    ) -> None:
        request = (
            f"{method} {uri or f'sip:{to}'} SIP/2.0\r\nVia: SIP/2.0/{transport} {DOOR};branch=z9hG4bK{at}\r\n"
            f"From: <sip:{user}@pbx.example>;tag=t\r\nTo: <sip:{user}@pbx.example>\r\nCall-ID: {to}{method}{user}\r\n"
            f"CSeq: {number} {method}\r\nUser-Agent: voipnode/1\r\n{more}Content-Length: 0\r\n\r\n"
        )
        self.seen.append(Seen(at, transport, DOOR, to, request.encode()))

    def answer(self, at: float, status: str = "200 OK") -> None:
        """To what was asked last."""
        asked = self.seen[-1]
        rest = asked.data.split(b"\r\n", 1)[1].replace(b"User-Agent: voipnode/1\r\n", b"")
        self.seen.append(
            Seen(at, asked.transport, asked.destination, asked.source, b"SIP/2.0 " + status.encode() + b"\r\n" + rest)
        )

    def script(self) -> Script:
        return make_script(self.seen)


def test_what_a_register_says_is_what_the_account_is() -> None:
    talk = Talk()
    signed = 'Authorization: Digest username="door100", realm="x", nonce="n", uri="sip:pbx.example", response="00"\r\n'
    routes = "Route: <sip:edge.example;lr>, <sip:192.0.2.9:5070;lr>\r\nSupported: path, outbound\r\n"
    talk.ask(0.0, FIRST, uri="sip:pbx.example", more=f"{signed}{routes}Expires: 120\r\n", transport="TCP")
    script = talk.script()
    (account,) = script.accounts
    assert (account.user_id, account.domain, account.registrar) == ("door", "pbx.example", "pbx.example")
    assert (account.transport, account.auth_id, account.registration_interval_s) == ("tcp", "door100", 120)
    assert [proxy.address for proxy in account.proxies] == ["edge.example", "192.0.2.9:5070"]
    assert account.keeps_flow
    assert account.secondary is None
    (hop,) = script.places[Address("edge.example", 0)]
    assert (hop.transport, hop.remote) == ("TCP", FIRST)


def test_a_second_server_of_one_address_of_record_is_its_secondary() -> None:
    talk = Talk()
    talk.ask(0.0, FIRST, user="anna")
    talk.ask(0.0, FIRST)
    talk.answer(0.1)
    talk.ask(9.0, SECOND)
    anna, door = talk.script().accounts
    assert (anna.user_id, anna.secondary) == ("anna", None)
    assert door.secondary is not None
    assert (door.registrar, door.secondary.registrar) == ("192.0.2.11:5060", "192.0.2.12:5060")


def test_how_long_it_waited_for_a_silent_server_is_its_response_timeout() -> None:
    talk = Talk()
    talk.ask(0.0, FIRST)
    talk.answer(0.1)
    talk.ask(5.0, FIRST, "OPTIONS")
    talk.ask(7.503, SECOND)
    (account,) = talk.script().accounts
    assert account.response_timeout_s == 2.5
    quick = Talk()
    quick.ask(0.0, FIRST)
    quick.answer(0.1, "503 Service Unavailable")
    quick.ask(0.7, SECOND)
    (account,) = quick.script().accounts
    assert account.response_timeout_s == 4.0, "the default: it did not wait for anything"


def test_its_own_keep_alives_come_no_sooner_than_those_of_then() -> None:
    talk = Talk()
    talk.ask(0.0, FIRST)
    talk.answer(0.1)
    for at in (0.5, 4.5, 9.3):
        talk.ask(at, FIRST, "OPTIONS")
        talk.answer(at + 0.1)
    (account,) = talk.script().accounts
    assert account.keep_alive_interval_s == pytest.approx(4.8 / 0.8)


def test_each_request_is_a_step_once_and_numbered_within_its_call_id() -> None:
    talk = Talk()
    talk.ask(0.0, FIRST)
    talk.seen.append(Seen(0.5, "UDP", DOOR, FIRST, talk.seen[-1].data))  # again, unanswered
    talk.ask(1.0, FIRST, number=2)
    talk.ask(2.0, FIRST, number=3, more="Expires: 0\r\n")
    steps = [step for step in talk.script().steps if isinstance(step, OwnRequest)]
    assert [(step.at, step.number, step.removes) for step in steps] == [
        (0.0, 1, False),
        (1.0, 2, False),
        (2.0, 3, True),
    ]


def test_an_account_that_no_settings_can_say_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    talk = Talk()
    talk.ask(0.0, FIRST, more="Expires: 5\r\n")
    assert talk.script().accounts == ()
    assert "registration_interval_s" in caplog.text
