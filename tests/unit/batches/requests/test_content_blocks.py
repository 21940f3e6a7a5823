"""Images and documents of a row: the blocks that they become, and what is refused before anything is sent."""

from __future__ import annotations

import base64
import errno
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches import limits
from anthropic_batches_provider.batches.requests import FileColumns, PromptTemplate, Question
from anthropic_batches_provider.batches.requests.first_prompt import prompt_of
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError, SourceError
from tests.worlds.pictures import gif, jpeg, pdf, png, webp

FILES = {
    "/a.png": png(2, 3),
    "/b.jpg": jpeg(),
    "/c.pdf": pdf(),
    "/d.txt": '\ufeffnaïve "text"\n'.encode(),
    "s3://lake/e.gif": gif(),
    "/empty.png": b"",
}


def read_file(place: Any, most: int) -> bytes:
    if str(place) not in FILES:
        raise FileNotFoundError(2, "No such file or directory", str(place))
    return FILES[str(place)][:most]


def question(
    images: tuple[str, ...] = (),
    documents: tuple[str, ...] = (),
    read: Callable[[Any, int], bytes] = read_file,
    **kw: Any,
) -> Question:
    files = FileColumns(images=images, documents=documents, read_file=read)
    prompt = PromptTemplate("What is {{ row.name | default('this') }}?", SandboxedEnvironment(), {})
    given: dict[str, Any] = {"prompt": prompt, "model": "claude-haiku-5-5", "max_tokens": 8, "files": files}
    return Question(**(given | kw))


def blocks(asked: Question, row: dict[str, Any]) -> list[dict[str, Any]]:
    (message,) = json.loads(asked.encode_params(row, 0))["messages"]
    assert message["role"] == "user"
    content: list[dict[str, Any]] = message["content"]
    return content


def image(media_type: str, content: bytes) -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def document(content: bytes) -> dict[str, Any]:
    data = base64.b64encode(content).decode()
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": 'naïve "text"\n'}}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("/a.png", [image("image/png", FILES["/a.png"])]),
        (PurePosixPath("/b.jpg"), [image("image/jpeg", FILES["/b.jpg"])]),
        ("s3://lake/e.gif", [image("image/gif", FILES["s3://lake/e.gif"])]),
        (webp(b"VP8L"), [image("image/webp", webp(b"VP8L"))]),
        (bytearray(png()), [image("image/png", png())]),
        (memoryview(png()), [image("image/png", png())]),
        ("https://a.b/c.png?d=\"", [{"type": "image", "source": {"type": "url", "url": "https://a.b/c.png?d=\""}}]),
        (["/b.jpg", png()], [image("image/jpeg", FILES["/b.jpg"]), image("image/png", png())]),
        ((), []),
    ],
)  # fmt: skip
def test_images_come_before_the_text_of_the_prompt(cell: Any, expected: list[Any]) -> None:
    asked = question(images=("photo",))
    assert blocks(asked, {"photo": cell, "name": "it"}) == [*expected, text("What is it?")]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("/c.pdf", [document(FILES["/c.pdf"])]),
        ("/d.txt", [PLAIN]),
        (pdf(stream=True), [document(pdf(stream=True))]),
        (["https://a.b/c.pdf"], [{"type": "document", "source": {"type": "url", "url": "https://a.b/c.pdf"}}]),
    ],
)
def test_documents_are_pdf_or_plain_text(cell: Any, expected: list[Any]) -> None:
    assert blocks(question(documents=("file",)), {"file": cell}) == [*expected, text("What is this?")]


def test_columns_follow_in_the_order_in_which_they_are_named_and_documents_follow_images() -> None:
    asked = question(images=("b", "a"), documents=("c",))
    assert blocks(asked, {"a": png(), "b": gif(), "c": ["/d.txt"]}) == [
        image("image/gif", gif()),
        image("image/png", png()),
        PLAIN,
        text("What is this?"),
    ]


def test_params_differ_from_those_of_a_prompt_alone_only_in_the_content() -> None:
    alone = json.loads(question(files=None).encode_params({"name": "it"}, 0))
    with_image = json.loads(question(images=("a",)).encode_params({"name": "it", "a": png()}, 0))
    assert alone["messages"] == [{"role": "user", "content": "What is it?"}]
    assert {**with_image, "messages": alone["messages"]} == alone


def test_the_first_prompt_is_the_text_without_the_images() -> None:
    params = question(images=("a",), documents=("c",)).encode_params({"a": png(), "c": "/d.txt", "name": "it"}, 0)
    assert prompt_of(b'{"custom_id":"x","params":%b}' % params) == "What is it?"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"photo": "/none.png"}, "column 'photo' (/none.png) cannot be read: there is no such file."),
        ({"photo": PurePosixPath("/none.png")}, "column 'photo' (/none.png) cannot be read: there is no such file."),
        ({"photo": ["/a.png", "/none.png"]}, "item 2 of column 'photo' (/none.png) cannot be read: there is no such"),
        ({"photo": None}, "column 'photo' is empty. Fix the row, leave it out, or give an empty list"),
        ({"photo": float("nan")}, "column 'photo' is empty."),
        ({"photo": " "}, "column 'photo' is empty."),
        ({"photo": ["/a.png", None]}, "item 2 of column 'photo' is empty."),
        ({"phot": "/a.png"}, "there is no column 'photo', which `images` names. The row's columns are: phot."),
        ({"photo": "/empty.png"}, "column 'photo' (/empty.png) holds no bytes."),
        ({"photo": b""}, "column 'photo' holds no bytes."),
        ({"photo": 7}, "column 'photo' has type int. Give a path, a URI, an https:// URL, bytes, or a list"),
        ({"photo": {"path": "/a.png"}}, "column 'photo' has type dict."),
        ({"photo": "http://a.b/c.png"}, "column 'photo' (http://a.b/c.png) is a URL that begins with http:."),
        ({"photo": "data:image/png;base64,aaaa"}, "column 'photo' is a URL that begins with data:."),
        ({"photo": "/c.pdf"}, "column 'photo' (/c.pdf) is a PDF document, not an image. Name its column in documents="),
        ({"photo": "/d.txt"}, "column 'photo' (/d.txt) seems to be text; the API takes images in JPEG, PNG, GIF and W"),
        ({"photo": b"<svg/>"}, "column 'photo' seems to be text;"),
        ({"photo": b"<svg />"}, "column 'photo' seems to be a drawing in SVG; the API takes images in JPEG, PNG, GIF"),
        ({"photo": b"II*\0\x08\0"}, "column 'photo' seems to be a TIFF image; the API takes images in JPEG, PNG, GIF"),
        (
            {"photo": png(8001, 1)},
            "column 'photo' has 8,001 x 1 pixels; the API takes at most 8,000 on each side. Make",
        ),
        ({"photo": gif(1, 9000)}, "column 'photo' has 1 x 9,000 pixels;"),
    ],
)
def test_a_row_whose_image_the_api_would_refuse_is_invalid(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        question(images=("photo",)).encode_params(row, 7)
    assert str(caught.value).startswith(f"Row 7 (the first is 0): {message}")
    assert caught.value.row_number == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (png(), "is an image, not a document. Name its column in images= instead."),
        (pdf(encrypted=True), "is an encrypted PDF document, which the API cannot read."),
        (
            b"PK\x03\x04 word/document.xml\0\xff",
            "seems to be a Word document; the API takes documents in PDF and plain",
        ),
        ("naïve".encode("cp1252"), "seems to be of no format that the API accepts;"),
    ],
)
def test_a_row_whose_document_the_api_would_refuse_is_invalid(content: bytes, message: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        question(documents=("file",)).encode_params({"file": content}, 0)
    assert str(caught.value).startswith(f"Row 0 (the first is 0): column 'file' {message}")


def test_the_text_of_a_cell_that_is_no_path_is_not_shown() -> None:
    def refuse(place: Any, most: int) -> bytes:
        raise ConfigurationError("A text of 9 characters is not an absolute path.")

    with pytest.raises(InvalidRowError) as caught:
        question(images=("photo",), read=refuse).encode_params({"photo": "my secret"}, 0)
    assert "A text of 9 characters is not an absolute path." in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("error", [TimeoutError("no answer"), PermissionError(13, "Forbidden"), ValueError("bug")])
def test_a_store_that_fails_is_no_bad_row(error: Exception) -> None:
    def fail(place: Any, most: int) -> bytes:
        raise error

    with pytest.raises(
        SourceError, match=r"^Row 7 .*: column 'photo' \(s3://a/b\) cannot be read now: .*A retry reads"
    ) as caught:
        question(images=("photo",), read=fail).encode_params({"photo": "s3://a/b"}, 7)
    assert str(error) in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        IsADirectoryError(21, "Is a directory"),
        NotADirectoryError(20, "Not a directory"),
        OSError(errno.ENAMETOOLONG, "File name too long"),
        OSError(errno.ELOOP, "Too many levels of symbolic links"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_name_that_no_file_can_have_is_a_bad_row(error: Exception) -> None:
    def fail(place: Any, most: int) -> bytes:
        raise error

    with pytest.raises(InvalidRowError, match=r"column 'photo' \(/a\) cannot be read: it is no file \("):
        question(images=("photo",), read=fail).encode_params({"photo": "/a"}, 0)


def test_no_shortcut_leaves_the_files_out() -> None:
    assert question(images=("photo",)).spliced_params() is None
    assert question(documents=("photo",)).spliced_params() is None


def test_the_limit_of_an_image_counts_its_base64() -> None:
    most = limits.MAX_IMAGE_BYTES // 4 * 3
    around = len(png(padding=0))
    assert len(blocks(question(images=("a",)), {"a": png(padding=most - around)})) == 2
    with pytest.raises(InvalidRowError, match=r"has 7,864,321 bytes, which are 10,485,764 in base64; the API takes at"):
        question(images=("a",)).encode_params({"a": png(padding=most - around + 1)}, 0)


def test_more_than_20_images_must_be_smaller() -> None:
    asked = question(images=("a",))
    large = png(2001, 1)
    assert len(blocks(asked, {"a": [large] * 20})) == 21
    assert len(blocks(asked, {"a": [png(2000, 1)] * 21})) == 22
    with pytest.raises(
        InvalidRowError, match=r"item 21 .* 2,001 x 1 .* 2,000 on each side in a request of more than 20"
    ):
        asked.encode_params({"a": [*[png()] * 20, large]}, 0)


@pytest.mark.parametrize(("model", "most"), [("claude-haiku-5-5", 600), ("claude-opus-4-5-20251101", 100)])
def test_the_number_of_images_is_limited_by_the_model(model: str, most: int) -> None:
    asked = question(images=("a",), model=model)
    assert len(blocks(asked, {"a": ["https://a.b/c"] * most})) == most + 1
    with pytest.raises(InvalidRowError, match=rf"it has {most + 1} images, but this model takes at most {most} in one"):
        asked.encode_params({"a": ["https://a.b/c"] * (most + 1)}, 0)


def test_a_request_holds_no_more_than_32_megabytes_and_stops_reading_there() -> None:
    seen: list[Any] = []

    def read(place: Any, most: int) -> bytes:
        seen.append(place)
        return png(padding=7_000_000)

    with pytest.raises(InvalidRowError, match=r"its images and documents have more than 32,000,000 bytes as they are"):
        question(images=("a",), read=read).encode_params({"a": [f"/{n}" for n in range(9)]}, 0)
    assert len(seen) == 4
    with pytest.raises(InvalidRowError, match="has more than 32,000,000 bytes, which is all that the API takes in one"):
        question(documents=("a",)).encode_params({"a": b"x" * 32_000_001}, 0)
    almost = question(documents=("a",), system="s" * 1_000_000)
    with pytest.raises(InvalidRowError, match=r"its request has 32,\d{3},\d{3} bytes with its images and documents"):
        almost.encode_params({"a": b"x" * 31_500_000}, 0)


def test_what_was_encoded_is_counted() -> None:
    asked = question(images=("a",), documents=("c",))
    asked.encode_params({"a": [png(), "https://a.b/c"], "c": "/c.pdf"}, 0)
    with pytest.raises(InvalidRowError):
        asked.encode_params({"a": png(), "c": "/none"}, 1)
    assert asked.files is not None
    size = asked.files.contents.bytes
    assert size > len(base64.b64encode(png() + FILES["/c.pdf"]))
    assert str(asked.files.contents) == (
        f"2 images and 1 document, 1 of them by URL, with {size:,} bytes as they are sent"
    )


def test_the_columns_belong_to_the_question_and_a_question_without_them_stays_as_it_was() -> None:
    fingerprints = {
        question(files=None).fingerprint(),
        question(images=("a",)).fingerprint(),
        question(images=("a", "b")).fingerprint(),
        question(images=("b", "a")).fingerprint(),
        question(documents=("a",)).fingerprint(),
    }
    assert len(fingerprints) == 5
    assert question(files=None).fingerprint() == "16a2a287c8b37477b0c8d62e7e81f767"  # as before there were such columns


def test_a_builder_goes_with_no_columns_of_files() -> None:
    with pytest.raises(ConfigurationError, match="`images` goes with `prompt` alone"):
        question(images=("a",), prompt=None, request_builder=dict).validate()


def test_an_array_of_numpy_is_a_list() -> None:
    class Array:
        """What pandas gives for a cell of a list."""

        def tolist(self) -> list[str]:
            return ["/a.png", "/b.jpg"]

    assert len(blocks(question(images=("a",)), {"a": Array()})) == 3


def test_images_that_all_rows_share_count_among_those_of_a_request() -> None:
    files = FileColumns(images=("photos",), documents=(), read_file=read_file, shared_images=18)
    row = {"photos": [png(3_000, 1), gif()]}
    assert len(files.blocks(row, 0, most_images=20)) == 2
    with pytest.raises(
        InvalidRowError, match=r"it has 2 images besides the 18 that all rows share, but .* takes at most 19"
    ):
        files.blocks(row, 0, most_images=19)
    with pytest.raises(InvalidRowError, match=r"3,000 x 1 pixels; the API takes at most 2,000 .* more than 20 images"):
        files.blocks({"photos": [*row["photos"], gif()]}, 0, most_images=100)
