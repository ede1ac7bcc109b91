"""One thing that a capture shows."""

from __future__ import annotations

from dataclasses import dataclass

from voipnode.sipstack.transport import Address


@dataclass(frozen=True, slots=True)
class Seen:
    """What one application sent to another: a datagram, or the next bytes of a stream.

    `at` is in seconds since the first packet of the capture.
    """

    at: float
    transport: str  # "UDP" | "TCP" | "TLS": what was said within it
    source: Address
    destination: Address
    data: bytes
