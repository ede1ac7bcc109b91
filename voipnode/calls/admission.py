"""Who is let in: the decision on an incoming call, made from settings and from where its packets come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from voipnode.calls.accounts import Accounts
from voipnode.calls.callers import Networks, TrustedCallers, caller_of
from voipnode.calls.events import CallReason
from voipnode.calls.guard import Guard, Homes, IsOwn
from voipnode.calls.pace import Pace
from voipnode.calls.registrar.settings import ExtensionSettings, extension_account
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack.events import IncomingCall
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

BURST = 10  # calls at once beyond those that the door takes
MAX_HOSTS = 1024


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call is let in on `account`; `authorised`: the settings name this caller, so that its digits act.

    `from_server`: it comes from a server of the account, so that who calls is what the server says. `extension`: which
    of our own telephones it is, proven by its password; None for everybody else, who reaches the door and no more.
    """

    account: AccountSettings
    authorised: bool
    from_server: bool = False
    extension: ExtensionSettings | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call is answered with `status` (RFC 3261 §21); `detail` in words for the log."""

    status: int
    reason: CallReason
    detail: str


class Admission:
    """Decides on incoming calls; its `guard` on everything that reaches the SIP port. `secret`: 32 random bytes.

    `is_own` tells which hosts are this node, `extensions` its own telephones, `homes` which are registered at a host.
    """

    def __init__(
        self,
        settings: SipSettings,
        accounts: Accounts,
        secret: bytes,
        *,
        is_own: IsOwn = lambda host, hop: False,
        extensions: Sequence[ExtensionSettings] = (),
        homes: Homes = lambda host: (),
        is_quiet: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._is_quiet = is_quiet
        self._accounts = accounts
        self._networks = Networks(settings.incoming_networks)
        self._trusted = TrustedCallers(settings.trusted_callers)
        self._pace = Pace(burst=BURST + settings.max_calls, per_s=1 + settings.max_calls)
        self._is_outside = lru_cache(MAX_HOSTS)(lambda host: host not in self._networks)  # asked for every request
        self.guard = Guard(
            settings.access,
            secret,
            is_stranger=self.is_stranger,
            is_server=lambda source: bool(accounts.served_by(source.remote.host)),
            is_trusted=lambda source: self._trusted.names(source.remote.host),
            is_own=is_own,
            extensions={each.number: each.password for each in extensions},
            homes=homes,
        )
        self._extensions = {each.number: each for each in extensions}

    def is_stranger(self, source: Hop) -> bool:
        """Whether nothing but our own calls is spoken of with this source; servers of accounts are none."""
        return self.is_outside(source.remote.host)

    def is_outside(self, host: str) -> bool:
        """The same of an address."""
        return self._is_outside(host) and not self._accounts.served_by(host)

    def decide(self, incoming: IncomingCall, calls_now: int, now: float) -> Admitted | Refusal:
        """Let a call to the door in or say why not: `admit`, and `at_door`."""
        decision = self.admit(incoming, now)
        return decision if isinstance(decision, Refusal) else self.at_door(calls_now) or decision

    def at_door(self, calls_now: int) -> Refusal | None:
        """Why the door takes no call now; None where it does."""
        if not self._settings.allow_incoming:
            return Refusal(403, CallReason.DENIED, "incoming calls are off (sip.allow_incoming)")
        if self._is_quiet():
            return Refusal(480, CallReason.DENIED, "nobody is to be disturbed now (sip.incoming.do_not_disturb)")
        if calls_now >= self._settings.max_calls:
            return Refusal(486, CallReason.BUSY, f"the door is in a call (sip.max_calls = {self._settings.max_calls})")
        return None

    def admit(self, incoming: IncomingCall, now: float) -> Admitted | Refusal:
        """Say who calls, or why he may not. Strangers learn nothing of the accounts: the network is looked at first."""
        name = self.guard.proven(incoming.request, incoming.source)
        extension = self._extensions.get(name)
        if extension is not None:
            return Admitted(extension_account(extension), extension.opens, extension=extension)
        source = incoming.source.remote.host
        if not self._settings.allow_incoming:
            return Refusal(403, CallReason.DENIED, "incoming calls are off (sip.allow_incoming)")
        if self.is_stranger(incoming.source):
            return Refusal(403, CallReason.DENIED, f"{source} is in none of sip.incoming_networks")
        served = self._accounts.served_by(source)
        account = self._account_for(incoming, served)
        if account is None:
            words = f"{source} is no server of a registered account, and no peer-to-peer account is active"
            return Refusal(403, CallReason.DENIED, words)
        if not self._pace.allows(now):
            return Refusal(503, CallReason.BUSY, "calls come faster than anybody can place or take them")
        request = incoming.request
        # From a server of ours it counts what that asserts: a telephone of its own may write anybody's name into From.
        opens = self.guard.opens(name) or self._trusted.trusts(caller_of(request, from_server=bool(served)), source)
        return Admitted(account, opens, from_server=account in served)

    def _account_for(self, incoming: IncomingCall, served: tuple[AccountSettings, ...]) -> AccountSettings | None:
        """The account called, by user part, else the default one or the first: it is called by address alone then.

        A registered account takes calls from its own servers, and from trusted callers, who may know it by name; all
        others reach the peer-to-peer accounts. A server reaches none but its own.
        """
        uri = incoming.request.uri
        user = uri.user if isinstance(uri, SipUri) else None
        candidates = served or self._accounts.active
        if not served and not self._trusted.names(incoming.source.remote.host):
            candidates = tuple(account for account in candidates if account.type == "peer_to_peer")
        called = (account for account in candidates if account.user_id == user)
        default = (account for account in candidates if account.default)
        return next(called, None) or next(default, None) or next(iter(candidates), None)
