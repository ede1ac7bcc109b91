"""Calls through accounts' servers: out in the account's name, in to extensions and groups, never across."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    CARL_HOST,
    EVERYTHING,
    answer,
    assert_quiet,
    board_with,
    ended,
    heard_from,
    last,
    part,
    passes,
    registered,
    told,
)
from tests.support.extensions import Telephone, extension
from tests.support.registrar import PASSWORD, PRIMARY, Registrar, account
from tests.support.switchboard import DOOR, Phone, Switchboard, busy, rings, sdp
from tests.support.wire import Link
from voipnode.calls.contacts.book import ContactBook
from voipnode.calls.contacts.settings import ContactSettings
from voipnode.calls.events import CallChanged
from voipnode.calls.exchange.ports import GroupsOf
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.calls.ringing.directory import Directory
from voipnode.calls.ringing.settings import GroupSettings, StageSettings
from voipnode.calls.schedules.schedules import Schedules
from voipnode.calls.ways import straight, through
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutgoingInvite
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.routing import hop_to
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

OUT = SwitchSettings(dial_plan=("0. -> account office, strip 1",))


FAMILY = GroupSettings(  # Bert, and after 10 s Carl as well, and a number in the world
    name="family",
    stages=(StageSettings(ring=("102",), for_s=10), StageSettings(ring=("103", "mobile"), for_s=20)),
    calling_timeout_s=30,
)
MOBILE = ContactSettings(name="mobile", address="066012345", account="office")


def house(*groups: GroupSettings) -> GroupsOf:
    directory = Directory(ContactBook((MOBILE,), Schedules(())), groups)
    return GroupsOf(directory, lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))


def board_and_pbx(incoming: str = "door", **more: Any) -> tuple[Switchboard, Phone, Telephone, Telephone]:
    """The node registered at a server as 100, which is a telephone of its own here, and Anna and Bert at home."""
    board = board_with(
        account=account(user_id="100", incoming=incoming),
        names={"pbx.example": [PRIMARY]},
        switching=OUT,
        groups=house(FAMILY),
        **more,
    )
    Registrar(board.wire, "registrar", PRIMARY, password=PASSWORD)
    board.switch.register(0.0)
    board.wire.run(1.0)
    pbx = board.phone("pbx", PRIMARY.host, plan=rings)  # the same server takes calls
    reach_by_server(board)
    anna, bert = registered(board, "101", ANNA_HOST), registered(board, "102", BERT_HOST)
    board.wire.ladder.clear()
    return board, pbx, anna, bert


def reach_by_server(board: Switchboard) -> None:
    """Have accounts that are registered call through their server, and others straight."""

    def reach(uri: SipUri, wanted: Any, done: Any) -> None:
        registration = board.switch.accounts.registration(wanted)
        if registration is None:
            done([straight(uri, [hop_to(uri)], wanted, DOOR.host)], board.wire.now)
        else:
            done([through(uri, registration.roads(), registration)], board.wire.now)

    board.switch.reach_by(reach)


def comes_in(board: Switchboard, pbx: Phone, user: str = "100", **more: Any) -> None:
    call = OutgoingInvite(
        target=SipUri(user=user, host=DOOR.host),
        contact_user="pbx",
        **{
            "from_": NameAddr("Otto", SipUri(user="+43123", host="pbx.example")),
            "offer": sdp(PRIMARY.host),
            "hop": Hop("UDP", DOOR),
            **more,
        },
    )
    pbx.session = pbx.endpoint.invite(call, board.wire.now)
    passes(board, 0.5)


def redirects(*contacts: str) -> Callable[[Phone, sip.Event], None]:
    """A plan: send callers there."""

    def plan(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            fields = (("Contact", ", ".join(contacts)),)
            phone.endpoint.reject(event.session, 302, phone.wire.now, headers=fields)

    return plan


def test_an_extension_calls_out_as_its_account() -> None:
    board, pbx, anna, bert = board_and_pbx()
    anna.call_as("0123")
    passes(board, 0.5)
    (call,) = pbx.of(sip.IncomingCall)
    assert str(call.request.uri) == "sip:123@pbx.example"
    assert str(call.request.from_.uri) == "sip:100@pbx.example"
    assert call.request.from_.display_name == "Anna"
    answer(board, pbx)
    assert heard_from(board, ANNA_HOST, to=PRIMARY.host) == 5
    assert (last(board).caller, last(board).callee, last(board).account) == ("101", "123", "office")
    part(board, pbx, anna, bert)


def test_a_caller_who_hides_is_hidden_from_all_but_the_server() -> None:
    board, pbx, anna, _ = board_and_pbx()
    anna.session = anna.endpoint.invite(
        OutgoingInvite(
            target=SipUri(user="0123", host=DOOR.host),
            from_=anna.aor,
            contact_user="101",
            offer=sdp(ANNA_HOST),
            hop=anna.node,
            credentials=anna.credentials,
            headers=(("Privacy", "id"),),
        ),
        board.wire.now,
    )
    passes(board, 0.5)
    (call,) = pbx.of(sip.IncomingCall)
    assert str(call.request.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert call.request.headers.get("Privacy") == "id"
    assert "sip:100@pbx.example" in (call.request.headers.get("P-Preferred-Identity") or "")


def test_who_may_not_call_out_does_not() -> None:
    board, pbx, anna, bert = board_and_pbx(may_call=("door", "extensions"))
    anna.call_as("0123")
    passes(board, 0.5)
    assert ended(anna) == [(sip.EndCause.REJECTED, 403)]
    assert pbx.of(sip.IncomingCall) == []
    assert_quiet(board, anna, bert)


def test_a_server_reaches_the_extension_that_its_account_names_and_is_shown_as_it_says() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx)
    (call,) = bert.of(sip.IncomingCall)
    assert (str(call.request.from_.uri), call.request.from_.display_name) == ("sip:+43123@192.168.1.10", "Otto")
    answer(board, bert)
    assert heard_from(board, PRIMARY.host, to=BERT_HOST) == 5
    assert not [event for event in board.events if isinstance(event, CallChanged)], "nothing of it is the door's"
    part(board, bert, anna)


def test_a_caller_from_outside_does_not_pass_for_one_of_the_house() -> None:
    """Telephones open, or answer by themselves, for those inside; and the history would name her."""
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx, from_=NameAddr("Anna", SipUri(user="101", host="pbx.example")))
    (call,) = bert.of(sip.IncomingCall)
    assert str(call.request.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert last(board).caller == "sip:101@pbx.example"
    part(board, bert, anna)


@pytest.mark.parametrize("user", ["100", "0123", "101", "door"])
def test_a_server_reaches_the_door_by_whatever_number_and_never_another_server(user: str) -> None:
    board, pbx, anna, bert = board_and_pbx()
    comes_in(board, pbx, user)
    assert board.states == ["Ringing"]
    assert told(board) == []
    assert (anna.of(sip.IncomingCall), bert.of(sip.IncomingCall)) == ([], [])


def test_a_group_rings_in_its_stages_and_its_outside_numbers_only_for_those_inside() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="family")
    carl = registered(board, "103", CARL_HOST)
    comes_in(board, pbx)
    assert len(bert.of(sip.IncomingCall)) == 1
    assert carl.of(sip.IncomingCall) == []
    passes(board, 10.0)
    assert len(carl.of(sip.IncomingCall)) == 1
    assert pbx.of(sip.IncomingCall) == [], "what came by a server does not leave by one"
    answer(board, carl)
    assert [[why.cause for why in end.why] for end in bert.of(sip.SessionEnded)] == [[200]]
    assert heard_from(board, PRIMARY.host, to=CARL_HOST) == 5
    part(board, pbx, anna, bert, carl)


def test_an_extension_calls_the_group_with_everybody_in_it() -> None:
    board, pbx, anna, bert = board_and_pbx()
    bert.plan = busy
    anna.call_as("family")
    passes(board, 1.0)
    assert len(pbx.of(sip.IncomingCall)) == 1, "Bert is busy, so the next ones ring at once"
    answer(board, pbx)
    assert last(board).callee == "066012345"
    part(board, anna, bert)


def test_telephones_that_have_died_keep_nobody_from_being_rung() -> None:
    """Six of the first stage, which do not even agree to being cancelled."""
    stages = (StageSettings(ring=("102",), for_s=5, keep=False), StageSettings(ring=("103",), for_s=10))
    board = board_with(groups=house(GroupSettings(name="all", stages=stages)))
    anna, carl = registered(board, "101", ANNA_HOST), registered(board, "103", CARL_HOST)
    for host in range(30, 36):
        dead = registered(board, "102", f"192.168.1.{host}")
        board.wire.set_link("door", dead.name, Link(loss=1.0))
    anna.call_as("all")
    passes(board, 6.0)
    assert len(carl.of(sip.IncomingCall)) == 1
    part(board, anna, carl)


def test_nobody_of_a_group_is_there() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="family")
    comes_in(board, pbx)
    passes(board, 31.0)
    assert ended(pbx) == [(sip.EndCause.REJECTED, 480)]
    assert_quiet(board, anna, bert)


def test_a_call_of_ours_that_comes_back_is_a_loop() -> None:
    """The server sends what an extension dials back to the node: the same Call-ID, which is ours (RFC 3261 §16.3)."""
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    anna.call_as("0123")
    passes(board, 0.5)
    (out,) = pbx.of(sip.IncomingCall)
    invite = board.wire.ladder.pick("INVITE", "door")[-1].data
    back = invite.replace(
        b"Via: SIP/2.0/UDP", f"Via: SIP/2.0/UDP {PRIMARY};branch=z9hG4bKback\r\nVia: SIP/2.0/UDP".encode(), 1
    )
    back = back.replace(b"INVITE sip:123@pbx.example", b"INVITE sip:100@192.168.1.10", 1)
    board.wire.inject(back, pbx.hop, DOOR)
    passes(board, 0.5)
    assert board.wire.ladder.pick("482 INVITE", "door")
    assert bert.of(sip.IncomingCall) == []
    assert out.request.call_id in invite.decode()
    part(board, anna, bert)


def test_a_call_that_has_been_through_too_many_is_refused() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx, max_forwards=0)
    assert ended(pbx) == [(sip.EndCause.REJECTED, 483)]
    comes_in(board, pbx, max_forwards=2)
    (call,) = bert.of(sip.IncomingCall)
    assert call.request.max_forwards == 1
    part(board, pbx, anna, bert)


def test_there_are_at_most_so_many_calls_through_the_node() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    board.switch.exchange._settings = SwitchSettings(max_calls=1)
    comes_in(board, pbx)
    first = pbx.session
    comes_in(board, pbx)
    assert ended(pbx) == [(sip.EndCause.REJECTED, 503)]
    pbx.session = first
    part(board, pbx, anna, bert)


def test_an_extension_has_begun_only_so_many_calls_at_once() -> None:
    """Whoever has got hold of its password does not talk to the whole world at its cost."""
    board, pbx, anna, bert = board_and_pbx()
    sessions = [anna.call_as(f"0{number}") for number in range(1, 8)]
    passes(board, 1.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, 486)]
    assert len(pbx.of(sip.IncomingCall)) == 6
    bert.call_as("0123")
    passes(board, 0.5)
    assert len(pbx.of(sip.IncomingCall)) == 7
    for phone, session in (*((anna, each) for each in sessions[:6]), (bert, bert.session)):
        phone.endpoint.hang_up(session, board.wire.now)
    passes(board, 0.5)
    assert_quiet(board, pbx, anna, bert)


@pytest.mark.parametrize(("by_server", "for_caller"), [(401, 502), (503, 500), (404, 404), (486, 486), (600, 600)])
def test_what_a_server_refuses_with_and_what_the_caller_hears(by_server: int, for_caller: int) -> None:
    board, pbx, anna, bert = board_and_pbx()

    def refuses(phone: Phone, event: sip.Event) -> None:
        if isinstance(event, sip.IncomingCall):
            phone.endpoint.reject(event.session, by_server, phone.wire.now)

    pbx.plan = refuses
    anna.call_as("0123")
    passes(board, 3.0)
    assert ended(anna) == [(sip.EndCause.REJECTED, for_caller)]
    assert_quiet(board, anna, bert)


def test_a_telephone_that_sends_its_callers_elsewhere_sends_nobody_further_than_he_may() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    carl = registered(board, "103", CARL_HOST)
    bert.plan = redirects("<sip:0123@192.168.1.10>", "<sip:103@192.168.1.10>")
    comes_in(board, pbx)
    assert len(carl.of(sip.IncomingCall)) == 1
    assert pbx.of(sip.IncomingCall) == []
    part(board, pbx, anna, bert, carl)


def test_a_caller_by_a_server_hears_who_sends_sound_before_the_answer() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx)
    bert.endpoint.ring(bert.session, board.wire.now, 183, body=sdp(BERT_HOST))
    passes(board, 0.5)
    assert heard_from(board, BERT_HOST, to=PRIMARY.host) == 5
    part(board, pbx, anna, bert)


def test_a_caller_who_wants_his_sound_elsewhere_has_to_prove_himself_first() -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx, offer=sdp("203.0.113.99"))
    bert.endpoint.ring(bert.session, board.wire.now, 183, body=sdp(BERT_HOST))
    passes(board, 0.5)
    assert heard_from(board, BERT_HOST, to="203.0.113.99") == 0
    answer(board, bert)
    assert heard_from(board, BERT_HOST, to="203.0.113.99") == 5
    part(board, pbx, anna, bert)


@pytest.mark.parametrize("answered", [True, False])
def test_two_calls_by_servers_are_not_joined_by_an_extension_that_leaves(answered: bool) -> None:
    board, pbx, anna, bert = board_and_pbx(incoming="102")
    comes_in(board, pbx)
    came = pbx.session
    answer(board, bert)
    first = bert.session
    second = bert.call_as("0123")
    passes(board, 0.5)
    if answered:
        answer(board, pbx)
        bert.endpoint.refer(first, None, board.wire.now, replaces=second)
    else:
        bert.endpoint.refer(first, SipUri(user="0123", host=DOOR.host), board.wire.now)
    passes(board, 0.5)
    assert [(event.status, event.final) for event in bert.of(sip.TransferProgress)] == [(603, True)]
    assert len(board.switch.exchange.board.calls) == 2
    pbx.endpoint.hang_up(came, board.wire.now)
    bert.session = second
    part(board, bert, anna)


@pytest.mark.parametrize("rights", [EVERYTHING, ("door", "extensions")])
def test_a_telephone_sends_callers_out_only_where_it_may_go_itself(rights: tuple[str, ...]) -> None:
    """Else whoever has got hold of a telephone without that right would have others pay, by letting them call it."""
    board, pbx, anna, bert = board_and_pbx()
    dora = Telephone(board, "104", "192.168.1.24", plan=redirects("<sip:0123@192.168.1.10>"))
    board.switch.registrar.extensions["104"].settings = extension("104", may_call=rights)
    dora.register()
    anna.call_as("104")
    passes(board, 1.0)
    assert len(pbx.of(sip.IncomingCall)) == (rights == EVERYTHING)
    if rights == EVERYTHING:
        part(board, anna, pbx, bert, dora)
    else:
        assert ended(anna) == [(sip.EndCause.REJECTED, 480)]
        assert_quiet(board, anna, pbx, bert, dora)


def test_who_is_not_of_the_house_sends_nobody_out() -> None:
    friends = house(GroupSettings(name="friends", members=("sip:eve@192.168.1.66",)))
    office = account(user_id="100")
    board = board_with(more_accounts=(office,), names={"pbx.example": [PRIMARY]}, switching=OUT, groups=friends)
    Registrar(board.wire, "registrar", PRIMARY, password=PASSWORD)
    board.switch.register(0.0)
    board.wire.run(1.0)
    reach_by_server(board)
    anna, bert = registered(board, "101", ANNA_HOST), registered(board, "102", BERT_HOST)
    pbx = board.phone("pbx", PRIMARY.host, plan=rings)
    eve = board.phone("eve", "192.168.1.66", plan=redirects("<sip:0123@192.168.1.10>", "<sip:102@192.168.1.10>"))
    anna.call_as("friends")
    passes(board, 1.0)
    assert [len(phone.of(sip.IncomingCall)) for phone in (eve, pbx, bert)] == [1, 0, 1]
    part(board, anna, pbx, bert, eve)
