"""Media types and dimensions from the first bytes of images."""

from __future__ import annotations

import pytest

from anthropic_batches_provider.batches.requests.image_headers import image_dimensions, image_type
from tests.worlds.pictures import gif, jpeg, png, segment, webp


@pytest.mark.parametrize(
    ("content", "media_type", "dimensions"),
    [
        (png(300, 200), "image/png", (300, 200)),
        (png(9000, 1), "image/png", (9000, 1)),
        (jpeg(300, 200), "image/jpeg", (300, 200)),
        (jpeg(65535, 9000, frame=0xC2), "image/jpeg", (65535, 9000)),
        (gif(300, 200), "image/gif", (300, 200)),
        (gif(300, 200).replace(b"89a", b"87a"), "image/gif", (300, 200)),
        (webp(b"VP8 ", 300, 200), "image/webp", (300, 200)),
        (webp(b"VP8L", 300, 200), "image/webp", (300, 200)),
        (webp(b"VP8L", 16384, 16383), "image/webp", (16384, 16383)),
        (webp(b"VP8X", 300, 200), "image/webp", (300, 200)),
        (webp(b"VP8X", 70_000, 1 << 24), "image/webp", (70_000, 1 << 24)),
    ],
)
def test_an_image_tells_its_type_and_its_dimensions(
    content: bytes, media_type: str, dimensions: tuple[int, int]
) -> None:
    assert image_type(content) == media_type
    assert image_dimensions(content) == dimensions


@pytest.mark.parametrize(
    "content",
    [
        png()[:23],
        png().replace(b"IHDR", b"IDAT"),
        jpeg()[:40],
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + segment(0xE0, b"\0" * 20) + b"no marker",
        gif()[:9],
        webp(b"VP8X")[:29],
        webp(b"VP8 ").replace(b"\x9d\x01\x2a", b"\0\0\0"),
        webp(b"ICCP"),
    ],
)
def test_a_header_that_is_cut_or_damaged_tells_no_dimensions(content: bytes) -> None:
    assert image_type(content) is not None
    assert image_dimensions(content) is None


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"RIFF\0\0\0\0WAVE", b"GIF90a", b"BM", b"II*\0", b"<svg>"])
def test_other_content_is_no_image(content: bytes) -> None:
    assert (image_type(content), image_dimensions(content)) == (None, None)
