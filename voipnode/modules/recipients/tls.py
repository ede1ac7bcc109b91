"""How a recipient's server proves who it is."""

from __future__ import annotations

import ssl
from typing import Protocol


class _Proven(Protocol):
    @property
    def ca(self) -> str: ...
    @property
    def verify(self) -> bool: ...


def client_context(recipient: _Proven) -> ssl.SSLContext:
    """TLS as a recipient's settings want it. Raises OSError for an authority that cannot be read."""
    context = ssl.create_default_context(cafile=recipient.ca or None)
    if not recipient.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
