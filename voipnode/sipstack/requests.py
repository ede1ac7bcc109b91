"""Requests of ours that are under way, and how they are put together (RFC 3261 §8.1.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from voipnode.sipstack.config import EndpointConfig
from voipnode.sipstack.dialog import MAX_FORWARDS, Dialog, DialogId, route_request
from voipnode.sipstack.digest import DigestSession
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Headers, Request, Response
from voipnode.sipstack.series import Series
from voipnode.sipstack.session import InviteSession
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uas import ALLOW
from voipnode.sipstack.uri import SipUri

if TYPE_CHECKING:
    from voipnode.sipstack.pracks import Acknowledged

Refreshed = Callable[[Response, bytes | None, float], None]
"""Hears the answer to a refresh: the response, its SDP, and when."""

CREDENTIALS = ("Authorization", "Proxy-Authorization")


class Kind(Enum):
    """What a request of ours is for; says who hears its answer."""

    INVITE = auto()
    REINVITE = auto()
    CANCEL = auto()
    BYE = auto()
    PRACK = auto()
    UPDATE = auto()
    IN_DIALOG = auto()  # INFO
    OUTSIDE = auto()  # REGISTER, OPTIONS and whatever else needs no dialog
    REFER = auto()
    NOTIFY = auto()
    SUBSCRIBE = auto()


@dataclass(slots=True, eq=False)
class OutgoingRequest:
    """One request and all that its answer needs; kept until its transaction ends, or is done with."""

    kind: Kind
    request: Request
    hop: Hop
    session: InviteSession | None = None
    dialog: Dialog | None = None
    token: str = ""
    digest: DigestSession | None = None
    series: Series | None = None
    attempts: int = 1
    transaction: str = ""
    fallback: Hop | None = None  # where it goes once `hop.connection` is gone
    answered_by: Hop | None = None  # where its last response came from
    answered: bool = False  # with a final response of somebody's, and not by time or the network
    heard: bool = False  # any response came, also a provisional one
    over_udp: Hop | None = None  # where it would have gone, had it not been too long for a datagram
    ack_due: bool = False  # answered with an offer; the ACK waits for the caller's answer to it
    acknowledged: dict[DialogId, Acknowledged] = field(default_factory=dict)  # an INVITE's reliable responses, by fork
    answer: bytes | None = None  # a re-INVITE's, from a reliable provisional response
    refreshed: Refreshed | None = None  # who hears it instead of the layer above
    acknowledges: Acknowledged | None = None  # what this PRACK is for


def request_outside(
    method: str,
    target: SipUri,
    from_: str,
    to: str,
    call_id: str,
    routes: tuple[NameAddr, ...] = (),
    max_forwards: int = MAX_FORWARDS,
    cseq: int = 1,
) -> Request:
    """A request outside a dialog, complete but for Via and body."""
    uri, route_values = route_request(target.with_(headers=()) if target.headers else target, routes)
    headers = Headers()
    headers.add("Max-Forwards", str(max_forwards))
    headers.add("From", from_)
    headers.add("To", to)
    headers.add("Call-ID", call_id)
    headers.add("CSeq", f"{cseq} {method}")
    for value in route_values:
        headers.add("Route", value)
    return Request(method, uri, headers)


def cancel_for(invite: Request, extra: Iterable[tuple[str, str]]) -> Request:
    """The CANCEL of an INVITE, with its Via, Route, From, To, Call-ID and CSeq number (RFC 3261 §9.1)."""
    headers = Headers()
    headers.copy_fields(invite.headers, "via", "from", "to", "call-id", "route")
    headers.add("CSeq", f"{invite.cseq.number} CANCEL")
    headers.add("Max-Forwards", str(MAX_FORWARDS))
    for name, value in extra:
        headers.add(name, value)
    return Request("CANCEL", invite.uri, headers)


def repeat_with(outgoing: OutgoingRequest, credentials: Iterable[tuple[str, str]]) -> Request:
    """The same request with the next CSeq and these credentials, without Via (RFC 3261 §22.2)."""
    request = outgoing.request.copy()
    if outgoing.dialog is not None:
        outgoing.dialog.local_cseq += 1
        number = outgoing.dialog.local_cseq
    elif outgoing.series is not None:
        number = outgoing.series.next_cseq()
    else:
        number = outgoing.request.cseq.number + 1
    headers = request.headers
    for name in ("Via", *CREDENTIALS):
        headers.remove(name)
    headers.set("CSeq", f"{number} {request.method}")
    for name, value in credentials:
        headers.add(name, value)
    return request


def set_body(request: Request, body: bytes | None, content_type: str) -> None:
    """Give the request a body, or none."""
    if body:
        request.headers.add("Content-Type", content_type)
        request.body = body


def add_capabilities(request: Request, config: EndpointConfig) -> None:
    """Say who we are and what we take, in an INVITE (RFC 3261 §13.2.1)."""
    headers = request.headers
    headers.add("Allow", ALLOW)
    if config.option_tags:
        headers.add("Supported", ", ".join(config.option_tags))
    if config.user_agent:
        headers.add("User-Agent", config.user_agent)


def parse_routes(values: tuple[str, ...]) -> tuple[NameAddr, ...]:
    """Route values as a caller gives them; LocalError for one that is no name-addr with a SIP URI."""
    routes = []
    for value in values:
        try:
            route = NameAddr.parse(value)
        except ParseError as error:
            raise LocalError(f"route {value!r}: {error.reason}") from error
        if not isinstance(route.uri, SipUri):
            raise LocalError(f"route {value!r} is not a SIP URI")
        routes.append(route)
    return tuple(routes)
