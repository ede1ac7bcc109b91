"""How long a sample of the door's microphone takes to the wire: `python benchmarks/microphone_delay.py --calls 100`.

The clock, the bridge, streams and sockets of a node in this process, a microphone that numbers its frames and notes
when it gave them, and a socket that has the kernel note when packets came. The delay is that of a packet's oldest
sample, from the begin of its frame of 10 ms: with packets of 20 ms, 20 ms are the least there can be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import struct
import time

import numpy as np
from numpy.typing import NDArray

from voipnode.calls.door_bridge import DoorBridge
from voipnode.media.bridge import FrameEncoder
from voipnode.media.rtp import HEADER_BYTES
from voipnode.media.stream import AudioStream, StreamConfig, StreamIdentity
from voipnode.media.transport import MediaTransport
from voipnode.net.clock import TICK_S, MediaClock
from voipnode.net.kernel_timer import KernelTimer
from voipnode.net.loop import run
from voipnode.net.rtp_ports import RtpPorts

RATE_HZ = 8000
START_PORT = 30_000
WARM_UP_S = 3.0  # in which the moment to send is found
SO_TIMESTAMPNS = 35


class NumberingMicrophone:
    """Every frame holds its number, as a 16-bit sample; `given_at[number]` is when."""

    rate_hz = RATE_HZ
    description = "numbers"

    def __init__(self) -> None:
        self.given_at: list[float] = []

    def start(self) -> None:
        return

    stop = start

    def exchange(self, loudspeaker: NDArray[np.float32]) -> NDArray[np.float32]:
        frame = np.full(RATE_HZ // 100, len(self.given_at) / 32768, np.float32)
        self.given_at.append(time.monotonic())
        return frame


class Leg:
    """A call that hears the microphone, and says nothing."""

    def __init__(self, number: int, ports: RtpPorts, remote: tuple[str, int]) -> None:
        self.stream = AudioStream(StreamIdentity(number + 1, 0, 0, "benchmark"), rate_hz=RATE_HZ)
        self._path = ports.open("127.0.0.1", MediaTransport(self.stream), lambda: None)
        config = StreamConfig(codec="L16/8000", payload_type=96, remote_rtp=remote, receive=False)
        self.stream.configure(config, time.monotonic())
        self.pull, self.push, self.push_coded = self.stream.pull, self.stream.push, self.stream.push_coded
        self.run_at, self.skip = self.stream.run_at, self.stream.skip
        self.send, self.close = self._path.send, self._path.close

    @property
    def codec_rate_hz(self) -> int:
        return self.stream.codec_rate_hz

    @property
    def shared_encoder(self) -> FrameEncoder | None:
        return self.stream.shared_encoder


async def measure(calls: int, seconds: float) -> NDArray[np.float64]:
    """The delays in ms of the packets of one of `calls` calls."""
    ports = RtpPorts("127.0.0.1", START_PORT, 2 * calls + 100)
    microphone = NumberingMicrophone()
    bridge = DoorBridge(microphone, MediaClock(ports.sockets, alarm=KernelTimer))
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        for sock in (heard, sink):
            sock.bind(("127.0.0.1", 0))
        heard.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        # The last to be sent: none is later.
        legs = [Leg(number, ports, (heard if number == calls - 1 else sink).getsockname()) for number in range(calls)]
        for leg in legs:
            bridge.join(leg)
        await asyncio.sleep(WARM_UP_S + seconds)
        for leg in legs:
            bridge.leave(leg)
            leg.close()
        return delays(heard, microphone)


def delays(heard: socket.socket, microphone: NumberingMicrophone) -> NDArray[np.float64]:
    heard.setblocking(False)
    since = time.monotonic() - time.time()
    found: list[float] = []
    while True:
        try:
            data, notes, _, _ = heard.recvmsg(4096, 64)
        except BlockingIOError:
            break
        seconds, nanoseconds = struct.unpack("qq", notes[0][2])
        (number,) = struct.unpack_from("!h", data, HEADER_BYTES)
        given_at = microphone.given_at[number]
        if given_at > microphone.given_at[0] + WARM_UP_S:
            found.append(1000 * (since + seconds + nanoseconds * 1e-9 - given_at + TICK_S))
    return np.array(found)


def figures(calls: int, seconds: float) -> dict[str, float]:
    """p50, p99 and the longest, in ms."""
    found = run(measure(calls, seconds))
    return {
        "p50": round(float(np.percentile(found, 50)), 2),
        "p99": round(float(np.percentile(found, 99)), 2),
        "max": round(float(found.max()), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 100], help="at the same time (1 and 100)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure each (5)")
    args = parser.parse_args()
    found = {}
    for calls in args.calls:
        found[f"microphone_to_packet_ms_at_{calls}"] = figures(calls, args.seconds)
        print(f"{calls} calls: {found[f'microphone_to_packet_ms_at_{calls}']}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
