"""Whole files as rows: which columns a file gives, what is text, and which files are bad rows by themselves."""

from __future__ import annotations

import datetime
import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest
from jinja2.sandbox import SandboxedEnvironment

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import SourceSchema, read_row_file, whole_files
from anthropic_batches_provider.batches.rows.whole_files import text_of
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from anthropic_batches_provider.sources import files

PNG_BEGINNING = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


def read(uri: Any, **options: Any) -> list[Any]:
    return list(RowsArgument(files(uri, format="whole", **options)).read(cast("Any", {})))


def only(path: Path, content: bytes, **options: Any) -> Any:
    path.write_bytes(content)
    (row,) = read(path, **options)
    return row


def test_each_file_is_one_row_in_the_order_of_the_names(tmp_path: Path) -> None:
    for name, content in {"b.txt": b"second", "a.md": b"first\n", "c.bin": b"\0\1", "_hidden": b""}.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1_700_000_000, 1_700_000_000))
    modified = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.UTC)
    assert read(f"{tmp_path}/*") == [
        {"path": f"{tmp_path}/a.md", "name": "a.md", "size": 6, "modified": modified, "text": "first\n"},
        {"path": f"{tmp_path}/b.txt", "name": "b.txt", "size": 6, "modified": modified, "text": "second"},
        {"path": f"{tmp_path}/c.bin", "name": "c.bin", "size": 2, "modified": modified, "bytes": b"\0\1"},
    ]


def test_the_types_of_the_columns_are_known_even_of_a_store_that_tells_no_age() -> None:
    schema = SourceSchema()
    (row,) = read_row_file(io.BytesIO(b"x"), name="a.txt", options=FileOptions(format="whole"), schema=schema)
    assert (row["size"], row["modified"], row["text"]) == (0, None, "x")
    assert schema.declared() == {
        "path": "string", "name": "string", "size": "int64", "modified": "timestamp[us, tz=UTC]"
    }  # fmt: skip


def test_a_folder_without_matching_files_has_no_rows(tmp_path: Path) -> None:
    assert read(f"{tmp_path}/*.txt") == []


def test_a_json_lines_file_is_one_row_too(tmp_path: Path) -> None:
    assert only(tmp_path / "a.jsonl", b'{"n": 1}\n{"n": 2}\n')["text"] == '{"n": 1}\n{"n": 2}\n'


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        (b"", "utf-8", ""),
        ("naïve 雪\r\n".encode(), "utf-8", "naïve 雪\r\n"),
        (b"\xef\xbb\xbfwith a mark", "utf-8", "with a mark"),
        ("with a mark".encode("utf-16"), "utf-16", "with a mark"),
        ("\ufeffwith a mark".encode("utf-16-le"), "utf-16-le", "with a mark"),
        ("with a mark".encode("utf-16"), "utf-8", None),
        ("naïve".encode("cp1252"), "utf-8", None),
        ("naïve".encode("cp1252"), "cp1252", "naïve"),
        (b"a\0b", "utf-8", None),
        (b"a\0b", "latin-1", None),
        (PNG_BEGINNING, "latin-1", None),
        (b"%PDF-1.4\nnothing but ASCII\n%%EOF", "utf-8", None),
        (b"cut \xe2\x82", "utf-8", None),
    ],
)
def test_text_is_what_can_be_decoded_and_holds_no_nul(content: bytes, encoding: str, text: str | None) -> None:
    assert text_of(content, encoding) == text


def test_exactly_one_column_holds_the_content(tmp_path: Path) -> None:
    columns = {"path", "name", "size", "modified"}
    assert only(tmp_path / "a.txt", "naïve".encode("cp1252"), encoding="cp1252").keys() == columns | {"text"}
    assert only(tmp_path / "a.txt", "naïve".encode("cp1252")).keys() == columns | {"bytes"}


def test_a_prompt_that_prints_the_text_of_an_image_makes_a_bad_row_that_lists_the_columns(tmp_path: Path) -> None:
    prompt = PromptTemplate("Sum up: {{ row.text }}", SandboxedEnvironment(), {})
    asked = Question(prompt=prompt, model="m", max_tokens=8)
    with pytest.raises(InvalidRowError, match=r"The row's columns are: path, name, size, modified, bytes\.$"):
        asked.encode_params(only(tmp_path / "a.png", PNG_BEGINNING), 0)


def test_gzip_is_unzipped_whatever_it_holds_and_the_size_is_that_of_the_stored_file(tmp_path: Path) -> None:
    zipped = gzip.compress(b"article " * 100, mtime=0)
    row = only(tmp_path / "a.txt.gz", zipped)
    assert (row["name"], row["size"], row["text"]) == ("a.txt.gz", len(zipped), "article " * 100)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty.txt"))
    assert only(tmp_path / "a.tar.gz", gzip.compress(packed.getvalue()))["bytes"] == packed.getvalue()


def test_a_file_that_is_too_large_is_a_bad_row_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_files, "MAX_WHOLE_BYTES", 1000)
    (tmp_path / "a.txt").write_bytes(b"x" * 1000)
    (tmp_path / "b.txt").write_bytes(b"x" * 1001)
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"x" * 100_000))
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"x")[:-4])
    (tmp_path / "e.txt").write_bytes(b"last")
    first, *bad, last = read(f"{tmp_path}/*")
    assert [first["text"], last["text"]] == ["x" * 1000, "last"]
    assert [(type(each), each.row_number) for each in bad] == [(InvalidRowError, number) for number in (1, 2, 3)]
    assert [str(each).split(". ", 1)[0] for each in bad] == [
        f"{tmp_path}/b.txt: it holds more than 1,000 bytes, and a whole file is one request",
        f"{tmp_path}/c.txt.gz: it holds more than 1,000 bytes, and a whole file is one request",
        f"{tmp_path}/d.txt.gz: the gzip data is cut short",
    ]


def test_options_of_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"files\(format='whole'\) does not use delimiter="):
        read(f"{tmp_path}/*", delimiter=";")
