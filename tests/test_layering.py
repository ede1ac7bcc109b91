"""Who may import whom: the arrows of ARCHITECTURE.md, walked through every import in the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "voipnode"

# room -> what of ours it may import, as module prefixes. Its own room is always allowed.
HOOKS = ("calls.hooks", "calls.events", "calls.commands", "calls.errors")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "sipstack": (),
    "codecs": (),
    "dsp": (),
    "media": ("codecs", "dsp"),
    "credentials": (),
    "hardware": ("credentials",),
    "calls": ("sipstack", "media", "dsp"),
    "net": ("sipstack", "media"),
    "modules": (*HOOKS, "dsp", "credentials", "hardware"),
    "store": (),
    "web": HOOKS,
    "replay": ("calls", "media", "sipstack"),
}
# Nothing but the command line may import the wiring, and nothing below it may import the command line.
# The doctor tries what every room's settings name against the world, so it may see them all.
TOP = (
    "app",
    "account_editor",
    "clip_editor",
    "clip_stock",
    "call_history",
    "contact_editor",
    "settings_editor",
    "door",
    "line",
    "line_keeper",
    "list_editor",
    "renaming",
    "image_editor",
    "kept_files",
    "rule_editor",
    "section_editor",
    "multicast",
    "plugins",
    "settings",
    "sound_keeper",
    "tls_profiles",
    "traversal",
    "doctor",
    "cli",
)
IMPURE = {
    "asyncio",
    "socket",
    "ssl",
    "OpenSSL",
    "time",
    "random",
    "secrets",
    "threading",
    "uuid",
    "os",
    "selectors",
    "subprocess",
}
# OpenSSL's DTLS has entropy and a clock of its own, and no sockets as it is used: what that means for a replay is said
# in the file.
IMPURE_FILES = {"media/dtls.py": {"OpenSSL"}}
PURE_ROOMS = {
    "sipstack": IMPURE | {"numpy"},
    "codecs": IMPURE,
    "dsp": IMPURE,
    "media": IMPURE,
    "credentials": IMPURE,
}


def _imports(path: Path) -> Iterator[str]:
    """Every module a file imports, absolute; `from a import b` counts as a.b as well as a."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room they reach into"
            yield node.module or ""


def _files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _place(path: Path) -> tuple[str, ...]:
    return path.relative_to(PACKAGE).with_suffix("").parts


@pytest.mark.parametrize("path", _files(), ids=lambda path: "/".join(_place(path)))
def test_a_room_imports_only_what_the_plan_allows(path: Path) -> None:
    place = _place(path)
    room = place[0]
    for name in _imports(path):
        if not name.startswith("voipnode."):
            continue
        target = name.removeprefix("voipnode.")
        if room in TOP:
            assert not (target.split(".")[0] == "cli" and room != "cli"), f"{path}: nobody imports the command line"
            continue
        if room in ("__init__", "__main__"):
            continue
        same_room = target.split(".")[0] == room
        if room == "modules" and same_room:  # a module sees its own folder, never another's
            same_room = target.split(".")[1:2] == [place[1]]
        allowed = same_room or any(target == rule or target.startswith(f"{rule}.") for rule in MAY_IMPORT[room])
        assert allowed, f"{'/'.join(place)} imports {name}: not an arrow of ARCHITECTURE.md"


@pytest.mark.parametrize("room", sorted(PURE_ROOMS))
def test_a_pure_room_has_no_clock_no_entropy_and_no_sockets(room: str) -> None:
    for path in sorted((PACKAGE / room).rglob("*.py")):
        forbidden = {name.split(".")[0] for name in _imports(path)} & PURE_ROOMS[room]
        forbidden -= IMPURE_FILES.get(path.relative_to(PACKAGE).as_posix(), set())
        assert not forbidden, f"{path}: {sorted(forbidden)} have no place in {room}"


def test_every_room_is_in_the_plan() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= MAY_IMPORT.keys() | set(TOP)
