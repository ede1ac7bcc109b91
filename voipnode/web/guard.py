"""Stands before the API and keeps pages of other sites, in a browser on this machine, from using it.

The server listens on loopback and knows no accounts, so whoever can send it a request may act. A web page from anywhere
can make its reader's browser send requests to loopback; three things tell them apart:
- `Host`: DNS rebinding makes a foreign name point here, but the name stays foreign. Only loopback names are served.
- `Origin` and `Sec-Fetch-Site` (Fetch Metadata): a browser says which site a request came from. Programs send neither.
- the body's type: a page may send forms and text across sites unasked, but never application/json, and nothing at all
  by PUT, by which audio files come.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voipnode.web.problems import ProblemResponse

MAX_BODY_BYTES = 16_384
LARGER_BODIES = {"/api/v1/address-book": 1_000_000}
LARGER_BODIES_BELOW = {"/api/v1/exports/": 1_000_000, "/api/v1/settings/": 65_536}
BODY_TIMEOUT_S = 10.0
MAX_PATH_CHARS = 1024
# Audio files and images, which are PUT there; the rest of the API speaks JSON.
UPLOADS = re.compile(r"/api/v1/(clips|images)/[^/]+")
MAX_UPLOAD_BYTES = 10_000_000
UPLOAD_TIMEOUT_S = 60.0
# Sound of calls, which is carried on as it comes, without an end.
STREAMS = ("/api/v1/call-audio", "/axis-cgi/audio/transmit.cgi")
UPLOAD_TYPES = ("audio/", "image/", "application/octet-stream", "application/ogg")

_READING = {"GET", "HEAD", "OPTIONS"}
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")

SECURITY_HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Guard:
    """ASGI middleware: refuses foreign and oversized requests as problems, adds security headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in SECURITY_HEADERS.items() if name not in present]
                if b"cache-control" not in present:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None and scope["method"] == "POST" and scope["path"] in STREAMS:
            refusal = _wrong_type(_header(scope, b"content-type"), is_upload=True, has_body=True)
        elif refusal is None and scope["method"] not in _READING:
            body = await self._body(scope, receive)
            if isinstance(body, ProblemResponse):
                refusal = body
            else:
                receive = _replay(body, receive)
        await (self._app if refusal is None else refusal)(scope, receive, send_secured)

    def _refusal(self, scope: Scope) -> ProblemResponse | None:
        """Why this request is not served, from its head alone; None when it is."""
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or not _is_loopback(hosts[0]):
            detail = "the Host header must be a loopback name or address, such as localhost or 127.0.0.1"
            return ProblemResponse(421, detail)
        if len(scope["path"]) > MAX_PATH_CHARS:
            return ProblemResponse(414, f"paths here have at most {MAX_PATH_CHARS} characters")
        if scope["path"].startswith(("/api/", "/axis-cgi/")) or scope["method"] not in _READING:
            return self._foreign(scope, hosts[0])
        return None

    def _foreign(self, scope: Scope, host: str) -> ProblemResponse | None:
        """Refuses what a browser says comes from another site; `same-site` is another port of this machine."""
        for origin in _header(scope, b"origin"):
            if origin.lower() != f"http://{host}".lower():
                return ProblemResponse(403, "pages of other sites may not use this API (Origin)")
        for site in _header(scope, b"sec-fetch-site"):
            if site not in ("same-origin", "none"):
                return ProblemResponse(403, "pages of other sites may not use this API (Sec-Fetch-Site)")
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes | ProblemResponse:
        """The whole body, of at most so many bytes in so much time as its kind may have."""
        is_upload = scope["method"] == "PUT" and UPLOADS.fullmatch(scope["path"]) is not None
        most = MAX_UPLOAD_BYTES if is_upload else _most_bytes(scope["path"])
        too_large = ProblemResponse(413, f"bodies here have at most {most} bytes", headers={"connection": "close"})
        lengths = _header(scope, b"content-length")
        if lengths and int(lengths[0]) > most:  # the server has checked that it is a number
            return too_large
        body = bytearray()
        try:
            async with asyncio.timeout(UPLOAD_TIMEOUT_S if is_upload else BODY_TIMEOUT_S):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > most:
                        return too_large
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            return ProblemResponse(408, "the body did not arrive in time", headers={"connection": "close"})
        return _wrong_type(_header(scope, b"content-type"), is_upload, has_body=bool(body)) or bytes(body)


def _most_bytes(path: str) -> int:
    larger = [most for below, most in LARGER_BODIES_BELOW.items() if path.startswith(below)]
    return LARGER_BODIES.get(path, larger[0] if larger else MAX_BODY_BYTES)


def _wrong_type(given: list[str], is_upload: bool, *, has_body: bool) -> ProblemResponse | None:
    kinds = [kind.partition(";")[0].strip().lower() for kind in given]
    if is_upload:
        if len(kinds) != 1 or not kinds[0].startswith(UPLOAD_TYPES):
            return ProblemResponse(
                415, "the body must be an audio file or image, with Content-Type: audio/... or image/... of its kind"
            )
    elif kinds not in ([], ["application/json"]) or (has_body and not kinds):
        return ProblemResponse(415, "the body must be JSON, with Content-Type: application/json")
    return None


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _is_loopback(host: str) -> bool:
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read already, then what comes after it (the disconnect)."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed
