"""SIP messages: a start line, header fields and a body (RFC 3261 §7), read lazily and written back as they came.

Parsing cuts a message into lines and finds the body, no more; a field is understood when it is first asked for,
and what was not changed is sent on byte for byte. Text is UTF-8; bytes that are not survive as surrogates.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from voipnode.sipstack.errors import LocalError, ParseError
from voipnode.sipstack.fields import parse_call_id, parse_delta_seconds
from voipnode.sipstack.grammar import TOKEN, check_writable, is_token, parse_number, split_commas
from voipnode.sipstack.header_block import MAX_HEADER_FIELDS, EmptyLineError, Headers, cut_head
from voipnode.sipstack.headers import METHODS, CSeq, MediaType, NameAddr, Via
from voipnode.sipstack.memo import Memo
from voipnode.sipstack.reasons import reason_phrase
from voipnode.sipstack.uri import Uri, parse_uri

__all__ = [
    "MAX_HEADER_FIELDS",
    "MAX_MESSAGE_BYTES",
    "Headers",
    "Message",
    "Request",
    "Response",
    "parse_message",
    "reason_phrase",
    "respond",
]

MAX_MESSAGE_BYTES = 65535
MAX_CONTENT_LENGTH = 2**32 - 1

_MEDIA_TYPES = Memo(MediaType.parse)
_CONTENT_LENGTHS = Memo(lambda text: parse_number(text, MAX_CONTENT_LENGTH, "Content-Length"))
_MAX_FORWARDS = Memo(lambda text: parse_number(text, 255, "Max-Forwards"))
_ADDRESS_LISTS = Memo(lambda text: tuple([NameAddr.parse(value) for value in split_commas(text)]))
_new = object.__new__  # the parser fills the slots itself
_VERSION = re.compile(r"SIP/[0-9]{1,9}+\.[0-9]{1,9}+", re.IGNORECASE)
_URI_FORBIDDEN = re.compile(r"[\x00-\x20\x7f]")


class Message:
    """What requests and responses share: `headers`, `body`, and the fields that the stack reads as typed values.

    A typed accessor raises ParseError where its field is malformed or a mandatory one is missing.
    """

    __slots__ = ("_body", "_changed", "_raw", "headers", "version")

    headers: Headers
    version: str

    def __init__(self, headers: Headers | Iterable[tuple[str, str]] | None = None, body: bytes = b"") -> None:
        self.headers = headers if isinstance(headers, Headers) else Headers(headers or ())
        self.version = "SIP/2.0"
        self._body = body
        self._raw: bytes | None = None
        self._changed = True

    @property
    def body(self) -> bytes:
        """The body, as cut by Content-Length; setting it has Content-Length follow in `to_bytes`."""
        return self._body

    @body.setter
    def body(self, body: bytes) -> None:
        self._body = body
        self._changed = True

    @property
    def via(self) -> Via:
        """The top Via value."""
        cache = self.headers.cache
        via: Via | None = cache.get("via")
        if via is None:
            value = self.headers.first("via")
            if value is None:
                raise self._missing("via")
            if "," in value:
                value = self.headers.values("via")[0] if value.strip(", \t") else ""
            via = cache["via"] = Via.parse(value)
        return via

    @property
    def vias(self) -> list[Via]:
        """All Via values, the top one first."""
        cache = self.headers.cache
        vias: list[Via] | None = cache.get("vias")
        if vias is None:
            vias = cache["vias"] = [Via.parse(text) for text in self.headers.values("via")]
        return vias.copy()

    @property
    def from_(self) -> NameAddr:
        return self._address("from")

    @property
    def to(self) -> NameAddr:
        return self._address("to")

    @property
    def from_tag(self) -> str | None:
        """The tag of From, found without reading the address where it stands at the end."""
        return self._tag("from")

    @property
    def to_tag(self) -> str | None:
        """The tag of To, found without reading the address where it stands at the end."""
        return self._tag("to")

    @property
    def call_id(self) -> str:
        value = self.headers.first("call-id")
        if value is None:
            raise self._missing("call-id")
        return parse_call_id(value)

    @property
    def cseq(self) -> CSeq:
        cache = self.headers.cache
        cseq: CSeq | None = cache.get("cseq")
        if cseq is None:
            value = self.headers.first("cseq")
            if value is None:
                raise self._missing("cseq")
            cseq = cache["cseq"] = CSeq.parse(value)
        return cseq

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values; none for `Contact: *`."""
        return [] if self.contact_star else self._addresses("contact")

    @property
    def contact_star(self) -> bool:
        """True where Contact is `*` (RFC 3261 §10.2.2)."""
        return self.headers.first("contact") == "*" and self.headers.count("contact") == 1

    @property
    def routes(self) -> list[NameAddr]:
        return self._addresses("route")

    @property
    def record_routes(self) -> list[NameAddr]:
        return self._addresses("record-route")

    @property
    def max_forwards(self) -> int | None:
        """0 to 255 (RFC 3261 §20.22)."""
        value = self.headers.first("max-forwards")
        return None if value is None else _MAX_FORWARDS[value]

    @property
    def expires(self) -> int | None:
        """Seconds; a number beyond 32 bits counts as the largest (RFC 3261 §20.19)."""
        value = self.headers.first("expires")
        return None if value is None else parse_delta_seconds(value)

    @property
    def content_type(self) -> MediaType | None:
        value = self.headers.first("content-type")
        return None if value is None else _MEDIA_TYPES[value]

    @property
    def content_length(self) -> int | None:
        """What the Content-Length field says, in bytes; None where there is none."""
        value = self.headers.first("content-length")
        return None if value is None else _CONTENT_LENGTHS[value]

    @property
    def require(self) -> list[str]:
        """The option tags of Require, as written; compare them without regard to case."""
        return self.headers.values("require")

    @property
    def supported(self) -> list[str]:
        """The option tags of Supported, as written."""
        return self.headers.values("supported")

    @property
    def allow(self) -> list[str]:
        """The methods of Allow."""
        return self.headers.values("allow")

    @property
    def accept(self) -> list[str]:
        """The media ranges of Accept, parameters included; see `MediaType.parse`."""
        return self.headers.values("accept")

    def set_received(self, body: bytes, raw: bytes) -> None:
        """For the parsers: the body that was cut, and the bytes that `to_bytes` gives back while nothing changes."""
        self._body = body
        self._raw = raw

    def start_line(self) -> str:
        raise LocalError("a message is a Request or a Response")

    def to_bytes(self) -> bytes:
        """The message on the wire; Content-Length is set right in it and in `headers`, unless nothing was changed."""
        if self._raw is not None and not self._changed and not self.headers.changed:
            return self._raw
        length = str(len(self._body))
        if self.headers.first("content-length") != length or self.headers.count("content-length") != 1:
            self.headers.set("Content-Length", length)
        head = "\r\n".join([self.start_line(), *self.headers.raw_lines(), "", ""])
        return head.encode("utf-8", "surrogateescape") + self._body

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.start_line()!r}, {len(self.headers)} fields, {len(self._body)} body bytes>"
        )

    def _missing(self, key: str) -> ParseError:
        return ParseError(f"no {key.title()}", partial=self)

    def _tag(self, key: str) -> str | None:
        address: NameAddr | None = self.headers.cache.get(key)
        if address is not None:
            return address.tag
        value = self.headers.first(key)
        if value is None:
            return None
        before, _, tag = value.rpartition(";tag=")
        # A token that ends the value and follows ";tag=" can be in neither <...> nor a closed quoted string. It is the
        # first of its name where it follows the address at once, or where "tag" stands nowhere before it.
        if (
            before
            and (before[-1] == ">" or "tag" not in before.lower())
            and ((tag.isalnum() and tag.isascii()) or TOKEN.fullmatch(tag))
        ):
            return tag
        return self._address(key).tag if "tag" in value.lower() else None

    def _address(self, key: str) -> NameAddr:
        cache = self.headers.cache
        address: NameAddr | None = cache.get(key)
        if address is None:
            value = self.headers.first(key)
            if value is None:
                raise self._missing(key)
            address = cache[key] = NameAddr.parse(value)
        return address

    def _addresses(self, key: str) -> list[NameAddr]:
        """All addresses of the lines of this name. A line comes again from call to call: proxies, Contacts."""
        headers = self.headers
        addresses: tuple[NameAddr, ...] | None = headers.cache.get(key)
        if addresses is None:
            line = headers.only(key)
            if line is not None:
                addresses = _ADDRESS_LISTS[line]
            else:
                addresses = tuple([address for line in headers.lines(key) for address in _ADDRESS_LISTS[line]])
            headers.cache[key] = addresses
        return list(addresses)


class Request(Message):
    """A SIP request. `uri` is read when first asked for; `uri_text` is how it stands in the request line."""

    __slots__ = ("_uri", "method", "uri_text")

    def __init__(
        self,
        method: str,
        uri: Uri | str,
        headers: Headers | Iterable[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> None:
        """Raises LocalError for a method that is no token, a URI with white space, or fields that cannot be written."""
        super().__init__(headers, body)
        if not is_token(method):
            raise LocalError(f"{method!r} is no method")
        self.method = method
        self._uri: Uri | None = None
        self.uri = uri

    @property
    def uri(self) -> Uri:
        """The Request-URI; ParseError where a received one is malformed."""
        if self._uri is None:
            self._uri = parse_uri(self.uri_text)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri | str) -> None:
        text = check_writable(str(uri), "Request-URI")
        if not text or _URI_FORBIDDEN.search(text):
            raise LocalError("a Request-URI holds no white space")
        self.uri_text = text
        self._uri = None if isinstance(uri, str) else uri
        self._changed = True

    def start_line(self) -> str:
        return f"{self.method} {self.uri_text} {self.version}"

    def copy(self) -> Request:
        """An independent copy."""
        return Request(self.method, self.uri_text, self.headers.copy(), self._body)


class Response(Message):
    """A SIP response: `status` 100 to 699, `reason` any text on one line, empty too."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: Headers | Iterable[tuple[str, str]] | None = None,
        body: bytes = b"",
    ) -> None:
        """`reason` None takes the registered phrase. Raises LocalError for a status or text that cannot be written."""
        super().__init__(headers, body)
        if not 100 <= status <= 699:
            raise LocalError(f"{status} is no status code")
        self.status = status
        self.reason = reason_phrase(status) if reason is None else check_writable(reason, "reason phrase")

    def start_line(self) -> str:
        return f"{self.version} {self.status} {self.reason}"

    def copy(self) -> Response:
        """An independent copy."""
        return Response(self.status, self.reason, self.headers.copy(), self._body)


def parse_message(data: bytes, *, stream: bool = False) -> Request | Response:
    """One message: start line and header lines are cut, the body by Content-Length, nothing else is looked into.

    In a datagram bytes beyond Content-Length are dropped, and without it the body is all there is (RFC 3261 §18.3);
    in a stream the field is mandatory (§20.14). CRLF before the start line is skipped (§7.5).
    Raises ParseError, with `partial` where an answer can be addressed: status 400, or 513 above MAX_MESSAGE_BYTES.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise ParseError("message too large", status=513)
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
    # The last empty line of a SIP message is mostly its first, and found sooner; `cut_head` knows when it is not.
    head, empty_line, body = data.rpartition(b"\r\n\r\n")
    if not empty_line:
        raise ParseError("no empty line after the header", partial=_partial_head(data))
    try:
        start_line, headers = cut_head(head.decode("utf-8", "surrogateescape"))
    except EmptyLineError:
        head, _, body = data.partition(b"\r\n\r\n")
        start_line, headers = cut_head(head.decode("utf-8", "surrogateescape"))
    message = _read_start_line(start_line, headers, body, data)
    try:
        length = read_content_length(headers, required=stream)
    except ParseError as error:
        raise ParseError(error.reason, partial=message) from error
    if length is not None and length != len(body):
        if length > len(body):
            message._changed = True
            raise ParseError("body shorter than Content-Length", partial=message)
        message.set_received(body[:length], data[: length - len(body)])
    return message


def parse_head(head: bytes) -> Request | Response:
    """What stands before the empty line, as a message without a body.

    Raises ParseError for CR or LF alone and for more than MAX_HEADER_FIELDS lines, and, with `partial`, for a
    malformed request line. A malformed field line is found by `Headers.check`.
    """
    start_line, headers = cut_head(head.decode("utf-8", "surrogateescape"))
    return _read_start_line(start_line, headers, b"", None)


def read_content_length(headers: Headers, *, required: bool) -> int | None:
    """Content-Length in bytes, None where it is absent and not required.

    Raises ParseError where it is no number (RFC 4475 §3.1.2.3), and, where required, when it is missing or there twice
    (§3.3.9): the next message of a stream begins where this one ends. For a datagram `validate` sees to that.
    """
    value = headers.first("content-length")
    if value is None:
        if required:
            raise ParseError("no Content-Length in a stream")
        return None
    if required and headers.count("content-length") > 1:
        raise ParseError("more than one Content-Length")
    return _CONTENT_LENGTHS[value]


def respond(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """The response to `request`, with its Via, From, To, Call-ID and CSeq byte for byte (RFC 3261 §8.2.6.2).

    `to_tag` is added where To has no tag yet and status is not 100; Timestamp is copied into a 100 (§8.2.6.1).
    Works with a malformed request too, so that its 400 can be sent. LocalError for values that cannot be written.
    """
    response = Response(status, reason, None, body)
    fields = response.headers
    fields.copy_fields(request.headers, "via", "from", "to", "call-id", "cseq")
    if status == 100:
        fields.copy_fields(request.headers, "timestamp")
    elif to_tag is not None and "to" in fields and not _has_to_tag(request):
        if not is_token(to_tag):
            raise LocalError("a tag is a token")
        fields.append_to_first("to", f";tag={to_tag}")
    for name, value in headers:
        fields.add(name, value)
    if content_type is not None:
        fields.add("Content-Type", content_type)
    fields.add("Content-Length", str(len(body)))
    return response


def _has_to_tag(request: Request) -> bool:
    try:
        return request.to_tag is not None
    except ParseError:
        return ";tag=" in (request.headers.first("to") or "").lower()


def _read_start_line(line: str, headers: Headers, body: bytes, raw: bytes | None) -> Request | Response:
    method, _, rest = line.partition(" ")
    if method not in METHODS and not is_token(method):  # a version holds a slash, a method cannot
        return _read_status_line(line, headers, body, raw)
    uri_text, _, version = rest.partition(" ")
    request = _new(Request)
    request.headers = headers
    request.version = version
    request.method = method
    request.uri_text = uri_text
    request._uri = None
    request._body = body
    request._raw = raw
    request._changed = False
    # The grammar wants single spaces and no others (RFC 3261 §7.1); RFC 4475 §3.1.2.8 to §3.1.2.10 want a 400.
    if version != "SIP/2.0" and not _VERSION.fullmatch(version):
        raise ParseError("malformed request line", partial=request)
    return request


def _read_status_line(line: str, headers: Headers, body: bytes, raw: bytes | None) -> Response:
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    # Three digits and no more (RFC 4475 §3.1.2.19); a missing reason phrase may lack its space, too.
    if not (len(code) == 3 and code.isascii() and code.isdigit() and "1" <= code[0] <= "6"):
        raise ParseError("malformed status line")
    if version != "SIP/2.0" and not _VERSION.fullmatch(version):
        raise ParseError("malformed status line")
    response = _new(Response)
    response.headers = headers
    response.version = version
    response.status = int(code)
    response.reason = reason
    response._body = body
    response._raw = raw
    response._changed = False
    return response


def _partial_head(data: bytes) -> Message | None:
    try:
        return parse_head(data.rstrip(b"\r\n"))
    except ParseError as error:
        return error.partial
