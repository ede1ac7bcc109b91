"""Two audio streams on a network that loses, delays, repeats and reorders, in virtual time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from voipnode.media.events import MediaEvent
from voipnode.media.stream import AudioStream, StreamConfig, StreamIdentity

ALICE = ("192.0.2.1", 4000)
BOB = ("192.0.2.2", 6000)
EVENTS = 101


def beside(address: tuple[str, int]) -> tuple[str, int]:
    """The RTCP address beside an RTP one."""
    return (address[0], address[1] + 1)


def config_towards(remote: tuple[str, int], **changes: object) -> StreamConfig:
    values: dict[str, object] = {
        "receive_codecs": {0: "PCMU", 8: "PCMA"},
        "event_payload_type": EVENTS,
        "event_receive_payload_type": EVENTS,
        "remote_rtp": remote,
        "remote_rtcp": beside(remote),
    }
    return StreamConfig(**{**values, **changes})  # type: ignore[arg-type]


def stream(
    ssrc: int,
    remote: tuple[str, int],
    *,
    silence_timeout_s: float | None = None,
    rate_hz: int = 8000,
    **changes: object,
) -> AudioStream:
    """A configured stream; its sequence and timestamp wrap soon."""
    identity = StreamIdentity(ssrc, 65530, 2**32 - 4000, "t@test")
    engine = AudioStream(identity, rate_hz=rate_hz, silence_timeout_s=silence_timeout_s)
    engine.configure(config_towards(remote, **changes), 0.0)
    return engine


def events(engine: AudioStream) -> list[MediaEvent]:
    found = []
    while (event := engine.next_event()) is not None:
        found.append(event)
    return found


@dataclass
class Network:
    """One direction. Probabilities 0 to 1, times in seconds; `delay` may replace the uniform jitter."""

    seed: int = 0
    loss: float = 0.0
    repeat: float = 0.0
    base_s: float = 0.01
    jitter_s: float = 0.0
    delay: Callable[[random.Random, float], float] | None = None
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def arrivals(self, sent_at: float) -> list[float]:
        """When copies of a packet sent now arrive."""
        copies = 0 if self.dice.random() < self.loss else 2 if self.dice.random() < self.repeat else 1
        delay = self.delay or (lambda dice, _: self.base_s + dice.random() * self.jitter_s)
        return [sent_at + delay(self.dice, sent_at) for _ in range(copies)]


@dataclass
class Result:
    heard: NDArray[np.float32]
    events: list[MediaEvent]


def run(
    sender: AudioStream,
    receiver: AudioStream,
    frames: Callable[[int], NDArray[np.float32]],
    *,
    seconds: float,
    network: Network | None = None,
    clock: float = 1.0,
    at_frame: Callable[[int, float], None] | None = None,
) -> Result:
    """Push `frames(n)` into `sender` every 10 ms of its clock (`clock` times ours) and pull `receiver` every 10 ms.

    `at_frame(n, now)` is called before frame n is pushed.
    """
    network = network or Network()
    agenda: list[tuple[float, int, str, bytes]] = []
    order = 0
    count = round(seconds * 100)
    for number in range(count):
        heapq.heappush(agenda, (number * 0.01 / clock, number, "push", b""))
        # A third of a frame between the two clocks, so that no order is left to rounding.
        heapq.heappush(agenda, (number * 0.01 + 0.0033, number, "pull", b""))
    heard, told = [], []
    order = count
    while agenda:
        now, number, what, data = heapq.heappop(agenda)
        if what == "push":
            if at_frame is not None:
                at_frame(number, now)
            sender.push(frames(number), now)
            for packet in sender.outbox(now):
                for arrival in network.arrivals(now):
                    order += 1
                    heapq.heappush(agenda, (arrival, order, "rtcp" if packet.rtcp else "rtp", packet.data))
        elif what == "pull":
            heard.append(receiver.pull(now))
        else:
            source = beside(ALICE) if what == "rtcp" else ALICE
            receiver.receive(data, source, now, rtcp=what == "rtcp")
        for engine in (sender, receiver):
            deadline = engine.next_deadline()
            if deadline is not None and deadline <= now:
                engine.on_deadline(now)
        told += events(receiver)
    return Result(np.concatenate(heard), told)
