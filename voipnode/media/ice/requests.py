"""Binding requests of ICE: how ours are written and what the far side's say (RFC 8445 §7.1, §7.3)."""

from __future__ import annotations

from typing import NamedTuple

from voipnode.media.errors import ParseError
from voipnode.media.ice.candidate import Candidate, reflexive_priority
from voipnode.media.ice.values import Credentials, Role
from voipnode.media.stun.attributes import Attribute
from voipnode.media.stun.message import Kind, Message, Method, build, short_term_key
from voipnode.media.values import Addr

ROLE_CONFLICT = 487
FORBIDDEN = 403  # consent is withdrawn (RFC 7675 §5.2)
MAX_USERNAME_CHARS = 513  # two fragments of 256 and the colon (RFC 8839 §5.4)


def request(
    transaction_id: bytes, local: Candidate, ours: Credentials, theirs: Credentials, role: Role, *, nominates: bool
) -> bytes:
    """A check from that candidate (§7.2.2, §7.2.4)."""
    attributes = [
        (Attribute.USERNAME, f"{theirs.ufrag}:{ours.ufrag}".encode()),
        (Attribute.PRIORITY, reflexive_priority(local).to_bytes(4, "big")),
        (
            Attribute.ICE_CONTROLLING if role.controlling else Attribute.ICE_CONTROLLED,
            role.tie_breaker.to_bytes(8, "big"),
        ),
    ]
    if nominates:
        attributes.append((Attribute.USE_CANDIDATE, b""))
    key = short_term_key(theirs.password)
    return build(Method.BINDING, Kind.REQUEST, transaction_id, attributes, key=key, fingerprint=True)


class Asked(NamedTuple):
    """A check of the far side, proven to be its own. `theirs` is the fragment that it signs with."""

    source: Addr
    component: int
    base: Addr
    theirs: str
    priority: int
    nominates: bool


def username(message: Message) -> tuple[str, str] | None:
    """Whom a request is for and from whom (§7.3): our fragment and theirs; None where it is no such request."""
    try:
        text = message.text(Attribute.USERNAME)
    except ParseError:
        return None
    if text is None or len(text) > MAX_USERNAME_CHARS:
        return None
    ours, colon, theirs = text.partition(":")
    return (ours, theirs) if colon else None


def tie(message: Message, attribute: Attribute) -> int | None:
    """The tie-breaker that a request carries in that attribute; None where it has none of eight bytes."""
    value = message.value(attribute)
    return None if value is None or len(value) != 8 else int.from_bytes(value, "big")


def priority(message: Message) -> int:
    """The PRIORITY of a request, brought into its range; 1 where it has none, as some consent checks do."""
    value = message.value(Attribute.PRIORITY)
    number = 0 if value is None or len(value) != 4 else int.from_bytes(value, "big")
    return max(1, min(number, 2**31 - 1))
