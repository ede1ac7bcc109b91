"""How STUN servers see one socket of ours (RFC 8489 §13): its server-reflexive address, asked for and kept open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voipnode.media.errors import ParseError
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Kind, Message, Method, build
from voipnode.media.turn.memory import ServerMemory
from voipnode.media.turn.refusals import SILENT, refusal_of
from voipnode.media.turn.requests import Requests
from voipnode.media.turn.values import Server, Tokens
from voipnode.media.values import Addr

KEEP_OPEN_S = 15.0  # between packets that keep a NAT's binding (RFC 8445 §11: Tr)


class Binding:
    """Asks all servers at once; the first that answers is believed, and later asked again where `keep` is called."""

    def __init__(
        self,
        servers: Sequence[Server],
        send: Callable[[Server, bytes], None],
        tokens: Tokens,
        memory: ServerMemory,
        patience_s: float,
    ) -> None:
        self.mapped: Addr | None = None
        self.server: Server | None = None  # who told
        self._moved = False
        self._memory = memory
        self._patience_s = patience_s
        self._requests: dict[Server, Requests[None]] = {
            server: Requests(tokens, _to(server, send)) for server in servers
        }
        self._asked: set[Server] = set()
        self._keep_at: float | None = None

    @property
    def servers(self) -> list[Server]:
        """Whom it asks."""
        return list(self._requests)

    @property
    def done(self) -> bool:
        """An address is known, or nobody is left who might tell one."""
        return self.mapped is not None or not self._asked

    def start(self, now: float) -> None:
        for server, requests in self._requests.items():
            patience_s = self._memory.patience_s(server, self._patience_s, now)
            if patience_s:
                self._asked.add(server)
                requests.ask(None, _request, now, patience_s)

    def keep(self, now: float) -> None:
        """Ask every 15 s from now on, so that the router keeps the way to us open (RFC 6263 §4.1)."""
        self._keep_at = now + KEEP_OPEN_S if self.server is not None else None

    def rest(self) -> None:
        """Keep nothing open any more."""
        self._keep_at = None

    def receive(self, message: Message, source: Addr, now: float) -> bool:
        """Take an answer; False where it is to none of our questions."""
        for server, requests in self._requests.items():
            if server.address == source and requests.waits_for(message.transaction_id):
                self._answered(server, requests, message, now)
                return True
        return False

    def _answered(self, server: Server, requests: Requests[None], answer: Message, now: float) -> None:
        mapped = _mapped(answer)
        if answer.kind is Kind.ERROR:
            self._memory.failed(server, refusal_of(answer), now)
        elif answer.kind is not Kind.SUCCESS or mapped is None:
            return
        requests.done(answer.transaction_id)
        self._asked.discard(server)
        if mapped is None:
            return
        self._memory.served(server)
        if self.mapped is None:
            self.mapped, self.server = mapped, server
        elif server is self.server and mapped != self.mapped:
            self.mapped, self._moved = mapped, True

    def take_move(self) -> bool:
        """Whether the router has given us another address since this was asked last."""
        moved, self._moved = self._moved, False
        return moved

    def next_deadline(self) -> float | None:
        times = [requests.next_deadline() for requests in self._requests.values()]
        return min((at for at in (*times, self._keep_at) if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for server, requests in self._requests.items():
            if requests.on_deadline(now):
                self._asked.discard(server)
                self._memory.failed(server, SILENT, now)
        if self._keep_at is not None and now >= self._keep_at and self.server is not None:
            self._keep_at = now + KEEP_OPEN_S
            self._requests[self.server].ask(None, _request, now, KEEP_OPEN_S / 2)

    def give_up(self, now: float) -> None:
        """The time is over: who has not answered is hardly waited for next time."""
        for server in self._asked if self.mapped is None else ():
            self._memory.failed(server, SILENT, now)
        self._asked.clear()


def _to(server: Server, send: Callable[[Server, bytes], None]) -> Callable[[bytes], None]:
    return lambda data: send(server, data)


def _request(transaction_id: bytes) -> bytes:
    return build(Method.BINDING, Kind.REQUEST, transaction_id, fingerprint=True)


def _mapped(answer: Message) -> Addr | None:
    """XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS where an old server knows no better (RFC 8489 §14.1)."""
    try:
        return answer.address() or answer.address(Attribute.MAPPED_ADDRESS)
    except ParseError:
        return None
