"""Images by their first bytes: the media type, and width and height. Nothing is decoded.

The API accepts four formats. Sources: PNG specification 5.2 and 11.2.1; GIF89a 18; RFC 9649 (WebP); ITU-T T.81 B.2.2.
"""

from __future__ import annotations

import re
import struct

_MEDIA_TYPES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15; the others are tables
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length: TEM, RST0 to RST7, SOI
_ENDS = frozenset((0xD9, 0xDA))  # after EOI and SOS there is no header any more
_MARKER = 0xFF


def image_type(content: bytes) -> str | None:
    """Return the media type of an image that the API accepts; None if these are not its first bytes."""
    return next((media_type for magic, media_type in _MEDIA_TYPES if magic.match(content)), None)


def image_dimensions(content: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, as an image's header states them; None if it is cut short or damaged."""
    read = {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
    media_type = image_type(content)
    try:
        return None if media_type is None else read[media_type](content)
    except (struct.error, IndexError):
        return None


def _png(content: bytes) -> tuple[int, int] | None:
    kind, width, height = struct.unpack_from(">4sII", content, 12)
    return (width, height) if kind == b"IHDR" else None


def _gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _webp(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        low_width, high_width, low_height, high_height = struct.unpack_from("<HBHB", content, 24)
        return (high_width << 16) + low_width + 1, (high_height << 16) + low_height + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Follow the segments to the frame; the thumbnail of a camera is inside a segment, and is passed over."""
    at = 2
    while content[at] == _MARKER:
        marker = content[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        if marker in _ENDS:
            return None
        if marker == _MARKER:
            at += 1  # padding
        elif marker in _ALONE:
            at += 2
        else:
            at += 2 + int(struct.unpack_from(">H", content, at + 2)[0])
    return None
