"""What the call layer needs of the world, as protocols that `net` fulfils and a test can stand in for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from voipnode.calls.account_settings import AccountSettings
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.values import Server
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri


class MediaPath(Protocol):
    """An open pair of RTP and RTCP ports that feeds one leg's media."""

    rtp_port: int
    rtcp_port: int

    def flush(self, now: float) -> None:
        """Send what the engine has in its outbox and re-arm its timer."""
        ...

    def send(self, now: float) -> None:
        """Have what the engine has in its outbox leave at the media clock's steady moment; after frames were pushed,
        which moves no deadline."""
        ...

    def send_now(self, now: float) -> None:
        """Send what the engine has in its outbox at once; after packets were passed on, which moves no deadline."""
        ...

    def hurry(self, *, wanted: bool) -> None:
        """Take RTP as soon as it comes, even while the media clock runs."""
        ...

    def open_beside(self, host: str) -> int:
        """Open the same ports at another address of ours; its number, below zero. Raises OSError."""
        ...

    def open_stream(self, server: Server) -> int:
        """Begin to open a connection to a TURN server, and give its number."""
        ...

    def close(self) -> None: ...


class MediaPaths(Protocol):
    """Hands out media paths; raises OSError when no port is free."""

    def open(self, local_host: str, engine: MediaTransport, on_events: Callable[[], None]) -> MediaPath: ...


class Ticker(Protocol):
    """The one media clock: calls back every 10 ms while somebody listens."""

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        """Call `tick(now)` every 10 ms from now on; the returned function ends it."""
        ...


class Find(Protocol):
    """Locates a server for an account (RFC 3263) and calls `done` with its hops, best first, and the time.

    `done` may be called before this returns; it is called once, with no hops where there are none.
    """

    def __call__(self, uri: SipUri, account: AccountSettings, done: Callable[[Sequence[Hop], float], None]) -> None: ...


class Locator(Protocol):
    """Finds the hops to where a URI leads, in the order in which they are to be tried (RFC 3263)."""

    async def locate(
        self, uri: SipUri, *, transport: str = "", prefer_ipv6: bool = False, profile: str = ""
    ) -> list[Hop]:
        """Never raises; [] when nothing is found. `transport` counts where the URI names none, "" leaves it to DNS.

        `profile` names the TLS settings that the hops carry.
        """
        ...


LocalAddress = Callable[[Hop], Address]
RandomBits = Callable[[int], int]
