"""Whether the servers of the accounts know them: each is asked for the bindings that it has (RFC 3261 §10.2.3).

Such a REGISTER names no contact, so it changes nothing: a running node keeps its calls. The password is proven by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from voipnode import __version__
from voipnode.calls.account_settings import AccountSettings
from voipnode.calls.binding import RegisterPace
from voipnode.calls.register_client import RegisterClient
from voipnode.calls.servers import AccountServer, servers_of
from voipnode.doctor.findings import Case, Finding, good, note, problem
from voipnode.net.driver import EngineDriver
from voipnode.net.entropy import SystemEntropy
from voipnode.net.sip_sockets import SipSockets
from voipnode.net.stream_layers import StreamLayers
from voipnode.net.tls import TlsError
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.errors import LocalError
from voipnode.sipstack.events import PingFinished, RequestFinished
from voipnode.sipstack.transport import Hop
from voipnode.tls_profiles import client_profiles

ANSWER_S = 3.5
PATIENCE_S = 10.0  # with one server: to find it, and to hear it
REMEDIES = {
    403: "see at the server whether this user may register, and from where",
    404: "correct user_id and domain; the server does not know this user",
    408: "see that the server runs, that its address, port and transport are right, and what a firewall lets through",
    503: "see that the server runs, and that its address, port, transport and certificate are right",
}
PASSWORD = "correct auth_id and password as the server has them"  # noqa: S105 -- words, no password


async def check_registrars(case: Case) -> AsyncIterator[Finding]:
    """Every registered account's servers answer, and take its password."""
    accounts = [account for account in case.settings.all_accounts if account.active and account.registered]
    if not accounts:
        yield note("no account registers at a server")
        return
    inquiry = Inquiry(case, accounts)
    try:
        await inquiry.open()
    except (OSError, TlsError) as error:
        yield problem(f"the servers cannot be asked from here: {error}", "see what is said of ports and certificates")
        return
    try:
        asked = [inquiry.ask(account, server) for account in accounts for server in servers_of(account)]
        for finding in asyncio.as_completed(asked):
            yield await finding
    finally:
        await inquiry.close()


class Inquiry:
    """An endpoint on sockets of its own that asks registrars."""

    def __init__(self, case: Case, accounts: Iterable[AccountSettings]) -> None:
        sip = case.settings.sip
        accounts = list(accounts)
        self._case = case
        self._loop = asyncio.get_running_loop()
        paths = {account.id: account.websocket_path for account in accounts}
        layers = StreamLayers(client_profiles(sip.tls.model_copy(update={"key_log": ""}), accounts), None, paths=paths)
        self._sockets = SipSockets(sip.hosts, 0, layers=layers)
        config = EndpointConfig(user_agent=f"voipnode/{__version__}")
        self._endpoint = Endpoint(config, SystemEntropy(), self._sockets.local_address)
        self._driver = EngineDriver(self._endpoint, self._sockets, self._drain)
        self._clients = {
            account.id: RegisterClient(
                account, replace(RegisterPace.of(account, sip), answer_s=ANSWER_S), self._endpoint
            )
            for account in accounts
        }

    async def open(self) -> None:
        """Bind the sockets. Raises OSError."""
        await self._sockets.open(self._driver)

    async def close(self) -> None:
        self._driver.close()
        await self._sockets.close()

    def _drain(self) -> None:
        while (event := self._endpoint.next_event()) is not None:
            if isinstance(event, RequestFinished | PingFinished):
                for client in self._clients.values():
                    client.finished(event, self._loop.time())

    async def ask(self, account: AccountSettings, server: AccountServer) -> Finding:
        """What one server says of one account: the first of its addresses that answers."""
        where = f'account "{account.name}" at {server.name}'
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._ask_all(account, server, where)
        except TimeoutError:
            return problem(f"{where}: the server does not answer", REMEDIES[408])

    async def _ask_all(self, account: AccountSettings, server: AccountServer, where: str) -> Finding:
        hops = await self._case.locator.locate(
            server.first, transport=account.wire_transport, prefer_ipv6=account.prefer_ipv6, profile=account.id
        )
        found = problem(f"{where}: the server has no address", "see what is said of names above")
        for hop in hops[:2]:
            found, answered = await self._ask(account, server, hop, where)
            if answered:
                break
        return found

    async def _ask(self, account: AccountSettings, server: AccountServer, hop: Hop, where: str) -> tuple[Finding, bool]:
        """What the server behind one hop says, and whether it said anything."""
        client = self._clients[account.id]
        answer: asyncio.Future[RequestFinished] = self._loop.create_future()

        def hear(event: RequestFinished, _now: float) -> None:
            if not answer.done():
                answer.set_result(event)

        try:
            client.query(server, hop, hear, self._loop.time())
        except LocalError as error:
            return problem(f"{where}: {error}", "choose another transport for the account"), True
        self._driver.flush()
        event = await answer
        if 200 <= event.status < 300 and event.response is not None:
            count = len(event.response.contacts)
            known = f"it has {count} contact{'' if count == 1 else 's'} of it" if count else "it is not registered now"
            return good(f"{where}: the server takes the password; {known}"), True
        failure = client.failure(server, hop, event)
        remedy = PASSWORD if event.status in (401, 407) else REMEDIES.get(event.status, REMEDIES[503])
        return problem(f"{where}: {failure.words}", remedy), event.response is not None
