"""The words that SIP header fields are made of (RFC 3261 §25.1): tokens, quoted strings, white space, lists.

Every pattern here is linear in its input: repetitions are possessive, so hostile text cannot make one backtrack.
"""

from __future__ import annotations

import re

from voipnode.sipstack.errors import LocalError, ParseError

TOKEN_CHARS = r"A-Za-z0-9\-.!%*_+`'~"  # noqa: S105 -- the token of a grammar, not a secret
TOKEN = re.compile(rf"[{TOKEN_CHARS}]++")
QUOTED = r'"(?:[^"\\]++|\\.)*+"'

MAX_PARAMS = 64  # of one value, and
MAX_VALUES = 256  # of one comma-separated list: far above any real message, bounded for hostile ones

_QUOTED_STRING = re.compile(QUOTED, re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_FOLD = re.compile(r"[ \t]*+\r\n[ \t]++")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")  # C1 too: a terminal obeys U+009B as it does ESC [
_FORBIDDEN = re.compile(r"[\r\n\x00]")
# A list is cut at commas that stand outside quoted strings and outside <...> (RFC 3261 §7.3.1, §20.10).
_LIST_PIECE = re.compile(rf'(?:[^",<]++|{QUOTED}|<[^>]*+>)*+', re.DOTALL)

# A parameter is a token with a token, host or quoted-string (RFC 3261 §25.1); URI parameters add []/:&+$ to both
# (paramchar). Read wider than that: everything that cannot be taken for a separator, an empty value too.
PARAM_CHARS = rf"{TOKEN_CHARS}\[\]/:&$"
TIGHT_PARAMS = re.compile(rf'(?:;[{PARAM_CHARS}]++(?:=[^\x00-\x20\x7f;,"<>?]*+)?){{1,{MAX_PARAMS}}}+')
_LOOSE_PARAM = re.compile(
    rf'[ \t]*+;[ \t]*+([{PARAM_CHARS}]++)[ \t]*+(?:=[ \t]*+({QUOTED}|[^\x00-\x20\x7f;,"<>]*+))?[ \t]*+', re.DOTALL
)


def is_token(text: str) -> bool:
    """True where `text` is a token (RFC 3261 §25.1): method names, tags, header names are."""
    return TOKEN.fullmatch(text) is not None


def quote(text: str) -> str:
    """`text` as a quoted-string, quotation marks and backslashes escaped (RFC 3261 §25.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_quoted(text: str) -> bool:
    """True where `text` is one complete quoted-string."""
    return _QUOTED_STRING.fullmatch(text) is not None


def unquote(text: str) -> str:
    """The content of a quoted-string with its escapes undone; any other text as it is."""
    if len(text) < 2 or text[0] != '"':
        return text
    inner = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def printable(text: str) -> str:
    """`text` with control characters replaced by U+FFFD.

    A quoted-pair may hide any of them, NUL too (RFC 3261 §25.1); a value that was read must still be fit to write
    into another message, or a log.
    """
    return _CONTROL.sub("\ufffd", text)


def unfold(value: str) -> str:
    """A field value with each line folding replaced by one space (RFC 3261 §7.3.1) and the ends stripped."""
    return (_FOLD.sub(" ", value) if "\r\n" in value else value).strip(" \t")


def split_commas(value: str) -> list[str]:
    """The values of a comma-separated list, stripped; empty ones are left out.

    Commas in quoted strings and in <...> do not separate. Raises ParseError where a quotation mark or an angle
    bracket has no partner, or for more than MAX_VALUES values.
    """
    if "," not in value:
        stripped = value.strip(" \t")
        return [stripped] if stripped else []
    if '"' not in value and "<" not in value:
        pieces = [piece for piece in [piece.strip(" \t") for piece in value.split(",")] if piece]
        if len(pieces) > MAX_VALUES:
            raise ParseError(f"more than {MAX_VALUES} values in one list")
        return pieces
    return _split_guarded_commas(value)


def _split_guarded_commas(value: str) -> list[str]:
    pieces: list[str] = []
    start, end = 0, len(value)
    while start <= end:
        stop = _LIST_PIECE.match(value, start).end()  # type: ignore[union-attr]  # the pattern matches the empty string
        if stop < end and value[stop] != ",":
            raise ParseError("a quotation mark or angle bracket is not closed")
        piece = value[start:stop].strip(" \t")
        if piece:
            pieces.append(piece)
            if len(pieces) > MAX_VALUES:
                raise ParseError(f"more than {MAX_VALUES} values in one list")
        start = stop + 1
    return pieces


def parse_number(text: str, maximum: int, what: str) -> int:
    """`text` as a decimal number of at most `maximum`; raises ParseError, naming `what`, for anything else."""
    if not (text.isascii() and text.isdigit()) or len(text) > 32:
        raise ParseError(f"{what} is not a number in range")
    number = int(text)
    if number > maximum:
        raise ParseError(f"{what} is above {maximum}")
    return number


def check_writable(text: str, what: str) -> str:
    """`text` itself if it may be written into a message head.

    Raises LocalError for CR, LF or NUL, which would end the field and let its author write the next one, and for
    text that has no UTF-8 form.
    """
    if _FORBIDDEN.search(text):
        raise LocalError(f"{what} holds CR, LF or NUL")
    if not text.isascii():
        try:
            text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise LocalError(f"{what} cannot be written as UTF-8") from error
    return text


def split_params(text: str) -> list[tuple[str, str | None]]:
    """`;name=value;flag` text as (name, value as written) pairs; None for a flag.

    White space is allowed around `;` and `=`. Raises ParseError for a nameless parameter, for stray characters and for
    more than MAX_PARAMS.
    """
    if TIGHT_PARAMS.fullmatch(text):
        pieces = [piece.partition("=") for piece in text[1:].split(";")]
        return [(name, value if equals else None) for name, equals, value in pieces]
    pairs: list[tuple[str, str | None]] = []
    at = 0
    while at < len(text):
        match = _LOOSE_PARAM.match(text, at)
        if match is None or len(pairs) == MAX_PARAMS:
            raise ParseError("malformed parameters, or too many")
        value = match[2]
        pairs.append((match[1], value if value is None else printable(value)))
        at = match.end()
    return pairs


def parse_params(text: str) -> dict[str, str | None]:
    """The parameters of `;name=value;flag` text by lower-case name, quotes undone; None for a flag.

    Of several of one name the first counts, as in `Params`. Raises ParseError as `split_params` does.
    """
    params: dict[str, str | None] = {}
    for name, value in split_params(text):
        params.setdefault(name.lower(), None if value is None else unquote(value))
    return params
