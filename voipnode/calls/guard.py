"""The guard at the SIP port: who is spoken with, how often, and who has to prove who he is.

It is asked for every request that belongs to no call of ours (`sipstack.gate`). What it turns away is counted, and told
once. In this order, so that who is refused early learns nothing of what comes later:

1. sources that are being ignored: they scanned, or guessed passwords
2. rates: of the source, of everybody
3. strangers: sources outside `sip.incoming_networks` that are no server of ours
4. scanners, by the names that they give themselves
5. the access list, for calls
6. name and password, where the settings want them, and always of who calls himself one of our extensions

Users that exist and users that do not are answered alike in all of it.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from pydantic import SecretStr

from voipnode.calls.access_settings import AccessSettings
from voipnode.calls.callers import Networks
from voipnode.calls.guesses import Guesses
from voipnode.calls.pace import Pace
from voipnode.sipstack.authenticator import Authenticator, Verdict
from voipnode.sipstack.gate import TurnedAway
from voipnode.sipstack.message import Request
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri, unescape

MAX_SOURCES = 1024
MAX_PROVEN = 64
NONCES = 1024  # in use that are remembered, and
NONCES_PER_EXTENSION = 8  # more of them for each, which has several devices
# What the tools call themselves that look for SIP servers to rob; who hides his name meets the rates and the passwords.
SCANNERS = ("friendly-scanner", "sipvicious", "sipcli", "sip-scan", "sundayddr", "vaxsipuseragent", "pplsip", "iwar")
# Requests that want something of us. OPTIONS asks what everybody may know; CANCEL cannot be asked (RFC 3261 §22.1).
ASKED_WHO = frozenset({"INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "UPDATE"})
FORBIDDEN = (403, "Forbidden")
TOO_MANY = (503, "Service Unavailable")
RETRY_AFTER_S = "5"
NO_DIALOG = (481, "Call/Transaction Does Not Exist")

Judge = Callable[[Hop], bool]
IsOwn = Callable[[str, Hop], bool]
"""Whether a host, as somebody at a hop calls it, is this node."""
Homes = Callable[[str], Collection[str]]
"""The extensions that have a telephone registered from a host."""
Asked = tuple[str, str, str, str, int]
"""One request, so that nobody else's passes for it: source host, method, Call-ID, From tag, CSeq."""


class Guard:
    """Decides, and remembers a bounded number of sources. `is_stranger`, `is_server`, `is_trusted` say who a source is.

    `extensions`: the passwords of our own telephones, by number, who always prove who they are; `homes`: which of them
    are registered where.

    A server of ours has no rate but the servers' own total, is never ignored and never asked for a password: whoever
    could forge its address, or those of everybody else, must not be able to cut us off from it. Nor is anybody ignored
    for what a single datagram says: its address may be forged too, and a telephone would be locked out for minutes.
    """

    def __init__(
        self,
        settings: AccessSettings,
        secret: bytes,
        *,
        is_stranger: Judge,
        is_server: Judge,
        is_trusted: Judge,
        is_own: IsOwn = lambda host, hop: False,
        extensions: Mapping[str, SecretStr] = MappingProxyType({}),
        homes: Homes = lambda host: (),
    ) -> None:
        self._settings = settings
        self._is_stranger = is_stranger
        self._is_server = is_server
        self._is_trusted = is_trusted
        self._is_own = is_own
        self._extensions = extensions
        self._passwords = {caller.name: caller.password for caller in settings.callers} | dict(extensions)
        self._openers = {caller.name for caller in settings.callers if caller.opens}
        self._authenticator = Authenticator(
            settings.realm,
            secret,
            algorithms=settings.algorithms,
            max_nonces=NONCES + NONCES_PER_EXTENSION * len(extensions),
        )
        self._total = _pace(settings.total_burst, settings.total_per_s)
        self._total_of_servers = _pace(settings.total_burst, settings.total_per_s)
        self._paces: dict[str, Pace | None] = {}
        self._ignored: dict[str, float] = {}  # source -> until when
        self._guesses = Guesses(settings.wrong_passwords)
        self._homes = homes
        self._proven: dict[Asked, str] = {}  # requests just let in -> who proved himself
        self._list = AccessList(settings.policy, settings.entries)

    def proven(self, request: Request, source: Hop) -> str:
        """The name under which the sender of this request, just let in, has proven himself; asked once for each."""
        return self._proven.pop(_asked(request, source), "")

    def opens(self, name: str) -> bool:
        """Whether the digits of the caller of that name act; extensions have settings of their own."""
        return name in self._openers

    # ---- what the endpoint asks

    def answers(self, source: Hop, now: float) -> bool:
        """Whether a malformed request from there gets its 400."""
        host = source.remote.host
        if self._is_server(source):
            return self._in_total(now, server=True)
        return not (self._is_ignored(host, now) or self._is_stranger(source)) and self._in_pace(host, now)

    def request(self, request: Request, source: Hop, now: float) -> TurnedAway | None:
        host = source.remote.host
        server = self._is_server(source)
        if not server:
            if self._is_ignored(host, now):
                return _silence("is being ignored")
            if not self._in_pace(host, now):
                return _silence("more requests than sip.access.source_per_s")
            if self._is_stranger(source):
                return self._to_stranger(request)
            scanner = _scanner(request)
            if scanner:
                if source.reliable:  # a connection proves the address
                    self._ignore(host, now)
                return _silence(f"a scanner: {scanner}")
        if not self._in_total(now, server=server):
            return _silence("more requests in total than sip.access.total_per_s")
        if request.method == "INVITE" and not self._list.lets_in(request, host):
            return TurnedAway(*FORBIDDEN, "refused by sip.access.list")
        if request.method == "REGISTER":
            return self._prove(request, source, now) if self._extensions else None
        if request.method not in ASKED_WHO:
            return None
        extension = self._named(request, source, server=server)
        if extension or (not server and self._must_prove(source)):
            return self._prove(request, source, now, extension)
        return None

    # ---- inside

    def _to_stranger(self, request: Request) -> TurnedAway:
        why = "outside sip.incoming_networks"
        if self._settings.strangers == "ignore":
            return _silence(why)
        return TurnedAway(*(FORBIDDEN if request.to_tag is None else NO_DIALOG), why)

    def _must_prove(self, source: Hop) -> bool:
        wanted = self._settings.authenticate
        return wanted == "always" or (wanted == "unknown" and not self._is_trusted(source))

    def _named(self, request: Request, source: Hop, *, server: bool) -> str:
        """The extension that a request says it comes from, "" where it says so of none.

        A server of an account has users of its own, who may have the same numbers: it speaks of ours only where it
        calls them users of this node.
        """
        if not self._extensions:
            return ""
        uri = request.from_.uri
        user = unescape(uri.user or "") if isinstance(uri, SipUri) else ""
        if user in self._extensions and isinstance(uri, SipUri) and (not server or self._is_own(uri.host, source)):
            return user
        claimed = self._authenticator.claimed(request)
        return claimed if claimed in self._extensions else ""

    def _prove(self, request: Request, source: Hop, now: float, extension: str = "") -> TurnedAway | None:
        host, claimed = source.remote.host, self._authenticator.claimed(request)
        homes = self._homes(host) if claimed and self._extensions else ()
        home = host if claimed in homes else ""
        if claimed and not self._guesses.may_try(claimed, home, now):
            return TurnedAway(*TOO_MANY, f"too many wrong passwords for {claimed}", (("Retry-After", RETRY_AFTER_S),))
        verdict, name = self._authenticator.judge(request, host, now, self._password_of)
        if verdict is Verdict.ACCEPTED:
            self._guesses.right(host, name, home)
            if extension and name != extension:
                return TurnedAway(*FORBIDDEN, f"calls himself {extension}, and is {name}")
            if len(self._proven) >= MAX_PROVEN:
                self._proven.pop(next(iter(self._proven)))
            self._proven[_asked(request, source)] = name
            return None
        why = "asked for name and password"
        if verdict is Verdict.WRONG:
            why = "wrong name or password"
            # Where telephones of ours are registered, one with a wrong password is no reason to cut off the others.
            if self._guesses.wrong(host, claimed, home, now) and not homes:
                self._ignore(host, now)
        headers = self._authenticator.challenge(host, now, stale=verdict is Verdict.STALE)
        return TurnedAway(401, "Unauthorized", why, headers)

    def _password_of(self, name: str) -> str | None:
        password = self._passwords.get(name)
        return None if password is None else password.get_secret_value()

    def _ignore(self, host: str, now: float) -> None:
        if len(self._ignored) >= MAX_SOURCES:
            self._ignored.pop(next(iter(self._ignored)))
        self._ignored[host] = now + self._settings.ignore_s

    def _is_ignored(self, host: str, now: float) -> bool:
        until = self._ignored.get(host)
        if until is None:
            return False
        if now < until:
            return True
        del self._ignored[host]
        return False

    def _in_total(self, now: float, *, server: bool) -> bool:
        pace = self._total_of_servers if server else self._total
        return pace is None or pace.allows(now)

    def _in_pace(self, host: str, now: float) -> bool:
        if host in self._paces:
            pace = self._paces[host]
        else:
            if len(self._paces) >= MAX_SOURCES:
                self._paces.pop(next(iter(self._paces)))
            pace = self._paces[host] = _pace(self._settings.source_burst, self._settings.source_per_s)
        return pace is None or pace.allows(now)


class AccessList:
    """The access list: caller IDs and addresses that alone may call, or that may not."""

    def __init__(self, policy: str, entries: tuple[str, ...]) -> None:
        self._policy = policy
        networks, self._callers = [], []
        for entry in entries:
            try:
                Networks([entry])
            except ValueError:
                self._callers.append(entry.lower())
            else:
                networks.append(entry)
        self._networks = Networks(networks)

    def lets_in(self, request: Request, source_host: str) -> bool:
        """Whether a call passes: by the caller ID of its From, or by where its packets come from."""
        if self._policy == "off":
            return True
        listed = source_host in self._networks or self._names(request)
        return listed is (self._policy == "allow")

    def _names(self, request: Request) -> bool:
        uri = request.from_.uri
        if not isinstance(uri, SipUri):  # tel:+43123: the number alone
            number = str(uri).partition(":")[2].partition(";")[0].lower()
            return any(fnmatch.fnmatchcase(number, entry) for entry in self._callers)
        user = (uri.user or "").lower()
        whole = f"{user}@{uri.host.lower()}"
        return any(fnmatch.fnmatchcase(whole if "@" in entry else user, entry) for entry in self._callers)


def _asked(request: Request, source: Hop) -> Asked:
    return source.remote.host, request.method, request.call_id, request.from_tag or "", request.cseq.number


def _pace(burst: int, per_s: float) -> Pace | None:
    return Pace(burst=burst, per_s=per_s) if per_s else None


def _silence(why: str) -> TurnedAway:
    return TurnedAway(0, "", why)


def _scanner(request: Request) -> str:
    """The name of a known scanner in User-Agent or From, "" for anybody else."""
    agent = (request.headers.first("user-agent") or "").lower()
    caller = (request.headers.first("from") or "").lower()
    return next((name for name in SCANNERS if name in agent or f'"{name}"' in caller), "")
