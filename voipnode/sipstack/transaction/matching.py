"""Which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3), and where a response to it goes (§18.2.2)."""

from __future__ import annotations

from typing import TypeAlias

from voipnode.sipstack.entropy import MAGIC_COOKIE
from voipnode.sipstack.headers import Via
from voipnode.sipstack.message import Request
from voipnode.sipstack.routing import DEFAULT_PORTS, is_literal
from voipnode.sipstack.transport import Address, Hop

# A tuple of what must be equal; its length and first element keep the kinds of key apart.
Key: TypeAlias = tuple[object, ...]

# What §9.2 puts in the place of CANCEL when it looks for the target, since the key holds a method.
CANCELLABLE = (
    *("INVITE", "OPTIONS", "BYE", "INFO", "REGISTER", "MESSAGE"),
    *("UPDATE", "PRACK", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH"),
)

# What the key of a request begins with when its branch says nothing.
OLD = "RFC 2543"

_COOKIE = MAGIC_COOKIE.lower()


def sent_by(via: Via) -> tuple[str, int]:
    """Host and port of a Via, the port filled in with its default (RFC 3261 §18.1.1)."""
    return via.host.lower(), via.port or DEFAULT_PORTS.get(via.transport, 5060)


def has_cookie(via: Via) -> bool:
    """Whether the sender follows RFC 3261, so that its branch alone names the transaction (§8.1.1.7)."""
    return (via.branch or "").lower().startswith(_COOKIE)


def client_key(via: Via, method: str) -> Key:
    """Matches a response to its request by top Via and CSeq method (RFC 3261 §17.1.3).

    sent-by is part of it, since a response whose sent-by is not ours must be dropped (§18.1.2). Tokens have no case
    (§7.3.1), methods do (§7.1).
    """
    return "client", (via.branch or "").lower(), sent_by(via), method


def server_key(request: Request, method: str) -> Key:
    """Matches a request to its transaction; `method` is that of the transaction, so INVITE for an ACK (§17.2.3)."""
    via = request.via
    branch = (via.branch or "").lower()
    if branch.startswith(_COOKIE):
        return branch, sent_by(via), method
    return _old_key(request, method, request.to_tag)


def old_ack_key(request: Request, to_tag: str | None) -> Key:
    """By what the ACK to a response with `to_tag` will be known when `request` is an INVITE of an RFC 2543 client.

    Such a client repeats no branch, but its ACK carries the To tag of the response (§17.2.3).
    """
    return _old_key(request, "ACK", to_tag)


def merge_key(request: Request) -> Key | None:
    """What two copies of one request that came by different paths share; None with a To tag (RFC 3261 §8.2.2.2)."""
    if request.to_tag is not None:
        return None
    return "merge", request.from_tag, request.call_id, request.cseq


def response_hop(request: Request, source: Hop) -> Hop:
    """Where responses to `request`, which came from `source`, are sent (RFC 3261 §18.2.2, RFC 3581 §4).

    Over a connection: back the same way. Over UDP: to the source address, at the source port if `rport` asks for it,
    else at the port of sent-by. The source address is what `received` says or would say. maddr is not followed: it
    serves multicast, on which nobody listens here, and would let anybody have our answers, tags included, sent to a
    third party (§26.1.5). Raises ParseError for a malformed Via.
    """
    via = request.via
    if source.reliable or "rport" in via.params:
        return source
    return Hop(source.transport, Address(source.remote.host, sent_by(via)[1]))


def fallback_hop(request: Request, source: Hop) -> Hop | None:
    """Where to try once more when the connection a request came on is gone (RFC 3261 §18.2.2).

    None for UDP, and for WebSocket, whose clients cannot be connected to (RFC 7118 §5.3).
    """
    if source.transport not in ("TCP", "TLS"):
        return None
    host, port = sent_by(request.via)
    domain = host if source.secure and not is_literal(host) else ""
    return Hop(source.transport, Address(source.remote.host, port), domain=domain, profile=source.profile)


def _old_key(request: Request, method: str, to_tag: str | None) -> Key:
    # Request-URI and Call-ID are compared as written: a retransmission repeats them to the byte.
    via = request.via
    top = (via.transport, sent_by(via), via.branch)
    return OLD, request.uri_text, to_tag, request.from_tag, request.call_id, request.cseq.number, method, top
