"""Dialogs: the peer-to-peer relation that the requests of one call live in (RFC 3261 §12).

A dialog knows who is at both ends, where the peer is to be reached (remote target, route set), and how far the two
independent CSeq sequences have come. It makes requests and judges those that arrive; sending them is for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from voipnode.sipstack.errors import LocalError, ParseError, RemoteError
from voipnode.sipstack.exchange import Exchange
from voipnode.sipstack.flow import Flow
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Headers, Message, Request, Response
from voipnode.sipstack.uri import SipUri

MAX_FORWARDS = 70  # RFC 3261 §8.1.1.6


class DialogId(NamedTuple):
    """Call-ID, our tag, the peer's tag; "" where a peer of RFC 2543 gave none (§12.1.1)."""

    call_id: str
    local_tag: str
    remote_tag: str


class DialogState(Enum):
    """§12: early after a provisional response, confirmed after a 2xx."""

    EARLY = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


@dataclass(slots=True, eq=False)
class Dialog:
    """One dialog. `local` and `remote` are the From and To values of our requests, tags included.

    `routes` are the Route values of our requests in their order; `remote_cseq` is None until the peer sent a request.
    `secure`: it was begun over TLS with a sips URI, and its requests go over TLS alone.
    """

    id: DialogId
    state: DialogState
    local: str
    remote: str
    remote_target: SipUri
    routes: tuple[NameAddr, ...]
    contact: str
    local_cseq: int
    remote_cseq: int | None
    secure: bool = False
    exchange: Exchange = field(default_factory=Exchange)
    takes_update: bool = False  # the peer's Allow names UPDATE
    takes_info: bool = True  # it names INFO, or there is none: INFO is older than that header (RFC 2976)
    flow: Flow | None = None  # None until it is known how the peer is reached
    update: str | None = None  # the token of our UPDATE that is under way

    @classmethod
    def from_uac(cls, request: Request, response: Response) -> Dialog:
        """The dialog that a 101-299 response to our INVITE makes (§12.1.2).

        A response without a SIP URI in Contact, which §12.1.1 forbids, leaves the address that was called as remote
        target: a 2xx must get its ACK whatever it looks like.
        """
        return cls(
            DialogId(request.call_id, request.from_.tag or "", response.to.tag or ""),
            DialogState.CONFIRMED if response.status >= 200 else DialogState.EARLY,
            printable(request.headers.get("From") or ""),
            printable(response.headers.get("To") or ""),
            _contact_uri(response) or _called_uri(request),
            tuple(response.record_routes)[::-1],
            request.headers.get("Contact") or "",
            request.cseq.number,
            None,
            _called_uri(request).scheme == "sips",  # which `Calling` sends over TLS alone
        )

    @classmethod
    def from_uas(cls, request: Request, local_tag: str, contact: str, *, over_tls: bool = False) -> Dialog:
        """The early dialog that our 101-199 to an INVITE makes, or the one that our 2xx confirms (§12.1.1).

        A request without Contact, as RFC 2543 allowed, is answered to where it says it is from. ParseError where
        neither is a SIP URI, or where the Call-ID could not be written again.
        """
        if printable(request.call_id) != request.call_id:
            raise ParseError("control character in Call-ID")
        target = _contact_uri(request)
        if target is None:
            from_uri = request.from_.uri
            if "Contact" in request.headers or not isinstance(from_uri, SipUri):
                raise ParseError("no SIP URI in Contact")  # §8.1.1.8
            target = from_uri
        return cls(
            DialogId(request.call_id, local_tag, request.from_.tag or ""),
            DialogState.EARLY,
            printable(f"{request.headers.get('To') or ''};tag={local_tag}"),
            printable(request.headers.get("From") or ""),
            target,
            tuple(request.record_routes),
            contact,
            0,
            request.cseq.number,
            over_tls and isinstance(request.uri, SipUri) and request.uri.scheme == "sips",
        )

    def confirm(self) -> None:
        """A 2xx was sent."""
        self.state = DialogState.CONFIRMED

    def confirmed_by(self, response: Response) -> None:
        """A 2xx arrived: its Record-Route and Contact replace those of the provisional response (§13.2.2.4)."""
        self.routes = tuple(response.record_routes)[::-1]
        self.state = DialogState.CONFIRMED
        self.refresh_target(response)

    def terminate(self) -> None:
        """BYE passed; requests already under way may still be repeated with credentials."""
        self.state = DialogState.TERMINATED

    def make_request(self, method: str, *, cseq: int | None = None) -> Request:
        """A request within the dialog, complete but for Via and body (§12.2.1.1).

        `cseq` is given for ACK alone, which takes the number of its INVITE; all others take the next one.
        """
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = route_request(self.remote_target, self.routes)
        request = Request(method, uri, Headers())
        headers = request.headers
        headers.add("Max-Forwards", str(MAX_FORWARDS))
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.id.call_id)
        headers.add("CSeq", f"{cseq} {method}")
        for route in routes:
            headers.add("Route", route)
        return request

    def next_uri(self) -> SipUri:
        """What says where requests of the dialog are sent first: the top route, or the remote target (§8.1.2)."""
        if not self.routes:
            return self.remote_target
        uri = self.routes[0].uri
        return uri if isinstance(uri, SipUri) else self.remote_target

    def check_order(self, request: Request) -> None:
        """Take note of the peer's CSeq; RemoteError 500 where the request came too late (§12.2.2)."""
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            raise RemoteError(500, "Out of Order")
        self.remote_cseq = number

    def learn(self, message: Message) -> None:
        """Take note of what the peer says that it takes (RFC 3311 §4)."""
        if "Allow" in message.headers:
            self.takes_update = "UPDATE" in message.allow
            self.takes_info = "INFO" in message.allow

    def raise_order(self, request: Request) -> None:
        """Take note of the peer's CSeq where it is a higher one."""
        self.remote_cseq = max(self.remote_cseq or 0, request.cseq.number)

    def refresh_target(self, message: Message) -> None:
        """Follow the Contact of a re-INVITE or UPDATE, or of a 2xx to one; without one, nothing changes.

        RFC 3261 §12.2.2, §12.2.1.2.
        """
        self.learn(message)
        uri = _contact_uri(message)
        if uri is not None:
            self.remote_target = uri


def route_request(target: SipUri, routes: Sequence[NameAddr]) -> tuple[SipUri, list[str]]:
    """Request-URI and Route values of a request to `target` through `routes` (§12.2.1.1, §8.1.1.1)."""
    if not routes:
        return target, []
    first = routes[0].uri
    if not isinstance(first, SipUri):
        raise LocalError(f"route {routes[0]} is not a SIP URI")
    if "lr" in first.params:
        return target, [printable(str(route)) for route in routes]
    # A strict router of RFC 2543: it wants to be the Request-URI, and the target last in the routes. Request-URIs
    # carry neither a method parameter nor headers (§19.1.1 table 1).
    uri = first.with_(params=first.params.without("method"), headers=())
    return uri, [*(printable(str(route)) for route in routes[1:]), f"<{target}>"]


def _contact_uri(message: Message) -> SipUri | None:
    contacts = message.contacts
    uri = contacts[0].uri if contacts else None
    if not isinstance(uri, SipUri):
        return None
    return uri.with_(headers=()) if uri.headers else uri


def _called_uri(request: Request) -> SipUri:
    uri = request.uri
    assert isinstance(uri, SipUri)  # we wrote it
    return uri
