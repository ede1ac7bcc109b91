"""A group's announcement on the loopback interface, through sockets, SRTP and controller to the door's loudspeaker."""

from __future__ import annotations

import asyncio
import socket

import numpy as np

from tests.support.aio import PATIENCE_S, run_test, within
from tests.support.free_ports import free_port
from voipnode.calls.events import MulticastChanged, Problem
from voipnode.calls.hooks import Bus, Commands, Frame
from voipnode.calls.multicast.settings import MulticastSettings
from voipnode.door import Door
from voipnode.media.srtp import ReceiveKey, SrtpProtection
from voipnode.multicast import Multicast

KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"  # RFC 4568 §9.1
GROUP = "239.255.77.9"


class Loudspeaker:
    """Notices the first sound that it is to play."""

    description, rate_hz = "test", 8000

    def __init__(self) -> None:
        self.sounds = asyncio.Event()

    def start(self) -> None:
        return

    def stop(self) -> None:
        return

    def exchange(self, loudspeaker: Frame) -> Frame:
        if np.abs(loudspeaker).max() > 0.1:
            self.sounds.set()
        return np.zeros(80, np.float32)


def _send(sock: socket.socket, port: int, protection: SrtpProtection, number: int) -> None:
    header = bytes([0x80, 0]) + number.to_bytes(2, "big") + (160 * number).to_bytes(4, "big") + bytes(4)
    sock.sendto(protection.protect(header + bytes([0x9F, 0x1F] * 80), rtcp=False), (GROUP, port))


def test_from_the_wire_to_the_loudspeaker_and_new_settings_at_once() -> None:
    async def main() -> None:
        bus, port = Bus(asyncio.get_running_loop().time), free_port()
        told: list[str] = []
        bus.subscribe(MulticastChanged, lambda event: told.append(f"{event.source} {event.state}"), who="test")
        bus.subscribe(Problem, lambda event: told.append(event.detail), who="test")
        device = Loudspeaker()
        multicast = Multicast(Door(device, bus), bus, Commands())
        source = {"label": "Bell", "address": GROUP, "port": port, "profile": "SAVP", "srtp_key": KEY}
        settings = {"enabled": True, "interface": "lo", "sources": [source]}
        await multicast.use(MulticastSettings.model_validate(settings))
        protection = SrtpProtection()
        key = MulticastSettings.model_validate(settings).sources[0].key_salt
        protection.key("AES_CM_128_HMAC_SHA1_80", key, [ReceiveKey(key)])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            async with within(PATIENCE_S, "sound at the loudspeaker", lambda: told):
                for number in range(1, 10_000):
                    _send(sock, port, protection, number)
                    if device.sounds.is_set():
                        break
                    await asyncio.sleep(0.02)  # as often as whoever announces something sends
            assert told == ["Bell playing"]
            await multicast.use(MulticastSettings())
            assert told == ["Bell playing", "Bell ended"]
        await multicast.stop()

    run_test(main())
