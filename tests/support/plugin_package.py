"""Packages with plug-ins, installed into a folder as pip does it: code, and a dist-info with the entry points."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from voipnode.plugins.installed import GROUP

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "doorbell-counter"


class Packages:
    """A folder for packages that is on `sys.path` for a test; what was imported from it is forgotten after it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.syspath_prepend(folder)
        self._modules: list[str] = []

    def install(self, package: str, code: str, entries: Mapping[str, str], version: str = "1.0") -> None:
        """A package of one file, and the plug-ins that it offers: by their names "object", of this file."""
        module = package.replace("-", "_")
        (self.folder / f"{module}.py").write_text(code)
        self._modules.append(module)
        self._describe(package, version, {name: f"{module}:{thing}" for name, thing in entries.items()})

    def install_example(self) -> None:
        """The worked example of the documentation, by its own pyproject.toml."""
        project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
        shutil.copytree(EXAMPLE / "voipnode_doorbell_counter", self.folder / "voipnode_doorbell_counter")
        self._modules.append("voipnode_doorbell_counter")
        self._describe(project["name"], project["version"], project["entry-points"][GROUP])

    def uninstall(self, package: str) -> None:
        """As pip does: its metadata go; its code may stay imported."""
        (folder,) = self.folder.glob(f"{package.replace('-', '_')}-*.dist-info")
        shutil.rmtree(folder)

    def _describe(self, package: str, version: str, entries: Mapping[str, str]) -> None:
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        lines = [f"[{GROUP}]", *(f"{name} = {place}" for name, place in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def forget(self) -> None:
        """What was imported from here is imported anew by the next test."""
        for name in self._modules:
            sys.modules.pop(name, None)
