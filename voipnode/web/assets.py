"""The front panel's files, read once and served from memory with an ETag."""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path

from fastapi import FastAPI, Request, Response

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/accounts": ("accounts.html", "text/html; charset=utf-8"),
    "/contacts": ("contacts.html", "text/html; charset=utf-8"),
    "/groups": ("groups.html", "text/html; charset=utf-8"),
    "/static/members.js": ("members.js", "text/javascript; charset=utf-8"),
    "/static/groups.js": ("groups.js", "text/javascript; charset=utf-8"),
    "/entry": ("entry.html", "text/html; charset=utf-8"),
    "/static/entry.js": ("entry.js", "text/javascript; charset=utf-8"),
    "/readers": ("readers.html", "text/html; charset=utf-8"),
    "/static/readers.js": ("readers.js", "text/javascript; charset=utf-8"),
    "/ports": ("ports.html", "text/html; charset=utf-8"),
    "/static/ports.js": ("ports.js", "text/javascript; charset=utf-8"),
    "/detectors": ("detectors.html", "text/html; charset=utf-8"),
    "/static/detectors.js": ("detectors.js", "text/javascript; charset=utf-8"),
    "/clips": ("clips.html", "text/html; charset=utf-8"),
    "/static/clips.js": ("clips.js", "text/javascript; charset=utf-8"),
    "/extensions": ("extensions.html", "text/html; charset=utf-8"),
    "/static/extensions.js": ("extensions.js", "text/javascript; charset=utf-8"),
    "/history": ("history.html", "text/html; charset=utf-8"),
    "/recipients": ("recipients.html", "text/html; charset=utf-8"),
    "/static/recipients.js": ("recipients.js", "text/javascript; charset=utf-8"),
    "/rules": ("rules.html", "text/html; charset=utf-8"),
    "/static/rules.js": ("rules.js", "text/javascript; charset=utf-8"),
    "/static/rules.css": ("rules.css", "text/css; charset=utf-8"),
    "/static/parts.js": ("parts.js", "text/javascript; charset=utf-8"),
    "/static/accounts.js": ("accounts.js", "text/javascript; charset=utf-8"),
    "/static/contacts.js": ("contacts.js", "text/javascript; charset=utf-8"),
    "/static/editor.js": ("editor.js", "text/javascript; charset=utf-8"),
    "/static/history.js": ("history.js", "text/javascript; charset=utf-8"),
    "/static/form.js": ("form.js", "text/javascript; charset=utf-8"),
    "/static/node.js": ("node.js", "text/javascript; charset=utf-8"),
    "/static/panel.css": ("panel.css", "text/css; charset=utf-8"),
    "/static/panel.js": ("panel.js", "text/javascript; charset=utf-8"),
    "/static/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/panel": ("door.html", "text/html; charset=utf-8"),
    "/static/door.js": ("door.js", "text/javascript; charset=utf-8"),
    "/signals": ("signals.html", "text/html; charset=utf-8"),
    "/static/signals.js": ("signals.js", "text/javascript; charset=utf-8"),
    "/display": ("display.html", "text/html; charset=utf-8"),
    "/static/display.js": ("display.js", "text/javascript; charset=utf-8"),
    "/static/door.css": ("door.css", "text/css; charset=utf-8"),
    "/static/lamp.js": ("lamp.js", "text/javascript; charset=utf-8"),
    "/static/screen.js": ("screen.js", "text/javascript; charset=utf-8"),
    "/static/icon.svg": ("icon.svg", "image/svg+xml"),
}

# In the order in which every page links to them.
TITLES = {
    "/": "Front panel",
    "/panel": "At the door",
    "/contacts": "Contacts",
    "/groups": "Groups",
    "/extensions": "Extensions",
    "/accounts": "Accounts",
    "/history": "Calls",
    "/entry": "Entry list",
    "/readers": "Readers",
    "/display": "Display",
    "/signals": "Light and siren",
    "/clips": "Clips",
    "/ports": "Ports",
    "/detectors": "Detectors and plug-ins",
    "/rules": "Rules",
    "/recipients": "Recipients",
}


def add_assets(app: FastAPI) -> None:
    """Serve the front panel at "/", the other pages, each with links to all, and their files under "/static/"."""
    for path, (file, kind) in FILES.items():
        content = (STATIC / file).read_bytes()
        if path in TITLES:
            content = content.replace(b"<main ", _links(path) + b"\n\n<main ", 1)
        _add(app, path, content, kind)


def _links(here: str) -> bytes:
    links = (
        f'<a href="{path}"' + (' aria-current="page"' if path == here else "") + f">{escape(title)}</a>"
        for path, title in TITLES.items()
    )
    return f'<nav class="pages" aria-label="Pages">{" ".join(links)}</nav>'.encode()


def _add(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}  # kept by the browser, asked for again each time

    async def asset(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    app.add_api_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
