"""All accounts of the node: which are registered, how they stand, and which of them a request is for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.binding import RegisterPace
from voipnode.calls.errors import CallError, UnknownNameError
from voipnode.calls.events import RegistrationChanged, RegistrationState
from voipnode.calls.hooks import Bus
from voipnode.calls.ports import Find, RandomBits
from voipnode.calls.registration import FlowEvent, Registration, Status
from voipnode.calls.settings import SipSettings
from voipnode.sipstack.endpoint import Endpoint

DOES_NOT_REGISTER = "Does not register"
_BITS = 32


class Accounts:
    """The active accounts and their registrations; verbs as of `Registration`, `on_deadline` for all of them.

    Publishes `RegistrationChanged` for each account at `start`, and then for each change.
    """

    def __init__(
        self,
        settings: SipSettings,
        accounts: Sequence[AccountSettings],
        *,
        endpoint: Endpoint,
        find: Find,
        random_bits: RandomBits,
        bus: Bus,
        instance: str = "",
    ) -> None:
        self.active = tuple(account for account in accounts if account.active)
        self._bus = bus
        self.registrations = tuple(
            Registration(
                account,
                RegisterPace.of(account, settings),
                endpoint=endpoint,
                find=find,
                chance=lambda: random_bits(_BITS) / 2**_BITS,
                tell=partial(self._tell, account),
                instance=instance,
            )
            for account in self.active
            if account.registered
        )

    def named(self, name: str) -> AccountSettings:
        """The active account of that id or name, the default one for ""; of several the first. UnknownNameError."""
        return account_named(name, self.active)

    def registration(self, account: AccountSettings) -> Registration | None:
        """The registration of an account; None for a peer-to-peer one."""
        return next((each for each in self.registrations if each.account is account), None)

    def served_by(self, host: str) -> tuple[AccountSettings, ...]:
        """The registered accounts that have a server at this address."""
        return tuple(each.account for each in self.registrations if each.is_server(host))

    # ---- verbs

    def start(self, now: float) -> None:
        """Tell how every account stands, and register those that do."""
        for account in self.active:
            registration = self.registration(account)
            if registration is None:
                self._tell(account, Status(RegistrationState.UNREGISTERED, 0, DOES_NOT_REGISTER), now)
            else:
                registration.start(now)

    def stop(self, now: float) -> None:
        """Remove every binding; `stopped` is true soon."""
        for registration in self.registrations:
            registration.stop(now)

    @property
    def stopped(self) -> bool:
        return all(registration.stopped for registration in self.registrations)

    def refresh(self, name: str, now: float) -> None:
        """Register the account of that name now. Raises UnknownNameError, CallError where it does not register."""
        account = self.named(name)
        registration = self.registration(account)
        if registration is None:
            raise CallError(f'account "{account.name}" does not register: it is a peer-to-peer one')
        registration.refresh(now)

    def on_event(self, event: FlowEvent, now: float) -> None:
        """Something happened between us and a server, perhaps one of an account."""
        for registration in self.registrations:
            registration.on_event(event, now)

    def next_deadline(self) -> float | None:
        deadlines = (registration.next_deadline() for registration in self.registrations)
        return min((at for at in deadlines if at is not None), default=None)

    def on_deadline(self, now: float) -> None:
        for registration in self.registrations:
            registration.on_deadline(now)

    def _tell(self, account: AccountSettings, status: Status, now: float) -> None:
        event = RegistrationChanged(
            at=now,
            account=account.name,
            id=account.id,
            state=status.state,
            status=status.status,
            reason=status.reason,
            server=status.server,
            expires_s=status.expires_s,
        )
        self._bus.publish(event)


def account_named(name: str, active: Sequence[AccountSettings]) -> AccountSettings:
    """The account of that id or name, the default one for ""; of several the first. Raises UnknownNameError."""
    for account in active:
        if account.id == name or (name == "" and account.default):
            return account
    for account in active:  # the first of that name is not active
        if account.name == name:
            return account
    known = ", ".join(f'"{account.id}"' for account in active) or "none"
    raise UnknownNameError(f'account "{name}": no such active account; there is {known}')
