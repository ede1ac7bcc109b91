"""Who is let in: the decision on an incoming call, made from settings and from where its packets come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from voipnode.calls.callers import Networks, TrustedCallers
from voipnode.calls.events import CallReason
from voipnode.calls.guard import Guard
from voipnode.calls.pace import Pace
from voipnode.calls.settings import AccountSettings, SipSettings
from voipnode.sipstack.events import IncomingCall
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

BURST = 10  # calls at once beyond those that the door takes
MAX_HOSTS = 1024


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call is let in on `account`; `authorised`: the settings name this caller, so that its digits act."""

    account: AccountSettings
    authorised: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call is answered with `status` (RFC 3261 §21); `detail` in words for the log."""

    status: int
    reason: CallReason
    detail: str


class Admission:
    """Decides on incoming calls; its `guard` on everything that reaches the SIP port. `secret`: 32 random bytes."""

    def __init__(self, settings: SipSettings, accounts: tuple[AccountSettings, ...], secret: bytes) -> None:
        self._settings = settings
        self._accounts = tuple(account for account in accounts if account.active)
        self._networks = Networks(settings.incoming_networks)
        self._trusted = TrustedCallers(settings.trusted_callers)
        self._pace = Pace(burst=BURST + settings.max_calls, per_s=1 + settings.max_calls)
        self._is_outside = lru_cache(MAX_HOSTS)(lambda host: host not in self._networks)  # asked for every request
        self.is_server: Callable[[Hop], bool] = lambda source: False
        """Whether a source is a server that an account of ours is registered at; its owner sets it."""
        self.guard = Guard(
            settings.access,
            secret,
            is_stranger=self.is_stranger,
            is_server=lambda source: self.is_server(source),  # noqa: PLW0108 -- it is set later
            is_trusted=lambda source: self._trusted.names(source.remote.host),
        )

    def is_stranger(self, source: Hop) -> bool:
        """Whether nothing but our own calls is spoken of with this source."""
        return self._is_outside(source.remote.host) and not self.is_server(source)

    def decide(self, incoming: IncomingCall, calls_now: int, now: float) -> Admitted | Refusal:
        """Let the call in or say why not. Strangers learn nothing of the accounts: the network is looked at first."""
        source = incoming.source.remote.host
        if not self._settings.enabled or not self._settings.allow_incoming:
            return Refusal(403, CallReason.DENIED, "incoming calls are off (sip.allow_incoming)")
        if self.is_stranger(incoming.source):
            return Refusal(403, CallReason.DENIED, f"{source} is in none of sip.incoming_networks")
        account = self._account_for(incoming)
        if account is None:
            return Refusal(480, CallReason.DENIED, "no account is active")
        if calls_now >= self._settings.max_calls:
            return Refusal(486, CallReason.BUSY, f"the door is in a call (sip.max_calls = {self._settings.max_calls})")
        if not self._pace.allows(now):
            return Refusal(503, CallReason.BUSY, "calls come faster than anybody can place or take them")
        request = incoming.request
        opens = self._trusted.trusts(request.from_, source) or self.guard.may_open(request.call_id)
        return Admitted(account, opens)

    def _account_for(self, incoming: IncomingCall) -> AccountSettings | None:
        """The account called: by user part, else the default one, which is called by address alone."""
        uri = incoming.request.uri
        user = uri.user if isinstance(uri, SipUri) else None
        for account in self._accounts:
            if user == account.user_id:
                return account
        return next((account for account in self._accounts if account.default), None)
