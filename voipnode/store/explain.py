"""Turns what pydantic found wrong with settings into plain words with the allowed range or choices."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import ErrorDetails

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

_SECRET = re.compile(r"password|secret|token|passphrase|(^|_)(pin|key)$", re.IGNORECASE)
_UNITS = {"_ms": " milliseconds", "_s": " seconds", "_hz": " Hz", "_db": " dB", "_bytes": " bytes"}
_KINDS = {
    "integer": "a whole number",
    "number": "a number",
    "string": 'text in quotes, such as "abc"',
    "boolean": "true or false (without quotes)",
    "array": "a list in brackets, such as [1, 2]",
    "object": "a table of its own",
}
_TYPE_ERRORS = {
    "int": "integer",
    "float": "number",
    "string": "string",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "frozen_set": "array",
    "dict": "object",
    "model": "object",
    "dataclass": "object",
}
_RANGE_ERRORS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


class Guide:
    """What the settings type allows at each key path, read from its JSON schema."""

    def __init__(self, kind: type[Any]) -> None:
        try:
            self._root: Schema = TypeAdapter(kind).json_schema()
        except (PydanticInvalidForJsonSchema, PydanticUserError):
            self._root = {}  # a type without a schema: the messages only lack the alternatives

    def at(self, path: Path) -> list[Schema]:
        """The schemas, one per alternative, that a value at `path` may follow; none where nothing is known."""
        found = list(self._alternatives(self._root))
        for part in path:
            found = [child for schema in found for child in self._children(schema, part)]
        return found

    def keys(self, path: Path) -> list[str]:
        """The keys that the table at `path` may have."""
        return sorted({key for schema in self.at(path) for key in schema.get("properties", {})})

    def unknown(self, data: Any, path: Path = ()) -> Iterator[Path]:
        """The paths in `data` that no alternative of the type knows, also where the type would ignore them."""
        if isinstance(data, list):
            for index, item in enumerate(data):
                yield from self.unknown(item, (*path, index))
        elif isinstance(data, dict) and (schemas := self.at(path)):
            is_open = any(schema.get("additionalProperties") or "properties" not in schema for schema in schemas)
            known = set(self.keys(path))
            for key, value in data.items():
                if key in known or is_open:
                    yield from self.unknown(value, (*path, key))
                else:
                    yield (*path, key)

    def _children(self, schema: Schema, part: str | int) -> Iterator[Schema]:
        if isinstance(part, int):
            fixed = schema.get("prefixItems", [])
            inner = fixed[part] if part < len(fixed) else schema.get("items")
        else:
            inner = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
        if isinstance(inner, dict):
            yield from self._alternatives(inner)

    def _alternatives(self, schema: Schema) -> Iterator[Schema]:
        if "$ref" in schema:
            schema = self._root.get("$defs", {}).get(schema["$ref"].rsplit("/", 1)[-1], {})
        choices = schema.get("anyOf") or schema.get("oneOf")
        if not choices:
            yield schema
        for choice in choices or ():
            if choice.get("type") != "null":  # TOML has no null
                yield from self._alternatives(choice)


@cache
def guide_to(kind: type[Any]) -> Guide:
    """The guide to a type, made once: a settings file is read again with each change of it."""
    return Guide(kind)


def is_secret(path: Path, guide: Guide) -> bool:
    """Whether a value must not be shown, by its name or because its type says so."""
    if any(schema.get("writeOnly") for schema in guide.at(path)):
        return True
    return any(isinstance(part, str) and _SECRET.search(part) for part in path)


def location(error: ErrorDetails) -> Path:
    """Where pydantic sees the error; of a table whose kind is missing or unknown, the key that says its kind."""
    if error["type"].startswith("union_tag"):
        return (*error["loc"], str(error["ctx"]["discriminator"]).strip("'"))
    return error["loc"]


def words(error: ErrorDetails, path: Path, guide: Guide) -> str:
    """What is wrong and what would be right, for one of pydantic's errors at `path`."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(path, guide)
    if kind == "missing":
        return f"is missing; it must be {' or '.join(_expected(guide.at(path), path)) or 'given'}"
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    if kind in ("literal_error", "enum"):
        return _choice(error["input"], path, guide.at(path), str(context.get("expected", "")))
    if kind == "union_tag_invalid":
        return f"must be one of {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return "is missing; it says which kind of entry this is"
    if kind in _RANGE_ERRORS or kind.rpartition("_")[0] in _TYPE_ERRORS or kind == "int_from_float":
        wanted = _expected(guide.at(path), path) or [_from_error(error)]
        return f"{_subject(path)}must be {' or '.join(wanted)}"
    if kind in ("string_too_short", "string_too_long", "too_short", "too_long"):
        return _length(error, guide.at(path))
    return _plain(error["msg"])


def unknown_key(path: Path, guide: Guide) -> str:
    """That nothing has this name, and which name was probably meant."""
    *table, key = path
    known = guide.keys(tuple(table))
    if close := difflib.get_close_matches(str(key), known, n=1, cutoff=0.6):
        return f'there is no such setting; did you mean "{close[0]}"?'
    return f"there is no such setting; known here: {', '.join(known)}" if known else "there is no such setting"


def _expected(schemas: Iterable[Schema], path: Path) -> list[str]:
    """What each alternative allows, in words, without repetition."""
    texts = [
        _range(schema, path) or _listed(_values(schema)) or _KINDS.get(str(schema.get("type")), "")
        for schema in schemas
    ]
    return list(dict.fromkeys(text for text in texts if text))


def _range(schema: Schema, path: Path) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    unit = next((words for suffix, words in _UNITS.items() if key.endswith(suffix)), "")
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    first = f"at least {low}" if low is not None else f"more than {above}" if above is not None else ""
    last = f"at most {high}" if high is not None else f"less than {below}" if below is not None else ""
    limits = " and ".join(text for text in (first, last) if text)
    return limits + unit if limits else ""


def _subject(path: Path) -> str:
    return "ports " if path and isinstance(path[-1], str) and re.search(r"(^|_)port$", path[-1]) else ""


def _values(schema: Schema) -> list[str]:
    return [str(value) for value in schema.get("enum", [schema["const"]] if "const" in schema else [])]


def _listed(values: Sequence[str]) -> str:
    quoted = [f'"{value}"' for value in values]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}" if quoted else ""


def _choice(value: Any, path: Path, schemas: Sequence[Schema], expected: str) -> str:
    values = [choice for schema in schemas for choice in _values(schema)]
    text = f"must be {' or '.join(_expected(schemas, path)) or expected}"
    close = difflib.get_close_matches(str(value).lower(), values, n=1, cutoff=0.6)
    return f'{text}; did you mean "{close[0]}"?' if close else text


def _from_error(error: ErrorDetails) -> str:
    """The one limit or type that the error itself names, where the type has no schema."""
    context = error.get("ctx", {})
    for name, text in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if name in context:
            return f"{text} {context[name]}"
    return _KINDS.get(_TYPE_ERRORS.get(error["type"].rpartition("_")[0], ""), "of another kind")


def _length(error: ErrorDetails, schemas: Iterable[Schema]) -> str:
    is_text = isinstance(error["input"], str)  # a secret is told of as if it were a list
    names = ("minLength", "maxLength") if is_text else ("minItems", "maxItems")
    noun = "characters" if is_text else "entries"
    context = error.get("ctx", {})
    schema: Schema = next((schema for schema in schemas if any(name in schema for name in names)), {})
    low = schema.get(names[0], context.get("min_length"))
    high = schema.get(names[1], context.get("max_length"))
    limit = (
        f"{low} to {high}"
        if low is not None and high is not None
        else f"at least {low}"
        if low is not None
        else f"at most {high}"
    )
    return f"must have {limit} {noun}, has {len(error['input'])}"


def _plain(message: str) -> str:
    message = re.sub(r"^(Input|Value|String) should (be|have|match)\b", r"must \2", message)
    return message[:1].lower() + message[1:]
