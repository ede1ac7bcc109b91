"""What may lie between a TCP stream and SIP: TLS, WebSocket, or one upon the other, each a machine without I/O."""

from __future__ import annotations

from typing import Protocol


class StreamFailure(Exception):  # noqa: N818 -- it is an outcome, told to people; not a mistake in the program
    """The connection cannot be used; the message says why, in words for the person who installs the node.

    `verify_code`: OpenSSL's code where it refused the peer's certificate without having shown it; else 0.
    """

    def __init__(self, words: str, verify_code: int = 0) -> None:
        super().__init__(words)
        self.words = words
        self.verify_code = verify_code


class Layer(Protocol):
    """One layer of one connection. It may `send` once it is `ready`; what is to go below is in `data_to_send`."""

    name: str  # for people
    ready: bool
    ended: bool  # the peer said goodbye: what it sent before is valid, and nothing more comes

    def begin(self) -> None:
        """The layer below is ready."""
        ...

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes from below; give what they completed. Raises StreamFailure: send what is left, then close."""
        ...

    def send(self, data: bytes) -> None:
        """Wrap bytes from above. Raises StreamFailure."""
        ...

    def end(self) -> None:
        """Say goodbye."""
        ...

    def data_to_send(self) -> bytes:
        """The bytes for the layer below, each once."""
        ...
