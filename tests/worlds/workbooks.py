"""Workbooks as tests need them: written by openpyxl, and changed in their XML where it cannot write what Excel does."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import openpyxl

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import read_row_file

NAME = "/data/book.xlsx"
SHEET = "xl/worksheets/sheet1.xml"
RELATED = "xl/_rels/workbook.xml.rels"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NOT_CALCULATED = {"xl/workbook.xml": (b' fullCalcOnLoad="1"', b"")}
"""What openpyxl says of formulas, and Excel does not."""


def saved(book: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def workbook(sheets: Mapping[str, Iterable[Any]]) -> bytes:
    """Return a workbook of sheets with these rows."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return saved(book)


def patched(
    data: bytes, changes: Mapping[str, tuple[bytes, bytes]], further: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a zip file with bytes of its parts replaced, which must be there, and with further parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        parts = {name: source.read(name) for name in source.namelist()}
        for part, (old, new) in changes.items():
            assert old in parts[part], f"{old!r} is not in {part}: {parts[part][:2000]!r}"
            parts[part] = parts[part].replace(old, new)
        for part, content in {**parts, **(further or {})}.items():
            target.writestr(part, content)
    return file.getvalue()


def with_cells(cells: str) -> bytes:
    """Return a workbook whose one sheet has the column ``a`` and then this XML of rows, as Excel would store it."""
    data = workbook({"Sheet1": [["a"]]})
    return patched(patched(data, {SHEET: (b"</sheetData>", cells.encode() + b"</sheetData>")}), NOT_CALCULATED)


def with_shared_texts(data: bytes, *texts: str) -> bytes:
    """Return the workbook with shared texts, given as XML; openpyxl writes all texts into their cells."""
    items = "".join(f"<si>{text}</si>" for text in texts)
    relationship = f'<Relationship Type="{_RELATIONSHIPS}/sharedStrings" Target="sharedStrings.xml" Id="rId9"/>'
    return patched(
        data,
        {RELATED: (b"</Relationships>", f"{relationship}</Relationships>".encode())},
        {"xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{items}</sst>'.encode()},
    )


def read(data: bytes, name: str = NAME, *, first_row_number: int = 0, **options: Any) -> list[Any]:
    """Return the rows of a workbook, with the errors in place of bad rows."""
    return list(
        read_row_file(
            io.BytesIO(data), name=name, first_row_number=first_row_number, options=FileOptions.rendered(options)
        )
    )
