"""Every header field of RFC 3261 §20 as a typed value, for whoever asks; what the stack itself needs is in `headers`.

`read_field(headers, "Retry-After")` gives the value of a field that stands alone, or a list where the grammar has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from voipnode.sipstack.errors import ParseError
from voipnode.sipstack.grammar import QUOTED, TOKEN_CHARS, is_token, parse_number, printable, split_commas, unquote
from voipnode.sipstack.header_block import Headers
from voipnode.sipstack.header_names import field_key
from voipnode.sipstack.headers import CSeq, MediaType, NameAddr, Via
from voipnode.sipstack.params import EMPTY, Params

MAX_DELTA_SECONDS = 2**32 - 1

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = re.compile(r"([A-Z][a-z]{2}), (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_AUTH = re.compile(rf"([{TOKEN_CHARS}]++)(?:[ \t]++(.*+))?", re.DOTALL)
_AUTH_PARAM = re.compile(rf"([{TOKEN_CHARS}]++)[ \t]*+=[ \t]*+({QUOTED}|[^\x00-\x20\x7f\",]*+)", re.DOTALL)
_RETRY_AFTER = re.compile(r"([0-9]++)[ \t]*+(?:\(((?:[^()\\]++|\\.)*+)\))?[ \t]*+(;.*+)?", re.DOTALL)
_TIMESTAMP = re.compile(r"([0-9]{1,32}+(?:\.[0-9]{0,32}+)?)(?:[ \t]++([0-9]{0,32}+(?:\.[0-9]{0,32}+)?))?")
_WARNING = re.compile(rf"([0-9]{{3}}) ([^\x00-\x20\x7f\",]++) ({QUOTED})", re.DOTALL)
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Item:
    """A token with parameters: Content-Disposition, Accept-Encoding, Accept-Language (RFC 3261 §20.2, §20.11)."""

    value: str
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> Item:
        """Raises ParseError for anything but `token;parameters`."""
        value, semicolon, params = text.partition(";")
        return cls(parse_token(value.strip(" \t")), Params.parse(semicolon + params))

    def __str__(self) -> str:
        return f"{self.value}{self.params}"


@dataclass(frozen=True, slots=True)
class Auth:
    """A scheme and its comma-separated parameters: any challenge, any credentials (RFC 3261 §20.7, §20.44).

    For Digest see `challenge` and `digest`. `scheme` is as written; compare it in lower case.
    """

    scheme: str
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> Auth:
        """Raises ParseError for text that is no `scheme name=value, ...`."""
        match = _AUTH.fullmatch(text)
        if match is None:
            raise ParseError("malformed challenge or credentials")
        return cls(match[1], parse_auth_params(match[2] or ""))

    def __str__(self) -> str:
        return f"{self.scheme} {', '.join([f'{name}={self.params.raw(name)}' for name in self.params])}"


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Retry-After (RFC 3261 §20.33): seconds, an optional comment, parameters such as duration."""

    seconds: int
    comment: str | None = None
    params: Params = EMPTY

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        """Raises ParseError; a number beyond 32 bits counts as the largest."""
        match = _RETRY_AFTER.fullmatch(text)
        if match is None:
            raise ParseError("malformed Retry-After")
        comment = None if match[2] is None else printable(match[2])
        return cls(parse_delta_seconds(match[1]), comment, Params.parse(match[3] or ""))


class Timestamp(NamedTuple):
    """Timestamp (RFC 3261 §20.38), as text: a response repeats it as it came; `delay` "" where there is none."""

    time: str
    delay: str = ""

    @classmethod
    def parse(cls, text: str) -> Timestamp:
        """Raises ParseError for anything but one or two decimal numbers."""
        match = _TIMESTAMP.fullmatch(text)
        if match is None:
            raise ParseError("malformed Timestamp")
        return cls(match[1], match[2] or "")


class WarningValue(NamedTuple):
    """One Warning value (RFC 3261 §20.43), its text without quotes."""

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> WarningValue:
        """Raises ParseError for anything but `code agent "text"`."""
        match = _WARNING.fullmatch(text)
        if match is None:
            raise ParseError("malformed Warning")
        return cls(int(match[1]), match[2], printable(unquote(match[3])))


def parse_date(text: str) -> datetime:
    """A Date value (RFC 3261 §20.17); ParseError for other zones than GMT (RFC 4475 §3.1.2.12) and impossible dates."""
    match = _DATE.fullmatch(text)
    if match is None or match[1] not in _DAYS or match[3] not in _MONTHS:
        raise ParseError("malformed Date")
    day, year, hour, minute, second = (int(match[group]) for group in (2, 4, 5, 6, 7))
    try:
        return datetime(year, _MONTHS.index(match[3]) + 1, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ParseError("impossible Date") from error


def format_date(moment: datetime) -> str:
    """A Date value for an aware `moment`, in English whatever the locale (RFC 3261 §20.17)."""
    utc = moment.astimezone(UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04} {utc:%H:%M:%S} GMT"


def parse_delta_seconds(text: str) -> int:
    """Seconds; a number beyond 32 bits counts as the largest (RFC 3261 §20.19). ParseError for no number."""
    if len(text) > 10 and text.isascii() and text.isdigit():
        return MAX_DELTA_SECONDS
    return min(parse_number(text, 10**10, "a number of seconds"), MAX_DELTA_SECONDS)


def parse_auth_params(text: str) -> Params:
    """The comma-separated parameters of Authentication-Info, challenges and credentials; ParseError where malformed."""
    pieces = []
    for piece in split_commas(text):
        match = _AUTH_PARAM.fullmatch(piece)
        if match is None:
            raise ParseError("malformed authentication parameter")
        pieces.append(f";{match[1]}={match[2]}")
    return Params.parse("".join(pieces))


def parse_token(text: str) -> str:
    """`text` where it is a token, else ParseError."""
    if not is_token(text):
        raise ParseError("not a token")
    return text


def parse_call_id(text: str) -> str:
    """A Call-ID: compared byte for byte (RFC 3261 §20.8). ParseError where it is empty or holds white space."""
    if not text or " " in text or "\t" in text:
        raise ParseError("malformed Call-ID")
    return text


class _Kind(NamedTuple):
    parse: Callable[[str], Any]
    many: bool = False  # comma-separated values
    lines: bool = False  # one value in each field line, commas and all


def _mime_version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise ParseError("malformed MIME-Version")
    return text


_FIELDS: Final[dict[str, _Kind]] = {
    **dict.fromkeys(("from", "to", "reply-to"), _Kind(NameAddr.parse)),
    **dict.fromkeys(
        ("contact", "route", "record-route", "alert-info", "call-info", "error-info"), _Kind(NameAddr.parse, many=True)
    ),
    **dict.fromkeys(
        ("allow", "content-encoding", "content-language", "proxy-require", "require", "supported", "unsupported"),
        _Kind(parse_token, many=True),
    ),
    **dict.fromkeys(("accept-encoding", "accept-language"), _Kind(Item.parse, many=True)),
    **dict.fromkeys(("expires", "min-expires"), _Kind(parse_delta_seconds)),
    **dict.fromkeys(
        ("authorization", "proxy-authorization", "proxy-authenticate", "www-authenticate"),
        _Kind(Auth.parse, lines=True),
    ),
    **dict.fromkeys(("organization", "server", "subject", "user-agent"), _Kind(printable)),
    "accept": _Kind(MediaType.parse, many=True),
    "authentication-info": _Kind(parse_auth_params),
    "call-id": _Kind(parse_call_id),
    "content-disposition": _Kind(Item.parse),
    "content-length": _Kind(lambda text: parse_number(text, MAX_DELTA_SECONDS, "Content-Length")),
    "content-type": _Kind(MediaType.parse),
    "cseq": _Kind(CSeq.parse),
    "date": _Kind(parse_date),
    "in-reply-to": _Kind(parse_call_id, many=True),
    "max-forwards": _Kind(lambda text: parse_number(text, 255, "Max-Forwards")),
    "mime-version": _Kind(_mime_version),
    "priority": _Kind(parse_token),
    "retry-after": _Kind(RetryAfter.parse),
    "timestamp": _Kind(Timestamp.parse),
    "via": _Kind(Via.parse, many=True),
    "warning": _Kind(WarningValue.parse, many=True),
}


def read_field(headers: Headers, name: str) -> Any:
    """The typed value of a field: a list where the grammar has one, else one value or None; text for unknown names.

    `Contact: *` reads as "*". Raises ParseError where the field is malformed.
    """
    key = field_key(name)
    kind = _FIELDS.get(key)
    if kind is None:
        return headers.get(name)
    if key == "contact" and headers.get_all(name) == ["*"]:
        return "*"
    if kind.many or kind.lines:
        return [kind.parse(value) for value in (headers.values(name) if kind.many else headers.get_all(name))]
    value = headers.first(key)
    return None if value is None else kind.parse(value)
