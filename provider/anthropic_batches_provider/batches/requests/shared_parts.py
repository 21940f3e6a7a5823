"""The content blocks that all rows of a job share: texts and files, checked by content, in the order given.

What the API would certainly refuse is an error here, before a row is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from anthropic_batches_provider.batches import limits
from anthropic_batches_provider.batches.requests.content_blocks import BadFileError, image_block, pdf_block, pixels_of
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_text
from anthropic_batches_provider.batches.requests.file_kinds import (
    PDF,
    PLAIN_TEXT,
    UNKNOWN_FORMAT,
    in_other_encoding,
    media_type_of,
    plain_text,
    seeming,
)
from anthropic_batches_provider.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SharedPart:
    """A text or a file that all rows share.

    :param name: begins a sentence about it.
    :param content: a text, or the bytes of a file.
    """

    name: str
    content: str | bytes

    @property
    def media_type(self) -> str | None:
        """What it is, by its content; None for a file that the API does not take."""
        return PLAIN_TEXT if isinstance(self.content, str) else media_type_of(self.content)

    @property
    def is_image(self) -> bool:
        """Whether it is an image that the API takes."""
        return self.media_type not in (None, PDF, PLAIN_TEXT)


def shared_blocks(parts: Sequence[SharedPart], *, model: object) -> tuple[dict[str, Any], ...]:
    """Return a content block for each part.

    :param model: its id, if it is known: it says how many images a request may have.
    :raises ConfigurationError: a part is empty, too large, or nothing that the API takes; or all are too large.
    """
    images, most = sum(part.is_image for part in parts), limits.most_images(model)
    if images > most:
        raise ConfigurationError(
            f"shared_context= has {images:,} images, but this model takes at most {most:,} in one request. Leave some "
            "out. This attempt sent nothing."
        )
    blocks: list[bytes] = []
    for part in parts:
        try:
            blocks.append(_block(part, pixels_of(images)))
        except BadFileError as error:
            raise ConfigurationError(f"{part.name} {error} This attempt sent nothing.") from error
    size = sum(map(len, blocks))
    if size > limits.MAX_MESSAGE_BYTES:
        raise ConfigurationError(
            f"The blocks of shared_context= have {size:,} bytes as they are sent, but the API takes at most "
            f"{limits.MAX_MESSAGE_BYTES:,} in one request. Shorten them. This attempt sent nothing."
        )
    return tuple(msgspec.json.decode(block) for block in blocks)


def _block(part: SharedPart, pixels: int) -> bytes:
    content = part.content
    if isinstance(content, str):
        return _text_block(content)
    if not content:
        raise BadFileError("holds no bytes. Give another file, or leave it out.")
    if len(content) > limits.MAX_MESSAGE_BYTES:
        raise BadFileError(
            f"has more than {limits.MAX_MESSAGE_BYTES:,} bytes, which is all that the API takes in one request. "
            "Shorten it."
        )
    media_type = part.media_type
    if media_type == PLAIN_TEXT:
        return _text_block(plain_text(content) or "")
    if media_type == PDF:
        return pdf_block(content)
    if media_type is None:
        raise BadFileError(_unknown(content))
    return image_block(content, media_type, pixels)


def _text_block(text: str) -> bytes:
    if not text or text.isspace():
        raise BadFileError("holds no text, and the API refuses an empty block. Leave it out, or give its text.")
    try:
        return b'{"type":"text","text":%b}' % encode_text(text)
    except NotJsonError as error:
        raise BadFileError(f"cannot be sent: {error}. Clean it.") from error


def _unknown(content: bytes) -> str:
    what, way = seeming(content)
    if what == UNKNOWN_FORMAT:
        found = in_other_encoding(content)
        if found is not None:
            return f"is text, but not in UTF-8: byte {found[0]:#04x} at position {found[1]:,}. Save it as UTF-8."
        way = "Convert it."
    return f"seems to be {what}; all rows can share text in UTF-8, PDF documents, and images. {way}"
