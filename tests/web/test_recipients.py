"""Recipients over HTTP: listed, tried, set by their kind; no secret comes back; rules follow a new name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.support.aio import run_test
from tests.support.web_rig import web_rig
from voipnode.list_editor import ListEditor
from voipnode.modules.recipients.module import RecipientsModule
from voipnode.settings import NodeSettings
from voipnode.settings_editor import SettingsEditor
from voipnode.store.settings_file import load_settings

SETTINGS = """# ours
[[recipients]]
name = "Guard"  # at night
kind = "http"
url = "https://guard.example.com/hook?key=topsecret"
password = "topsecret"
headers = { Authorization = "Bearer topsecret" }

[[rules]]
name = "r"
conditions = [{is = "trigger", name = "t"}]
actions = [{do = "send", to = "Guard"}]
"""


def test_recipients_over_http(tmp_path: Path) -> None:
    path, archive = tmp_path / "voipnode.toml", tmp_path / "archive"
    path.write_text(SETTINGS)
    archive.mkdir()

    async def main() -> None:
        async with web_rig() as rig:
            module = RecipientsModule(rig.house(tmp_path), load_settings(path, NodeSettings))

            async def use(settings: NodeSettings) -> bool:
                module.use(settings)
                return True

            editor = SettingsEditor(path, use, lambda: load_settings(path, NodeSettings))
            ListEditor(editor, {"recipients": "recipient"}).register(rig.commands)
            await module.start()
            try:
                async with httpx.AsyncClient(base_url=f"{rig.url}/api/v1", timeout=60) as client:
                    await story(client)
            finally:
                await module.stop()

    async def story(client: httpx.AsyncClient) -> None:
        schema = (await client.get("/schemas/recipients")).json()
        assert schema["discriminator"]["mapping"]["sftp"] == "#/$defs/SftpRecipient"
        (guard,) = (await client.get("/recipients")).json()
        assert (guard["kind"], guard["to"]) == ("http", "https://guard.example.com/hook")
        shown = await client.get("/settings/recipients/Guard")
        assert "password" not in shown.json()
        assert shown.text.count("topsecret") == 1  # in the URL, which is not a secret's place
        added: dict[str, Any] = {"name": "Archive", "kind": "folder", "path": str(archive), "must_be_mounted": False}
        wrong = await client.post("/settings/recipients", json={**added, "path": "relative"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "path")
        called = {"name": "Phone", "kind": "call", "to": "sip:a@b", "account": "No", "answered_clip": "None"}
        wrong = await client.post("/settings/recipients", json=called)
        assert {each["field"] for each in wrong.json()["errors"]} == {"account", "answered_clip"}
        assert (await client.post("/settings/recipients", json=added)).status_code == 201
        tried = await client.post("/recipients/Archive/test", json={})
        assert tried.json()["said"].startswith(f"stored as {archive}")
        renamed = await client.patch("/settings/recipients/Guard", json={"name": "Porter"})
        assert renamed.json() == {"name": "Porter"}
        assert 'name = "Porter"  # at night' in path.read_text()
        assert load_settings(path, NodeSettings).rules[0].actions[0].words() == 'tell "Porter"'
        assert [each["name"] for each in (await client.get("/recipients")).json()] == ["Porter", "Archive"]
        in_use = await client.delete("/settings/recipients/Porter")
        assert in_use.status_code == 422
        assert (await client.delete("/settings/recipients/Archive")).status_code == 204

    run_test(main())
