"""The door controller as the doctor sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.modules.controller.vapix_controller import Controller
from tests.support.aio import run_test
from tests.support.doctor_case import found_by
from voipnode.doctor.controller import check_controller
from voipnode.doctor.findings import Finding

KEY = "00" * 16
NULL = {"device": "/dev/null"}


def found(folder: Path, protocol: str, **settings: Any) -> Finding:
    whole = {"controller": {"protocol": protocol, protocol: settings} if protocol != "none" else {}}
    (finding,) = run_test(found_by(check_controller, whole, folder))
    assert KEY not in finding.words
    return finding


@pytest.mark.parametrize(
    ("protocol", "settings", "level", "words"),
    [
        ("none", {}, "note", "no door controller"),
        ("osdp", {"device": "/dev/ttyNOT"}, "problem", "/dev/ttyNOT: No such file"),
        ("osdp", NULL, "problem", "no key is known"),
        ("osdp", {**NULL, "install": True}, "warning", "has set no key yet"),
        ("osdp", {**NULL, "key": KEY}, "good", "and so is our key"),
        ("osdp", {**NULL, "secure_channel": False}, "warning", "in the clear"),
        ("wiegand", NULL, "good", "Wiegand cannot tell"),
        ("wiegand", {"device": "/dev/NOT"}, "problem", "No such file"),
    ],
)
def test_what_a_wire_lacks(tmp_path: Path, protocol: str, settings: dict[str, Any], level: str, words: str) -> None:
    finding = found(tmp_path, protocol, **settings)
    assert (finding.level, words in finding.words) == (level, True), finding.words


def test_a_key_that_the_controller_has_set(tmp_path: Path) -> None:
    (tmp_path / "controller.key").write_text(KEY)
    assert found(tmp_path, "osdp", **NULL).level == "good"


@pytest.mark.parametrize(
    ("more", "level", "words"),
    [
        ({"access_point": "Entry 1"}, "good", "has us as the reader of Entry 1"),
        ({}, "problem", 'access_point is needed: there are "Entry 1", "Entry 2"'),
        ({"password": "other"}, "problem", "it does not accept username and password"),
    ],
)
def test_a_controller_on_the_network_is_asked(tmp_path: Path, more: dict[str, Any], level: str, words: str) -> None:
    async def main() -> list[Finding]:
        controller = Controller()
        await controller.start()
        http = {"scheme": "http", "address": f"127.0.0.1:{controller.port}", "username": "door", "password": "s3cret"}
        settings = {"controller": {"protocol": "http", "http": {**http, "timeout_s": 30, **more}}}
        try:
            return await found_by(check_controller, settings, tmp_path)
        finally:
            await controller.kill()
            assert controller.requests == []

    (finding,) = run_test(main())
    assert (finding.level, words in finding.words) == (level, True), finding.words
