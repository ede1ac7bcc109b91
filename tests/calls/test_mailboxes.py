"""What waits in an account's mailbox: asked for while it is registered, and again, or told without being asked."""

from __future__ import annotations

from tests.support.registrar import PASSWORD, PRIMARY, Registrar, account
from tests.support.sip_agents import field, message, response_to, tag_of
from tests.support.switchboard import DOOR, Switchboard
from voipnode.calls.events import MessageWaitingChanged
from voipnode.calls.ways import straight
from voipnode.sipstack.transport import Address

NAMES = {"pbx.example": [PRIMARY]}


class Pbx(Registrar):
    """A server with mailboxes: takes subscriptions with `status`, and tells when the test says so."""

    asked: bytes = b""
    status = "200 OK"

    def subscribed(self, data: bytes) -> bytes | None:
        if not data.startswith(b"SUBSCRIBE"):
            return None
        self.asked = data
        return response_to(data, self.status, "Expires: 600", tag="pbx")

    def notify(self, cseq: int, state: str, body: str, *, to: str = "") -> bytes:
        fields = [
            f"From: <sip:100@pbx.example>;tag={'un' if to else 'pbx'}",
            f"To: {to or field(self.asked, 'From')}",
            f"Call-ID: {f'unasked-{self.name}' if to else field(self.asked, 'Call-ID')}",
        ]
        return message(
            "NOTIFY sip:100@192.168.1.10:5060 SIP/2.0",
            f"Via: SIP/2.0/UDP {self.address};branch=z9hG4bKn{cseq}{'un' if to else ''}",
            "Max-Forwards: 70",
            *fields,
            f"CSeq: {cseq} NOTIFY",
            f"Contact: <sip:mwi@{self.address}>",
            "Event: message-summary",
            f"Subscription-State: {state}",
            body=f"Messages-Waiting: {'yes' if body else 'no'}\r\n{body}".encode(),
            content_type="application/simple-message-summary",
        )


def board_and_server(**settings: object) -> tuple[Switchboard, Pbx]:
    board = Switchboard(account=account(user_id="100", **settings), names=NAMES)
    board.switch.reach_by(
        lambda uri, account, done: done([straight(uri, board.hops_to(uri), account, DOOR.host)], board.wire.now)
    )
    server = Pbx(board.wire, "pbx", PRIMARY, password=PASSWORD)
    server.answer = server.subscribed
    board.switch.register(0.0)
    board.wire.run(1.0)
    return board, server


def told(board: Switchboard) -> list[tuple[bool, int, int]]:
    return [(event.waiting, event.new, event.old) for event in board.events if isinstance(event, MessageWaitingChanged)]


def test_a_registered_account_asks_and_tells_each_change_once() -> None:
    board, server = board_and_server(message_waiting=True)
    assert board.wire.ladder.times("SUBSCRIBE", "door") == [0.0]
    assert server.asked.startswith(b"SUBSCRIBE sip:100@pbx.example SIP/2.0\r\n")
    assert field(server.asked, "Contact") == "<sip:100@192.168.1.10:5060>"
    assert tag_of(field(server.asked, "From"))
    for cseq, body in ((1, "Voice-Message: 2/1"), (2, "Voice-Message: 2/1"), (3, "")):
        server.say(server.notify(cseq, "active;expires=600", body), DOOR)
        board.wire.run(board.wire.now + 1.0)
    assert told(board) == [(True, 2, 1), (False, 0, 0)]
    board.wire.run(700.0)
    assert board.wire.ladder.times("SUBSCRIBE", "door")[1:2] == [543.0]


def test_an_account_that_does_not_want_to_know_does_not_ask() -> None:
    board, _ = board_and_server()
    assert not board.wire.ladder.pick("SUBSCRIBE")


def test_a_server_that_ends_the_subscription_is_asked_again_but_not_in_a_circle() -> None:
    board, server = board_and_server(message_waiting=True)
    server.say(server.notify(1, "terminated;reason=deactivated", ""), DOOR)
    board.wire.run(20.0)
    assert board.wire.ladder.times("SUBSCRIBE", "door") == [0.0, 6.0]


def test_a_server_without_mailboxes_is_asked_once() -> None:
    board = Switchboard(account=account(user_id="100", message_waiting=True), names=NAMES)
    board.switch.reach_by(
        lambda uri, account, done: done([straight(uri, board.hops_to(uri), account, DOOR.host)], board.wire.now)
    )
    server = Pbx(board.wire, "pbx", PRIMARY)
    server.status = "489 Bad Event"
    server.answer = server.subscribed
    board.switch.register(0.0)
    board.wire.run(2000.0)
    assert board.wire.ladder.times("SUBSCRIBE", "door") == [0.0]
    assert board.endpoint.counts()["subscribing"] == 0


def test_a_server_may_tell_without_being_asked_and_nobody_else_may() -> None:
    board, server = board_and_server()
    notice = server.notify(1, "active", "Voice-Message: 5/0", to="<sip:100@pbx.example>")
    server.say(notice, DOOR)
    board.wire.run(2.0)
    assert told(board) == [(True, 5, 0)]
    neighbour = Pbx(board.wire, "neighbour", Address("192.168.1.66", 5060))
    neighbour.say(neighbour.notify(1, "active", "Voice-Message: 9/0", to="<sip:100@pbx.example>"), DOOR)
    board.wire.run(3.0)
    assert told(board) == [(True, 5, 0)]
    assert board.wire.ladder.pick("481 NOTIFY", "door")
