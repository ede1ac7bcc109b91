"""What a registrar's answer means: for the registration, and in words for whoever installs the door."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.fields import RetryAfter, parse_delta_seconds
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Response
from voipnode.sipstack.uri import SipUri

MAX_RETRY_AFTER_S = 3600  # a server that wants us away for longer is asked again all the same
MAX_INTERVAL_S = 7 * 86_400  # of Min-Expires: more is a mistake
MAX_ROUTES = 8
MALFORMED_EXPIRES_S = 3600  # RFC 3261 §10.2


class Verdict(Enum):
    """What to do after an answer to REGISTER."""

    ACCEPTED = auto()
    TOO_BRIEF = auto()  # 423: ask for longer (RFC 3261 §10.2.8)
    MOVED = auto()  # 3xx: ask where it says (§8.1.3.4)
    REFUSED = auto()  # the user or the password is wrong: the server's other addresses know no better
    ELSEWHERE = auto()  # this address does not serve: try the next one


def verdict_on(status: int) -> Verdict:
    """By status; 401 and 407 come here only after our credentials were refused, or where there are none."""
    if status < 300:
        return Verdict.ACCEPTED
    if status < 400:
        return Verdict.MOVED
    if status == 423:
        return Verdict.TOO_BRIEF
    if status in (401, 403, 404, 407, 410, 603, 604):
        return Verdict.REFUSED
    return Verdict.ELSEWHERE


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a server did not take us, in words for people.

    `weight` says which of several is told; `refused`: the user or the password is wrong; `wait_s`: how long the server
    wants to be left alone.
    """

    status: int
    words: str
    server: str
    weight: int = 1
    refused: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Granted:
    """What a 2xx to REGISTER brought.

    `service_route`: Route values for the account's own requests (RFC 3608 §6.1), in their order. `flow_timer_s`: how
    long the server waits for keep-alives (RFC 5626 §4.4), 0 where it does not say. `outbound`: it keeps our flow.
    """

    expires_s: float
    service_route: tuple[str, ...] = ()
    flow_timer_s: int = 0
    outbound: bool = False


def granted(response: Response, contact: str, asked_s: int) -> Granted:
    """Read a 2xx to a REGISTER that brought `contact` for `asked_s` seconds; other contacts in it are not ours.

    Malformed fields count as absent: nobody is served better by a door that does not register.
    """
    return Granted(
        expires_s=_expires_s(response, contact, asked_s),
        service_route=_service_route(response),
        flow_timer_s=_seconds(response, "Flow-Timer") or 0,
        outbound="outbound" in _tokens(response, "Require"),
    )


def _expires_s(response: Response, contact: str, asked_s: int) -> float:
    """Our binding's validity: its expires parameter, else Expires, else what we asked for (RFC 3261 §10.2.4)."""
    ours = NameAddr.parse(contact).uri
    try:
        for each in response.contacts:
            if each.uri.equivalent(ours) and (text := each.params.get("expires")) is not None:
                return _delta(text)
    except ParseError:
        pass  # somebody else's contact may be malformed
    general = _seconds(response, "Expires")
    return asked_s if general is None else general


def _delta(text: str) -> int:
    try:
        return parse_delta_seconds(text)
    except ParseError:
        return MALFORMED_EXPIRES_S


def _service_route(response: Response) -> tuple[str, ...]:
    routes = []
    for value in response.headers.values("Service-Route")[:MAX_ROUTES]:
        try:
            route = NameAddr.parse(value)
        except ParseError:
            return ()
        if not isinstance(route.uri, SipUri) or "lr" not in route.uri.params:  # RFC 3608 §5: MUST include lr
            return ()
        routes.append(str(route))
    return tuple(routes)


def _tokens(response: Response, name: str) -> set[str]:
    return {value.strip().lower() for value in response.headers.values(name)}


def _seconds(response: Response, name: str) -> int | None:
    text = response.headers.get(name)
    if text is None:
        return None
    try:
        return parse_delta_seconds(text)
    except ParseError:
        return None


def longer_interval_s(response: Response, asked_s: int) -> int | None:
    """The validity to ask for after a 423; None where it does not help: not longer than before, or absurd."""
    least = _seconds(response, "Min-Expires")
    return least if least is not None and asked_s < least <= MAX_INTERVAL_S else None


def retry_after_s(response: Response | None) -> int:
    """How long the server wants to be left alone (RFC 3261 §20.33); 0 where it does not say."""
    text = response.headers.get("Retry-After") if response is not None else None
    if text is None:
        return 0
    try:
        return min(RetryAfter.parse(text).seconds, MAX_RETRY_AFTER_S)
    except ParseError:
        return 0


def moved_to(response: Response) -> list[SipUri]:
    """Where a 3xx sends us, best first (RFC 3261 §8.1.3.4)."""
    try:
        contacts = response.contacts
    except ParseError:
        return []
    found = sorted((contact for contact in contacts if isinstance(contact.uri, SipUri)), key=_preference)
    return [contact.uri for contact in found if isinstance(contact.uri, SipUri)]


def _preference(contact: NameAddr) -> float:
    try:
        return -float(contact.params.get("q") or "1")
    except ValueError:
        return 0.0


_WORDS = {
    401: "wrong password or authentication ID",
    407: "wrong password or authentication ID",
    403: "refused: the user is blocked there, or the password is wrong",
    404: "unknown user: the server has no such user ID or domain",
    410: "unknown user: the server has no such user ID any more",
    604: "unknown user: nobody knows such a user ID",
    603: "refused: the server does not want this user",
    423: "the server wants longer registrations than it says",
}


def words_for(status: int, reason: str, *, user: str, has_password: bool) -> str:
    """A refusal in words for an installer, with the server's own behind them."""
    said = f"{status} {printable(reason)}".strip()
    if status in (401, 407) and not has_password:
        return f"the server asks for a password and the account has none ({said})"
    if status == 503:
        return f"the server is overloaded or being serviced ({said})"
    if status >= 500 and status < 600:
        return f"the server has a fault of its own ({said})"
    words = _WORDS.get(status, "the server refuses the registration")
    return f'{words}, user "{user}" ({said})'
