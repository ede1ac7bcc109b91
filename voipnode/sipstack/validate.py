"""The checks that a message must pass before anybody acts on it (RFC 3261 §8.1.1, §8.2, §20; RFC 4475).

What may be missing for the sake of RFC 2543 peers, a branch, a From tag, Max-Forwards, may be missing here too
(RFC 4475 §3.4.1); what is there must be right.
"""

from __future__ import annotations

from voipnode.sipstack.entropy import MAGIC_COOKIE
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.headers import METHODS, NameAddr
from voipnode.sipstack.message import Message, Request
from voipnode.sipstack.uri import SipUri

_MANDATORY = ("via", "from", "to", "call-id", "cseq")  # RFC 3261 §8.1.1, Max-Forwards aside
_AT_MOST_ONCE = (
    "from",
    "to",
    "call-id",
    "cseq",
    "max-forwards",
    "content-length",
    "content-type",
    "expires",
    "timestamp",
)


def validate(message: Message) -> None:
    """Check a received message as a whole.

    Raises ParseError with `partial=message`: status 400, 505 for another SIP version, 501 where an unknown method
    disagrees with CSeq. A response that fails is to be dropped without a word (RFC 3261 §8.1.3), as is an ACK.
    """
    try:
        if message.version != "SIP/2.0" and message.version.upper() != "SIP/2.0":
            raise ParseError(f"{message.version} is not supported", status=505)
        _check_counts(message)
        _check_routing(message)
        _check_addresses(message)
        if isinstance(message, Request):
            _check_request(message)
        if message.body and "content-type" in message.headers:
            _ = message.content_type
        _ = message.content_length
    except ParseError as error:
        if error.partial is message:
            raise
        raise ParseError(error.reason, status=error.status, partial=message) from error


def _check_counts(message: Message) -> None:
    message.headers.check()
    keys = message.headers.keys()
    for key in _MANDATORY:
        if key not in keys:
            raise ParseError(f"no {key.title()}")
    for key in _AT_MOST_ONCE:
        if keys.count(key) > 1:
            raise ParseError(f"more than one {key.title()}")


def _check_routing(message: Message) -> None:
    """Via, Call-ID and CSeq: what transactions and dialogs are found by."""
    vias = message.vias
    if not vias:
        raise ParseError("empty Via")
    # The cookie alone promises a branch that is unique in space and time, and gives none (RFC 4475 §3.2.1).
    if vias[0].branch == MAGIC_COOKIE:
        raise ParseError("a branch that is nothing but the magic cookie")
    _ = message.call_id, message.cseq


def _check_addresses(message: Message) -> None:
    for address in (message.from_, message.to):
        if not address.tag and "tag" in address.params:
            raise ParseError("empty tag")
    headers = message.headers
    if "contact" in headers:
        _check_contacts(message)
    if "route" in headers or "record-route" in headers:
        for hop in (*message.routes, *message.record_routes):
            if not isinstance(hop.uri, SipUri):
                raise ParseError("a route is a SIP URI")


def _check_contacts(message: Message) -> None:
    # `*` stands alone, and only REGISTER may say it (RFC 3261 §10.2.2).
    if message.contact_star:
        if message.cseq.method != "REGISTER":
            raise ParseError("Contact * outside REGISTER")
        return
    contacts: list[NameAddr] = message.contacts
    if not contacts:
        raise ParseError("empty Contact")


def _check_request(request: Request) -> None:
    method, named = request.method, request.cseq.method
    if method != named:
        # RFC 4475 §3.1.2.17 and §3.1.2.18: an unknown method is refused as such before the disagreement is.
        raise ParseError(f"CSeq names {named}", status=400 if method in METHODS else 501)
    _ = request.max_forwards
    uri = request.uri
    if isinstance(uri, SipUri) and uri.headers:
        raise ParseError("headers in the Request-URI")  # RFC 3261 §19.1.1, RFC 4475 §3.1.2.11
