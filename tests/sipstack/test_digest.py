"""Digest credentials against the RFCs' own examples, curl's and httpx's answers, and hostile challenges."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voipnode.sipstack import challenge as challenge_module
from voipnode.sipstack.challenge import parse_challenges, split_auth
from voipnode.sipstack.digest import Credentials, DigestSession
from voipnode.sipstack.errors import LocalError

ALICE = Credentials("alice", "Secret, or not?")
PROXY = "Proxy-Authenticate"
WWW = "WWW-Authenticate"


def challenge(**parameters: str) -> str:
    """A Digest challenge for realm door.example.org with these parameters, all in quotation marks."""
    merged = {"realm": "door.example.org", "nonce": "n1", "qop": "auth"} | parameters
    return "Digest " + ", ".join(f'{name}="{value}"' for name, value in merged.items())


def answer(value: str, *, credentials: Credentials = ALICE, cnonce: str = "c1", body: bytes = b"") -> dict[str, str]:
    """The parameters of the credentials that a fresh session gives to one challenge; {} when it gives up."""
    fields = DigestSession((credentials,)).respond(
        [(WWW, value)], method="INVITE", uri="sip:bob@example.com", cnonce=cnonce, body=body
    )
    return split_auth(fields[0][1])[0][1] if fields else {}


def accepts(authorization: str, method: str, password: str, body: bytes = b"") -> bool:
    """A server's check, written from RFC 7616 §3.4.1 to §3.4.3 alone."""
    ((scheme, told),) = split_auth(authorization)
    algorithm = told.get("algorithm", "MD5")
    name = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[algorithm.removesuffix("-sess")]

    def digest(data: bytes) -> str:
        return hashlib.new(name, data).hexdigest()

    def join(*parts: str) -> bytes:
        return ":".join(parts).encode()

    a1 = join(told["username"], told["realm"], password)
    if algorithm.endswith("-sess"):
        a1 = join(digest(a1), told["nonce"], told["cnonce"])
    a2 = join(method, told["uri"])
    if told.get("qop") == "auth-int":
        a2 = join(method, told["uri"], digest(body))
    middle = [told["nonce"], told["nc"], told["cnonce"], told["qop"]] if "qop" in told else [told["nonce"]]
    return scheme == "digest" and told["response"] == digest(join(digest(a1), *middle, digest(a2)))


# --- the examples of the RFCs -------------------------------------------------------------------------------------

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={},'
    ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
    ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_are_reproduced(algorithm: str, response: str) -> None:
    session = DigestSession((Credentials("Mufasa", "Circle of Life"),))
    ((name, value),) = session.respond(
        [(WWW, RFC_7616.format(algorithm))],
        method="GET",
        uri="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert name == "Authorization"
    assert split_auth(value) == [
        (
            "digest",
            {
                "username": "Mufasa",
                "realm": "http-auth@example.org",
                "uri": "/dir/index.html",
                "algorithm": algorithm,
                "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                "nc": "00000001",
                "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
                "qop": "auth",
                "response": response,
                "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
            },
        )
    ]


def test_the_userhash_example_of_rfc_7616_is_reproduced_with_the_hash_that_it_was_made_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The figures of §3.9.2 come from SHA-512 cut to 256 bits; SHA-512/256 of FIPS 180-4 is another function, see below.
    monkeypatch.setitem(
        challenge_module.HASHES, "SHA-512-256", lambda data: hashlib.sha512(data).hexdigest()[: 256 // 4]
    )
    session = DigestSession((Credentials("J\u00e4s\u00f8n Doe", "Secret, or not?"),))
    ((_, value),) = session.respond(
        [
            (
                WWW,
                'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256,'
                ' nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",'
                ' opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true',
            )
        ],
        method="GET",
        uri="/doe.json",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    ((_, told),) = split_auth(value)
    assert told["username"] == "488869477bf257147b804c45308cd62ac4e25eb717b12b298c79e62dcea254ec"
    assert told["response"] == "ae66e67d6b427bd3f120414a82e4acff38e8ecd9101d6c861229025f607a79dd"
    assert told["userhash"] == "true"


def test_sha_512_256_is_the_function_of_fips_180_4() -> None:
    abc = challenge_module.HASHES["SHA-512-256"](b"abc")
    assert abc == "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"


def test_the_example_of_rfc_2617_is_reproduced() -> None:
    session = DigestSession((Credentials("Mufasa", "Circle Of Life"),))
    value = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int",'
        ' nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    ((_, credentials),) = session.respond([(WWW, value)], method="GET", uri="/dir/index.html", cnonce="0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in credentials
    assert "algorithm" not in credentials  # none was named
    assert ", qop=auth, nc=00000001, " in credentials


# --- other programs -----------------------------------------------------------------------------------------------

CURL = [  # curl 7.88.1 --digest -u 'alice:Secret, or not?' .../unit: algorithm, qop, cnonce, response
    ("MD5", "auth", "OGIzNWI3YjM2MTU3NGUxZGY0ZjkzMzRmNmFkZDU0M2M=", "3e0d9cd46b90c8b57779fe1f242f84bb"),
    ("MD5-sess", "auth", "YzE5MmIzNTBmMDE3MTA5MWM4MjZkMmJmMjBhZTM3M2U=", "c3b267a9e869fba3fd916d7e22a0dc97"),
    (
        "SHA-256",
        "auth",
        "MWE5Mjc2NmM0OTU5NzY2ZThmMTljMjE2ODEwYjM1OGM=",
        "2e313b527252b65e6197c3407fd040f00ab5bc41aba7b75574724c16d35ad1c3",
    ),
    (
        "SHA-256-sess",
        "auth",
        "MTg5M2ZhZjNkMjIzYWRhZGU5NTFjMzg3N2VkM2NkNjE=",
        "f1d1513ceddc1c2560174309f4b18f2210e76703bca9a701b5a7cbd7f45d39c0",
    ),
    (
        "SHA-256",
        "auth-int",
        "YjYxNDMwYjlmYWEyM2QzOWZmMDcxMDhjMjAwYmJjZWE=",
        "0314ff4443344cbc33b3371c23e1e603f51eef92e5942f5b26320a580042f6bd",
    ),
]


@pytest.mark.parametrize(("algorithm", "qop", "cnonce", "response"), CURL)
def test_curl_gives_the_same_answer(algorithm: str, qop: str, cnonce: str, response: str) -> None:
    nonce = "7ypf" if qop == "auth-int" else "7ypf/xlj9XXwfDPEoM4URrv"
    value = challenge(nonce=nonce, qop=qop, algorithm=algorithm)
    ((_, credentials),) = DigestSession((ALICE,)).respond([(WWW, value)], method="GET", uri="/unit", cnonce=cnonce)
    ((_, told),) = split_auth(credentials)
    assert (told["response"], told["qop"], told["algorithm"]) == (response, qop, algorithm)


def test_curl_gives_the_same_answer_without_qop() -> None:
    value = 'Digest realm="door.example.org", nonce="7ypf"'
    ((_, credentials),) = DigestSession((ALICE,)).respond([(WWW, value)], method="GET", uri="/unit", cnonce="x")
    assert credentials == (
        'Digest username="alice", realm="door.example.org", nonce="7ypf", uri="/unit",'
        ' response="381460bf139378b5f0c1136206398ec9"'
    )


@pytest.mark.parametrize("algorithm", ["MD5", "MD5-SESS", "SHA-256", "SHA-256-SESS"])
def test_the_server_of_these_tests_accepts_httpx(algorithm: str) -> None:
    # Shows that `accepts`, which judges our answers below, judges a stranger's alike.
    flow = httpx.DigestAuth("alice", "Secret, or not?").auth_flow(httpx.Request("GET", "http://door/unit"))
    request = next(flow)
    headers = {"www-authenticate": f'Digest realm="door", nonce="n", qop="auth", algorithm={algorithm}'}
    value = flow.send(httpx.Response(401, headers=headers, request=request)).headers["authorization"]
    value = value.replace("-SESS", "-sess")
    assert accepts(value, "GET", "Secret, or not?")
    assert not accepts(value, "GET", "secret, or not?")


@pytest.mark.parametrize("qop", ["auth", "auth-int"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256", "MD5-sess", "SHA-256-sess", "SHA-512-256-sess"])
def test_a_server_accepts_every_algorithm_and_qop(algorithm: str, qop: str) -> None:
    session = DigestSession((ALICE,))
    body = b"v=0\r\n"
    value = challenge(algorithm=algorithm, qop=qop)
    first = session.respond([(WWW, value)], method="INVITE", uri="sip:b@x", cnonce="c1", body=body)
    second = session.prepare(method="INVITE", uri="sip:b@x", cnonce="c2", body=body)
    for ((_, credentials),), count in ((first, 1), (second, 2)):
        assert f"nc={count:08x}" in credentials
        assert accepts(credentials, "INVITE", ALICE.password, body)
        assert not accepts(credentials, "INVITE", "wrong", body)
        assert accepts(credentials, "INVITE", ALICE.password, b"other") == (qop == "auth")


# --- which challenge ----------------------------------------------------------------------------------------------


def test_the_strongest_known_algorithm_of_a_realm_is_answered_once() -> None:
    fields = [
        (WWW, challenge(algorithm="MD5", nonce="weak")),
        (WWW, challenge(algorithm="SHA3-512", nonce="unknown")),
        (WWW, challenge(algorithm="SHA-256", nonce="top")),
        (WWW, challenge(algorithm="SHA-256-sess", nonce="second")),
    ]
    ((_, credentials),) = DigestSession((ALICE,)).respond(fields, method="REGISTER", uri="sip:x", cnonce="c")
    assert 'nonce="top"' in credentials
    assert "algorithm=SHA-256," in credentials


def test_several_challenges_in_one_field_are_told_apart() -> None:
    value = (
        'Basic realm="a, b", Digest realm="quoted \\" and , comma", nonce="n,1", qop="auth,auth-int", algorithm=md5 ,'
        '\r\n  DIGEST Realm = "two" , Nonce="n2",stale=TRUE'
    )
    assert [(found.realm, found.nonce, found.qop, found.stale) for found in parse_challenges(value)] == [
        ('quoted \\" and , comma', "n,1", "auth", False),
        ("two", "n2", None, True),
    ]


def test_401_and_407_challenges_are_answered_in_their_own_fields() -> None:
    challenges = [("www-AUTHENTICATE", challenge(realm="uas")), (PROXY, challenge(realm="proxy")), ("Via", "Digest x")]
    fields = DigestSession((ALICE,)).respond(challenges, method="INVITE", uri="sip:x", cnonce="c")
    assert [(name, split_auth(value)[0][1]["realm"]) for name, value in fields] == [
        ("Authorization", "uas"),
        ("Proxy-Authorization", "proxy"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        challenge(algorithm="SHA3-512"),
        challenge(algorithm="token"),
        challenge(qop="auth-conf"),
        challenge(qop=""),
        'Digest realm="door.example.org", nonce="n", algorithm=MD5-sess',  # no qop, hence no client nonce
        'Basic realm="door.example.org"',
        'Digest realm="door.example.org"',
        'Digest nonce="n"',
        'Digest realm="unclosed, nonce="n"',
        'Digest realm="a", nonce="n\x00"',
        'Digest realm="a", nonce="n\\\r\n"',
        f'Digest realm="a", nonce="{"n" * 3000}"',
        "Digest",
        "",
    ],
)
def test_a_challenge_that_cannot_be_answered_means_give_up(value: str) -> None:
    assert answer(value) == {}


def test_credentials_for_another_realm_stay_at_home() -> None:
    here = Credentials("alice", "pw", realm="door.example.org")
    assert answer(challenge(), credentials=here) != {}
    assert answer(challenge(realm="evil.example.net"), credentials=here) == {}


def test_a_user_name_with_marks_is_escaped_and_hashed_as_it_is() -> None:
    told = answer(challenge(), credentials=Credentials('a"b\\c', "pw"))
    assert told["username"] == 'a\\"b\\\\c'
    inner = hashlib.md5(b'a"b\\c:door.example.org:pw').hexdigest()
    outer = hashlib.md5(b"INVITE:sip:bob@example.com").hexdigest()
    assert told["response"] == hashlib.md5(f"{inner}:n1:00000001:c1:auth:{outer}".encode()).hexdigest()


def test_a_password_does_not_show_in_a_repr() -> None:
    assert "Secret" not in repr(ALICE)


def test_a_user_name_with_a_line_end_is_the_callers_mistake() -> None:
    with pytest.raises(LocalError):
        Credentials("alice\r\nX: y", "pw")


# --- one request after another ------------------------------------------------------------------------------------


class Ladder:
    """Sends one kind of request again and again through one session, as an endpoint does."""

    def __init__(self) -> None:
        self.session = DigestSession((ALICE,))
        self.fields: list[tuple[str, str]] = []

    def challenged(self, *challenges: tuple[str, str]) -> list[tuple[str, str]]:
        self.fields = self.session.respond(
            challenges, method="INVITE", uri="sip:x", cnonce="c", refused=[("Via", "x"), *self.fields]
        )
        return self.fields

    def next_request(self) -> list[tuple[str, str]]:
        self.fields = self.session.prepare(method="INFO", uri="sip:x", cnonce="c")
        return self.fields


def test_a_refused_password_is_not_tried_twice() -> None:
    ladder = Ladder()
    assert ladder.challenged((WWW, challenge(nonce="1")))
    assert ladder.challenged((WWW, challenge(nonce="2"))) == []


def test_the_same_nonce_is_not_answered_twice_even_when_called_stale() -> None:
    ladder = Ladder()
    assert ladder.challenged((WWW, challenge(nonce="1")))
    assert ladder.challenged((WWW, challenge(nonce="1", stale="true"))) == []


def test_a_stale_nonce_is_replaced_and_counted_from_one() -> None:
    ladder = Ladder()
    ladder.challenged((WWW, challenge(nonce="1")))
    ((_, credentials),) = ladder.challenged((WWW, challenge(nonce="2", stale="true")))
    assert 'nonce="2"' in credentials
    assert "nc=00000001" in credentials


def test_a_nonce_that_ran_out_in_silence_is_replaced_once() -> None:
    ladder = Ladder()
    ladder.challenged((WWW, challenge(nonce="1")))
    ladder.next_request()
    assert ladder.challenged((WWW, challenge(nonce="2")))
    assert ladder.challenged((WWW, challenge(nonce="3"))) == []


def test_a_second_proxy_gets_its_answer_and_the_first_keeps_its_own() -> None:
    ladder = Ladder()
    ladder.challenged((PROXY, challenge(realm="one", nonce="1")))
    fields = ladder.challenged((PROXY, challenge(realm="two", nonce="2")))
    told = [split_auth(value)[0][1] for _, value in fields]
    assert [(each["realm"], each["nc"]) for each in told] == [("one", "00000002"), ("two", "00000001")]


def test_a_refused_password_of_one_realm_does_not_go_along_to_another() -> None:
    ladder = Ladder()
    ladder.challenged((PROXY, challenge(realm="one", nonce="1")))
    fields = ladder.challenged((PROXY, challenge(realm="one", nonce="2")), (PROXY, challenge(realm="two")))
    assert [split_auth(value)[0][1]["realm"] for _, value in fields] == ["two"]


def test_nothing_is_prepared_before_anybody_asked() -> None:
    assert Ladder().next_request() == []


def test_a_challenge_with_the_nonce_in_use_goes_on_counting() -> None:
    ladder = Ladder()
    ladder.challenged((WWW, challenge()))
    ladder.fields = []  # a request without credentials is challenged with the same nonce
    ((_, credentials),) = ladder.challenged((WWW, challenge()))
    assert "nc=00000002" in credentials


def test_the_next_nonce_of_authentication_info_is_used() -> None:
    ladder = Ladder()
    ladder.challenged((WWW, challenge()))
    ladder.session.learn([("Authentication-Info", 'qop=auth, nextnonce="fresh"')])
    ((_, credentials),) = ladder.next_request()
    assert 'nonce="fresh"' in credentials
    assert "nc=00000001" in credentials


def test_a_next_nonce_is_left_alone_where_it_is_not_clear_whose_it_is() -> None:
    info = [("Authentication-Info", 'nextnonce="fresh"')]
    two_realms, session_key = Ladder(), Ladder()
    two_realms.challenged((WWW, challenge(realm="one")), (WWW, challenge(realm="two")))
    session_key.challenged((WWW, challenge(algorithm="MD5-sess")))  # its key was made of the first nonce
    for ladder in (two_realms, session_key):
        ladder.session.learn(info)
        assert "fresh" not in str(ladder.next_request())


def test_two_requests_refused_with_the_same_old_nonce_are_both_repeated() -> None:
    session = DigestSession((ALICE,))
    session.respond([(WWW, challenge(nonce="1"))], method="INVITE", uri="sip:x", cnonce="c")
    info, bye = (session.prepare(method=method, uri="sip:x", cnonce="c") for method in ("INFO", "BYE"))
    for method, had, nonce in (("INFO", info, "2"), ("BYE", bye, "3")):
        fields = session.respond([(WWW, challenge(nonce=nonce))], method=method, uri="sip:x", cnonce="c", refused=had)
        assert accepts(fields[0][1], method, ALICE.password)


def test_the_first_of_two_parameters_of_one_name_counts() -> None:
    assert answer('Digest realm="a", nonce="first", nonce="second"')["nonce"] == "first"


def test_a_session_key_keeps_its_first_client_nonce() -> None:
    session = DigestSession((ALICE,))
    session.respond([(WWW, challenge(algorithm="MD5-sess"))], method="INVITE", uri="sip:x", cnonce="first")
    ((_, credentials),) = session.prepare(method="BYE", uri="sip:x", cnonce="second")
    assert 'cnonce="first"' in credentials
    assert accepts(credentials, "BYE", ALICE.password)


def test_realms_without_end_are_not_remembered_without_end() -> None:
    session = DigestSession((ALICE,))
    for number in range(50):
        session.respond([(WWW, challenge(realm=f"r{number}"))], method="INVITE", uri="sip:x", cnonce="c")
    assert len(session.prepare(method="INVITE", uri="sip:x", cnonce="c")) == 8


# --- hostile input ------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "Digest ",
        "realm=",
        '"',
        "nonce=",
        "\\",
        ",",
        "=",
        " ",
        "qop=auth",
        "algorithm=MD5-sess",
        "\r\n ",
        "a",
        "\x00",
        "é",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=80))
def test_no_challenge_makes_us_raise_or_write_a_second_line(value: str) -> None:
    session = DigestSession((ALICE,))
    session.learn([("Authentication-Info", value)])
    fields = session.respond(
        [(WWW, value), (PROXY, value)], method="INVITE", uri="sip:x", cnonce="c", refused=[("Authorization", value)]
    )
    session.learn([("Authentication-Info", value)])
    for _, text in fields + session.prepare(method="INVITE", uri="sip:x", cnonce="c"):
        assert not set(text) & set("\r\n\0")
        assert len(split_auth(text)) == 1


@pytest.mark.parametrize("unit", ["Digest ", 'a="b",', '"', "\\", 'realm="x', ",", " "])
def test_long_input_costs_linear_time(unit: str) -> None:
    split_auth("Digest " + unit * (60_000 // len(unit)))  # finishes at once, or the time-out of the suite tells
