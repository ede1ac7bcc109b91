"""A switchboard with extensions whose telephones have registered, for calls through the node."""

from __future__ import annotations

from typing import Any

from tests.support.extensions import Telephone, extension
from tests.support.switchboard import DOOR, Path, Phone, Switchboard, rings, sdp
from voipnode.calls.events import ExchangeCallChanged
from voipnode.sipstack import events as sip
from voipnode.sipstack.endpoint import OutgoingInvite
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.uri import SipUri

ANNA_HOST, BERT_HOST, CARL_HOST = "192.168.1.21", "192.168.1.22", "192.168.1.23"
SOUND = b"\xd5" * 160
KEEP_ALIVE = ("transactions", "requests", "outside", "deadlines")
EVERYTHING = ("door", "extensions", "trunks")


def board_with(*names: str, may_call: tuple[str, ...] = EVERYTHING, **settings: Any) -> Switchboard:
    """Extensions 101 Anna, 102 Bert, 103 Carl and 104 Dora, or those named, and nobody registered."""
    people = names or ("Anna", "Bert", "Carl", "Dora")
    extensions = [extension(str(number), name=name, may_call=may_call) for number, name in enumerate(people, 101)]
    return Switchboard(extensions=tuple(extensions), **settings)


def registered(board: Switchboard, number: str, host: str) -> Telephone:
    """A telephone of that extension, which rings when it is called."""
    phone = Telephone(board, number, host, plan=rings)
    assert phone.register().status == 200
    return phone


def anna_and_bert(**settings: Any) -> tuple[Switchboard, Telephone, Telephone]:
    board = board_with(**settings)
    phones = registered(board, "101", ANNA_HOST), registered(board, "102", BERT_HOST)
    board.wire.ladder.clear()
    return board, *phones


def talking(**settings: Any) -> tuple[Switchboard, Telephone, Telephone]:
    """Anna has called Bert, who has answered; their telephones send nothing yet."""
    board, anna, bert = anna_and_bert(**settings)
    anna.call_as("102")
    passes(board, 0.5)
    answer(board, bert)
    board.wire.ladder.clear()
    return board, anna, bert


def passes(board: Switchboard, seconds: float) -> None:
    board.wire.flush()
    board.wire.run(board.wire.now + seconds)


def answer(board: Switchboard, phone: Phone, body: bytes | None = None) -> None:
    phone.endpoint.accept(phone.session, sdp(phone.address.host) if body is None else body, board.wire.now)
    passes(board, 0.5)


def invite(phone: Telephone, user: str, offer: bytes | None, **more: Any) -> str:
    """Call somebody at the node with this offer, or with none."""
    call = OutgoingInvite(
        target=SipUri("sip", user=user, host=DOOR.host),
        from_=NameAddr(None, SipUri("sip", user=phone.number, host=DOOR.host)),
        contact_user=phone.number,
        offer=offer,
        hop=phone.node,
        credentials=phone.credentials,
        **more,
    )
    phone.session = phone.endpoint.invite(call, phone.wire.now)
    phone.wire.flush()
    return phone.session


def told(board: Switchboard) -> list[str]:
    """The states that calls through the node went through, one for each time it was told of."""
    return [event.state.value for event in board.events if isinstance(event, ExchangeCallChanged)]


def last(board: Switchboard) -> ExchangeCallChanged:
    return [event for event in board.events if isinstance(event, ExchangeCallChanged)][-1]


def ended(phone: Phone) -> list[tuple[sip.EndCause, int]]:
    return [(event.cause, event.status) for event in phone.of(sip.SessionEnded)]


def path_to(board: Switchboard, host: str) -> Path:
    """The newest media path of a leg that sends to that address."""
    paths = [path for path in board.paths.open_now if path.engine.stream.config is not None]
    found = [path for path in paths if (path.engine.stream.config.remote_rtp or ("", 0))[0] == host]
    return found[-1]


def rtp(sequence: int, payload_type: int = 0) -> bytes:
    """20 ms of sound."""
    header = bytes([0x80, payload_type]) + sequence.to_bytes(2, "big") + (sequence * 160).to_bytes(4, "big")
    return header + b"abcd" + SOUND


def heard_from(board: Switchboard, host: str, to: str, count: int = 5, payload_type: int = 0) -> int:
    """Have the telephone at `host` send some packets; how many of the same sound went on to the one at `to`."""
    source, target = path_to(board, host), path_to(board, to)
    target.sent.clear()
    for _ in range(count):
        source.receive(rtp(round(board.wire.now * 50), payload_type), (host, 7000), board.wire.now)
        passes(board, 0.02)
    return sum(packet.data[12:] == SOUND for packet in target.sent)


def assert_quiet(board: Switchboard, *phones: Phone) -> None:
    """Nothing is left at the node, nor at the phones, once everything that is repeated has been."""
    board.wire.run(board.wire.now + 75.0)
    assert board.switch.exchange.board.calls == ()
    board.assert_quiet()
    registers = any(account.registered for account in board.switch.accounts.active)
    for endpoint in (board.endpoint, *(phone.endpoint for phone in phones)):
        counts = endpoint.counts()
        if registers:  # a server is asked every few seconds whether it lives
            counts = {name: count for name, count in counts.items() if name not in KEEP_ALIVE}
        assert not any(counts.values()), counts


def part(board: Switchboard, who: Phone, *others: Phone) -> None:
    """One hangs up, and nothing is left of the call."""
    who.endpoint.hang_up(who.session, board.wire.now)
    board.wire.flush()
    assert_quiet(board, who, *others)
