"""Mailboxes of registered accounts: what waits there is asked for, or told by their servers without (RFC 3842)."""

from __future__ import annotations

import logging

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.accounts import Accounts
from voipnode.calls.core import CallCore, Found
from voipnode.calls.events import MessageWaitingChanged, RegistrationChanged, RegistrationState
from voipnode.sipstack import events as sip
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.message_summary import CONTENT_TYPE, PACKAGE, MessageSummary
from voipnode.sipstack.timers import DeadlineQueue
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri

log = logging.getLogger(__name__)

RETRY_S = 300.0
SOONEST_S = 5.0  # a server that ends every subscription at once is not asked in a circle


class Mailboxes:
    """Keeps one subscription for each account that wants to know (`message_waiting`) while it is registered."""

    def __init__(self, core: CallCore, accounts: Accounts) -> None:
        self._core = core
        self._accounts = accounts
        self._subscriptions: dict[str, AccountSettings] = {}  # by name of the subscription
        self._last: dict[str, MessageSummary] = {}  # by account
        self._deadlines: DeadlineQueue[str] = DeadlineQueue()
        core.listen(RegistrationChanged, self._on_registration, who="mailboxes")
        core.endpoint.welcome_notices(PACKAGE, self._is_server)

    def _is_server(self, source: Hop) -> bool:
        return bool(self._accounts.served_by(source.remote.host))

    def _on_registration(self, event: RegistrationChanged) -> None:
        account = next((each for each in self._accounts.active if each.id == event.id), None)
        if account is None or not account.message_waiting or event.state is not RegistrationState.REGISTERED:
            return
        if account not in self._subscriptions.values():
            self._deadlines.set(account.id, self._core.now)

    # ---- time

    def next_deadline(self) -> float | None:
        return self._deadlines.next_deadline()

    def on_deadline(self, now: float) -> None:
        """Ask where it is time to."""
        while (name := self._deadlines.pop_due(now)) is not None:
            account = self._accounts.named(name)
            registration = self._accounts.registration(account)
            if registration is None or registration.binding is None or account in self._subscriptions.values():
                continue  # it is asked when the account is registered again
            self._core.reach(registration.binding.server.aor, account, lambda ways, to=account: self._ask(to, ways))  # type: ignore[misc]  # mypy infers no type for the bound default

    def _ask(self, account: AccountSettings, ways: Found) -> None:
        core = self._core
        try:
            for way in ways:
                call = OutsideRequest(
                    "SUBSCRIBE",
                    way.target,
                    way.from_,
                    hop=way.hops[0],
                    routes=way.routes,
                    credentials=way.credentials,
                    headers=(("Contact", core.endpoint.contact(account.user_id, way.hops[0])),),
                )
                name = core.endpoint.subscribe(call, PACKAGE, core.now, accept=CONTENT_TYPE)
                self._subscriptions[name] = account
                return
        except LocalError as error:
            log.info("account %s: its mailbox cannot be asked for now: %s", account.name, error)
        self._deadlines.set(account.id, core.now + RETRY_S)

    # ---- what comes

    def on_event(self, event: sip.NotifyReceived | sip.NoticeReceived | sip.SubscriptionEnded) -> None:
        """News of a mailbox, asked for or not, or the end of a subscription."""
        if isinstance(event, sip.NoticeReceived):
            account = self._account_of(event)
            if account is not None:
                self._tell(account, event.body)
            return
        account = self._subscriptions.get(event.subscription)
        if account is None:
            return
        if isinstance(event, sip.NotifyReceived):
            self._tell(account, event.body)
            return
        del self._subscriptions[event.subscription]
        words = f"{event.status} {event.reason}" if event.status else event.reason
        log.info("account %s: the server tells of its mailbox no more (%s)", account.name, words)
        if event.again_after_s is not None:
            self._deadlines.set(account.id, self._core.now + max(event.again_after_s, SOONEST_S))

    def _account_of(self, event: sip.NoticeReceived) -> AccountSettings | None:
        """The account that a server means: by the user that it addresses, or its only one."""
        served = self._accounts.served_by(event.source.remote.host)
        uri = event.request.uri
        user = uri.user if isinstance(uri, SipUri) else None
        named = [account for account in served if account.user_id == user]
        return (named or list(served))[0] if named or len(served) == 1 else None

    def _tell(self, account: AccountSettings, body: bytes) -> None:
        try:
            summary = MessageSummary.parse(body)
        except ParseError as error:
            log.debug("account %s: %s", account.name, error.reason)
            return
        if self._last.get(account.id) == summary:
            return
        self._last[account.id] = summary
        self._core.bus.publish(
            MessageWaitingChanged(
                at=self._core.now,
                account=account.name,
                id=account.id,
                waiting=summary.waiting,
                new=summary.voice_new,
                old=summary.voice_old,
                urgent_new=summary.urgent_new,
                urgent_old=summary.urgent_old,
            )
        )
