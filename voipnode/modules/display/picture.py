"""Looks at image files of strangers before they are kept: which kind, how large, whole or not.

How large an image says it is, is read from its first bytes before anything is decoded: a file of a few kilobytes can
unfold to gigabytes. Each scan of a progressive JPEG costs as much as the whole image, so they are counted, too.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

from voipnode.calls.errors import CallError

MAX_BYTES = 5_000_000
MAX_SIDE = 2048
MAX_SCANS = 100
FORMATS = {"png": "png_pipe", "jpg": "jpeg_pipe"}  # as FFmpeg calls them: it is told to take a file for nothing else
# ITU-T T.81 table B.1: those that begin a frame and say its size; not the tables DHT (C4), JPG (C8) and DAC (CC)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


class PictureError(CallError):
    """A file that is no image for the display; the message says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """`suffix`: "png" or "jpg"; sides in pixels."""

    suffix: str
    width: int
    height: int


def check_picture(content: bytes) -> Picture:
    """What an image is. At most 5 MB and 2048x2048 pixels, png or jpeg. Blocks. Raises PictureError."""
    if len(content) > MAX_BYTES:
        raise PictureError(f"it has {len(content)} bytes; at most {MAX_BYTES} are right")
    picture = _png(content) if content[:8] == b"\x89PNG\r\n\x1a\n" else _jpeg(content)
    if not (1 <= picture.width <= MAX_SIDE and 1 <= picture.height <= MAX_SIDE):
        words = f"it has {picture.width}x{picture.height} pixels; at most {MAX_SIDE}x{MAX_SIDE} are right"
        raise PictureError(f"{words}, and 480x800 fill the display")
    _decode(content, picture)
    return picture


def _png(content: bytes) -> Picture:
    """By its first chunk (RFC 2083 §4.1.1)."""
    if len(content) < 24 or content[12:16] != b"IHDR":
        raise PictureError("it begins like a png, and is none")
    return Picture("png", int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big"))


def _jpeg(content: bytes) -> Picture:
    """By its frame header, over the segments before it (ITU-T T.81 §B.2.2)."""
    if content[:3] != b"\xff\xd8\xff":
        raise PictureError("it is neither png nor jpeg")
    if content.count(b"\xff\xda") > MAX_SCANS:
        raise PictureError(f"it has more than {MAX_SCANS} scans; images have a dozen at most")
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[at + k : at + k + 2], "big") for k in (5, 7))
            return Picture("jpg", width, height)
        if marker == 0xFF:  # a fill byte
            at += 1
        elif length < 2:
            break
        else:
            at += 2 + length
    raise PictureError("it begins like a jpeg, and is none")


def _decode(content: bytes, picture: Picture) -> None:
    import av  # only here: it is dear at the start of a node that is never given an image

    try:
        with av.open(io.BytesIO(content), "r", format=FORMATS[picture.suffix], metadata_errors="replace") as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, ValueError, OverflowError, MemoryError, StopIteration, IndexError) as error:
        words = str(error) or "there is no image in it"
        raise PictureError(f"it cannot be read as {picture.suffix}: {words}") from None
    if (frame.width, frame.height) != (picture.width, picture.height):
        words = f"it says that it has {picture.width}x{picture.height} pixels, and has {frame.width}x{frame.height}"
        raise PictureError(words)
