"""Locates the servers of accounts in the background and hands back what it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.hooks import Tasks
from voipnode.calls.ports import Locator
from voipnode.sipstack.transport import Hop
from voipnode.sipstack.uri import SipUri


class Finder:
    """The port `Find` over a `Locator`; `clock` is the engine's monotonic time in seconds.

    `wake` is called after each answer, so that the driver sends what came of it.
    """

    def __init__(self, locator: Locator, clock: Callable[[], float]) -> None:
        self._locator = locator
        self._clock = clock
        self._tasks = Tasks("accounts")
        self.wake: Callable[[], None] = lambda: None

    def __call__(self, uri: SipUri, account: AccountSettings, done: Callable[[Sequence[Hop], float], None]) -> None:
        self._tasks.start(self._find(uri, account, done))

    async def _find(self, uri: SipUri, account: AccountSettings, done: Callable[[Sequence[Hop], float], None]) -> None:
        hops = await self._locator.locate(
            uri, transport=account.wire_transport, prefer_ipv6=account.prefer_ipv6, profile=account.id
        )
        done(hops, self._clock())
        self.wake()

    async def close(self) -> None:
        """Look for nothing any more."""
        await self._tasks.close()
