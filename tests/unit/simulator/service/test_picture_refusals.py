"""Images and documents are refused in the service's words."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from anthropic_batches_provider.simulator.service.picture_refusals import refused_picture
from tests.worlds.pictures import gif, jpeg, pdf, png, webp


def said_of(kind: str, **source: Any) -> str | None:
    block = {"type": kind, "source": source}
    return refused_picture({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, block]}]})


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("image/jpeg", jpeg()), ("image/png", png()), ("image/gif", gif()), ("image/webp", webp(b"VP8L")),
    ],
)  # fmt: skip
def test_an_image_of_its_media_type_is_taken(media_type: str, content: bytes) -> None:
    assert said_of("image", type="base64", media_type=media_type, data=encoded(content)) is None


def test_documents_and_urls_are_taken() -> None:
    assert said_of("document", type="base64", media_type="application/pdf", data=encoded(pdf())) is None
    assert said_of("document", type="text", media_type="text/plain", data="text") is None
    assert said_of("document", type="url", url="https://a.b/c.pdf") is None
    assert said_of("image", type="url", url="https://a.b/c.png") is None
    assert said_of("image", type="file", file_id="file_1") is None
    assert refused_picture({"messages": [{"role": "user", "content": "text"}]}) is None


IMAGE = "messages.0.content.1.image.source"


@pytest.mark.parametrize(
    ("kind", "source", "says"),
    [
        (
            "image",
            {"media_type": "image/heic", "data": "AAAA"},
            f"{IMAGE}.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
        ),
        ("image", {"media_type": "image/png", "data": "no base64!"}, f"{IMAGE}.base64: invalid base64 data"),
        ("image", {"media_type": "image/png", "data": ""}, f"{IMAGE}.base64: image cannot be empty"),
        ("image", {"media_type": "image/png", "data": "AAAA"}, f"{IMAGE}.base64.data: Could not process image"),
        ("image", {"media_type": "image/png"}, f"{IMAGE}.base64.data: Field required"),
        (
            "image",
            {"media_type": "image/png", "data": encoded(jpeg())},
            (
                f"{IMAGE}.base64: The image was specified using the image/png media type, but the image appears to be "
                "a image/jpeg image"
            ),
        ),
        (
            "image",
            {"media_type": "image/png", "data": "A" * (10485760 + 4)},
            f"{IMAGE}.base64: image exceeds 10 MB maximum: 10485764 bytes > 10485760 bytes",
        ),
        ("image", {"type": "url", "url": "http://a.b"}, f"{IMAGE}.url.url: Only HTTPS URLs are supported."),
        (
            "document",
            {"media_type": "application/pdf", "data": encoded(png())},
            "messages.0.content.1.pdf.source.base64.data: The PDF specified was not valid.",
        ),
        (
            "document",
            {"media_type": "image/png", "data": encoded(png())},
            "messages.0.content.1.document.source.base64.media_type: Input should be 'application/pdf'",
        ),
        (
            "document",
            {"type": "text", "media_type": "text/html", "data": "a"},
            "messages.0.content.1.document.source.text.media_type: Input should be 'text/plain'",
        ),
    ],
)
def test_a_fault_is_told_in_the_services_words(kind: str, source: dict[str, Any], says: str) -> None:
    assert said_of(kind, **{"type": "base64", **source}) == says


def test_a_block_without_a_source_is_refused() -> None:
    block = {"type": "image"}
    assert refused_picture({"messages": [{"role": "user", "content": [block]}]}) == (
        "messages.0.content.0.image.source: Field required"
    )
