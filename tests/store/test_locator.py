"""Where a key stands in a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from itertools import count
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from voipnode.store.locator import Lines

TEXT = '''# a comment with [brackets] and = signs
title = "x # not a comment"   # 2

[sip]                         # 4
port = 5060
via.rewrite = true            # 6
"quoted key" = 1
names = [                     # 8
  "a",
  "b", # ]
  { user = "c", pin = 1 },    # 11
]
long = """
[not.a.table]
""" # 15

[[accounts]]                  # 17
user = 'one'
[accounts.tls]                # 19
verify = false
[[accounts]]                  # 21
user = "two"
servers = [{ host = "h" }]    # 23
[[accounts.proxies]]          # 24
address = "p"
[[accounts.proxies]]          # 26
address = "q"
when = 1979-05-27 07:32:00    # 28
[deep.er.still]               # 29
end = """a"""" # 30
last = 1
'''


def test_every_kind_of_key_is_found_on_its_line() -> None:
    lines = Lines(TEXT)
    expected: dict[tuple[str | int, ...], int] = {
        ("title",): 2,
        ("sip",): 4,
        ("sip", "port"): 5,
        ("sip", "via"): 6,
        ("sip", "via", "rewrite"): 6,
        ("sip", "quoted key"): 7,
        ("sip", "names", 0): 9,
        ("sip", "names", 2, "pin"): 11,
        ("sip", "long"): 13,
        ("accounts", 0): 17,
        ("accounts", 0, "tls", "verify"): 20,
        ("accounts", 1): 21,
        ("accounts", 1, "servers", 0, "host"): 23,
        ("accounts", 1, "proxies", 0): 24,
        ("accounts", 1, "proxies", 1, "address"): 27,
        ("accounts", 1, "proxies", 1, "when"): 28,
        ("deep", "er", "still", "last"): 31,
    }
    assert {path: lines.of(path) for path in expected} == expected


def test_a_missing_key_is_placed_at_the_table_that_lacks_it() -> None:
    assert Lines(TEXT).of(("accounts", 1, "password")) == 21
    assert Lines(TEXT).of(("nowhere",)) is None


def test_windows_line_ends_count_once() -> None:
    assert Lines("a = 1\r\n[t]\r\nb = '''\r\nx'''\r\nc = 2\r\n").of(("t", "c")) == 5


_values = st.recursive(
    st.integers() | st.text(max_size=8) | st.booleans() | st.floats(allow_nan=False) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.builds(dict, table=st.lists(inner, max_size=4)),
    max_leaves=20,
)


def _with_unique_keys(value: Any, numbers: Iterator[int]) -> Any:
    if isinstance(value, dict):
        return {f"key{next(numbers)}_": _with_unique_keys(item, numbers) for item in value["table"]}
    return [_with_unique_keys(item, numbers) for item in value] if isinstance(value, list) else value


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


@given(st.lists(_values, max_size=6))
def test_every_key_of_what_tomlkit_writes_is_on_the_line_that_holds_its_name(values: list[Any]) -> None:
    text = tomlkit.dumps(_with_unique_keys({"table": values}, count()))
    lines = Lines(text)
    rows = text.replace("\r\n", "\n").split("\n")
    for path in _paths(tomllib.loads(text)):
        if isinstance(path[-1], str):
            line = lines.of(path)
            assert line is not None
            assert path[-1] in rows[line - 1]
