"""Several sections on one transport (BUNDLE, RFC 8843), as far as it takes to answer a browser with one: its audio.

The accepted section answers with its `a=mid` (RFC 5888), the others are refused in their places, and the group of the
answer holds only what was accepted (RFC 8843 §7.3). A section with port 0 and `a=bundle-only` is offered all the same:
its transport stands in the section that the offer's group names first (§7.1.3, §7.2).
"""

from __future__ import annotations

from voipnode.sipstack.sdp import Attribute, MediaDescription, SessionDescription

# RFC 8859: attributes of the categories TRANSPORT and IDENTICAL, which only the first section of a group need carry.
_OF_TRANSPORT = frozenset(
    {"candidate", "end-of-candidates", "fingerprint", "ice-options", "ice-pwd", "ice-ufrag", "rtcp", "rtcp-mux"}
    | {"setup", "tls-id"}
)


def mid_of(media: MediaDescription) -> str:
    """The section's name, "" where it has none."""
    attribute = media.attribute("mid")
    return (attribute.value or "").strip() if attribute is not None else ""


def bundled(description: SessionDescription) -> tuple[str, ...]:
    """The names in the first group of bundled sections, in its order; () without one."""
    for name, value in description.attributes:
        words = (value or "").split()
        if name == "group" and words[:1] == ["BUNDLE"]:
            return tuple(words[1:])
    return ()


def with_transport(description: SessionDescription, media: MediaDescription) -> MediaDescription:
    """The section with the transport that its group has, where it has none of its own."""
    if media.port != 0 or media.attribute("bundle-only") is None:
        return media
    group = bundled(description)
    first = next((each for each in description.media if group and mid_of(each) == group[0]), None)
    if first is None or first.port == 0 or mid_of(media) not in group:
        return media
    own = {name for name, _ in media.attributes}
    shared = tuple(each for each in first.attributes if each.name in _OF_TRANSPORT and each.name not in own)
    return media._replace(
        port=first.port,
        connections=media.connections or first.connections,
        attributes=media.attributes + shared,
    )


def group_attribute(mids: tuple[str, ...]) -> tuple[Attribute, ...]:
    """The session attribute that groups these sections; nothing where there are none."""
    return (Attribute("group", " ".join(("BUNDLE", *mids))),) if mids else ()
