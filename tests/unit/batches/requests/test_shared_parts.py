"""Texts and files that all rows share: the blocks that they become, and what is refused before a row is read."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from anthropic_batches_provider.batches import limits
from anthropic_batches_provider.batches.requests.shared_parts import SharedPart, shared_blocks
from anthropic_batches_provider.errors import ConfigurationError
from tests.worlds.pictures import gif, jpeg, pdf, png, webp


def blocks(*contents: str | bytes, model: object = "claude-haiku-5-5") -> list[dict[str, Any]]:
    parts = [SharedPart(f"Part {number}", content) for number, content in enumerate(contents)]
    return list(shared_blocks(parts, model=model))


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def data(kind: str, media_type: str, content: bytes) -> dict[str, Any]:
    encoded = base64.b64encode(content).decode()
    return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": encoded}}


def test_each_part_becomes_a_block_of_its_kind_in_the_order_given() -> None:
    assert blocks("Rules:\r\n 1. {{ x }}\n", pdf(), b"\xef\xbb\xbfna\xc3\xafve\r\n", png(), webp(b"VP8 ")) == [
        text("Rules:\r\n 1. {{ x }}\n"),
        data("document", "application/pdf", pdf()),
        text("naïve\r\n"),
        data("image", "image/png", png()),
        data("image", "image/webp", webp(b"VP8 ")),
    ]
    assert [block["source"]["media_type"] for block in blocks(jpeg(), gif())] == ["image/jpeg", "image/gif"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Part 0 holds no bytes. Give another file"),
        ("", "Part 0 holds no text, and the API refuses an empty block."),
        (" \n\t", "Part 0 holds no text"),
        (b"\xef\xbb\xbf\n", "Part 0 holds no text"),
        ("\ud800", "Part 0 cannot be sent: it holds text that is not valid Unicode"),
        ("Käse".encode("latin-1"), "Part 0 is text, but not in UTF-8: byte 0xe4 at position 1. Save it as UTF-8."),
        ("Käse".encode("utf-16"), "Part 0 seems to be UTF-16 text; all rows can share text in UTF-8, PDF documents"),
        (b"a\0b", "Part 0 seems to be of no format that the API accepts; all rows can share .* Convert it."),
        (b"PK\x03\x04\0word/document.xml", "Part 0 seems to be a Word document; .* Convert it to PDF"),
        (b"\x1f\x8b\x08", "Part 0 seems to be compressed with gzip; .* Unzip it first."),
        (pdf(encrypted=True), "Part 0 is an encrypted PDF document"),
        (png(9_000, 1), "Part 0 has 9,000 x 1 pixels; the API takes at most 8,000 on each side"),
        (png(padding=limits.MAX_IMAGE_BYTES), "Part 0 has .* bytes, .* in base64; the API takes at most 10,485,760"),
        (b"%PDF-" + b" " * limits.MAX_MESSAGE_BYTES, "Part 0 has more than 32,000,000 bytes, .* Shorten it."),
    ],
    ids=lambda value: value[7:40] if isinstance(value, str) and value.startswith("Part 0") else "",
)
def test_what_the_api_would_refuse_is_told_with_the_way_out(content: str | bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
        blocks(content)
    assert str(caught.value).endswith("This attempt sent nothing.")


def test_all_blocks_together_must_fit_into_one_request() -> None:
    half = "x" * (limits.MAX_MESSAGE_BYTES // 2 - 100)
    assert len(blocks(half, half)) == 2
    with pytest.raises(ConfigurationError, match=r"^The blocks of shared_context= have 32,\d+,\d+ bytes as they"):
        blocks(half, half, "y" * 200)


def test_a_model_takes_so_many_images_and_many_must_be_smaller() -> None:
    assert len(blocks(*[gif()] * 100, model="claude-haiku-4-5")) == 100
    with pytest.raises(ConfigurationError, match=r"^shared_context= has 101 images, but this model takes at most 100"):
        blocks(*[gif()] * 101, model="claude-haiku-4-5")
    wide = png(3_000, 1)
    assert len(blocks(wide, *[gif()] * 19)) == 20
    with pytest.raises(ConfigurationError, match=r"^Part 0 has 3,000 x 1 pixels; .* at most 2,000 .* more than 20"):
        blocks(wide, *[gif()] * 20)
