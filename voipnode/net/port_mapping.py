"""Ports that our router forwards to us as long as the node runs: asked for, renewed, and taken back at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address
from typing import Protocol

from voipnode.net.igd import ONLY_PERMANENT, Forwarding, RouterError

log = logging.getLogger(__name__)

AGAIN_S = (30.0, 60.0, 300.0)  # after a failure; then every five minutes, since routers are started anew
END_S = 2.0  # for taking everything back when the node stops
PERMANENT = 0


class Router(Protocol):
    """What is asked; `Igd` is one."""

    host: str

    async def outer_address(self) -> str: ...

    async def forward(self, forwarding: Forwarding, to_host: str, lease_s: int) -> None: ...

    async def remove(self, forwarding: Forwarding) -> None: ...


class PortMapping:
    """Keeps `wanted` forwarded, each lease for `lease_s`, renewed at half of it.

    `find` finds the router, `own_address` is ours as the router sees it, `tell` is told in words what does not work,
    once for each reason. `outer` is the router's address outside, "" while it has none that the world reaches;
    `on_outer` is told when it changes.
    """

    def __init__(
        self,
        wanted: Sequence[Forwarding],
        *,
        find: Callable[[], Awaitable[Router]],
        own_address: Callable[[str], str],
        lease_s: int,
        tell: Callable[[str], None],
        on_outer: Callable[[str], None] = lambda address: None,
    ) -> None:
        self._wanted = tuple(wanted)
        self._find = find
        self._own_address = own_address
        self._lease_s = lease_s
        self._tell = tell
        self._on_outer = on_outer
        self._router: Router | None = None
        self._forwarded: set[Forwarding] = set()
        self._told: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.outer = ""

    def start(self) -> None:
        """Begin; nobody waits for a router."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Take everything back, as far as the router answers in time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self._remove_all()

    async def _run(self) -> None:
        failures = 0
        while True:
            if await self._round():
                failures = 0
                await asyncio.sleep(self._lease_s / 2)
            else:
                await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
                failures += 1

    async def _round(self) -> bool:
        """Ask for all ports, or ask again; whether all is as wanted."""
        try:
            if self._router is None:
                self._router = await self._find()
            await self._look_outside(self._router)
        except RouterError as error:
            self._router = None
            self._outer_is("")
            self._say(f"the router: {error}" if not str(error).startswith(("no ", "the ")) else str(error))
            return False
        complete = True
        for forwarding in self._wanted:
            complete = await self._forward(self._router, forwarding) and complete
        if complete and self._told:
            self._told.clear()
            log.info("the router %s forwards all ports", self._router.host)
        return complete

    async def _look_outside(self, router: Router) -> None:
        outer = await router.outer_address()
        if not IPv4Address(outer).is_global:
            self._outer_is("")
            self._say(
                f"the router {router.host} is behind another one: its outer address is {outer}, which the world does"
                " not reach; forward the ports there too, or use STUN or TURN"
            )
        elif outer != self.outer:
            self._outer_is(outer)
            log.info("the router %s is %s to the outside", router.host, outer)

    def _outer_is(self, address: str) -> None:
        if address != self.outer:
            self.outer = address
            self._on_outer(address)

    async def _forward(self, router: Router, forwarding: Forwarding) -> bool:
        self._forwarded.add(forwarding)  # from now on: its answer may come when we have stopped
        try:
            await self._ask(router, forwarding)
        except RouterError as error:
            self._forwarded.discard(forwarding)
            self._say(f"the router {router.host} does not forward {forwarding}: it {error}")
            return False
        return True

    async def _ask(self, router: Router, forwarding: Forwarding) -> None:
        own = self._own_address(router.host)
        try:
            await router.forward(forwarding, own, self._lease_s)
        except RouterError as error:
            if error.code != ONLY_PERMANENT:
                raise
            await router.forward(forwarding, own, PERMANENT)  # an old router; it is taken back at the end

    async def _remove_all(self) -> None:
        for forwarding in sorted(self._forwarded, key=str):
            if self._router is not None:
                try:
                    await self._router.remove(forwarding)
                except RouterError as error:
                    log.info("the router %s still forwards %s: it %s", self._router.host, forwarding, error)
        self._forwarded.clear()

    def _say(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            self._tell(words)
