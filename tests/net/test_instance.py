"""The device's name: the same after every start, another one on another machine."""

from __future__ import annotations

import re
from pathlib import Path

from voipnode.net.instance import instance_urn


def test_it_is_a_urn_that_stays(tmp_path: Path) -> None:
    machine = tmp_path / "machine-id"
    machine.write_text("0123456789abcdef0123456789abcdef\n")
    name = instance_urn("5060", machine)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)
    assert name == instance_urn("5060", machine)
    assert name != instance_urn("5070", machine), "two nodes of one machine are two devices"
    machine.write_text("fedcba9876543210fedcba9876543210\n")
    assert name != instance_urn("5060", machine)
    assert "0123456789abcdef" not in name.replace("-", "")


def test_a_machine_without_an_id_has_a_name_all_the_same(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    assert instance_urn("5060", missing) == instance_urn("5060", missing)
