"""What is no workbook is refused with the way in; what is damaged is damage, and never fewer rows."""

from __future__ import annotations

import gzip
import io
import random
import sys
import zipfile
from typing import Any

import openpyxl
import pytest
from openpyxl.chart import BarChart

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import read_row_file
from anthropic_batches_provider.batches.rows.excel import workbook_parts
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.workbooks import NAME, RELATED, SHEET, patched, read, saved, with_cells, with_shared_texts, workbook

ROWS = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
BOOK = workbook({"S": [["a", "b"], [1, "x"], [2, "y"]]})
STRICT = {
    b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    b"http://schemas.openxmlformats.org/officeDocument/2006/relationships": (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships"
    ),
}


def zipped(**parts: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512),
            NAME,
            "is an old Excel workbook (.xls), or one that a passw",
        ),
        (b"\x15user", "s3://b/~$book.xlsx", "is the lock file of a workbook that is open in Excel. Close the workbook"),
        (gzip.compress(BOOK), f"{NAME}.gz", "is compressed with gzip or zstd. Decompress it: a workbook is compressed"),
        (
            b"<html>",
            NAME,
            "is read as an Excel workbook, but is none: it begins with <html>. Check where it comes from",
        ),
        (b"a,b\n1,2\n", NAME, r"is read as an Excel workbook, but is none: it begins with a,b\n1,2\n. "),
        (b"", NAME, "is read as an Excel workbook, but is none: it is empty. "),
        (zipped(xl__workbook_DOT_bin=""), NAME, "is a binary Excel workbook (.xlsb). Save it as an Excel workbook"),
        (zipped(mimetype="", content_DOT_xml=""), NAME, "is an OpenDocument file. Save it as an Excel workbook"),
        (zipped(Index__Document_DOT_iwa=""), NAME, "is a Numbers document. Export it as an Excel workbook."),
        (zipped(rows_DOT_csv=""), NAME, "is a zip file, but no Excel workbook. Unpack it, and give the path of the fi"),
    ],
    ids=["xls", "lock file", "gzip", "html", "csv", "empty", "xlsb", "ods", "numbers", "zip"],  # zips hold the time
)
def test_another_file_is_refused_with_the_way_in(data: bytes, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(data, name)
    assert not isinstance(caught.value, InvalidRowError)
    assert str(caught.value).startswith(f"{name} {message}")
    assert str(caught.value).endswith(" Nothing was sent.")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(ConfigurationError) as caught:
        read(BOOK)
    assert str(caught.value) == (
        f"{NAME} is an Excel workbook. To read it, install the extra `xlsx` where tasks run: "
        "pip install 'airflow-provider-anthropic-batches[xlsx]'. Nothing was sent."
    )


def test_a_workbook_of_charts_alone_has_no_sheet() -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart").add_chart(BarChart())
    book.remove(book.worksheets[0])
    with pytest.raises(ConfigurationError, match=r"has no sheet with cells\. Its sheets of charts or macros: Chart\."):
        read(saved(book))


def test_a_workbook_in_the_strict_form_is_read() -> None:
    data = BOOK
    for part in ("_rels/.rels", "xl/workbook.xml", RELATED, SHEET, "xl/styles.xml"):
        for old, new in STRICT.items():
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                is_there = old in archive.read(part)
            if is_there:
                data = patched(data, {part: (old, new)})
    assert read(data) == ROWS


@pytest.mark.parametrize(
    ("part", "old", "new", "problem"),
    [
        (RELATED, b"worksheets/sheet1.xml", b"worksheets/sheet9.xml", "the part of sheet 'S' is missing"),
        (RELATED, b'Id="rId1"', b'Id="rId77"', "the part of sheet 'S' is missing"),
        (RELATED, b"styles.xml", b"style.xml", "xl/style.xml is missing"),
        (RELATED, b"<Relationships", b"<!DOCTYPE a><Relationships", "its XML has a document type"),
        ("xl/workbook.xml", b"<workbook ", b"<!DOCTYPE a><workbook ", "its XML has a document type"),
        ("xl/workbook.xml", b"</workbook>", b"", "its XML cannot be read: no element found"),
        ("_rels/.rels", b'/officeDocument"', b'/other"', "it does not say which of its parts is the workbook"),
        ("xl/styles.xml", b'numFmtId="0"', b'numFmtId="x"', "a number format has no number"),
        (SHEET, b"</sheetData>", b"", "its XML cannot be read: mismatched tag"),
    ],
)
def test_a_part_that_is_not_as_it_must_be_is_damage(part: str, old: bytes, new: bytes, problem: str) -> None:
    with pytest.raises(InvalidRowError) as caught:
        read(patched(BOOK, {part: (old, new)}), first_row_number=5)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: the workbook is damaged or cut short ({problem}")
    assert message.endswith("). Write or copy the file again.")
    assert caught.value.row_number == 5


@pytest.mark.parametrize("change", ["cut", "flipped", "padded"])
def test_damage_loses_no_row_in_silence(change: str) -> None:
    """Whichever byte is damaged: the rows are the same, or there is an error of ours."""
    positions = random.Random(1).sample(range(8, len(BOOK)), 400)
    outcomes = set()
    for position in positions:
        if change == "cut":
            data = BOOK[:position]
        elif change == "flipped":
            data = BOOK[:position] + bytes([BOOK[position] ^ 0xFF]) + BOOK[position + 1 :]
        else:
            data = BOOK[:position] + bytes(16) + BOOK[position + 16 :]
        try:
            rows: Any = read(data)
        except ConfigurationError:
            outcomes.add("refused")
        else:
            assert rows == ROWS
            outcomes.add("read")
    assert "refused" in outcomes


@pytest.mark.parametrize("reads", range(1, 6))
def test_an_error_of_the_store_is_no_damage(reads: int) -> None:
    class Store(io.BytesIO):
        calls = 0

        def read(self, size: int | None = -1) -> bytes:
            self.calls += 1
            if self.calls >= reads:
                raise TimeoutError("the store does not answer")
            return super().read(size)

    with pytest.raises(TimeoutError):
        list(read_row_file(Store(BOOK), name=NAME))


@pytest.mark.parametrize("name", [NAME, "/data/book"])
def test_ready_requests_are_refused_with_the_way_in(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        list(read_row_file(io.BytesIO(BOOK), name=name, ready_requests=True, options=FileOptions(format="xlsx")))
    assert str(caught.value) == (
        f"{name} is read as Excel workbook, whose cells hold no objects, but a ready request does. Give the workbook "
        "as rows=, with a prompt= or a request_builder= that makes a request of each row; or write the requests as "
        "JSON Lines. Nothing was sent."
    )


def test_too_many_texts_for_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = with_shared_texts(with_cells('<row r="2"><c r="A2" t="s"><v>0</v></c></row>'), f"<t>{'x' * 5000}</t>")
    assert [len(row["a"]) for row in read(data)] == [5000]
    monkeypatch.setattr(workbook_parts, "MAX_BYTES_OF_TEXTS", 5000)
    with pytest.raises(
        ConfigurationError, match=r"has 5,\d\d\d bytes of text, .* at most 5,000 are read\. Split the w"
    ):
        read(data)


def test_other_parts_that_are_far_too_large_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_parts, "MAX_BYTES_OF_OTHERS", 100)
    with pytest.raises(InvalidRowError, match=r"\(_rels/\.rels is far too large\)"):
        read(BOOK)
