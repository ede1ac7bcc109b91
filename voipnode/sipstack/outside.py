"""Requests outside a dialog: REGISTER, OPTIONS, MESSAGE, SUBSCRIBE, PUBLISH (RFC 3261 §8.1, §10.2, §11.1).

Each is one request with one answer: where it was forked, the proxy that forked it hands back one final response, and a
second one that comes all the same finds its transaction done with. Requests of one `Series` share what RFC 3261 §10.2
wants REGISTERs to share: Call-ID, From tag, a CSeq that rises by one, and the nonces that the server gave.
"""

from __future__ import annotations

from collections.abc import Hashable

from voipnode.sipstack.bodies import SDP
from voipnode.sipstack.client import Client
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.core import GIVE_UP, Core
from voipnode.sipstack.digest import Credentials, DigestSession
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import RequestFinished
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request, Response
from voipnode.sipstack.reasons import reason_phrase
from voipnode.sipstack.requests import Kind, OutgoingRequest, parse_routes, request_outside, set_body
from voipnode.sipstack.routing import first_hop
from voipnode.sipstack.series import Series
from voipnode.sipstack.transport import Hop

_NO_REQUEST_OF_ITS_OWN = ("INVITE", "ACK", "CANCEL", "BYE")


class Outside:
    """Sends requests that belong to no dialog and tells how each ended."""

    def __init__(self, core: Core, client: Client) -> None:
        self._core = core
        self._client = client
        self._waiting: dict[str, OutgoingRequest] = {}
        client.hearers[Kind.OUTSIDE] = self._finished
        core.due[GIVE_UP] = self.give_up

    def __len__(self) -> int:
        """How many requests wait for their answer."""
        return len(self._waiting)

    def series(self, credentials: tuple[Credentials, ...]) -> Series:
        entropy = self._core.entropy
        return Series(entropy.call_id(), entropy.tag(), DigestSession(credentials) if credentials else None)

    def request(self, call: OutsideRequest, now: float) -> str:
        outgoing = self.send(call, now, Kind.OUTSIDE)
        self._waiting[outgoing.token] = outgoing
        if call.timeout_s is not None:
            self._core.deadlines.set((GIVE_UP, outgoing.token), now + call.timeout_s)
        return outgoing.token

    def send(self, call: OutsideRequest, now: float, kind: Kind) -> OutgoingRequest:
        """Send a request whose answer is heard by whoever hears this kind."""
        if call.method in _NO_REQUEST_OF_ITS_OWN:
            raise LocalError(f"{call.method} is not sent outside a dialog as a request of its own")
        core = self._core
        series = call.series or self.series(call.credentials)
        request, hop = self._build(call, series)
        if series.digest is not None:
            self._client.sign(request, series.digest)
        outgoing = OutgoingRequest(kind, request, hop, token=core.number(), digest=series.digest, series=series)
        self._client.send(outgoing, now)
        return outgoing

    def give_up(self, token: Hashable, now: float) -> None:
        """`timeout_s` is over: whatever still comes is for nobody."""
        outgoing = self._waiting.pop(str(token), None)
        if outgoing is not None:
            self._client.drop(outgoing, now)
            self._tell(outgoing, 408, reason_phrase(408), None)

    def _build(self, call: OutsideRequest, series: Series) -> tuple[Request, Hop]:
        routes = parse_routes(call.routes)
        hop = first_hop(call.target, routes, call.hop)
        request = request_outside(
            call.method,
            call.target,
            str(call.from_.with_tag(series.tag)),
            str((call.to or NameAddr(None, call.target)).without_tag()),
            series.call_id,
            routes,
            cseq=series.next_cseq(),
        )
        headers = request.headers
        for name, value in call.headers:
            headers.add(name, value)
        if call.method == "OPTIONS" and "Accept" not in headers:
            headers.add("Accept", SDP)  # §11.1
        if self._core.config.user_agent and "User-Agent" not in headers:
            headers.add("User-Agent", self._core.config.user_agent)
        set_body(request, call.body, call.content_type)
        return request, hop

    def _finished(self, outgoing: OutgoingRequest, response: Response, now: float) -> None:
        if self._waiting.pop(outgoing.token, None) is not None:
            self._core.deadlines.cancel((GIVE_UP, outgoing.token))
            self._tell(outgoing, response.status, response.reason, response if outgoing.answered else None)

    def _tell(self, outgoing: OutgoingRequest, status: int, reason: str, response: Response | None) -> None:
        method, hop = outgoing.request.method, outgoing.hop
        self._core.tell(RequestFinished(outgoing.token, method, status, reason, response=response, hop=hop))
