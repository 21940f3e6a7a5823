"""The images and documents of a row, as content blocks: read, checked by content, and encoded once.

What the API would certainly refuse is a bad row here, before anything is sent. A document's pages are not counted, and
what an ``https://`` URL leads to is not looked at: the API fetches it when it answers the request.
"""

from __future__ import annotations

import errno
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anthropic_batches_provider.batches import limits
from anthropic_batches_provider.batches.plurals import counted
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_text
from anthropic_batches_provider.batches.requests.exact_values import is_missing
from anthropic_batches_provider.batches.requests.file_kinds import (
    PDF,
    PLAIN_TEXT,
    is_encrypted_pdf,
    is_svg,
    media_type_of,
    plain_text,
    seeming,
)
from anthropic_batches_provider.batches.requests.image_headers import image_dimensions
from anthropic_batches_provider.batches.requests.sdk_values import is_path
from anthropic_batches_provider.batches.requests.wording import in_other_form, listed, reason, row_name, shortened
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError, SourceError

ReadFile = Callable[[Any, int], bytes]
"""Reads the file that a text or a path object names, up to so many bytes; further bytes need not be read."""

_URL = "https://"
_NO_NAMES = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL, errno.ENXIO})
_NO_FILES = (IsADirectoryError, NotADirectoryError)
_MOST_READ = limits.MAX_MESSAGE_BYTES + 1


class _StoreFailedError(Exception):
    """A store, or a disk, failed to read a file; a retry may read it."""


class BadFileError(Exception):
    """A file that cannot be sent; the message continues its place, with the way out."""


@dataclass
class Contents:
    """Counts what goes into the requests of one pass over the rows."""

    images: int = 0
    documents: int = 0
    urls: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        urls = f", {self.urls:,} of them by URL" if self.urls else ""
        what = f"{counted(self.images, 'image')} and {counted(self.documents, 'document')}"
        return f"{what}{urls}, with {self.bytes:,} bytes as they are sent"


@dataclass(frozen=True, kw_only=True)
class FileColumns:
    """The columns that hold images and documents.

    :param images: names of columns, in the order in which their images are sent.
    :param documents: the same for documents, which follow the images.
    :param read_file: reads the file that a cell names.
    :param shared_images: how many images each request has besides, in what all rows share.
    :param contents: counts what is encoded.
    """

    images: tuple[str, ...]
    documents: tuple[str, ...]
    read_file: ReadFile
    shared_images: int = 0
    contents: Contents = field(default_factory=Contents, compare=False)

    def blocks(self, row: Mapping[str, Any], number: int, *, most_images: int) -> list[bytes]:
        """Return the content blocks of a row as JSON: the images, then the documents.

        :param most_images: how many images the model takes in one request.
        :raises InvalidRowError: a cell holds none, or something that the API refuses.
        :raises SourceError: a store cannot be read now; a retry may read it.
        """
        images = list(_cells(row, "images", self.images, number))
        documents = list(_cells(row, "documents", self.documents, number))
        in_request = len(images) + self.shared_images
        if in_request > most_images:
            shared = f" besides the {self.shared_images:,} that all rows share" if self.shared_images else ""
            raise InvalidRowError(
                f"{row_name(number)}: it has {counted(len(images), 'image')}{shared}, but this model takes at most "
                f"{most_images:,} in one request. Make several rows of it.",
                row_number=number,
            )
        pixels = pixels_of(in_request)
        blocks: list[bytes] = []
        size = 0
        for index, (place, value) in enumerate([*images, *documents]):
            try:
                block = self._image(value, pixels) if index < len(images) else self._document(value)
            except BadFileError as error:
                raise InvalidRowError(f"{row_name(number)}: {place} {error}", row_number=number) from error
            except _StoreFailedError as error:
                raise SourceError(
                    f"{row_name(number)}: {place} cannot be read now: {error}. Check the store and its permissions: "
                    "without the right to list a bucket, S3 says Forbidden of a missing object, too. A retry reads all "
                    "rows from the start. Nothing was sent."
                ) from error
            blocks.append(block)
            size += len(block) + 1
            _check_total(size, number)
        self.contents.images += len(images)
        self.contents.documents += len(documents)
        self.contents.urls += sum(_is_url(value) for _, value in (*images, *documents))
        self.contents.bytes += size
        return blocks

    def _image(self, value: Any, pixels: int) -> bytes:
        if _is_url(value):
            return b'{"type":"image","source":%b}' % _url_source(value)
        content = self._content(value)
        media_type = media_type_of(content)
        if media_type in (None, PDF, PLAIN_TEXT):
            raise BadFileError(_no_image(content, media_type))
        return image_block(content, str(media_type), pixels)

    def _document(self, value: Any) -> bytes:
        if _is_url(value):
            return b'{"type":"document","source":%b}' % _url_source(value)
        content = self._content(value)
        media_type = media_type_of(content)
        if media_type == PLAIN_TEXT:
            text = encode_text(plain_text(content) or "")
            source = b'{"type":"text","media_type":"text/plain","data":%b}' % text
            return b'{"type":"document","source":%b}' % source
        if media_type == PDF:
            return pdf_block(content)
        raise BadFileError(_no_document(content, media_type))

    def _content(self, value: Any) -> bytes:
        """Return the content of a file, or the bytes themselves.

        :raises BadFileError: there is no such file, it is empty, or too large for a request.
        """
        if isinstance(value, (bytes, bytearray, memoryview)):
            content = bytes(value)
        elif isinstance(value, str) or is_path(value):
            content = self._read(value)
        else:
            raise BadFileError(
                f"has type {type(value).__name__}. Give a path, a URI, an https:// URL, bytes, or a list of these."
            )
        if not content:
            raise BadFileError("holds no bytes. Fix the file, or leave the row out.")
        if len(content) > limits.MAX_MESSAGE_BYTES:
            raise BadFileError(
                f"has more than {limits.MAX_MESSAGE_BYTES:,} bytes, which is all that the API takes in one request. "
                "Split it, make it smaller, or give an https:// URL."
            )
        return content

    def _read(self, value: Any) -> bytes:
        if isinstance(value, str) and value.startswith(("http://", "data:")):
            raise BadFileError(
                f"is a URL that begins with {value.partition(':')[0]}:. The API fetches https:// URLs alone; give the "
                "content as bytes."
            )
        try:
            return self.read_file(value, _MOST_READ)
        except (OSError, ValueError, ConfigurationError) as error:
            problem = absence_of(error)
            if problem is None:
                raise _StoreFailedError(reason(error)) from error
            raise BadFileError(f"cannot be read: {problem} Fix the row, or leave it out.") from error


def image_block(content: bytes, media_type: str, pixels: int) -> bytes:
    """Return the block of an image as JSON.

    :param pixels: the most that the API takes on each side.
    :raises BadFileError: it is too large.
    """
    data = b2a_base64(content, newline=False)
    if len(data) > limits.MAX_IMAGE_BYTES:
        raise BadFileError(
            f"has {len(content):,} bytes, which are {len(data):,} in base64; the API takes at most "
            f"{limits.MAX_IMAGE_BYTES:,} for one image. Make the image smaller."
        )
    found = image_dimensions(content)
    if found is not None and max(found) > pixels:
        beside = f" in a request of more than {limits.MANY_IMAGES} images" if pixels < limits.MAX_IMAGE_PIXELS else ""
        raise BadFileError(
            f"has {found[0]:,} x {found[1]:,} pixels; the API takes at most {pixels:,} on each side{beside}. Make "
            "the image smaller."
        )
    return b'{"type":"image","source":%b}' % _base64_source(media_type, data)


def pixels_of(images: int) -> int:
    """Return the most pixels that each side of an image may have, in a request of so many images."""
    return limits.MAX_PIXELS_OF_MANY_IMAGES if images > limits.MANY_IMAGES else limits.MAX_IMAGE_PIXELS


def pdf_block(content: bytes) -> bytes:
    """Return the block of a PDF document as JSON.

    :raises BadFileError: it is encrypted.
    """
    if is_encrypted_pdf(content):
        raise BadFileError("is an encrypted PDF document, which the API cannot read. Save it without a password.")
    return b'{"type":"document","source":%b}' % _base64_source(PDF, b2a_base64(content, newline=False))


def _check_total(size: int, number: int) -> None:
    if size > limits.MAX_MESSAGE_BYTES:
        raise InvalidRowError(
            f"{row_name(number)}: its images and documents have more than {limits.MAX_MESSAGE_BYTES:,} bytes as they "
            "are sent (base64 makes four bytes of three), and the API takes no more in one request. Make several rows "
            "of it, make the files smaller, or give https:// URLs.",
            row_number=number,
        )


def _cells(row: Mapping[str, Any], argument: str, columns: Sequence[str], number: int) -> Iterator[tuple[str, Any]]:
    """Yield each image or document of a row: its place, to begin a sentence, and its value.

    :raises InvalidRowError: a column or a value is missing.
    """
    for column in columns:
        if column not in row:
            other = in_other_form(column, row)
            hint = f" {other!a} is another Unicode form of that name." if other is not None else ""
            raise InvalidRowError(
                f"{row_name(number)}: there is no column {column!r}, which `{argument}` names.{hint} The "
                f"row's columns are: {listed(row)}.",
                row_number=number,
            )
        cell = row[column]
        if not isinstance(cell, (bytes, bytearray, memoryview)) and hasattr(cell, "tolist"):
            cell = cell.tolist()  # an array of numpy
        is_list = isinstance(cell, (list, tuple))
        for index, value in enumerate(cell if is_list else [cell]):
            place = f"item {index + 1} of column {column!r}" if is_list else f"column {column!r}"
            if is_missing(value) or (isinstance(value, str) and not value.strip()):
                raise InvalidRowError(
                    f"{row_name(number)}: {place} is empty. Fix the row, leave it out, or give an empty list if it "
                    "has none.",
                    row_number=number,
                )
            yield _named(place, value), value


def _named(place: str, value: Any) -> str:
    """Return the place with the path that it holds; a text that looks like no path is data, and is not shown."""
    if isinstance(value, str):
        is_path_like = value.startswith("/") or "://" in value[:20]
        return f"{place} ({shortened(value, 200)})" if is_path_like and not _is_url(value) else place
    return f"{place} ({shortened(str(value), 200)})" if is_path(value) else place


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and value[: len(_URL)].lower() == _URL


def _url_source(url: str) -> bytes:
    try:
        return b'{"type":"url","url":%b}' % encode_text(url)
    except NotJsonError as error:
        raise BadFileError(f"is a URL that cannot be sent: {error}. Fix the URL.") from error


def _base64_source(media_type: str, data: bytes) -> bytes:
    return b'{"type":"base64","media_type":"%b","data":"%b"}' % (media_type.encode(), data)


def _no_image(content: bytes, media_type: str | None) -> str:
    if media_type == PDF:
        return "is a PDF document, not an image. Name its column in documents= instead."
    if media_type == PLAIN_TEXT:
        what = "a drawing in SVG" if is_svg(content) else "text"
        way = "Convert it to PNG." if is_svg(content) else "Name its column in documents=, or print it in the prompt."
    else:
        what, way = seeming(content)
    return f"seems to be {what}; the API takes images in JPEG, PNG, GIF and WebP. {way}"


def _no_document(content: bytes, media_type: str | None) -> str:
    if media_type is not None:
        return "is an image, not a document. Name its column in images= instead."
    what, way = seeming(content)
    return f"seems to be {what}; the API takes documents in PDF and plain text. {way}"


def absence_of(error: Exception) -> str | None:
    """Return why there is no file of that name, as a sentence; None if a retry may find it: a store may be away."""
    if isinstance(error, ConfigurationError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file."
    is_no_name = isinstance(error, UnicodeError) or (isinstance(error, OSError) and error.errno in _NO_NAMES)
    return f"it is no file ({reason(error)})." if is_no_name or isinstance(error, _NO_FILES) else None
