"""The pages: each a file of its own within a common frame, with links to all others; and the files that they name.

All are read once, and served from memory with an ETag.
"""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI, Request, Response

STATIC = Path(__file__).parent / "static"
HTML = "text/html; charset=utf-8"
KINDS = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
TOP = """<header class="top">
    <h1 class="title">{title}</h1>
  </header>
  <p class="notice notice-bad" id="complaint" role="alert" hidden></p>
  <p class="hidden" id="announce" role="status" aria-live="polite"></p>"""


class Page(NamedTuple):
    """A page at `path`. `link` is what others call it, `name` that of its files (.html: what is within the frame; .js),
    `api` what serves without JavaScript, `styles` more style sheets than the one of all pages."""

    path: str
    link: str
    title: str
    name: str
    api: str
    styles: tuple[str, ...] = ()


# In the order in which every page links to them.
PAGES = (
    Page("/", "Front panel", "Door station", "panel", "/api/v1"),
    Page("/panel", "At the door", "At the door", "door", "/api/v1", ("door",)),
    Page("/contacts", "Contacts", "Contacts", "contacts", "/api/v1/contacts"),
    Page("/groups", "Groups", "Groups", "groups", "/api/v1/settings/groups"),
    Page("/extensions", "Extensions", "Extensions", "extensions", "/api/v1/extensions"),
    Page("/accounts", "Accounts", "SIP accounts", "accounts", "/api/v1/accounts"),
    Page("/history", "Calls", "Call history", "history", "/api/v1/history"),
    Page("/entry", "Entry list", "Entry list", "entry", "/api/v1/holders"),
    Page("/readers", "Readers", "Readers", "readers", "/api/v1/readers"),
    Page("/display", "Display", "Display", "display", "/api/v1/display", ("door",)),
    Page("/signals", "Light", "Light and siren", "signals", "/api/v1/signals", ("door",)),
    Page("/clips", "Clips", "Audio clips", "clips", "/api/v1/clips"),
    Page("/ports", "Ports", "Ports", "ports", "/api/v1/ports"),
    Page("/detectors", "Detectors", "Detectors and plug-ins", "detectors", "/api/v1/detectors"),
    Page("/schedules", "Schedules", "Schedules", "schedules", "/api/v1/settings/schedules"),
    Page("/rules", "Rules", "Rules", "rules", "/api/v1/rules", ("rules",)),
    Page("/recipients", "Recipients", "Recipients", "recipients", "/api/v1/recipients"),
)


def add_assets(app: FastAPI) -> None:
    """Serve the front panel at "/", the other pages, and their files under "/static/"."""
    for page in PAGES:
        _add(app, page.path, framed(page).encode(), HTML)
    for file in sorted(STATIC.iterdir()):
        if kind := KINDS.get(file.suffix):
            _add(app, f"/static/{file.name}", file.read_bytes(), kind)


def framed(page: Page) -> str:
    """A page as a browser gets it."""
    title = escape(page.title)
    content = (STATIC / f"{page.name}.html").read_text(encoding="utf-8").replace("{top}", TOP.replace("{title}", title))
    parts = {
        "title": title,
        "name": page.name,
        "api": page.api,
        "styles": "\n".join(f'<link rel="stylesheet" href="/static/{name}.css">' for name in ("panel", *page.styles)),
        "links": _links(page),
        "content": content,  # last: what is in it stays as it is
    }
    text = (STATIC / "frame.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    return text


def _links(here: Page) -> str:
    links = (
        f'<a href="{page.path}"' + (' aria-current="page"' if page == here else "") + f">{escape(page.link)}</a>"
        for page in PAGES
    )
    return f'<nav class="pages" aria-label="Pages">{" ".join(links)}</nav>'


def _add(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "no-cache"}  # kept by the browser, asked for again each time

    async def asset(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    app.add_api_route(path, asset, methods=["GET", "HEAD"], include_in_schema=False)
