"""Finds the line on which each key of a TOML text stands, which no TOML reader for Python tells.

The text was accepted by a real parser before; so this one only follows the structure of TOML 1.0 (tables, arrays of
tables, dotted keys, inline tables, the four kinds of strings) and looks at no value.
"""

from __future__ import annotations

import json
import re

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\n#]*")
# Longest first: three quotes are also an empty string and a quote. A closing run may hold two quotes of the content.
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"""(?:""?(?!"))?', re.DOTALL),
    re.compile(r"'''.*?'''(?:''?(?!'))?", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


class Lines:
    """Key path -> line number, counted from 1, of one TOML text that a parser has accepted."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._counted_to = 0
        self._line = 1
        self._lines: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}  # arrays of tables: index of the last one opened
        self._document()

    def of(self, path: Path) -> int | None:
        """The line of `path`, or of the nearest table around it; None where the text has neither."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return None

    def _document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        line = self._line_here()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        *parents, last = self._dotted_key()
        self._at += 2 if is_array else 1
        path: Path = ()
        for part in parents:
            path = self._entered((*path, part), line)
        path = (*path, last)
        if not is_array:
            return self._entered(path, line)
        self._lines.setdefault(path, line)
        self._arrays[path] = self._arrays.get(path, -1) + 1
        path = (*path, self._arrays[path])
        self._lines[path] = line
        return path

    def _entered(self, path: Path, line: int) -> Path:
        """The table `path` names here: of an array of tables it is the last one so far (TOML 1.0, Array of Tables)."""
        self._lines.setdefault(path, line)
        return (*path, self._arrays[path]) if path in self._arrays else path

    def _pair(self, table: Path) -> None:
        line = self._line_here()
        path = table
        for part in self._dotted_key():
            path = (*path, part)
            self._lines.setdefault(path, line)
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._value(path)

    def _dotted_key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            parts.append(self._key())
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _key(self) -> str:
        quote = self._text[self._at]
        if quote not in "\"'":
            return self._skip(_BARE_KEY)
        quoted = self._skip(_STRINGS[2 if quote == '"' else 3])
        if quote == "'":
            return quoted[1:-1]
        try:
            return str(json.loads(quoted))
        except ValueError:  # TOML's \U00000000 and \e are not JSON's
            return quoted[1:-1]

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        opening = self._text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif opening in "\"'":
            for pattern in _STRINGS:
                if self._skip(pattern):
                    return
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._lines[(*path, index)] = self._line_here()
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found.group()

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
