"""The display over HTTP, with a real settings file: an image goes up, a page shows it, a rule's page comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.support.aio import PATIENCE_S, run_test
from tests.support.free_ports import free_port
from tests.support.image_files import image_file
from voipnode.calls.hooks import Bus, Commands, House
from voipnode.image_editor import ImageEditor
from voipnode.list_editor import ListEditor
from voipnode.modules.display.module import DisplayModule
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings
from voipnode.web.server import WebServer
from voipnode.web.settings import WebSettings

PNG = {"content-type": "image/png"}


@asynccontextmanager
async def display(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    path = folder / "voipnode.toml"
    path.write_text('# ours\n[[contacts]]\nname = "Reception"\naddress = "101"\n')
    bus, commands = Bus(asyncio.get_running_loop().time), Commands()
    house = House(bus, commands, folder)
    settings = load_settings(path, NodeSettings)
    module = DisplayModule(house, settings)

    async def use(changed: NodeSettings) -> bool:
        module.use(changed)
        return True

    editor = SettingsEditor(path, use, lambda: settings)
    ListEditor(editor, {"pages": "page"}).register(commands)
    ImageEditor(editor, folder / "images").register(commands)
    await module.start()
    server = WebServer(WebSettings(port=free_port()), house, {})
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"{server.url}api/v1", trust_env=False, timeout=PATIENCE_S) as client:
            yield client
    finally:
        await server.stop()
        await module.stop()


async def an_image_goes_up_and_a_page_shows_it(client: httpx.AsyncClient, folder: Path) -> None:
    (home,) = (await client.get("/display")).json()["pages"]
    assert (home["name"], home["default"], [item["input"] for item in home["items"]]) == (
        "Home",
        True,
        ["", "button"],
    )
    added = await client.put("/images/Our%20map", content=image_file("png", 480, 800), headers=PNG)
    assert added.status_code == 201, added.text
    items = [{"type": "image", "image": "Our map"}, {"ring": "Reception", "size": "large"}]
    assert (await client.post("/settings/pages", json={"name": "Map page", "items": items})).status_code == 201
    assert [page["name"] for page in (await client.get("/display")).json()["pages"]] == ["Home", "Map page"]
    file = await client.get("/images/Our%20map/file")
    assert (file.headers["content-type"], file.content) == ("image/png", image_file("png", 480, 800))
    shown = await client.post("/display/pages/Map%20page/show", json={"duration_s": "00:10:00"})
    assert shown.status_code == 204, shown.text
    now = (await client.get("/display")).json()
    assert (now["page"], 0 < now["for_s"] <= 600) == ("Map page", True)
    refused = await client.delete("/images/Our%20map")
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["field"]) == (422, "pages[0].items[0].image")
    assert (await client.get("/images")).json()[0]["used"] is True
    assert (await client.delete("/settings/pages/Map%20page")).status_code == 204
    assert (await client.get("/display")).json()["page"] == "Home"
    assert (await client.delete("/images/Our%20map")).status_code == 204
    assert list((folder / "images").iterdir()) == []
    assert (folder / "voipnode.toml").read_text().startswith("# ours\n[[contacts]]")


async def what_is_wrong_is_told_by_field_and_leaves_no_file(client: httpx.AsyncClient, folder: Path) -> None:
    large = await client.put("/images/a", content=image_file("png", 2049, 8), headers=PNG)
    assert (large.status_code, "at most 2048x2048" in large.json()["detail"]) == (422, True)
    assert (await client.put("/images/a", content=b"{}", headers={"content-type": "text/html"})).status_code == 415
    assert (await client.put("/images/a%0a", content=image_file("png"), headers=PNG)).status_code == 422
    assert (await client.put("/images/a", content=image_file("jpg"), headers=PNG)).status_code == 201
    again = await client.put("/images/a", content=image_file("png"), headers=PNG)
    assert again.status_code == 422
    assert [path.name for path in (folder / "images").iterdir()] == ["a.jpg"]
    page = {"name": "p", "items": [{"ring": "Reception"}, {"ring": "Nobody"}, {"type": "image", "image": "b"}]}
    refused = await client.post("/settings/pages", json=page)
    fields = [error["field"] for error in refused.json()["errors"]]
    assert fields == ["items[1].ring", "items[2].image"]
    for path in ("/display/pages/none/show", "/display/press"):
        body = {"page": "Home", "item": 7} if "press" in path else {}
        assert (await client.post(path, json=body)).status_code == 404


def test_images_and_pages_over_http(tmp_path: Path) -> None:
    """One server for all: a start is dear."""

    async def test() -> None:
        async with display(tmp_path) as client:
            await an_image_goes_up_and_a_page_shows_it(client, tmp_path)
            await what_is_wrong_is_told_by_field_and_leaves_no_file(client, tmp_path)

    run_test(test())
