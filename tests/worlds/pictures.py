"""Images and documents as bytes: as small as their formats allow, with the dimensions that a test names."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 1, height: int = 1, *, padding: int = 0) -> bytes:
    """Return a gray PNG that can be decoded; ``padding`` bytes follow in a chunk that readers pass over."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"prVt", b"\0" * padding), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def jpeg(width: int = 1, height: int = 1, *, frame: int = 0xC0) -> bytes:
    """Return the header of a JPEG as cameras write it: with a thumbnail of other dimensions, and padding."""
    thumbnail = b"Exif\0\0" + b"\xff\xd8\xff" + segment(0xC0, struct.pack(">BHHB", 8, 120, 160, 3) + b"\0" * 9)
    quantization, huffman = segment(0xDB, b"\0" * 65), segment(0xC4, b"\0" * 28)
    sizes = segment(frame, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    return (
        b"\xff\xd8" + segment(0xE1, thumbnail) + quantization + huffman + b"\xff\xff" + sizes + segment(0xDA, b"\0" * 6)
    )


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def gif(width: int = 1, height: int = 1) -> bytes:
    """Return the header of a GIF."""
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b";"


def webp(kind: bytes, width: int = 1, height: int = 1) -> bytes:
    """Return the header of a WebP: ``b"VP8 "`` is lossy, ``b"VP8L"`` lossless, ``b"VP8X"`` extended."""
    if kind == b"VP8 ":
        data = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    elif kind == b"VP8L":
        data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    else:
        data = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def pdf(*, encrypted: bool = False, stream: bool = False) -> bytes:
    """Return a PDF document of one empty page.

    :param encrypted: whether its trailer names an encryption.
    :param stream: whether the trailer is that of a cross-reference stream, as newer documents have it.
    """
    objects = (
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
        b"3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>\nendobj\n"
    )
    entry = b"/Encrypt 4 0 R" if encrypted else b""
    if stream:
        trailer = b"5 0 obj\n<</Type/XRef/Size 6/Root 1 0 R%b>>stream\n\0\nendstream\nendobj\n" % entry
    else:
        trailer = b"xref\n0 1\n0000000000 65535 f \ntrailer\n<</Size 4/Root 1 0 R%b>>\n" % entry
    return objects + trailer + b"startxref\n%d\n%%%%EOF\n" % len(objects)
