"""What the content of a file is: an image or a document that the API accepts, or something else by its usual name."""

from __future__ import annotations

import re

from anthropic_batches_provider.batches.requests.image_headers import image_type

PDF = "application/pdf"
PLAIN_TEXT = "text/plain"
UNKNOWN_FORMAT = "of no format that the API accepts"

_PDF_MAGIC = b"%PDF-"
_LATEST_PDF_MAGIC = 1024  # readers look for it so far into a file
_TO_IMAGE = "Convert it to PNG or JPEG."
_TO_PDF = "Convert it to PDF, or give its text."
_UNPACK = "Unpack it, and give the files in it."

_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (rb".{4}ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", "a HEIC image", _TO_IMAGE),
    (rb".{4}ftyp(avif|avis)", "an AVIF image", _TO_IMAGE),
    (rb".{4}ftyp", "a video", "Give single frames of it as images."),
    (rb"II\x2a\x00|MM\x00\x2a", "a TIFF image", _TO_IMAGE),
    (rb"BM.{4}\x00{4}", "a BMP image", _TO_IMAGE),
    (rb"\x00\x00\x01\x00", "an icon file (ICO)", _TO_IMAGE),
    (rb"8BPS", "a Photoshop file", _TO_IMAGE),
    (
        rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51|\x00\x00\x00\x0cJXL |\xff\x0a",
        "a JPEG 2000 or JPEG XL image",
        _TO_IMAGE,
    ),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document", _TO_PDF),
    (rb"\x1f\x8b", "compressed with gzip", "Unzip it first."),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd", "Unpack it first."),
    (rb"\x1a\x45\xdf\xa3|RIFF.{4}AVI ", "a video", "Give single frames of it as images."),
    (rb"ID3|RIFF.{4}WAVE|OggS|fLaC", "a sound file", "Give its transcript."),
)
_IN_ZIP = (
    (b"word/", "a Word document", _TO_PDF),
    (b"xl/", "an Excel workbook", _TO_PDF),
    (b"ppt/", "a PowerPoint presentation", _TO_PDF),
    (b"application/vnd.oasis", "an OpenDocument file", _TO_PDF),
    (b"", "a zip file", _UNPACK),
)
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_ZIP_BEGINNING, _ZIP_END = 8192, 65536  # between them, only the content of its files
_BY_MAGIC = tuple((re.compile(magic, re.DOTALL), what, way) for magic, what, way in _OTHERS)
_SVG = re.compile(r"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", re.DOTALL)
_NO_LETTERS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")  # of any encoding that text is saved in, but UTF-16
_XREF_AT = re.compile(rb"startxref\s+(\d{1,10})")
_ENCRYPTION = re.compile(rb"/Encrypt\s*(\d+\s+\d+\s+R|<<)")
_TRAILER_ENDS = re.compile(rb"startxref|stream")


def media_type_of(content: bytes) -> str | None:
    """Return the media type of content that the API accepts: an image, a PDF document or plain text; else None."""
    found = image_type(content)
    if found is not None:
        return found
    if content.startswith(_PDF_MAGIC):
        return PDF
    if plain_text(content) is not None:
        return PLAIN_TEXT
    return PDF if _PDF_MAGIC in content[:_LATEST_PDF_MAGIC] else None


def plain_text(content: bytes) -> str | None:
    """Return the text of content in UTF-8, without a byte order mark; None if it is no text, or empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def seeming(content: bytes) -> tuple[str, str]:
    """Return what content that is no image and no document seems to be, and what to do about it, as a sentence."""
    for magic, what, way in _BY_MAGIC:
        if magic.match(content):
            return what, way
    if content.startswith(_ZIP_MAGIC):
        names = content[:_ZIP_BEGINNING] + content[-_ZIP_END:]
        return next((what, way) for name, what, way in _IN_ZIP if name in names)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16 text", "Save it as UTF-8."
    return UNKNOWN_FORMAT, "Convert it, or leave the row out."


def in_other_encoding(content: bytes) -> tuple[int, int] | None:
    """Return the first byte that UTF-8 does not allow, and its position, in text of another encoding; else None."""
    if _NO_LETTERS.search(content):
        return None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content[error.start], error.start
    return None


def is_svg(content: bytes) -> bool:
    """Return whether text is a drawing in SVG."""
    return _SVG.match(content[:4096].decode("utf-8-sig", "replace")) is not None


def is_encrypted_pdf(content: bytes) -> bool:
    """Return whether a PDF document says in its last trailer that it is encrypted; False if that cannot be found."""
    found = _XREF_AT.findall(content[-2048:])
    if not found:
        return False
    at = int(found[-1])
    end = _TRAILER_ENDS.search(content, at)
    return end is not None and _ENCRYPTION.search(content, at, end.start()) is not None
