"""Checks one table of the settings by a type of its own, in the words that the whole file has for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from voipnode.store.explain import Guide, Path, guide_to, is_secret, location, unknown_key, words

M = TypeVar("M", bound=BaseModel)
MISSING = ("missing", "union_tag_not_found")


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong at `path` of the table, in words. `missing`: there is no such key; `secret`: do not show it."""

    path: Path
    words: str
    missing: bool
    secret: bool


def checked_table(data: dict[str, Any], kind: type[M]) -> tuple[M | None, list[Wrong]]:
    """`data` as a `kind`, or None and everything that is wrong; keys that the type ignores are wrong, too."""
    guide = guide_to(kind)
    errors: list[ErrorDetails] = []
    value: M | None = None
    try:
        value = kind.model_validate(data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    missing = {path_in(data, location(each), missing=True) for each in errors if each["type"] in MISSING}
    found = [
        Wrong(path, ", or ".join(said), path in missing, is_secret(path, guide))
        for path, said in explained(errors, data, guide).items()
    ]
    return (None if found else value), found


def explained(errors: Iterable[ErrorDetails], data: dict[str, Any], guide: Guide) -> dict[Path, list[str]]:
    """What pydantic found, and the keys that the type does not know: for each place what is wrong there, in words."""
    messages: dict[Path, list[str]] = {}
    for error in errors:
        missing = error["type"] in MISSING or bool(error.get("ctx", {}).get("missing"))
        path = path_in(data, location(error), missing=missing)
        message = words(error, path, guide)
        if message not in (said := messages.setdefault(path, [])):
            said.append(message)  # more than one: the alternatives of a union
    for path in guide.unknown(data):
        messages.setdefault(path, [unknown_key(path, guide)])
    return messages


def path_in(data: Any, parts: Path, *, missing: bool) -> Path:
    """`parts` as a path in the file: pydantic also names the alternatives of unions that it went through."""
    path: list[str | int] = []
    part: Any
    for index, part in enumerate(parts):
        is_last_missing = missing and index == len(parts) - 1
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            data = data[part]
        elif not is_last_missing:
            continue
        path.append(part)
    return tuple(path)
