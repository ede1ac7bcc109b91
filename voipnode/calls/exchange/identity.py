"""Who a called party is shown as its caller: the topology behind the node stays hidden, and so does who wishes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from voipnode.calls.callers import caller_of
from voipnode.calls.ways import ANONYMOUS, Way
from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.message import Request
from voipnode.sipstack.uri import SipUri, TelUri, escape_user, unescape

MAX_NAME_CHARS = 64
_PRIVATE = frozenset({"id", "user", "header", "critical"})
_IDENTITY = frozenset({"privacy", "p-asserted-identity", "p-preferred-identity"})


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller's name and number. `private`: the called party is not to learn them (RFC 3323, RFC 3325 §7)."""

    user: str = ""
    name: str = ""
    private: bool = False

    def present(self, way: Way, host: str, *, to_server: bool) -> Way:
        """The way with this caller on it. `host`: our address towards the called party.

        A server knows the account that calls through it and would not take another name: it is told the caller's
        display name alone. Everybody else is called in the caller's name, at our address (RFC 3261 §20.20), so that it
        can be called back.
        """
        if to_server:
            return self._to_server(way)
        if self.private or not self.user:
            headers = tuple(field for field in way.headers if field[0].lower() not in _IDENTITY)
            return replace(way, from_=ANONYMOUS, headers=headers)
        shown = NameAddr(self.name or None, SipUri(way.target.scheme, user=escape_user(self.user), host=host))
        headers = tuple((name, str(shown) if name == "P-Asserted-Identity" else value) for name, value in way.headers)
        return replace(way, from_=shown, headers=headers)

    def _to_server(self, way: Way) -> Way:
        account = way.from_
        if self.private and account.uri != ANONYMOUS.uri:  # the server alone learns which account it is (RFC 3325 §9.2)
            told = ("P-Preferred-Identity", str(account))
            others = tuple(field for field in way.headers if field[0].lower() not in _IDENTITY)
            return _from(way, None, (*others, ("Privacy", "id"), told))
        if self.name and account.display_name is None and account.uri != ANONYMOUS.uri:
            return _from(way, self.name, way.headers)
        return way


NOBODY = Identity(private=True)


def _from(way: Way, name: str | None, headers: tuple[tuple[str, str], ...]) -> Way:
    """The way and its detours under this display name, anonymous for None."""

    def shown(address: NameAddr) -> NameAddr:
        return ANONYMOUS if name is None else NameAddr(name, address.uri)

    detours = tuple(replace(each, from_=shown(each.from_), headers=headers) for each in way.detours)
    return replace(way, from_=shown(way.from_), headers=headers, detours=detours)


def identity_of(request: Request, *, from_server: bool) -> Identity:
    """Who calls, as its server asserts, or as it says where it is none of ours (RFC 3325 §9.1)."""
    uri = caller_of(request, from_server=from_server)
    user = uri.digits if isinstance(uri, TelUri) else unescape(uri.user or "") if isinstance(uri, SipUri) else ""
    name = "" if request.from_.display_name is None else request.from_.display_name[:MAX_NAME_CHARS]
    return Identity(user[:MAX_NAME_CHARS], name, is_private(request))


def is_private(request: Request) -> bool:
    """Whether the caller wants not to be shown."""
    try:
        wishes = {item.strip().lower() for value in request.headers.get_all("Privacy") for item in value.split(";")}
    except ParseError:
        return True
    anonymous = isinstance(request.from_.uri, SipUri) and request.from_.uri.host == "anonymous.invalid"
    return anonymous or bool(wishes & _PRIVATE)
