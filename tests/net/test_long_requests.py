"""A request too long for a datagram, to a peer that has UDP alone: real sockets, a real reset."""

from __future__ import annotations

import asyncio
import socket

from tests.net.conftest import Run
from tests.support.free_ports import free_port
from tests.support.sip_agents import CountingEntropy, field, response_to
from voipnode.net.driver import EngineDriver
from voipnode.net.sip_sockets import SipSockets
from voipnode.sipstack.config import OutsideRequest
from voipnode.sipstack.endpoint import Endpoint, EndpointConfig
from voipnode.sipstack.events import Event, RequestFinished
from voipnode.sipstack.headers import NameAddr
from voipnode.sipstack.transport import Address, Hop
from voipnode.sipstack.uri import SipUri


def test_a_reset_of_tcp_sends_the_request_over_udp(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        port = free_port()
        got: list[bytes] = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("127.0.0.1", port))
            peer.setblocking(False)

            def answer() -> None:
                data, source = peer.recvfrom(65535)
                got.append(data)
                peer.sendto(response_to(data, "200 OK"), source)

            loop.add_reader(peer, answer)
            sockets = SipSockets(("127.0.0.1",), 0)
            endpoint = Endpoint(EndpointConfig(), CountingEntropy("alice"), sockets.local_address)
            told: asyncio.Queue[Event] = asyncio.Queue()

            def fetch() -> None:
                while (event := endpoint.next_event()) is not None:
                    told.put_nowait(event)

            driver = EngineDriver(endpoint, sockets, fetch)
            await sockets.open(driver)
            target = SipUri(user="bob", host="127.0.0.1", port=port)
            request = OutsideRequest(
                "MESSAGE",
                target,
                NameAddr(None, SipUri(user="alice", host="127.0.0.1")),
                hop=Hop("UDP", Address("127.0.0.1", port)),
                body=b"m" * 2000,
            )
            endpoint.request(request, loop.time())
            driver.flush()
            finished = await told.get()
            assert isinstance(finished, RequestFinished)
            assert finished.status == 200
            assert [field(data, "Via").partition(" ")[0] for data in got] == ["SIP/2.0/UDP"]
            loop.remove_reader(peer)
            driver.close()
            await sockets.close()

    run(main())
