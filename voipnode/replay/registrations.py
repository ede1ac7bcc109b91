"""The registered accounts of a node, as the REGISTERs and OPTIONS that it sent in a capture show them.

What a capture does not show is made up: the password, and the times of the node's own timers, which are chosen to be
late, for what the node did by them stands in the capture as steps.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor

from voipnode.calls.account_settings import AccountSettings
from voipnode.replay.seen import Seen
from voipnode.replay.steps import OwnRequest, Script, credentials_in
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Message, Request, Response
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri, Uri

log = logging.getLogger(__name__)

PASSWORD = "not in the capture"  # noqa: S105 -- it answers challenges, and nobody checks the answer
NEVER_S = 3600.0
NO_FAILBACK_S = 86_400
LEAST_TIMEOUT_S, USUAL_TIMEOUT_S, MOST_TIMEOUT_S = 0.5, 4.0, 32.0
KEEP_ALIVE_SPREAD = 0.8  # of its interval is the least that the node waits from one OPTIONS to the next


def aor_text(uri: Uri) -> str:
    """An address-of-record as a key: user, host and port, without scheme and parameters."""
    return f"{uri.user or ''}@{Address(uri.host, uri.port or 0)}" if isinstance(uri, SipUri) else str(uri)


def aor_of(request: Request) -> str:
    """Whom a request is from."""
    return aor_text(request.from_.uri)


@dataclass(slots=True)
class _Asked:
    """A REGISTER or OPTIONS, and when it was answered."""

    at: float
    method: str
    server: Address
    answered_at: float | None = None

    def silent_at(self, at: float) -> bool:
        return self.answered_at is None or self.answered_at > at


@dataclass(slots=True)
class _Account:
    """One address-of-record; `servers` are its registrars as settings write them, in the order they were asked."""

    first: Request
    transport: str
    auth_id: str = ""
    servers: list[str] = field(default_factory=list)
    asked: list[_Asked] = field(default_factory=list)


class Registrations:
    """Collects what the node sent and heard; `write` adds accounts, places and steps to a script."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._asked: dict[tuple[str, int, str], _Asked] = {}
        self._counts: Counter[str] = Counter()
        self._known: set[bytes] = set()
        self._places: dict[Address, list[Hop]] = {}
        self._steps: list[OwnRequest] = []

    def node_sent(self, seen: Seen, message: Message) -> None:
        """Take in what the node sent; what is no REGISTER or OPTIONS, and repetitions, are passed over."""
        if not isinstance(message, Request) or message.method not in ("REGISTER", "OPTIONS"):
            return
        data = message.to_bytes()
        if message.to.tag is not None or data in self._known:
            return
        self._known.add(data)
        self._counts[message.call_id] += 1
        aor = aor_of(message)
        removes = message.headers.get("Expires") == "0"
        number = self._counts[message.call_id]
        self._steps.append(OwnRequest(seen.at, message.method, message.call_id, number, aor, seen.destination, removes))
        if message.method == "REGISTER":
            self._register(seen, message, aor)
        if (account := self._accounts.get(aor)) is not None:
            asked = _Asked(seen.at, message.method, seen.destination)
            account.asked.append(asked)
            self._asked[message.call_id, message.cseq.number, message.method] = asked

    def node_heard(self, seen: Seen, message: Message) -> None:
        """Take in what came to the node."""
        if isinstance(message, Response):
            asked = self._asked.get((message.call_id, message.cseq.number, message.cseq.method))
            if asked is not None and asked.answered_at is None:
                asked.answered_at = seen.at

    def _register(self, seen: Seen, request: Request, aor: str) -> None:
        if not isinstance(request.uri, SipUri):
            return
        account = self._accounts.setdefault(aor, _Account(request, seen.transport.lower()))
        registrar = str(Address(request.uri.host, request.uri.port or 0))
        if registrar not in account.servers:
            account.servers.append(registrar)
        for said in credentials_in(request):
            account.auth_id = account.auth_id or said.get("username", "")
        first = next(_routes(request), request.uri)
        hops = self._places.setdefault(Address(first.host, first.port or 0), [])
        hop = Hop(seen.transport, seen.destination)
        if hop not in hops:
            hops.append(hop)

    def write(self, script: Script) -> None:
        """Add what was found."""
        made = (_settings(aor, account) for aor, account in self._accounts.items())
        script.accounts = tuple(account for account in made if account is not None)
        script.places = self._places
        script.steps += self._steps


def _routes(request: Request) -> Iterator[SipUri]:
    try:
        for value in request.headers.values("Route"):
            if isinstance(uri := NameAddr.parse(value).uri, SipUri):
                yield uri
    except ParseError:
        return


def _settings(aor: str, account: _Account) -> AccountSettings | None:
    """The settings of an account that does the same; None, with a warning, for what no settings can say."""
    first = account.first
    me = first.from_
    assert isinstance(first.uri, SipUri)
    given = {
        "name": aor[:64],
        "type": "registered",
        "user_id": me.uri.user if isinstance(me.uri, SipUri) else "",
        "caller_id": me.display_name or "",
        "transport": account.transport,
        "domain": aor.partition("@")[2],
        "registrar": account.servers[0],
        "secondary": {"registrar": account.servers[1]} if len(account.servers) > 1 else None,
        "proxies": [{"address": str(Address(uri.host, uri.port or 0))} for uri in _routes(first)],
        "sips": first.uri.scheme == "sips",
        "auth_id": account.auth_id,
        "password": PASSWORD,
        "outbound": "on" if "outbound" in (first.headers.get("Supported") or "") else "off",
        "registration_interval_s": first.headers.get("Expires"),
        "keep_alive_interval_s": _keep_alive_s(account.asked),
        "response_timeout_s": _timeout_s(account.asked),
        "failback_s": NO_FAILBACK_S,
    }
    try:
        return AccountSettings.model_validate(given)
    except ValueError as error:
        log.warning("account %s of the capture cannot be made again: %s", aor, error)
        return None


def _timeout_s(asked: list[_Asked]) -> float:
    """How long the node waited for an answer before it went to another server: it did nothing else meanwhile."""
    waits = [
        floor((after.at - before.at) * 100) / 100
        for before, after in pairwise(asked)
        if after.method == "REGISTER" and after.server != before.server and before.silent_at(after.at)
    ]
    return min((wait_s for wait_s in waits if LEAST_TIMEOUT_S <= wait_s <= MOST_TIMEOUT_S), default=USUAL_TIMEOUT_S)


def _keep_alive_s(asked: list[_Asked]) -> float:
    """An interval whose longest wait is no shorter than any between two OPTIONS."""
    questions = [each for each in asked if each.method == "OPTIONS"]
    waits = (
        after.at - before.at
        for before, after in pairwise(questions)
        if after.server == before.server and not before.silent_at(after.at)
    )
    longest_s = max(waits, default=NEVER_S)
    return min(NEVER_S, max(1.0, longest_s / KEEP_ALIVE_SPREAD))
