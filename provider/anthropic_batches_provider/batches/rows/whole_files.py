"""The reader of whole files: one row of each file, with its content as text or as bytes.

A file that cannot be a row is a bad row by itself, so that the files after it are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anthropic_batches_provider.batches.limits import MAX_BYTES_PER_BATCH
from anthropic_batches_provider.batches.rows.plain_bytes import BrokenFileError, RowFile
from anthropic_batches_provider.errors import InvalidRowError

MAX_WHOLE_BYTES = MAX_BYTES_PER_BATCH
"""A larger file fits into no request. The limit keeps one file, or a small one that unzips to much, out of memory."""

_DEFAULT_ENCODING = "utf-8"
_PDF_MAGIC = b"%PDF-"
_TYPES = {"path": "string", "name": "string", "size": "int64", "modified": "timestamp[us, tz=UTC]"}


def read_whole(file: RowFile) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the one row of a file: its path, name, size and age, and either ``text`` or ``bytes``.

    Gzip and zstd are unpacked, whatever they hold; ``size`` is that of the stored file.
    """
    try:
        content = _content(file)
    except BrokenFileError as error:
        yield InvalidRowError(f"{file.name}: {error}", row_number=file.first_row_number)
        return
    details = file.details()
    row: dict[str, Any] = {
        "path": file.name,
        "name": file.name.rsplit("/", 1)[-1],
        "size": details.size,
        "modified": details.modified,
    }
    text = text_of(content, file.options.encoding or _DEFAULT_ENCODING)
    file.schema.declare(_TYPES)
    yield row | ({"bytes": content} if text is None else {"text": text})


def text_of(content: bytes, encoding: str) -> str | None:
    """Return the text of a whole file without a byte order mark; None if it is no text in that encoding.

    Text holds no NUL. A PDF document is no text, even one that holds nothing but ASCII.
    """
    if content.startswith(_PDF_MAGIC):
        return None
    try:
        text = content.decode(encoding)
    except UnicodeError:
        return None
    return None if "\0" in text else text.removeprefix("\ufeff")


def _content(file: RowFile) -> bytes:
    """Return the unpacked content of a file.

    :raises BrokenFileError: it is damaged, or too large for a request.
    """
    chunks: list[bytes] = []
    size = 0
    for chunk in file.unpacked_chunks():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_WHOLE_BYTES:
            raise BrokenFileError(
                f"it holds more than {MAX_WHOLE_BYTES:,} bytes, and a whole file is one request. Split it, leave it "
                "out, or read its lines or records as rows with another format="
            )
    return b"".join(chunks)
