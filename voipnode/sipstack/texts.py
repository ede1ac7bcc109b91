"""MESSAGE: short texts from others, within a call or outside (RFC 3428 §7)."""

from __future__ import annotations

from voipnode.sipstack.bodies import check_encoding, unsupported_type
from voipnode.sipstack.core import Core
from voipnode.sipstack.errors import RemoteError
from voipnode.sipstack.events import MessageReceived
from voipnode.sipstack.message import Request
from voipnode.sipstack.server import Server, no_dialog
from voipnode.sipstack.transaction.events import ServerArrival

TEXT = "text/plain"
MAX_TEXT_BYTES = 4096
_CHARSETS = ("utf-8", "us-ascii")


class Texts:
    """Takes MESSAGE; nothing of it is kept."""

    def __init__(self, core: Core, server: Server) -> None:
        self._core = core
        self._server = server
        server.methods["MESSAGE"] = self._message

    def _message(self, arrival: ServerArrival, now: float) -> None:
        request = arrival.request
        session = ""
        if request.to_tag is not None:
            found, _ = self._server.dialog(arrival)
            if found.closing:
                raise no_dialog()
            session = found.id
        text = _text_of(request)
        self._server.respond(arrival, 200, now)  # with neither Contact nor body (RFC 3428 §7)
        self._core.tell(MessageReceived(session, request, arrival.source, text))


def _text_of(request: Request) -> str:
    """The text; RemoteError 413 where it is too long, 415 where it is something else than plain text."""
    if len(request.body) > MAX_TEXT_BYTES:
        raise RemoteError(413, "Request Entity Too Large")
    if not request.body:
        return ""
    check_encoding(request)
    media_type = request.content_type
    if media_type is None or media_type.essence != TEXT:
        raise unsupported_type((TEXT,))
    if (media_type.params.get("charset") or "utf-8").lower() not in _CHARSETS:
        raise unsupported_type((TEXT,))
    return request.body.decode("utf-8", "replace")
