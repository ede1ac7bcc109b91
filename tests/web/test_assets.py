"""Every page leads to every other one."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from voipnode.web.assets import PAGES, STATIC, add_assets


def ask(*paths: str, **headers: str) -> list[httpx.Response]:
    async def all_of_them() -> list[httpx.Response]:
        app = FastAPI()
        add_assets(app)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door", headers=headers) as it:
            return [await it.get(path) for path in paths]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("path", [page.path for page in PAGES])
def test_a_page_links_to_all_pages_and_says_which_it_is(path: str) -> None:
    found = ask(path)[0].text
    links = re.findall(r'<a href="([^"]+)"( aria-current="page")?>([^<]+)</a>', found.partition("<main")[0])
    assert [(link, title) for link, _, title in links] == [(page.path, page.link) for page in PAGES]
    assert [link for link, current, _ in links if current] == [path]


def test_every_page_is_served() -> None:
    contents = {file.stem for file in STATIC.glob("*.html")} - {"frame"}
    assert contents == {page.name for page in PAGES}


@pytest.mark.parametrize(
    "path", [page.path for page in PAGES] + [f"/static/{file.name}" for file in sorted(STATIC.glob("*.js"))]
)
def test_what_a_page_names_is_served(path: str) -> None:
    named = re.findall(r'(?:src|href)="(/(?!api/)[^"]*)"|from "\./([^"]+)"', ask(path)[0].text)
    answers = ask(*(absolute or f"/static/{beside}" for absolute, beside in named))
    assert [str(answer.url) for answer in answers if answer.status_code != 200] == []


def test_a_browser_that_has_it_is_not_sent_it_again() -> None:
    etag = ask("/contacts")[0].headers["etag"]
    assert ask("/contacts", **{"If-None-Match": etag})[0].status_code == 304
