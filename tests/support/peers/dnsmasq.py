"""dnsmasq as a DNS server with a zone of the test's own, on a loopback port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from tests.support.free_ports import free_port
from tests.support.peers.process import PeerProcess, need
from voipnode.sipstack.transport import Address


@contextlib.asynccontextmanager
async def dnsmasq(*records: str) -> AsyncIterator[Address]:
    """Serve `records`, each an option of dnsmasq(8) without its dashes, such as "host-record=a.pbx.test,127.0.0.1".

    Gives the server's address. It asks nobody else, and its own records have a TTL of 1 s.
    """
    need("dnsmasq")
    port = free_port()
    process = await PeerProcess.start(
        "dnsmasq",
        *("--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--log-facility=-"),
        *(f"--port={port}", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--pid-file"),
        *("--local-ttl=1", "--local=/test/", *(f"--{record}" for record in records)),
    )
    try:
        await process.line_with("started")
        yield Address("127.0.0.1", port)
    finally:
        await process.stop()
