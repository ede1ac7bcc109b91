"""Finds the session description in a message: alone, or as a part of a multipart body (RFC 3261 §8.2.3, RFC 5621).

Session descriptions stay opaque bytes here. What is wrong with a body is told as `RemoteError` 415 with the fields that
the answer must carry; a response's body that does not serve is simply none.
"""

from __future__ import annotations

from collections.abc import Iterator

from voipnode.sipstack.errors import ParseError, RemoteError
from voipnode.sipstack.headers import MediaType
from voipnode.sipstack.message import Message
from voipnode.sipstack.params import Params

SDP = "application/sdp"
SDP_TYPES = (SDP, "multipart/mixed", "multipart/alternative")

MAX_PARTS = 32
MAX_DEPTH = 3  # multipart/mixed around multipart/alternative is the deepest that is seen
MAX_PART_HEAD_BYTES = 4096


def find_sdp(message: Message) -> bytes | None:
    """The session description of a request, or None where it has no body (or one that may be ignored).

    Raises RemoteError 415 with Accept, or Accept-Encoding, where a body is there that must be understood and is not;
    400 for a multipart body that its boundary does not divide.
    """
    if not message.body:
        return None
    check_encoding(message)
    media_type = message.content_type
    if media_type is None:
        raise ParseError("body without Content-Type")  # §20.15: MUST be present if the body is not empty
    disposition = message.headers.get("Content-Disposition")
    found = _in_part(media_type, disposition, message.body, MAX_DEPTH)
    if found is None and not _optional(disposition):
        raise unsupported_type(SDP_TYPES)
    return found


def sdp_or_none(message: Message) -> bytes | None:
    """The session description of a response or an ACK, None where there is none that can be read."""
    if not message.body:
        return None
    try:
        return find_sdp(message)
    except RemoteError:
        return None


def check_encoding(message: Message) -> None:
    """RemoteError 415 with Accept-Encoding where the body is compressed: only identity is understood."""
    encoding = message.headers.get("Content-Encoding")
    if encoding and encoding.lower() != "identity" and not _optional(message.headers.get("Content-Disposition")):
        raise RemoteError(415, "Unsupported Media Type", (("Accept-Encoding", "identity"),))


def unsupported_type(accepted: tuple[str, ...]) -> RemoteError:
    """415 that lists what would have been understood (§8.2.3)."""
    return RemoteError(415, "Unsupported Media Type", (("Accept", ", ".join(accepted)),))


def _in_part(media_type: MediaType, disposition: str | None, body: bytes, depth: int) -> bytes | None:
    if media_type.essence == SDP:
        # RFC 3261 §20.11: without the field, SDP describes the session; anything else ("early-session") is not ours.
        return body if _disposition_type(disposition) == "session" else None
    if media_type.type != "multipart":
        return None
    if depth == 0:
        raise ParseError("multipart body is nested too deeply")
    found = None
    for part_type, part_disposition, content in _parts(media_type, body):
        inner = _in_part(part_type, part_disposition, content, depth - 1)
        if inner is not None and found is None:
            found = inner
        # A part that MUST be understood says so. §20.11 would have its absence mean the same, but peers add parts
        # of every kind to multipart/mixed without a word (location, ISUP) and expect the call to go through.
        if inner is None and part_type.type != "multipart" and _required(part_disposition):
            raise unsupported_type(SDP_TYPES)
    return found


def _parts(media_type: MediaType, body: bytes) -> Iterator[tuple[MediaType, str | None, bytes]]:
    """The parts of a multipart body (RFC 2046 §5.1.1); ParseError where there is no boundary, or too many parts."""
    boundary = media_type.params.get("boundary")
    if not boundary or len(boundary) > 70:  # RFC 2046 §5.1.1: 1 to 70 characters
        raise ParseError("multipart body without a boundary")
    delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)
    if len(pieces) < 2:
        raise ParseError("multipart body without its boundary")
    for count, piece in enumerate(pieces[1:]):
        if piece.startswith(b"--"):
            return
        if count == MAX_PARTS:
            raise ParseError("too many body parts")
        yield _part(piece)


def _part(piece: bytes) -> tuple[MediaType, str | None, bytes]:
    # After the delimiter: optional white space, CRLF, header lines, an empty line, content.
    head, _, content = piece.partition(b"\r\n\r\n")
    if len(head) > MAX_PART_HEAD_BYTES:
        raise ParseError("head of a body part is too long")
    fields: dict[str, str] = {}
    text = head.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", " ")
    for line in text.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    media_type = MediaType.parse(fields.get("content-type") or "text/plain")  # RFC 2046 §5.1
    return media_type, fields.get("content-disposition"), content


def _disposition_type(disposition: str | None) -> str:
    return "session" if disposition is None else disposition.partition(";")[0].strip().lower()


def _handling(disposition: str | None) -> str | None:
    if disposition is None or ";" not in disposition:
        return None
    _, semicolon, params = disposition.partition(";")
    return (Params.parse(semicolon + params).get("handling") or "").lower()


def _optional(disposition: str | None) -> bool:
    return _handling(disposition) == "optional"


def _required(disposition: str | None) -> bool:
    return _handling(disposition) == "required"
