"""The requests of one registered account, REGISTER and OPTIONS, and who waits for their answers."""

from __future__ import annotations

from collections.abc import Callable

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.binding import Binding, RegisterPace
from voipnode.calls.register_answer import Failure, Verdict, longer_interval_s, retry_after_s, verdict_on, words_for
from voipnode.calls.servers import AccountServer, credentials_of
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.endpoint import Endpoint
from voipnode.sipstack.events import PingFinished, RequestFinished
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Response
from voipnode.sipstack.series import Series
from voipnode.sipstack.transport import Hop

Hear = Callable[[RequestFinished, float], None]
HearPong = Callable[[PingFinished, float], None]

REG_ID = "1"  # RFC 5626 §4.2: one flow, so one number, the same across restarts
REFUSED_WEIGHT, ANSWERED_WEIGHT = 3, 2


class RegisterClient:
    """Sends for one account; raises LocalError where the endpoint has no room or does not speak the transport.

    `instance` names the device (RFC 5626 §4.1), "" where it has no name. Every answer is handed to `hear` of the
    request, with the time.
    """

    def __init__(self, account: AccountSettings, pace: RegisterPace, endpoint: Endpoint, instance: str = "") -> None:
        self.account = account
        self.pace = pace
        self._endpoint = endpoint
        self._contact_params: tuple[tuple[str, str | None], ...] = ()
        if account.keeps_flow and instance:
            self._contact_params = (("+sip.instance", f'"<{instance}>"'), ("reg-id", REG_ID))
        self._supported = "path, outbound" if account.keeps_flow else "path"  # RFC 3327 §5.1, RFC 5626 §4.2.1
        self._series: dict[int, Series] = {}
        self._intervals: dict[int, int] = {}
        self._waiting: dict[str, Hear] = {}
        self._pinging: dict[str, HearPong] = {}

    def contact(self, hop: Hop) -> str:
        """Our Contact as the server behind `hop` reaches us now."""
        return self._endpoint.contact(self.account.user_id, hop, self._contact_params)

    def register(
        self, server: AccountServer, hop: Hop, contact: str, hear: Hear, now: float, stale: tuple[str, ...] = ()
    ) -> str:
        """Ask for a binding of `contact` (RFC 3261 §10.2) and end those of `stale`; returns the token."""
        # The address alone: flow and instance are the new contact's too, and would name that one (RFC 5626 §6).
        contacts = (contact, *(f"{old.partition('>')[0]}>;expires=0" for old in stale))
        return self._register(server, hop, contacts, self.interval_s(server), hear, now)

    def query(self, server: AccountServer, hop: Hop, hear: Hear, now: float) -> str:
        """Ask which bindings there are, and change none (RFC 3261 §10.2.3); returns the token."""
        return self._register(server, hop, (), None, hear, now)

    def remove(self, binding: Binding, hear: Hear, now: float) -> str:
        """Take our contact, and no other, off a server (RFC 3261 §10.2.2); returns the token."""
        return self._register(binding.server, binding.hop, (f"{binding.contact};expires=0",), 0, hear, now)

    def keep_alive(self, binding: Binding, hear: Hear, now: float) -> str:
        """OPTIONS along the way that calls take: whoever answers it lives (RFC 3261 §11); returns the token."""
        server, hop = binding.server, binding.hop
        request = OutsideRequest(
            "OPTIONS",
            server.registrar,
            NameAddr(None, server.aor),
            hop=hop,
            routes=server.routes,
            timeout_s=self.pace.timeout_s(hop),
        )
        return self._send(request, hear, now)

    def ping(self, binding: Binding, hear: HearPong, now: float) -> str:
        """Ask by a ping whether the flow lives (RFC 5626 §4.4); returns the token."""
        token = self._endpoint.ping(binding.flow, now, self.pace.answer_s)
        self._pinging[token] = hear
        return token

    def close(self, flow: Hop) -> None:
        """Nobody answers over this connection: what follows goes over a new one."""
        self._endpoint.close_connection(flow)

    def abandon(self, hop: Hop, now: float) -> None:
        """Calls that wait for an answer from there go on to their next server."""
        self._endpoint.abandon_hop(hop, now)

    def finished(self, event: RequestFinished | PingFinished, now: float) -> None:
        """Hand the answer to who waits for it, where it is one of ours."""
        if isinstance(event, PingFinished):
            if (hear_pong := self._pinging.pop(event.token, None)) is not None:
                hear_pong(event, now)
        elif (hear := self._waiting.pop(event.token, None)) is not None:
            hear(event, now)

    def forget(self) -> None:
        """Nobody waits for anything any more."""
        self._waiting.clear()
        self._pinging.clear()

    def interval_s(self, server: AccountServer) -> int:
        """The validity that this server is asked for."""
        return self._intervals.get(server.rank, self.pace.interval_s)

    def take_longer(self, server: AccountServer, response: Response | None) -> bool:
        """Take up the validity that a 423 asks for (RFC 3261 §10.2.8); False where that changes nothing."""
        longer_s = None if response is None else longer_interval_s(response, self.interval_s(server))
        if longer_s is not None:
            self._intervals[server.rank] = longer_s
        return longer_s is not None

    def failure(self, server: AccountServer, hop: Hop, event: RequestFinished) -> Failure:
        """What this answer, or its absence, means for people."""
        if event.response is None and event.status == 503:
            words = f"the server cannot be reached ({hop.remote}, {hop.transport}): {event.reason}"
            return Failure(503, words, server.name)
        if event.response is None:
            return self.silence(server, hop)
        user = self.account.auth_id or self.account.user_id
        has_password = bool(self.account.password.get_secret_value())
        words = words_for(event.status, event.reason, user=user, has_password=has_password)
        refused = verdict_on(event.status) is Verdict.REFUSED
        weight = REFUSED_WEIGHT if refused else ANSWERED_WEIGHT
        return Failure(event.status, words, server.name, weight, refused, retry_after_s(event.response))

    @staticmethod
    def silence(server: AccountServer, hop: Hop) -> Failure:
        """What it means that nobody answers."""
        return Failure(408, f"the server does not answer ({hop.remote}, {hop.transport})", server.name)

    def _register(
        self, server: AccountServer, hop: Hop, contacts: tuple[str, ...], interval_s: int | None, hear: Hear, now: float
    ) -> str:
        headers = [("Contact", contact) for contact in contacts]
        if interval_s is not None:
            headers.append(("Expires", str(interval_s)))
        headers.append(("Supported", self._supported))
        if server.rank not in self._series:  # one Call-ID for all that goes to one registrar (RFC 3261 §10.2)
            self._series[server.rank] = self._endpoint.series(credentials_of(self.account))
        request = OutsideRequest(
            "REGISTER",
            server.registrar,
            NameAddr(self.account.caller_id or None, server.aor),
            to=NameAddr(None, server.aor),
            hop=hop,
            routes=server.routes,
            headers=tuple(headers),
            series=self._series[server.rank],
            timeout_s=self.pace.timeout_s(hop),
        )
        return self._send(request, hear, now)

    def _send(self, request: OutsideRequest, hear: Hear, now: float) -> str:
        token = self._endpoint.request(request, now)
        self._waiting[token] = hear
        return token
