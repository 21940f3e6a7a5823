"""Refuses images and documents as the service does, by their first bytes. Nothing is decoded.

The words are the API's, as public reports of 2025 and 2026 quote them; only the one on URLs is a guess. Pixels and the
number of images are not checked.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

from anthropic_batches_provider.simulator.service.prompt_contents import Params

MAX_IMAGE_BYTES = 10 << 20  # of base64

_FORMATS = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_MEDIA_TYPES = "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
_PDF_MAGIC = b"%PDF-"
_LATEST_PDF_MAGIC = 1024


def refused_picture(params: Params) -> str | None:
    """Return what the service says of the first image or document that it refuses; None if it takes all."""
    for index, message in enumerate(params["messages"]):
        content = message["content"]
        for place, block in enumerate(content if isinstance(content, list) else []):
            kind = block.get("type") if isinstance(block, dict) else None
            if kind in ("image", "document"):
                problem = _refused_source(str(kind), block.get("source"))
                if problem is not None:
                    return f"messages.{index}.content.{place}.{problem}"
    return None


def _refused_source(kind: str, source: Any) -> str | None:
    if not isinstance(source, dict):
        return f"{kind}.source: Field required"
    type_ = source.get("type")
    field = "url" if type_ == "url" else "data"
    if type_ in ("url", "base64", "text") and not isinstance(source.get(field), str):
        return f"{kind}.source.{type_}.{field}: Field required"
    if type_ == "url" and not source["url"].startswith("https://"):
        return f"{kind}.source.url.url: Only HTTPS URLs are supported."
    if type_ == "base64":
        refused = _refused_image if kind == "image" else _refused_document
        return refused(source["data"], source.get("media_type"))
    if type_ == "text" and source.get("media_type") != "text/plain":
        return f"{kind}.source.text.media_type: Input should be 'text/plain'"
    return None


def _refused_image(data: str, media_type: Any) -> str | None:
    where = "image.source.base64"
    if media_type not in _FORMATS:
        return f"{where}.media_type: Input should be {_MEDIA_TYPES}"
    if not data:
        return f"{where}: image cannot be empty"
    if len(data) > MAX_IMAGE_BYTES:
        return f"{where}: image exceeds 10 MB maximum: {len(data)} bytes > {MAX_IMAGE_BYTES} bytes"
    content = _decoded(data)
    if content is None:
        return f"{where}: invalid base64 data"
    if _FORMATS[media_type].match(content):
        return None
    found = next((name for name, magic in _FORMATS.items() if magic.match(content)), None)
    if found is None:
        return f"{where}.data: Could not process image"
    return (
        f"{where}: The image was specified using the {media_type} media type, but the image appears to be a "
        f"{found} image"
    )


def _refused_document(data: str, media_type: Any) -> str | None:
    if media_type != "application/pdf":
        return "document.source.base64.media_type: Input should be 'application/pdf'"
    content = _decoded(data)
    if content is None or _PDF_MAGIC not in content[:_LATEST_PDF_MAGIC]:
        return "pdf.source.base64.data: The PDF specified was not valid."
    return None


def _decoded(data: str) -> bytes | None:
    try:
        return binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        return None
