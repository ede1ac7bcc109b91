"""The server's side of digest: what is asked, what is believed, and what an overheard answer is worth."""

from __future__ import annotations

import hashlib
import re

import pytest

from voipnode.sipstack.authenticator import ALGORITHMS, Authenticator, Judgement, Verdict
from voipnode.sipstack.digest import Credentials, DigestSession
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.message import Headers, Request
from voipnode.sipstack.uri import parse_uri

SECRET = bytes(range(32))
HERE = "192.0.2.7"
USERS = {"anna": "correct horse"}
STALE, WRONG, MISSING = (Judgement(verdict) for verdict in (Verdict.STALE, Verdict.WRONG, Verdict.MISSING))
ACCEPTED = Judgement(Verdict.ACCEPTED, "anna")


def request(*headers: tuple[str, str], method: str = "INVITE") -> Request:
    return Request(method, parse_uri("sip:door@192.0.2.1"), Headers(headers))


def judge(server: Authenticator, made: Request, now: float = 1.0, source: str = HERE) -> Judgement:
    return server.judge(made, source, now, USERS.get)


def by_hand(challenge: str, *, password: str = "correct horse", count: str = "00000001", name: str = "anna") -> str:
    """An Authorization written with nothing of ours: the formula of RFC 7616 §3.4.1."""
    realm, nonce = re.findall(r'realm="([^"]*)", nonce="([^"]*)"', challenge)[0]
    algorithm = re.findall(r"algorithm=([A-Z0-9-]+)", challenge)[0]
    digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

    def of(text: str) -> str:
        return digest(text.encode()).hexdigest()

    uri = "sip:door@192.0.2.1"
    response = of(f"{of(f'{name}:{realm}:{password}')}:{nonce}:{count}:cnonce:auth:{of(f'INVITE:{uri}')}")
    return (
        f'Digest username="{name}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}",'
        f' algorithm={algorithm}, qop=auth, nc={count}, cnonce="cnonce"'
    )


@pytest.mark.parametrize("number", range(len(ALGORITHMS)))
def test_an_answer_by_the_formula_is_accepted_once(number: int) -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[number]
    answer = request(("Authorization", by_hand(value)))
    assert judge(server, answer) == ACCEPTED
    assert judge(server, answer) == STALE, "overheard and sent again"
    assert judge(server, request(("Authorization", by_hand(value, count="0000000a")))) == ACCEPTED
    assert judge(server, request(("Authorization", by_hand(value, count="00000009")))) == STALE


def test_the_strongest_algorithm_is_offered_first() -> None:
    challenges = [value for _, value in Authenticator("door", SECRET).challenge(HERE, 0.0)]
    assert [re.findall(r"algorithm=([^,]+)", value)[0] for value in challenges] == ["SHA-256", "MD5"]
    assert all('qop="auth"' in value and "stale" not in value for value in challenges)
    assert all("stale=true" in value for _, value in Authenticator("door", SECRET).challenge(HERE, 0.0, stale=True))


def test_our_own_client_is_believed_and_a_wrong_password_is_not() -> None:
    server = Authenticator("voipnode", SECRET)
    for password, expected in (("correct horse", ACCEPTED), ("battery staple", WRONG)):
        client = DigestSession((Credentials("anna", password),))
        uri = "sip:door@192.0.2.1"
        answer = client.respond(server.challenge(HERE, 0.0), method="INVITE", uri=uri, cnonce="c")
        assert judge(server, request(*answer)) == expected


def test_unknown_users_and_wrong_passwords_are_judged_alike() -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[0]
    assert judge(server, request(("Authorization", by_hand(value, password="no")))) == WRONG
    assert judge(server, request(("Authorization", by_hand(value, name="ben", password="")))) == WRONG


def test_a_nonce_is_good_for_one_source_one_server_and_its_lifetime() -> None:
    server = Authenticator("voipnode", SECRET, nonce_lifetime_s=300)
    _, value = server.challenge(HERE, 0.0)[0]
    answer = request(("Authorization", by_hand(value)))
    assert judge(server, answer, source="192.0.2.8") == STALE
    assert judge(Authenticator("voipnode", bytes(32)), answer) == STALE, "of the run before"
    assert judge(server, answer, now=300.1) == STALE
    assert judge(server, answer, now=300.0) == ACCEPTED


@pytest.mark.parametrize(
    ("find", "put"),
    [
        ("qop=auth", "qop=auth-int"),
        (", qop=auth", ""),
        ("algorithm=SHA-256", "algorithm=MD5-sess"),
        ("algorithm=SHA-256", "algorithm=MD5"),
        ("username=", "user="),
        ("sip:door@", "sip:other@"),
        ('cnonce="', 'cnonce="x'),
        ('response="', 'response="é'),
    ],
)
def test_what_cannot_be_checked_is_wrong(find: str, put: str) -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[0]
    answer = by_hand(value)
    assert find in answer
    assert judge(server, request(("Authorization", answer.replace(find, put)))) == WRONG


@pytest.mark.parametrize("count", ["0000001", "+0000001", "0x000001", "0000000g", "1_000000", "٠٠٠٠٠٠٠١"])
def test_a_count_that_is_none_is_refused(count: str) -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[0]
    assert judge(server, request(("Authorization", by_hand(value, count=count)))) == STALE


@pytest.mark.parametrize("nonce", ["", ".", "1.1.", "zz.1.0", "é", "1" * 500])
def test_a_nonce_that_we_did_not_make_is_stale(nonce: str) -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[0]
    answer = re.sub(r'nonce="[^"]*"', f'nonce="{nonce}"', by_hand(value), count=1)
    assert judge(server, request(("Authorization", answer))) == STALE


def test_other_realms_and_schemes_are_passed_over() -> None:
    server = Authenticator("voipnode", SECRET)
    _, value = server.challenge(HERE, 0.0)[0]
    assert judge(server, request()) == MISSING
    other = by_hand(value).replace('realm="voipnode"', 'realm="pbx"')
    assert judge(server, request(("Authorization", other))) == MISSING
    assert judge(server, request(("Authorization", "Basic YTpi"))) == MISSING
    assert judge(server, request(("Authorization", other), ("Authorization", by_hand(value)))) == ACCEPTED


def test_memory_is_bounded_and_what_was_forgotten_is_not_believed_again() -> None:
    server = Authenticator("voipnode", SECRET, max_nonces=10)
    answers = []
    for number in range(100):
        now = 1.0 + number
        answers.append(request(("Authorization", by_hand(server.challenge(HERE, now)[0][1]))))
        assert judge(server, answers[-1], now) == ACCEPTED
    assert len(server._uses) <= 10
    assert [judge(server, answer, 101.0) for answer in answers] == [STALE] * 100


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(LocalError, match="15 bytes"):
        Authenticator("voipnode", bytes(15))
