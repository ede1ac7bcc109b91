"""What a user agent server looks at before anybody is told of a request (RFC 3261 §8.2).

`inspect` goes through the steps of §8.2 in their order and raises `RemoteError` with the answer to give. What needs to
know ongoing transactions and dialogs (482, 481, 500) is in `server`.

483 has no place here: only an element that forwards decrements Max-Forwards (§16.3); a request that arrives with 0 has
reached the one that it was for (RFC 4475 §3.3.11).
"""

from __future__ import annotations

from voipnode.sipstack.bodies import SDP, SDP_TYPES, check_encoding, find_sdp, unsupported_type
from voipnode.sipstack.config import EndpointConfig
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.grammar import printable
from voipnode.sipstack.headers import MediaType
from voipnode.sipstack.message import Message, Request
from voipnode.sipstack.register_request import OPTION_TAGS as REGISTER_TAGS

ALLOWED = (
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "INFO",
    "PRACK",
    "UPDATE",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
)
ALLOW = ", ".join(ALLOWED)

# Methods that somebody defined and that are not served here: 405, not 501 (§8.2.1, §21.5.2). Registrars serve REGISTER.
OTHER_METHODS = frozenset({"REGISTER", "PUBLISH"})

# Bodies of a response that the peer must be able to take (§20.1: without Accept, application/sdp is assumed).
_SDP_RANGES = frozenset({SDP, "application/*", "*/*"})


def inspect(request: Request, config: EndpointConfig, *, registrar: bool = False) -> None:
    """Check method, Request-URI, Require and body size; RemoteError 405, 501, 416, 420 or 413 where one fails.

    Not for ACK and CANCEL, whose Require is to be ignored (§8.2.2.3) and which cannot be asked again. `registrar`:
    REGISTER is served.
    """
    registers = registrar and request.method == "REGISTER"
    if not registers:
        check_method(request)
    if request.uri.scheme not in ("sip", "sips"):
        raise RemoteError(416, "Unsupported URI Scheme")
    if "Require" in request.headers:
        known = (*config.option_tags, *REGISTER_TAGS) if registers else config.option_tags
        unknown = [tag for tag in request.require if tag.lower() not in known]
        if unknown:
            raise RemoteError(420, "Bad Extension", (("Unsupported", printable(", ".join(unknown))),))
    if len(request.body) > config.max_body_bytes:
        raise RemoteError(413, "Request Entity Too Large")


def check_method(request: Request) -> None:
    """RemoteError 405 for a known method that is not served, 501 for an unknown one; both with Allow."""
    if request.method in ALLOWED:
        return
    if request.method in OTHER_METHODS:
        raise RemoteError(405, "Method Not Allowed", (("Allow", ALLOW),))
    raise RemoteError(501, "Not Implemented", (("Allow", ALLOW),))


def inspect_offer(request: Request) -> bytes | None:
    """The offer of an INVITE or re-INVITE, None where it has none.

    Raises RemoteError 415 for a body that is no session description (§8.2.3), and 406 where our SDP could not be
    taken (§20.1, §21.4.7).
    """
    offer = find_sdp(request)
    if "Accept" in request.headers and not _takes_sdp(request):
        raise RemoteError(406, "Not Acceptable", (("Warning", '399 voipnode "only application/sdp can be answered"'),))
    return offer


def inspect_info(request: Request, config: EndpointConfig) -> str:
    """The type of an INFO's body in lower case, "" where it has none; RemoteError 415 or 469 where it is not taken."""
    if "Info-Package" in request.headers:
        raise RemoteError(469, "Bad Info Package", (("Recv-Info", ""),))  # RFC 6086 §4.2.2: we announced none
    if not request.body:
        return ""
    check_encoding(request)
    media_type = request.content_type
    if media_type is None or media_type.essence not in config.accept_info:
        raise unsupported_type(config.accept_info)
    return media_type.essence


def capabilities(config: EndpointConfig, *, registrar: bool = False) -> tuple[tuple[str, str], ...]:
    """Allow, Accept and Supported, as a 200 to OPTIONS lists them (§11.2)."""
    return (
        ("Allow", f"{ALLOW}, REGISTER" if registrar else ALLOW),
        ("Accept", ", ".join(SDP_TYPES)),
        ("Accept-Encoding", "identity"),
        ("Accept-Language", "en"),
        ("Supported", ", ".join(config.option_tags)),
    )


def _takes_sdp(message: Message) -> bool:
    for value in message.accept:
        accepted = MediaType.parse(value)
        if accepted.essence in _SDP_RANGES and accepted.params.get("q", "1") not in ("0", "0.0", "0.00", "0.000"):
            return True
    return False
