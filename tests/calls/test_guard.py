"""The guard at the SIP port: rates, strangers, scanners, the access list, passwords."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.guard import Guard
from voipnode.sipstack.digest import Credentials, DigestSession
from voipnode.sipstack.gate import TurnedAway
from voipnode.sipstack.message import Headers, Request
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import parse_uri

ANNA = "192.168.1.20"
SERVER = "198.51.100.5"
STRANGER = "203.0.113.66"
CALLERS = [{"name": "anna", "password": "correct horse", "opens": True}, {"name": "ben", "password": "battery staple"}]
URI = "sip:door@192.168.1.10"


def guard(**settings: Any) -> Guard:
    return Guard(
        AccessSettings(**settings),
        bytes(32),
        is_stranger=lambda hop: not hop.remote.host.startswith("192.168.") and hop.remote.host != SERVER,
        is_server=lambda hop: hop.remote.host == SERVER,
        is_trusted=lambda hop: hop.remote.host == "192.168.1.99",
    )


def request(method: str = "INVITE", *headers: tuple[str, str], caller: str = "sip:anna@example.com") -> Request:
    fields = [("From", f"<{caller}>;tag=1"), ("To", f"<{URI}>"), ("Call-ID", "one"), ("CSeq", f"1 {method}"), *headers]
    return Request(method, parse_uri(URI), Headers(fields))


def ask(asked: Guard, made: Request | None = None, host: str = ANNA, now: float = 1.0) -> TurnedAway | None:
    return asked.request(made or request(), Hop("UDP", Address(host, 5060)), now)


def status(answer: TurnedAway | None) -> int | None:
    return None if answer is None else answer.status


def test_by_default_friends_pass_and_strangers_hear_nothing() -> None:
    asked = guard()
    assert ask(asked) is None
    assert ask(asked, host=SERVER) is None
    assert status(ask(asked, host=STRANGER)) == 0
    assert not asked.answers(Hop("UDP", Address(STRANGER, 5060)), 1.0)
    assert asked.answers(Hop("UDP", Address(ANNA, 5060)), 1.0)


def test_strangers_may_be_refused_in_words() -> None:
    asked = guard(strangers="refuse")
    assert status(ask(asked, host=STRANGER)) == 403
    within = request("BYE")
    within.headers.set("To", f"<{URI}>;tag=2")
    assert status(ask(asked, within, STRANGER)) == 481


def test_a_source_that_asks_too_often_is_dropped_and_forgiven() -> None:
    asked = guard(source_burst=10, source_per_s=2)
    answers = [ask(asked, now=1.0) for _ in range(20)]
    assert [status(answer) for answer in answers] == [None] * 10 + [0] * 10
    assert ask(asked, host="192.168.1.21", now=1.0) is None, "others are not concerned"
    assert [status(ask(asked, now=2.0)) for _ in range(3)] == [None, None, 0]
    assert [ask(asked, host=SERVER) for _ in range(50)] == [None] * 50


def test_everybody_together_has_a_rate_too() -> None:
    asked = guard(total_burst=30, total_per_s=1)
    answers = [status(ask(asked, host=f"192.168.1.{number % 200}")) for number in range(100)]
    assert answers == [None] * 30 + [0] * 70


def test_no_limit_is_no_limit() -> None:
    asked = guard(source_per_s=0, total_per_s=0)
    assert {status(ask(asked)) for _ in range(10_000)} == {None}


def test_memory_is_bounded_however_many_sources_come() -> None:
    asked = guard(authenticate="always", callers=CALLERS, total_per_s=0)
    for number in range(2000):
        host = f"192.168.{number // 250}.{number % 250}"
        ask(asked, answered(asked, host, name=f"user {number}", password="wrong"), host)
        asked.request(request("OPTIONS", ("User-Agent", "sipcli")), Hop("TCP", Address(host, 5060), number), 1.0)
    assert len(asked._guesses) == 1024 + 1024, "sources and names"
    assert len(asked._ignored) == 1024
    assert len(asked._paces) <= 1024


@pytest.mark.parametrize(
    "header", [("User-Agent", "friendly-scanner"), ("User-Agent", "sipcli/v1.8"), ("User-Agent", "SIPVicious 0.3")]
)
def test_a_scanner_is_ignored_for_a_while_whatever_it_calls_itself_then(header: tuple[str, str]) -> None:
    asked = guard(ignore_s=60)
    connection = Hop("TCP", Address(ANNA, 40000), 1)
    assert status(asked.request(request("OPTIONS", header), connection, 1.0)) == 0
    assert status(ask(asked, request("INVITE"), now=60.0)) == 0
    assert ask(asked, request("INVITE"), now=61.1) is None


def test_of_a_scanner_whose_address_is_not_proven_nothing_is_answered_and_nothing_kept() -> None:
    asked = guard()
    assert [status(ask(asked, request("OPTIONS", ("User-Agent", "sipcli")))) for _ in range(20)] == [0] * 20
    assert ask(asked) is None


def test_a_server_of_ours_cannot_be_cut_off_by_forged_packets() -> None:
    asked = guard(authenticate="always", callers=CALLERS)
    for _ in range(1000):
        ask(asked, request("OPTIONS", ("User-Agent", "friendly-scanner")), SERVER, now=1.0)
    assert ask(asked, host=SERVER, now=20.0) is None


# ---- the access list (4.2)


@pytest.mark.parametrize(
    ("entry", "caller", "host", "listed"),
    [
        ("anna", "sip:anna@example.com", ANNA, True),
        ("anna", "sip:anna2@example.com", ANNA, False),
        ("Anna@Example.com", "sip:anna@EXAMPLE.com", ANNA, True),
        ("anna@example.com", "sip:anna@example.net", ANNA, False),
        ("+43*", "sip:+431234@example.com", ANNA, True),
        ("+43*", "tel:+431234;phone-context=x", ANNA, True),
        ("*@example.com", "sip:anybody@example.com", ANNA, True),
        ("192.168.1.20", "sip:x@example.com", ANNA, True),
        ("192.168.1.0/28", "sip:x@example.com", ANNA, False),
        (SERVER, "sip:x@example.com", SERVER, True),
    ],
)
def test_the_access_list_names_callers_and_addresses(entry: str, caller: str, host: str, listed: bool) -> None:
    made = request(caller=caller)
    assert (ask(guard(policy="allow", list=[entry]), made, host) is None) is listed
    assert (ask(guard(policy="block", list=[entry]), made, host) is None) is not listed


def test_the_access_list_concerns_calls_alone_and_says_the_same_to_all() -> None:
    asked = guard(policy="allow", list=["ben"])
    assert ask(asked, request("OPTIONS")) is None
    refused = ask(asked)
    assert refused is not None
    assert (refused.status, refused.reason, refused.headers) == (403, "Forbidden", ())


# ---- name and password


def may_open(asked: Guard, source: Hop) -> bool:
    """Whether the caller of the INVITE just let in is one whose digits act."""
    return asked.opens(asked.proven(request(), source))


def answered(asked: Guard, host: str = ANNA, *, name: str = "anna", password: str = "correct horse") -> Request:
    """The INVITE again, with an answer to its 401."""
    challenge = ask(asked, host=host)
    assert challenge is not None
    assert (challenge.status, challenge.why) == (401, "asked for name and password")
    client = DigestSession((Credentials(name, password),))
    return request("INVITE", *client.respond(challenge.headers, method="INVITE", uri=URI, cnonce="c"))


def test_a_caller_who_proves_himself_is_let_in_and_opens_where_the_settings_say_so() -> None:
    asked = guard(authenticate="always", callers=CALLERS)
    here = Hop("UDP", Address(ANNA, 5060))
    assert not may_open(asked, here)
    assert ask(asked, answered(asked)) is None
    assert may_open(asked, here)
    assert not may_open(asked, here), "once for each call"
    assert ask(asked, answered(asked, name="ben", password="battery staple")) is None
    assert not may_open(asked, here)


def test_nobody_else_passes_for_a_caller_who_proved_himself() -> None:
    asked = guard(authenticate="always", callers=CALLERS)
    assert ask(asked, answered(asked)) is None
    assert not may_open(asked, Hop("UDP", Address(SERVER, 5060))), "whoever knows the Call-ID"
    message = ask(asked, request("MESSAGE"))
    assert message is not None
    client = DigestSession((Credentials("anna", "correct horse"),))
    proof = client.respond(message.headers, method="MESSAGE", uri=URI, cnonce="c")
    other = guard(authenticate="always", callers=CALLERS)
    assert ask(other, request("MESSAGE", *proof)) is None
    assert not may_open(other, Hop("UDP", Address(ANNA, 5060))), "a text is no call"


def test_a_telephone_is_not_locked_out_by_who_writes_its_address() -> None:
    asked = guard(authenticate="always", callers=CALLERS, wrong_passwords=3)
    for nonce in ("", ', nonce="x"', ', nonce="x.y"'):
        for _ in range(10):
            forged = request("INVITE", ("Authorization", f'Digest realm="voipnode", username="anna"{nonce}'))
            assert status(ask(asked, forged)) == 401
    assert status(ask(asked, request("OPTIONS", ("User-Agent", "friendly-scanner")))) == 0
    assert ask(asked, answered(asked)) is None


def test_who_guesses_passwords_is_ignored() -> None:
    asked = guard(authenticate="always", callers=CALLERS, wrong_passwords=3, ignore_s=60)
    guesses = [answered(asked, password=f"guess {number}") for number in range(3)]
    assert [status(ask(asked, guess)) for guess in guesses] == [401, 401, 401]
    assert status(ask(asked, now=30.0)) == 0, "not even asked any more"
    assert status(ask(asked, now=61.1)) == 401
    assert status(ask(asked, guesses[0], now=62.0)) == 401, "one wrong one does not count as the third"
    assert status(ask(asked, now=63.0)) == 401


def test_the_right_password_forgives_the_wrong_ones() -> None:
    asked = guard(authenticate="always", callers=CALLERS, wrong_passwords=2)
    for _ in range(5):
        assert status(ask(asked, answered(asked, password="wrong"))) == 401
        assert ask(asked, answered(asked)) is None


def test_unknown_users_hear_what_known_ones_hear() -> None:
    asked = guard(authenticate="always", callers=CALLERS)
    known, unknown = (ask(asked, answered(asked, name=name, password="no")) for name in ("anna", "nobody"))
    assert known is not None
    assert unknown is not None
    assert (known.status, known.reason, known.why) == (unknown.status, unknown.reason, unknown.why)
    assert [len(value) for _, value in known.headers] == [len(value) for _, value in unknown.headers]


def test_trusted_sources_and_servers_need_no_password() -> None:
    asked = guard(authenticate="unknown", callers=CALLERS)
    assert ask(asked, host="192.168.1.99") is None
    assert ask(asked, host=SERVER) is None
    assert status(ask(asked)) == 401
    assert status(ask(guard(authenticate="always", callers=CALLERS), host="192.168.1.99")) == 401
    assert ask(asked, request("OPTIONS")) is None


# ---- settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"authenticate": "always"}, "needs somebody who can"),
        ({"policy": "allow"}, "lets nobody in"),
        ({"list": ["two words"]}, "neither an address"),
        ({"callers": [{"name": "a", "password": "short"}]}, "at least 8"),
        ({"callers": [CALLERS[0], CALLERS[0]]}, "twice"),
    ],
)
def test_bad_settings_say_what_would_be_right(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AccessSettings(**settings)


def test_passwords_are_not_shown() -> None:
    assert "correct horse" not in repr(AccessSettings(callers=CALLERS))
