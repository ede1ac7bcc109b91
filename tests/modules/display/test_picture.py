"""Images of strangers: what they say and what they are, before one is kept."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest

from tests.support.image_files import image_file
from voipnode.modules.display.picture import MAX_BYTES, PictureError, check_picture


def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_png_and_a_jpeg_are_known_by_what_is_in_them(kind: str) -> None:
    picture = check_picture(image_file(kind))
    assert (picture.suffix, picture.width, picture.height) == (kind, 48, 80)


def test_the_largest_that_is_right() -> None:
    assert check_picture(image_file("png", 2048, 2048)).width == 2048


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither png nor jpeg"),
        (b"GIF89a" + bytes(50), "neither png nor jpeg"),
        (b"<svg/>", "neither png nor jpeg"),
        (bytes(MAX_BYTES + 1), "at most 5000000 are right"),
        (png_of(2049, 10), "2049x10 pixels; at most 2048x2048"),
        (png_of(10, 2049), "10x2049 pixels; at most 2048x2048"),
        (png_of(60_000, 60_000), "60000x60000 pixels"),
        (png_of(0, 0), "0x0 pixels"),
        (png_of(100, 100), "cannot be read as png"),
        (b"\x89PNG\r\n\x1a\n", "is none"),
        (b"\xff\xd8\xff\xe0\x00\x02", "is none"),
        (b"\xff\xd8\xff\xe0\x00\x00" + bytes(20), "is none"),
        (b"\xff\xd8\xff\xff" + b"\xff" * 40, "is none"),
        (image_file("jpg")[:200], "is none|cannot be read"),
        (image_file("jpg") + b"\xff\xda" * 101, "more than 100 scans"),
        (image_file("png")[:40], "cannot be read as png"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        check_picture(content)


def test_a_small_file_that_would_unfold_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = png_of(60_000, 60_000, bytes(3_000_000))
    assert len(bomb) < 10_000
    monkeypatch.delattr("av.open")
    with pytest.raises(PictureError, match="60000x60000"):
        check_picture(bomb)
    with pytest.raises(AttributeError, match="open"):
        check_picture(image_file("png"))


def test_damaged_files_raise_nothing_else() -> None:
    for kind in ("png", "jpg"):
        whole = image_file(kind)
        for at in range(0, len(whole), 7):
            damaged = bytearray(whole)
            damaged[at] ^= 0x5A
            with contextlib.suppress(PictureError):
                check_picture(bytes(damaged))
