"""What content is by its bytes, and what it is called if the API does not accept it."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from anthropic_batches_provider.batches.requests.file_kinds import (
    is_encrypted_pdf,
    is_svg,
    media_type_of,
    plain_text,
    seeming,
)
from tests.worlds.pictures import jpeg, pdf, png


def zipped(*names: str, kind: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", kind) as archive:
        for name in names:
            archive.writestr(name, b"\xff" * 20_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (png(), "image/png"),
        (jpeg(), "image/jpeg"),
        (pdf(), "application/pdf"),
        (b"%PDF-1.4 in ASCII alone", "application/pdf"),
        (b"\xff\xfe junk of a mail\n" + pdf(), "application/pdf"),
        (b"On the magic bytes %PDF- of documents", "text/plain"),
        ("naïve 雪".encode(), "text/plain"),
        (b"\xef\xbb\xbftext", "text/plain"),
        (b"<html>", "text/plain"),
        (b"a\0b", None),
        ("naïve".encode("cp1252"), None),
    ],
)
def test_content_tells_its_media_type(content: bytes, media_type: str | None) -> None:
    assert media_type_of(content) == media_type


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC image"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF image"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0", "a video"),
        (b"II*\0\x08\0\0\0", "a TIFF image"),
        (b"MM\0*\0\0\0\x08", "a TIFF image"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "a BMP image"),
        (b"\0\0\1\0\1\0\x10\x10", "an icon file (ICO)"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 or JPEG XL image"),
        (zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "a Word document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (zipped("[Content_Types].xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
        (zipped("mimetypeapplication/vnd.oasis.opendocument.text"), "an OpenDocument file"),
        (zipped("a.txt"), "a zip file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an old Office document"),
        (gzip.compress(b"text"), "compressed with gzip"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "a sound file"),
        ("text".encode("utf-16"), "UTF-16 text"),
        (b"\x93\0\1", "of no format that the API accepts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_content_is_called_by_its_name(content: bytes, what: str) -> None:
    assert media_type_of(content) is None
    assert seeming(content)[0] == what


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", True),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- drawn -->\n<!DOCTYPE svg PUBLIC ''>\n<svg width='1'>", True),
        (b"<p>An <svg> inside</p>", False),
        (b"<svgx/>", False),
    ],
)
def test_a_drawing_in_svg_is_text_that_begins_with_its_element(content: bytes, expected: bool) -> None:
    assert is_svg(content) is expected


@pytest.mark.parametrize("stream", [False, True])
def test_an_encrypted_pdf_says_so_in_its_trailer(stream: bool) -> None:
    assert is_encrypted_pdf(pdf(encrypted=True, stream=stream))
    assert not is_encrypted_pdf(pdf(stream=stream))
    assert not is_encrypted_pdf(pdf().replace(b"/Kids", b"/Encrypt 4 0 R/Kids"))
    assert not is_encrypted_pdf(pdf(encrypted=True, stream=stream).replace(b"startxref", b"startxxxx"))


def test_plain_text_has_no_byte_order_mark() -> None:
    assert plain_text(b"\xef\xbb\xbfa") == "a"
    assert plain_text(b"\xff") is None
