"""Subscriptions of others to a package that is served above: who has one, what they are told, when it ends."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.support.sip_agents import (
    ALICE,
    BOB,
    Agent,
    FarSide,
    agent_and_far_side,
    field,
    has_field,
    message,
    response_to,
    tag_of,
)
from tests.support.wire import Wire
from voipnode.sipstack.dialog_info import CONTENT_TYPE, NAMESPACE, PACKAGE, DialogInfo, DialogPicture
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.message import Request
from voipnode.sipstack.serving import MAX_OF_ONE, Package, Wish
from voipnode.sipstack.transport import Hop

RINGING = DialogInfo(
    "d1", "call-1", "theirs", "ours", initiator=False, state="early", remote="sip:102@a", remote_name="Ben & Co"
)
TALKING = DialogInfo("d2", "call-2", "x", "y", True, "confirmed", "sip:door@a")
Scene = tuple[Wire, Agent, FarSide, "Lines"]


class Lines:
    """What may be watched: "101" alone."""

    def __init__(self) -> None:
        self.dialogs: list[DialogInfo] = []

    def watch(self, request: Request, source: Hop, now: float) -> Wish:
        if getattr(request.uri, "user", "") != "101":
            raise RemoteError(404, "Not Found")
        return Wish("101", "bob", DialogPicture("sip:101@alice", lambda: self.dialogs))


def subscribe(
    number: int = 1, *more: str, user: str = "101", to_tag: str = "", expires: str = "600", cid: str = "s1"
) -> bytes:
    return message(
        f"SUBSCRIBE sip:{user}@192.0.2.1 SIP/2.0",
        f"Via: SIP/2.0/UDP {BOB};branch=z9hG4bK{cid}{number}",
        "From: <sip:bob@192.0.2.2>;tag=x",
        f"To: <sip:{user}@192.0.2.1>{to_tag}",
        f"Call-ID: {cid}",
        f"CSeq: {number} SUBSCRIBE",
        "Max-Forwards: 70",
        f"Contact: <sip:bob@{BOB}>",
        "Event: dialog",
        f"Expires: {expires}",
        *more,
    )


@pytest.fixture
def scene() -> Scene:
    wire, alice, far = agent_and_far_side()
    lines = Lines()
    alice.endpoint.serve_subscriptions(Package(PACKAGE, CONTENT_TYPE, lines))
    return wire, alice, far, lines


def answer_notifies(far: FarSide, status: str = "200 OK") -> None:
    """Answer every NOTIFY at once."""

    def reply(data: bytes, source: Hop) -> None:
        if data.startswith(b"NOTIFY"):
            far.say(response_to(data, status), ALICE)

    far.on_message = reply


def notifies(far: FarSide) -> list[bytes]:
    return [data for data in far.got if data.startswith(b"NOTIFY")]


def document(data: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Version, state and dialogs of a document, read by somebody else's parser."""
    root = ElementTree.fromstring(data.partition(b"\r\n\r\n")[2])
    assert root.tag == f"{{{NAMESPACE}}}dialog-info"
    assert root.attrib["entity"] == "sip:101@alice"
    states = [(each.attrib["id"], each.findtext(f"{{{NAMESPACE}}}state") or "") for each in root]
    return root.attrib["version"], root.attrib["state"], states


def test_who_watches_is_told_at_once_all_there_is_and_then_what_changes(scene: Scene) -> None:
    wire, alice, far, lines = scene
    answer_notifies(far)
    far.say(subscribe(), ALICE)
    wire.run(until=1.0)
    ok = far.last("SIP/2.0 200")
    assert (field(ok, "Expires"), has_field(ok, "Contact")) == ("600", True)
    first = notifies(far)[0]
    assert first.startswith(f"NOTIFY sip:bob@{BOB} SIP/2.0".encode())
    assert (field(first, "Event"), field(first, "Subscription-State")) == ("dialog", "active;expires=600")
    assert (field(first, "Content-Type"), document(first)) == (CONTENT_TYPE, ("0", "full", []))
    for dialogs in ([RINGING], [RINGING, TALKING], [TALKING], []):
        lines.dialogs = list(dialogs)
        alice.endpoint.state_changed(PACKAGE, "101", wire.now)
        wire.run(until=wire.now + 1.0)
    assert [document(data) for data in notifies(far)[1:]] == [
        ("1", "partial", [("d1", "early")]),
        ("2", "partial", [("d2", "confirmed")]),
        ("3", "partial", [("d1", "terminated")]),
        ("4", "partial", [("d2", "terminated")]),
    ]


def test_while_one_notify_is_under_way_the_changes_are_gathered(scene: Scene) -> None:
    wire, alice, far, lines = scene
    far.say(subscribe(), ALICE)
    wire.run(until=0.1)
    for dialogs in ([RINGING], [RINGING, TALKING]):
        lines.dialogs = list(dialogs)
        alice.endpoint.state_changed(PACKAGE, "101", wire.now)
    wire.run(until=0.2)
    assert len(notifies(far)) == 1
    answer_notifies(far)
    far.say(response_to(notifies(far)[0], "200 OK"), ALICE)
    wire.run(until=0.3)
    assert document(notifies(far)[-1]) == ("1", "partial", [("d1", "early"), ("d2", "confirmed")])


def test_a_refresh_is_answered_with_all_and_an_end_too(scene: Scene) -> None:
    wire, alice, far, lines = scene
    answer_notifies(far)
    lines.dialogs = [RINGING]
    far.say(subscribe(), ALICE)
    wire.run(until=1.0)
    tag = tag_of(field(far.last("SIP/2.0 200"), "To"))
    far.say(subscribe(2, to_tag=f";tag={tag}", expires="1200"), ALICE)
    wire.run(until=2.0)
    assert document(notifies(far)[-1]) == ("1", "full", [("d1", "early")])
    assert field(notifies(far)[-1], "Subscription-State") == "active;expires=1200"
    far.say(subscribe(3, to_tag=f";tag={tag}", expires="0"), ALICE)
    wire.run(until=3.0)
    assert field(notifies(far)[-1], "Subscription-State") == "terminated;reason=timeout"
    assert alice.endpoint.watched(PACKAGE) == ()
    wire.run(until=100.0)
    assert alice.forgot_all()


def test_it_ends_by_itself_and_a_look_is_one_notify(scene: Scene) -> None:
    wire, alice, far, _ = scene
    answer_notifies(far)
    far.say(subscribe(expires="60"), ALICE)
    far.say(subscribe(expires="0", cid="look"), ALICE)
    wire.run(until=59.0)
    assert [field(data, "Subscription-State") for data in notifies(far)] == [
        "active;expires=60",
        "terminated;reason=timeout",
    ]
    wire.run(until=61.0)
    assert field(notifies(far)[-1], "Subscription-State") == "terminated;reason=timeout"
    wire.run(until=200.0)
    assert alice.forgot_all()


@pytest.mark.parametrize("status", ["481 Gone", "500 No"])
def test_who_does_not_take_it_is_told_no_more(scene: Scene, status: str) -> None:
    wire, alice, far, lines = scene
    answer_notifies(far, status)
    far.say(subscribe(), ALICE)
    wire.run(until=1.0)
    lines.dialogs = [RINGING]
    alice.endpoint.state_changed(PACKAGE, "101", wire.now)
    wire.run(until=100.0)
    assert len(notifies(far)) == 1
    assert alice.forgot_all()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (subscribe(user="999"), 404),
        (subscribe(expires="59"), 423),
        (subscribe(1, "Accept: application/pidf+xml"), 406),
        (subscribe(to_tag=";tag=nobody"), 481),
        (subscribe().replace(b"Event: dialog", b"Event: presence"), 489),
    ],
)
def test_what_is_not_served(scene: Scene, data: bytes, status: int) -> None:
    wire, _, far, _ = scene
    far.say(data, ALICE)
    wire.run(until=1.0)
    answer = far.last(f"SIP/2.0 {status}")
    if status == 423:
        assert field(answer, "Min-Expires") == "60"
    if status == 489:
        assert field(answer, "Allow-Events") == "refer, dialog"
    assert notifies(far) == []


def test_one_has_so_many_and_no_more(scene: Scene) -> None:
    wire, alice, far, _ = scene
    answer_notifies(far)
    for number in range(MAX_OF_ONE + 1):
        far.say(subscribe(cid=f"s{number}"), ALICE)
    wire.run(until=1.0)
    assert alice.endpoint.counts()["served"] == MAX_OF_ONE
    assert far.last("SIP/2.0 503")


def test_what_a_document_says_of_a_dialog() -> None:
    """RFC 4235 §4.1; names come from others and are text, not markup."""
    drawn = DialogPicture('sip:101@"a', lambda: [RINGING]).draw(whole=True)
    (dialog,) = ElementTree.fromstring(drawn)
    assert dialog.attrib == {
        "id": "d1",
        "call-id": "call-1",
        "local-tag": "theirs",
        "remote-tag": "ours",
        "direction": "recipient",
    }
    identity = dialog.find(f"{{{NAMESPACE}}}remote/{{{NAMESPACE}}}identity")
    assert identity is not None
    assert (identity.attrib["display"], identity.text) == ("Ben & Co", "sip:102@a")


def test_where_nothing_is_new_all_is_shown() -> None:
    """A document without dialogs would say that there are none (RFC 4235 §3.3)."""
    picture = DialogPicture("sip:101@alice", lambda: [TALKING])
    picture.draw(whole=True)
    assert document(b"\r\n\r\n" + picture.draw(whole=False)) == ("1", "full", [("d2", "confirmed")])
