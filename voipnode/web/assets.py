"""The front panel's files, read once and served from memory with an ETag."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request, Response

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/accounts": ("accounts.html", "text/html; charset=utf-8"),
    "/contacts": ("contacts.html", "text/html; charset=utf-8"),
    "/entry": ("entry.html", "text/html; charset=utf-8"),
    "/static/entry.js": ("entry.js", "text/javascript; charset=utf-8"),
    "/readers": ("readers.html", "text/html; charset=utf-8"),
    "/static/readers.js": ("readers.js", "text/javascript; charset=utf-8"),
    "/clips": ("clips.html", "text/html; charset=utf-8"),
    "/static/clips.js": ("clips.js", "text/javascript; charset=utf-8"),
    "/extensions": ("extensions.html", "text/html; charset=utf-8"),
    "/static/extensions.js": ("extensions.js", "text/javascript; charset=utf-8"),
    "/history": ("history.html", "text/html; charset=utf-8"),
    "/static/accounts.js": ("accounts.js", "text/javascript; charset=utf-8"),
    "/static/contacts.js": ("contacts.js", "text/javascript; charset=utf-8"),
    "/static/editor.js": ("editor.js", "text/javascript; charset=utf-8"),
    "/static/history.js": ("history.js", "text/javascript; charset=utf-8"),
    "/static/form.js": ("form.js", "text/javascript; charset=utf-8"),
    "/static/node.js": ("node.js", "text/javascript; charset=utf-8"),
    "/static/panel.css": ("panel.css", "text/css; charset=utf-8"),
    "/static/panel.js": ("panel.js", "text/javascript; charset=utf-8"),
    "/static/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}


def add_assets(app: FastAPI) -> None:
    """Serve the panel at "/", the pages for accounts, contacts, clips and the entry list, and their files under
    "/static/"."""
    for path, (file, kind) in FILES.items():
        _add(app, path, (STATIC / file).read_bytes(), kind)


def _add(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}  # kept by the browser, asked for again each time

    async def asset(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    app.add_api_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
