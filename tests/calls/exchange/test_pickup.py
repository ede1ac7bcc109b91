"""Call pickup: a call that rings at one extension is taken by another, by a code or by the key of a busy lamp."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.calls.exchange.test_lamps import NS, watch
from tests.support.exchange import (
    ANNA_HOST,
    BERT_HOST,
    CARL_HOST,
    board_with,
    ended,
    heard_from,
    invite,
    last,
    part,
    passes,
    registered,
)
from tests.support.extensions import Telephone, extension
from tests.support.switchboard import Switchboard, sdp
from voipnode.calls.events import CallReason
from voipnode.calls.exchange.settings import SwitchSettings
from voipnode.sipstack import events as sip

CODES = SwitchSettings(dial_plan=("*8 -> pickup", "*8. -> pickup, strip 2"))
ELSEWHERE = [("SIP", 200)]


def three(**settings: object) -> tuple[Switchboard, Telephone, Telephone, Telephone]:
    """Anna, Bert and Carl."""
    board = board_with(switching=CODES, **settings)  # type: ignore[arg-type]
    hosts = (ANNA_HOST, BERT_HOST, CARL_HOST)
    anna, bert, carl = (registered(board, str(number), host) for number, host in enumerate(hosts, 101))
    return board, anna, bert, carl


def pick_up(board: Switchboard, phone: Telephone, code: str, *, offer: bool = True) -> None:
    invite(phone, code, sdp(phone.address.host) if offer else None)
    passes(board, 1.0)


def key(watcher: Telephone, *, swapped: bool = False) -> str:
    """The Replaces that a telephone makes of the ringing dialog that its lamp shows."""
    (dialog,) = ElementTree.fromstring(watcher.of(sip.NotifyReceived)[-1].body)
    assert dialog.findtext(f"{NS}state") == "early"
    theirs, ours = dialog.attrib["local-tag"], dialog.attrib["remote-tag"]
    to_tag, from_tag = (theirs, ours) if swapped else (ours, theirs)
    return f"{dialog.attrib['call-id']};to-tag={to_tag};from-tag={from_tag};early-only"


@pytest.mark.parametrize("code", ["*8", "*8102"])
def test_a_call_to_a_neighbour_is_taken_by_a_code(code: str) -> None:
    board, anna, bert, carl = three()
    anna.call_as("102")
    passes(board, 1.0)
    pick_up(board, carl, code)
    assert len(anna.of(sip.CallAnswered)) == len(carl.of(sip.CallAnswered)) == 1
    (end,) = bert.of(sip.SessionEnded)
    assert (end.cause, [(why.protocol, why.cause) for why in end.why]) == (sip.EndCause.CANCELLED, ELSEWHERE)
    assert (last(board).caller, last(board).callee, last(board).state.value) == ("101", "103", "Active")
    assert heard_from(board, ANNA_HOST, CARL_HOST) == 5
    assert heard_from(board, CARL_HOST, ANNA_HOST) == 5
    part(board, carl, anna, bert)


def test_who_picks_up_may_leave_the_offer_to_the_node() -> None:
    board, anna, bert, carl = three()
    anna.call_as("102")
    passes(board, 1.0)
    invite(carl, "*8", None)
    passes(board, 0.1)
    (answered,) = carl.of(sip.CallAnswered)
    assert answered.body is not None
    carl.endpoint.acknowledge(carl.session, sdp(CARL_HOST), board.wire.now)
    passes(board, 1.0)
    assert heard_from(board, CARL_HOST, ANNA_HOST) == 5
    part(board, anna, carl, bert)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_key_of_a_busy_lamp_takes_the_call_that_it_shows(swapped: bool) -> None:
    board, anna, bert, carl = three()
    watch(carl, "102")
    anna.call_as("102")
    passes(board, 1.0)
    fields = (("Replaces", key(carl, swapped=swapped)), ("Require", "replaces"))
    invite(carl, "102", sdp(CARL_HOST), headers=fields)
    passes(board, 1.0)
    assert (last(board).callee, last(board).state.value) == ("103", "Active")
    assert ended(bert) == [(sip.EndCause.CANCELLED, 0)]
    assert heard_from(board, ANNA_HOST, CARL_HOST) == 5


@pytest.mark.parametrize("by_key", [False, True])
def test_a_visitor_who_rings_at_one_extension_is_answered_by_another(by_key: bool) -> None:
    board, _, bert, carl = three()
    watch(carl, "102")
    board.switch.ring(board.switch.registrar.reach("102"), board.wire.now, authorised=True, button="button")
    passes(board, 1.0)
    if by_key:
        invite(carl, "102", sdp(CARL_HOST), headers=(("Replaces", key(carl)), ("Require", "replaces")))
        passes(board, 1.0)
    else:
        pick_up(board, carl, "*8102")
    (call,) = board.switch.calls
    assert (call.state.value, call.account.id, call.authorised) == ("Active", "extension 103", True)
    assert board.device.running
    assert [[(why.protocol, why.cause) for why in end.why] for end in bert.of(sip.SessionEnded)] == [ELSEWHERE]


@pytest.mark.parametrize(("may_call", "taken"), [(("door", "extensions"), True), (("door",), False)])
def test_the_key_takes_the_doors_call_for_who_may_call_extensions_whether_he_opens_or_not(
    may_call: tuple[str, ...], taken: bool
) -> None:
    people = [extension(number, may_call=may_call, opens=False) for number in ("101", "102")]
    board = Switchboard(extensions=tuple(people), switching=CODES)
    registered(board, "101", ANNA_HOST)
    bert = registered(board, "102", BERT_HOST)
    watch(bert, "101")
    board.switch.ring(board.switch.registrar.reach("101"), board.wire.now, authorised=True)
    passes(board, 1.0)
    invite(bert, "101", sdp(BERT_HOST), headers=(("Replaces", key(bert)), ("Require", "replaces")))
    passes(board, 1.0)
    (call,) = board.switch.calls
    assert (call.state.value, call.authorised) == (("Active", False) if taken else ("Ringing", True))


@pytest.mark.parametrize("code", ["*8", "*8103", "*8999"])
def test_where_nothing_rings_nothing_is_taken(code: str) -> None:
    """*8 alone takes a neighbour's call, and not the one that rings at the telephone itself."""
    board, anna, _, carl = three()
    if code == "*8":
        anna.call_as("103")
    else:
        anna.call_as("102")
    passes(board, 1.0)
    pick_up(board, carl, code)
    assert (404) in [status for _, status in ended(carl)]
    assert last(board).state.value == "Ringing"


def test_who_may_not_call_extensions_may_not_take_their_calls() -> None:
    board, anna, _, carl = three(may_call=("door",))
    board.switch.ring(board.switch.registrar.reach("102"), board.wire.now, authorised=True)
    passes(board, 1.0)
    pick_up(board, carl, "*8")
    assert ended(carl) == [(sip.EndCause.REJECTED, 403)]
    assert anna.of(sip.SessionEnded) == []


def test_what_cannot_be_talked_leaves_the_call_ringing() -> None:
    board, anna, bert, carl = three()
    anna.call_as("102")
    passes(board, 1.0)
    invite(carl, "*8", sdp(CARL_HOST, formats="18"))
    passes(board, 1.0)
    assert ended(carl) == [(sip.EndCause.REJECTED, 488)]
    assert (last(board).state.value, bert.of(sip.SessionEnded)) == ("Ringing", [])


def test_two_pick_up_in_the_same_moment_and_one_has_it() -> None:
    board, anna, bert, carl = three()
    dora = registered(board, "104", "192.168.1.24")
    anna.call_as("102")
    passes(board, 1.0)
    for phone in (carl, dora):
        invite(phone, "*8", sdp(phone.address.host))
    passes(board, 1.0)
    got = [len(phone.of(sip.CallAnswered)) for phone in (carl, dora)]
    assert sorted(got) == [0, 1]
    assert last(board).reason is CallReason.ACCEPTED_BY_REMOTE
    part(board, anna, bert, carl, dora)
