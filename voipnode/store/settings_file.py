"""Reads voipnode.toml into a settings type, says everything wrong at once, and writes it back with its comments."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import tomlkit
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from voipnode.store.explain import Guide, guide_to, is_secret, location
from voipnode.store.locator import Lines
from voipnode.store.problems import SettingsError, SettingsProblem, key_text
from voipnode.store.tables import explained, path_in

M = TypeVar("M", bound=BaseModel)
KeyPath = tuple[str | int, ...]
Changes = Mapping[str, Any] | Sequence[tuple[str, Any]]

MAX_FILE_BYTES = 1_000_000
MAX_PROBLEMS = 100
_HIDDEN = "(not shown)"


def load_settings(path: Path | None, model: type[M]) -> M:
    """Read the file at `path` (None: no file, the defaults) as a `model`. Blocking.

    Files are UTF-8 TOML 1.0 of at most `MAX_FILE_BYTES`. Keys that the model does not know are problems whether or not
    it forbids them. Raises `SettingsError` with every problem, each with its line, key, value and what would be right.
    """
    if path is None:
        return parse_settings("", model, "settings")
    return parse_settings(_read(path), model, str(path))


def parse_settings(text: str, model: type[M], file: str) -> M:
    """Read `text` as `load_settings` does; `file` is the name used in problems."""
    data = _parse_toml(text, file)
    errors: list[ErrorDetails] = []
    settings: M | None = None
    try:
        settings = model.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    problems = _problems(errors, data, text, guide_to(model), file)
    if problems or settings is None:
        raise SettingsError(problems[:MAX_PROBLEMS])
    return settings


def problems_at(
    path: Path | None, found: Iterable[tuple[KeyPath, str]], model: type[BaseModel]
) -> SettingsError | None:
    """What is wrong beyond the file at `path` itself, as problems of the keys that say so; None where nothing is.

    The file was read by `load_settings` before. Blocking.
    """
    text = "" if path is None else _read(path)
    data, lines, guide, file = _parse_toml(text, str(path)), Lines(text), guide_to(model), str(path or "settings")
    problems = [
        SettingsProblem(file, lines.of(where), key_text(where), _shown(data, where, guide), words)
        for where, words in found
    ]
    return SettingsError(problems) if problems else None


def save_settings(path: Path, changes: Changes, model: type[M]) -> M:
    """Change keys of the file at `path`, as `edit_settings` does, and write it (`write_settings`). Blocking."""
    text, settings = edit_settings(path, changes, model)
    write_settings(path, text)
    return settings


def edit_settings(path: Path, changes: Changes, model: type[M]) -> tuple[str, M]:
    """The file at `path` (empty when absent) with keys changed, its comments and order kept; nothing is written yet.

    `changes` maps keys as problems name them ("sip.port", "accounts[1].transport") to values; None removes the key, and
    a table for the place behind the last of a list ("accounts[2]" of two) is appended. They are made one after the
    other; given as pairs, a place may be named twice, once removed and once filled. Raises `SettingsError` where the
    result is not valid. Blocking.
    """
    text = _read(path) if path.exists() else ""
    _parse_toml(text, str(path))  # says where, should it not be TOML
    document = tomlkit.parse(text)
    for key, value in changes.items() if isinstance(changes, Mapping) else changes:
        _change(document, key, value, str(path))
    new_text = tomlkit.dumps(document)
    return new_text, parse_settings(new_text, model, str(path))


def write_settings(path: Path, text: str) -> None:
    """Replace the file at `path` in one step: a power cut leaves the old one or the new one, whole and on disk.

    Raises OSError. Blocking.
    """
    _replace(Path(os.path.realpath(path)), text.encode())  # a link stays a link: its target is replaced


def inline_tables(entries: Sequence[Mapping[str, Any]]) -> Any:
    """A list of tables as a value of `edit_settings`, to be written as `[{...}, {...}]`, each on a line of its own."""
    made = tomlkit.array()
    for entry in entries:
        made.append(_inline(entry))
    return made.multiline(len(entries) > 1)


def _inline(entry: Mapping[str, Any]) -> Any:
    table = tomlkit.inline_table()
    table.update(entry)
    return table


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            detail = "this is not a file" if path.exists() else "there is no such file"
            raise SettingsError([SettingsProblem(str(path), None, "", None, detail)])
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        detail = f"cannot be read: {error.strerror}"
        raise SettingsError([SettingsProblem(str(path), None, "", None, detail)]) from None
    if len(raw) > MAX_FILE_BYTES:
        detail = f"is larger than {MAX_FILE_BYTES} bytes; settings are far smaller"
        raise SettingsError([SettingsProblem(str(path), None, "", None, detail)])
    try:
        return raw.decode("utf-8-sig")  # some editors write a byte order mark
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        detail = f"byte {raw[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        raise SettingsError([SettingsProblem(str(path), line, "", None, detail)]) from None


def _parse_toml(text: str, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax_problem(error, text, file)]) from None
    except RecursionError:
        raise SettingsError([SettingsProblem(file, None, "", None, "lists and tables are nested too deeply")]) from None


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str, file: str) -> SettingsProblem:
    found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
    message = str(error)[: found.start()] if found else str(error)
    if found and found.group(1):
        line, column = int(found.group(1)), f" (column {found.group(2)})"
    else:
        line, column = text.rstrip().count("\n") + 1, " (at the end of the file)"
    return SettingsProblem(file, line, "", None, f"this is not TOML: {message[:1].lower()}{message[1:]}{column}")


def _problems(
    errors: Iterable[ErrorDetails], data: dict[str, Any], text: str, guide: Guide, file: str
) -> list[SettingsProblem]:
    found = list(errors)
    messages = explained(found, data, guide)
    if not messages:
        return []
    lines = Lines(text)
    # Secrets by a type that the guide does not know: a plug-in's own.
    secret = {path_in(data, location(each), missing=False) for each in found if each.get("ctx", {}).get("secret")}
    return [
        SettingsProblem(
            file,
            lines.of(path),
            key_text(path),
            _HIDDEN if path in secret else _shown(data, path, guide),
            ", or ".join(said),
        )
        for path, said in messages.items()
    ]


def _shown(data: Any, path: KeyPath, guide: Guide) -> Any:
    """The value at `path` for display: None for tables and what is not there; secrets are never shown."""
    for part in path:
        if isinstance(part, str) and not (isinstance(data, dict) and part in data):
            return None
        data = data[part]
    if isinstance(data, dict) or (isinstance(data, list) and any(isinstance(item, (dict, list)) for item in data)):
        return None
    if is_secret(path, guide):
        return _HIDDEN
    return re.sub(r"://[^/@]*@", "://…@", data) if isinstance(data, str) else data  # URLs may carry passwords


def _change(document: Any, key: str, value: Any, file: str) -> None:
    parts: list[str | int] = [
        int(index) if index else name for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", key)
    ]
    if not parts or key_text(parts) != key:
        raise ValueError(f"{key!r} is not a key; keys look like sip.port or accounts[1].transport")
    place = document
    try:
        for part in parts[:-1]:
            if isinstance(part, str) and part not in place and value is not None:
                place[part] = tomlkit.aot() if isinstance(parts[1], int) and len(parts) == 2 else tomlkit.table()
            place = place[part]
        if isinstance(parts[-1], int) and isinstance(value, dict) and parts[-1] == len(place):
            place.append(_table_for(place, value))
        elif value is not None:
            place[parts[-1]] = _inline(value) if isinstance(place, Array) and isinstance(value, dict) else value
        elif parts[-1] in place if isinstance(parts[-1], str) else parts[-1] < len(place):
            del place[parts[-1]]
    except (KeyError, IndexError, TypeError, TOMLKitError):
        raise SettingsError([SettingsProblem(file, None, key, value, "there is no such place in the file")]) from None


def _table_for(place: Any, value: Mapping[str, Any]) -> Any:
    """`value` as one more table of a list, written as the others are."""
    if isinstance(place, Array):
        table: Any = _inline(value)
    else:
        table = tomlkit.item(dict(value))
        table.trivia.indent = "\n"  # an empty line before it
    return table


def _replace(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename over: rename(2) is atomic, and the folder's own entry is flushed last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600: it holds passwords
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
