"""What a replay has in place of the world: recorded tokens and ports, a clock that is set, an ear that only listens."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from voipnode.calls.hooks import Frame
from voipnode.media.ice.values import CHECK_BITS, CREDENTIAL_BITS, credential_bits
from voipnode.media.transport import MediaTransport
from voipnode.media.turn.values import Server
from voipnode.replay.steps import FarMedia, Script

RATE_HZ = 16000
TICK_S = 0.010


class RecordedEntropy:
    """Hands out the tokens that the node drew then, in their order; fresh ones of its own when there are no more."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._count = 0

    def call_id(self) -> str:
        return self._script.call_ids.popleft() if self._script.call_ids else self._fresh("call")

    def tag(self) -> str:
        return self._script.tags.popleft() if self._script.tags else self._fresh("tag")

    def branch(self) -> str:
        return self._script.branches.popleft() if self._script.branches else self._fresh("z9hG4bKreplay")

    def cnonce(self) -> str:
        return self._script.cnonces.popleft() if self._script.cnonces else self._fresh("cnonce")

    def _fresh(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"


class RecordedPath:
    """A media path whose ports are the recorded ones; what the engine sends goes nowhere."""

    def __init__(self, port: int, engine: MediaTransport, on_events: Callable[[], None], paths: RecordedPaths) -> None:
        self.rtp_port = port
        self.rtcp_port = port + 1
        self.engine = engine
        self.on_events = on_events
        self._paths = paths

    def receive(self, step: FarMedia) -> None:
        self.engine.receive(step.data, step.source, step.at, rtcp=step.port == self.rtcp_port)
        self.on_events()

    def on_deadline(self, now: float) -> None:
        self.engine.on_deadline(now)
        self.flush(now)
        self.on_events()

    def flush(self, now: float) -> None:
        self.engine.outbox(now)

    send = send_now = flush

    def hurry(self, *, wanted: bool) -> None:
        """Everything comes when it was recorded."""

    def open_beside(self, host: str) -> int:
        raise OSError(f"a replay has no port at {host}")

    def open_stream(self, server: Server) -> int:
        raise OSError(f"nobody is behind a recording: {server}")

    def close(self) -> None:
        self._paths.open_paths.pop(self.rtp_port, None)


class RecordedPaths:
    """Opens media paths on the recorded ports, in the order in which the node used them."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = iter(ports)
        self._free = 60000
        self.open_paths: dict[int, RecordedPath] = {}

    def open(self, local_host: str, engine: MediaTransport, on_events: Callable[[], None]) -> RecordedPath:
        port = next(self._ports, None)
        if port is None:
            port, self._free = self._free, self._free + 2
        path = RecordedPath(port, engine, on_events, self)
        self.open_paths[port] = path
        return path

    def at_port(self, port: int) -> RecordedPath | None:
        return self.open_paths.get(port - port % 2)

    def next_deadline(self) -> tuple[float, RecordedPath] | None:
        deadlines = [(at, path) for path in self.open_paths.values() if (at := path.engine.next_deadline()) is not None]
        return min(deadlines, key=lambda item: item[0], default=None)


class VirtualClock:
    """The media clock in virtual time."""

    def __init__(self) -> None:
        self.tick: Callable[[float], None] | None = None
        self.next_at: float | None = None
        self.now = 0.0

    def subscribe(self, tick: Callable[[float], None]) -> Callable[[], None]:
        self.tick, self.next_at = tick, self.now + TICK_S

        def cancel() -> None:
            self.tick = self.next_at = None

        return cancel


class Ear:
    """An audio device that says nothing and keeps what it is told."""

    rate_hz = RATE_HZ
    description = "replay"

    def __init__(self, heard: list[Frame]) -> None:
        self._heard = heard
        self._silence = np.zeros(RATE_HZ // 100, np.float32)

    def start(self) -> None:
        """Nothing to wake."""

    def stop(self) -> None:
        """Nothing to put to rest."""

    def exchange(self, loudspeaker: Frame) -> Frame:
        self._heard.append(loudspeaker.copy())
        return self._silence


def recorded_bits(script: Script) -> Callable[[int], int]:
    """Numbers as the node drew them for ICE: its names and passwords, and the transactions of its checks, to which the
    far side's answers belong. All others are late ones."""
    late = late_bits()

    def bits(width: int) -> int:
        if width == CREDENTIAL_BITS and script.ice and (drawn := credential_bits(script.ice[0])) is not None:
            script.ice.popleft()
            return drawn
        if width == CHECK_BITS and script.checks:
            return int.from_bytes(script.checks.popleft(), "big")
        return late(width)

    return bits


def late_bits() -> Callable[[int], int]:
    """Numbers that count down from the highest: a draw that decides about a timer makes it come as late as it may, so
    that what the node did by its timers then is not done before."""
    count = 0

    def bits(width: int) -> int:
        nonlocal count
        count += 1
        return (1 << width) - 1 - count % (1 << width)

    return bits
