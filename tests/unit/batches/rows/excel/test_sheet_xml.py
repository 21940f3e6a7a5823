"""The XML of sheets, as other programs than Excel write it, and as it must not be."""

from __future__ import annotations

import io

import pytest

from anthropic_batches_provider.batches.rows.excel.cell_addresses import UnreadableXmlError
from anthropic_batches_provider.batches.rows.excel.sheet_xml import (
    merged_ranges,
    rows_of_cells,
    shared_texts,
    unescaped,
)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def cells(xml: str, encoding: str = "utf-8") -> list[tuple[int, list[tuple[int, str]]]]:
    """Return the number of each row, with the column and the text of each of its cells."""
    rows = rows_of_cells(io.BytesIO(xml.encode(encoding)))
    return [(number, [(cell.column, cell.text) for cell in row]) for number, row in rows]


ROWS = '<row r="2"><c r="A2"><v>1</v></c><c r="C2"><v>2</v></c></row><row r="9"><c r="B9"><v>3</v></c></row>'

WITHOUT_NUMBERS = '<row/><row><c><v>1</v></c><c/><c><v>2</v></c></row><row r="9"><c/><c><v>3</v></c></row>'


@pytest.mark.parametrize(
    "xml",
    [
        f'<worksheet xmlns="{MAIN}"><sheetData>{ROWS}</sheetData></worksheet>',
        f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData>'
        + ROWS.replace("</", "</x:").replace("<row", "<x:row").replace("<c", "<x:c").replace("<v", "<x:v")
        + "</x:sheetData></x:worksheet>",
        f'<worksheet xmlns="{MAIN}" xmlns:x="other"><sheetData>{ROWS}</sheetData><x:row><x:c/></x:row></worksheet>',
        f"<worksheet><sheetData>{WITHOUT_NUMBERS}</sheetData></worksheet>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rows_are_read_whatever_their_prefix_and_encoding(xml: str, encoding: str) -> None:
    assert cells(xml, encoding) == [(2, [(1, "1"), (3, "2")]), (9, [(2, "3")])]


@pytest.mark.parametrize(
    ("inner", "problem"),
    [
        ('<row r="2"/><row r="2"/>', "row 2 follows row 2"),
        ('<row r="2"/><row r="1"/>', "row 1 follows row 2"),
        ('<row r="0"/>', "row 0 follows row 0"),
        ('<row r="x"/>', "a number in its XML is none"),
        ('<row r="1"><c r="B1"/><c r="A1"/></row>', "the cells of row 1 are out of order"),
        ('<row r="1"><c r="B1"/><c r="B1"/></row>', "the cells of row 1 are out of order"),
        ('<row r="1"><c r="B2"/></row>', "a cell's address is none"),
        ('<row r="1"><c r="B1" s="x"><v>1</v></c></row>', "a number in its XML is none"),
        ('<row r="1"><c r="B1"><v>1</row>', "its XML cannot be read: mismatched tag"),
        ('<row r="1"><c r="B1"><v>1</v></c>', "its XML cannot be read: mismatched tag"),
        ('<row r="1"><c r="B1"><v>\x01</v></c>', "its XML cannot be read: not well-formed"),
        ('<row r="1"><c r="B1"><v>&entity;</v></c>', "its XML cannot be read: undefined entity"),
    ],
)
def test_xml_that_cannot_be_right_is_damage(inner: str, problem: str) -> None:
    with pytest.raises(UnreadableXmlError) as caught:
        cells(f"<worksheet><sheetData>{inner}</sheetData></worksheet>")
    assert str(caught.value).startswith(problem)


def test_a_sheet_that_is_cut_gives_the_rows_before_the_cut() -> None:
    rows = rows_of_cells(io.BytesIO(f"<worksheet><sheetData>{ROWS}".encode()))
    assert next(rows)[0] == 2
    assert next(rows)[0] == 9
    with pytest.raises(UnreadableXmlError, match="no element found"):
        next(rows)


BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + "".join(f'<!ENTITY {n} "{10 * f"&{b};"}">' for b, n in zip("bcdefghi", "cdefghij", strict=True))
    + "]>"
)


@pytest.mark.parametrize("read", [rows_of_cells, merged_ranges, shared_texts])
def test_a_document_type_is_refused_before_it_expands(read: object) -> None:
    assert callable(read)
    xml = f"{BOMB}<sst><si><t>&j;</t></si><mergeCell ref='&j;'/></sst>".encode()
    with pytest.raises(UnreadableXmlError, match="a document type, which no workbook has"):
        list(read(io.BytesIO(xml)))


def test_a_cell_without_end_does_not_fill_the_memory() -> None:
    class Endless(io.RawIOBase):
        def __init__(self) -> None:
            self.left = 1 << 30
            self.first = b"<worksheet><row><c><v>"

        def read(self, size: int = -1) -> bytes:
            chunk, self.first = self.first or b"7" * min(size, self.left), b""
            self.left -= len(chunk)
            return chunk

    source = Endless()
    with pytest.raises(UnreadableXmlError, match="far more text than a cell can"):
        list(rows_of_cells(source))  # type: ignore[arg-type]
    assert source.left > 1 << 29


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_merged_ranges_come_by_their_first_row(encoding: str) -> None:
    xml = '<worksheet><mergeCells><mergeCell ref="A5:B6"/><mergeCell ref="C2:C3"/></mergeCells></worksheet>'
    found = merged_ranges(io.BytesIO(xml.encode(encoding)))
    assert [each.address for each in found] == ["C2:C3", "A5:B6"]
    assert merged_ranges(io.BytesIO(b"<worksheet><sheetData/></worksheet>")) == []


@pytest.mark.parametrize("size", range((1 << 18) - 30, (1 << 18) + 30, 7))
def test_merged_ranges_are_found_wherever_a_part_of_the_stream_ends(size: int) -> None:
    xml = b"<worksheet>" + b" " * size + b'<mergeCell ref="A1:B2"/></worksheet>'
    assert [each.address for each in merged_ranges(io.BytesIO(xml))] == ["A1:B2"]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("plain_x", "plain_x"),
        ("a_x000D_b", "a\rb"),
        ("_x005F_x000D_", "_x000D_"),
        ("_x00zz_", "_x00zz_"),
        ("_xD83D__xDE00_", "😀"),
        ("_xD83D_", "\ud83d"),
    ],
)
def test_escapes_are_what_they_stand_for(text: str, plain: str) -> None:
    assert unescaped(text) == plain
