"""How a registered account calls: as whom, through whom, and through whom else when that server dies."""

from __future__ import annotations

import pytest

from tests.support.registrar import PASSWORD, PRIMARY, SECONDARY, Registrar, account
from tests.support.sip_agents import field, has_field, response_to
from tests.support.switchboard import DOOR, Switchboard, sdp
from tests.support.virtual_loop import run_virtual
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.errors import CallError, NotNowError
from voipnode.calls.ways import Way, Ways, parse_target
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.uri import SipUri

NAMES = {"pbx.example": [PRIMARY], "pbx2.example": [SECONDARY]}
AOR = SipUri("sip", user="door", host="pbx.example")


def answers_calls(request: bytes) -> bytes | None:
    """A telephone system behind which somebody answers at once."""
    if not request.startswith(b"INVITE"):
        return None
    return response_to(request, "200 OK", "Contact: <sip:1001@192.0.2.11>", body=sdp("192.0.2.50"))


class Site:
    """A door with a registered account, and its two servers."""

    def __init__(self, **more: object) -> None:
        self.account = account(**{"secondary": {"registrar": "pbx2.example"}, "default": True, **more})
        self.board = Switchboard(account=self.account, names=NAMES)
        self.wire = self.board.wire
        self.first = Registrar(self.wire, "pbx", PRIMARY, password=PASSWORD)
        self.second = Registrar(self.wire, "pbx2", SECONDARY, password=PASSWORD)
        self.first.answer = self.second.answer = answers_calls
        self.board.switch.register(0.0)
        self.wire.run(1.0)

    def way(self, to: str) -> Way:
        ways = Ways(self.board.switch.accounts, self.board, lambda hop: DOOR)
        return run_virtual(ways.to(to, self.board.switch.account("")))

    def call(self, to: str) -> None:
        way = self.way(to)
        self.board.switch.ring([way], self.wire.now, authorised=True)


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("1001", "sip:1001@pbx.example"),
        (" sip:1001 ", "sip:1001@pbx.example"),
        ("anna.smith", "sip:anna.smith@pbx.example"),
        ("*98#", "sip:*98%23@pbx.example"),
        ("+49 30", None),
        ("tel:+49-30-1234", "sip:+49301234@pbx.example;user=phone"),
        ("anna@other.example", "sip:anna@other.example"),
        ("192.168.1.20", "sip:192.168.1.20"),
        ("192.168.1.20:5070", "sip:192.168.1.20:5070"),
        ("[2001:db8::1]", "sip:[2001:db8::1]"),
    ],
)
def test_what_is_typed_for_a_registered_account_is_a_user_of_its_domain(typed: str, uri: str | None) -> None:
    if uri is None:
        with pytest.raises(CallError, match="without blanks"):
            parse_target(typed, AOR)
    else:
        assert str(parse_target(typed, AOR)) == uri


def test_a_call_goes_through_the_server_as_the_account_with_its_password() -> None:
    site = Site(user_id="100", caller_id="Front door")
    site.first.answer = lambda request: (
        response_to(request, "407 Who", 'Proxy-Authenticate: Digest realm="pbx", nonce="n", qop="auth"')
        if request.startswith(b"INVITE") and not has_field(request, "Proxy-Authorization")
        else answers_calls(request)
    )
    site.call("1001")
    site.wire.run(2.0)
    asked, sent = site.first.of("INVITE")
    assert asked.startswith(b"INVITE sip:1001@pbx.example SIP/2.0\r\n")
    assert field(sent, "From").startswith('"Front door" <sip:100@pbx.example>;tag=')
    assert field(sent, "Contact") == "<sip:100@192.168.1.10:5060>"
    assert 'username="100"' in field(sent, "Proxy-Authorization")
    assert site.board.states == ["Calling", "Active"]


def test_a_foreign_host_is_called_through_the_server_too() -> None:
    site = Site()
    site.call("sip:anna@203.0.113.9")
    site.wire.run(2.0)
    (sent,) = site.first.of("INVITE")
    assert sent.startswith(b"INVITE sip:anna@203.0.113.9 SIP/2.0\r\n")


def test_the_registrars_service_route_is_taken() -> None:
    site = Site(proxies=[])
    site.first.more = ("Service-Route: <sip:edge.example;lr>, <sip:home.example;lr>",)
    site.wire.run(600.0)  # a refresh later
    assert site.way("1001").routes == ("<sip:edge.example;lr>", "<sip:home.example;lr>")
    assert PASSWORD not in repr(site.way("1001"))


def test_an_anonymous_call_names_the_account_to_the_server_alone() -> None:
    way = Site(privacy=True, caller_id="Front door").way("1001")
    assert str(way.from_) == '"Anonymous" <sip:anonymous@anonymous.invalid>'
    assert way.contact_user == "anonymous"
    assert way.headers == (
        ("Privacy", "id"),
        ("P-Preferred-Identity", '"Front door" <sip:door@pbx.example>'),
    )


@pytest.mark.parametrize(
    ("setting", "header"), [("asserted", "P-Asserted-Identity"), ("preferred", "P-Preferred-Identity")]
)
def test_the_identity_header_is_the_one_that_is_set(setting: str, header: str) -> None:
    way = Site(identity_header=setting).way("1001")
    assert way.headers == ((header, "<sip:door@pbx.example>"),)
    assert way.from_ == NameAddr(None, AOR)


def test_an_account_of_sips_calls_sips() -> None:
    site = Site(sips=True)
    way = site.way("1001")
    assert str(way.target) == "sips:1001@pbx.example"
    assert str(way.from_.uri) == "sips:door@pbx.example"


def test_a_call_that_the_server_does_not_react_to_goes_out_through_the_next_one() -> None:
    site = Site(no_answer_s=2.0)
    site.wire.run(6.0)
    site.first.alive = False
    site.call("1001")
    site.wire.run(12.0)
    invites = site.wire.ladder.pick("INVITE", "door")
    assert {rung.receiver for rung in invites if rung.at < 8.0} == {"pbx"}
    assert {(rung.at, rung.receiver) for rung in invites if rung.at >= 8.0} == {(8.0, "pbx2")}
    assert site.board.states == ["Calling", "Active"]


OTHER_DOMAIN = {"secondary": {"registrar": "pbx2.example", "domain": "far.example"}}


def test_a_secondary_of_another_domain_gets_the_call_as_its_own() -> None:
    site = Site(no_answer_s=2.0, identity_header="preferred", **OTHER_DOMAIN)
    site.first.more = ("Service-Route: <sip:edge.example;lr>",)
    site.wire.run(600.0)  # a refresh later
    site.first.alive = False
    site.call("1001")
    site.wire.run(603.0)
    (sent,) = site.second.of("INVITE")
    first = next(rung.data for rung in site.wire.ladder.pick("INVITE", "door") if rung.receiver == "pbx")
    assert first.startswith(b"INVITE sip:1001@pbx.example ")
    assert field(first, "Route") == "<sip:edge.example;lr>"
    assert sent.startswith(b"INVITE sip:1001@far.example ")
    assert not has_field(sent, "Route"), "that is the first server's own"
    assert field(sent, "To") == "<sip:1001@far.example>"
    assert field(sent, "P-Preferred-Identity") == "<sip:door@far.example>"
    uri, tag = field(sent, "From").split(";")
    assert uri == "<sip:door@far.example>"
    assert field(first, "From").split(";")[1] == tag, "a phone that hears of it twice knows it (RFC 3261 §8.2.2.2)"
    assert field(sent, "Call-ID") == field(first, "Call-ID")
    assert site.board.states == ["Calling", "Active"]


def test_somebody_of_a_third_domain_is_there_for_both_servers() -> None:
    way = Site(**OTHER_DOMAIN).way("sip:anna@other.example")
    assert str(way.target) == "sip:anna@other.example"
    assert [str(detour.target) for detour in way.detours] == ["sip:anna@other.example"]


def test_registered_at_the_secondary_a_call_goes_there_first() -> None:
    site = Site(**OTHER_DOMAIN)
    site.first.alive = False
    site.wire.run(20.0)
    way = site.way("1001")
    assert (str(way.target), way.hops[0].remote) == ("sip:1001@far.example", SECONDARY)
    assert [(str(detour.target), detour.hops[0].remote) for detour in way.detours] == [
        ("sip:1001@pbx.example", PRIMARY)
    ]


def test_a_phone_that_rings_through_a_server_that_dies_is_called_through_the_other_one_and_cancelled_here() -> None:
    site = Site(**OTHER_DOMAIN)
    site.first.answer = lambda request: response_to(request, "180 Ringing") if request.startswith(b"INVITE") else None
    site.wire.run(6.0)
    site.call("1001")
    site.wire.run(6.5)
    site.first.alive = False
    site.wire.run(20.0)
    (moved,) = [rung for rung in site.wire.ladder.pick("INVITE", "door") if rung.receiver == "pbx2"]
    assert round(moved.at, 3) == 12.5
    cancels = site.wire.ladder.pick("CANCEL", "door")
    assert {rung.receiver for rung in cancels} == {"pbx"}
    assert cancels[0].at == moved.at
    assert site.board.states == ["Calling", "Ringing", "Active"]
    assert len(site.board.switch.calls) == 1
    (call,) = site.board.switch.calls
    site.board.switch.hang_up(call.id, 20.0)
    site.wire.run(60.0)
    site.board.assert_quiet()


def test_a_server_found_dead_hands_its_waiting_calls_over_at_once() -> None:
    site = Site(no_answer_s=30.0)
    site.wire.run(6.0)
    site.first.alive = False
    site.call("1001")
    site.wire.run(20.0)
    (moved,) = [rung for rung in site.wire.ladder.pick("INVITE", "door") if rung.receiver == "pbx2"]
    assert round(moved.at, 3) == 12.5, "the keep-alive of 8.5 s noticed, long before no_answer_s"
    assert site.board.states == ["Calling", "Active"]


def test_a_call_that_finds_the_server_silent_has_it_asked_before_its_turn() -> None:
    site = Site(no_answer_s=1.0, keep_alive_interval_s=600)
    site.wire.run(500.0)  # a keep-alive, so that the server is known to answer them
    site.first.alive = False
    site.call("1001")
    site.wire.run(510.0)
    assert site.second.knows_door()
    probe = [at for at in site.wire.ladder.times("OPTIONS", "door") if at > 500.0]
    assert probe[0] == 501.0


def test_an_account_without_server_cannot_call_and_says_why() -> None:
    board = Switchboard(account=AccountSettings(type="registered"))
    board.switch.register(0.0)
    ways = Ways(board.switch.accounts, board, lambda hop: DOOR)
    with pytest.raises(NotNowError, match="neither registrar nor domain"):
        run_virtual(ways.to("1001", board.switch.account("")))


def test_an_account_whose_server_is_nowhere_says_why() -> None:
    board = Switchboard(account=account(domain="pbx.exmaple"))
    board.switch.register(0.0)
    ways = Ways(board.switch.accounts, board, lambda hop: DOOR)
    with pytest.raises(NotNowError, match="cannot be found"):
        run_virtual(ways.to("1001", board.switch.account("")))
