"""Header field names: compact forms, the usual spellings, which are looked up rather than read, and their order."""

from __future__ import annotations

from typing import Final

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.grammar import is_token
from voipnode.sipstack.memo import Memo

COMPACT: Final[dict[str, str]] = {
    # RFC 3261 §7.3.3
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "s": "subject",
    "t": "to",
    "v": "via",
    # registered since (IANA, SIP parameters: header fields)
    "a": "accept-contact",  # RFC 3841
    "b": "referred-by",  # RFC 3892
    "d": "request-disposition",  # RFC 3841
    "j": "reject-contact",  # RFC 3841
    "n": "identity-info",  # RFC 4474
    "o": "event",  # RFC 6665
    "r": "refer-to",  # RFC 3515
    "u": "allow-events",  # RFC 6665
    "x": "session-expires",  # RFC 4028
    "y": "identity",  # RFC 8224
}

_COMMON = """
    Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authentication-Info
    Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length
    Content-Type CSeq Date Diversion Error-Info Event Expires From History-Info Identity In-Reply-To Join
    Max-Forwards MIME-Version Min-Expires Min-SE Organization P-Asserted-Identity P-Preferred-Identity Path
    Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason Record-Route Refer-To
    Referred-By Replaces Reply-To Request-Disposition Require Retry-After Route RSeq Server Session-Expires
    Service-Route SIP-ETag SIP-If-Match Subject Subscription-State Supported Timestamp To Unsupported User-Agent
    Via Warning WWW-Authenticate X-Asterisk-HangupCause
"""


def _spellings() -> dict[str, str]:
    table: dict[str, str] = {}
    for name in _COMMON.split():
        for spelling in (name, name.lower(), name.upper(), name.title()):
            table[spelling] = name.lower()
    for letter, name in COMPACT.items():
        table[letter] = table[letter.upper()] = name
    return table


SPELLINGS: Final[dict[str, str]] = _spellings()
"""Common spellings, `Via`, to the key that names the field everywhere in the stack."""


def field_key(name: str) -> str:
    """The key of a header field name: lower case, compact form expanded."""
    key = SPELLINGS.get(name)
    if key is not None:
        return key
    lower = name.lower()
    return COMPACT.get(lower, lower)


def line_key(line: str) -> str:
    """The key of a raw field line; raises ParseError where no token and colon begin it (RFC 3261 §7.3.1)."""
    name, colon, _ = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or not is_token(name):
        raise ParseError("malformed header field")
    return field_key(name)


class Layout:
    """Which fields follow each other in a message: the `keys` in order, the `places` of each key, the `first` of them.

    A sender hardly ever changes it, so it is read once for all messages that share it; never change one.
    """

    __slots__ = ("first", "keys", "places")

    def __init__(self, keys: list[str]) -> None:
        self.keys = tuple(keys)
        self.places: dict[str, list[int]] = {}
        for place, key in enumerate(keys):
            self.places.setdefault(key, []).append(place)
        self.first = {key: places[0] for key, places in self.places.items()}


def _read_layout(names: str) -> Layout:
    """From the names as written, each on a line of its own; white space may follow one."""
    return Layout([field_key(name.rstrip(" \t")) for name in names.split("\n")] if names else [])


LAYOUTS = Memo(_read_layout, max_texts=512, max_chars=1024)
