"""Workbooks by value: each row below the names is a row, and whatever is no table is named by its address."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.formula import ArrayFormula

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.workbooks import NAME, SHEET, patched, read, saved, with_cells, with_shared_texts, workbook


def refusal(data: bytes, **options: Any) -> str:
    """Return the message of the error of the file, without its name."""
    with pytest.raises(ConfigurationError) as caught:
        read(data, **options)
    assert not isinstance(caught.value, InvalidRowError)
    message = str(caught.value)
    assert message.startswith(f"{NAME} ")
    assert message.endswith(" Nothing was sent.")
    return message.removeprefix(f"{NAME} ").removesuffix(" Nothing was sent.")


def problems(rows: list[Any]) -> list[Any]:
    """Return the rows, with the message and the number of the error in place of a bad one."""
    return [
        (row.row_number, str(row).removeprefix(f"{NAME}, ")) if isinstance(row, InvalidRowError) else row
        for row in rows
    ]


VALUES: tuple[Any, ...] = (
    "text",
    " spaces \n and lines ",
    "007",
    "1e5",
    "<&>\"'",
    "日本語 😀",
    0,
    -3,
    2**53,
    0.1,
    -1.5e-300,
    True,
    False,
    datetime.datetime.fromisoformat("2026-11-28T23:59:59.999"),
    datetime.datetime.fromisoformat("2026-11-28T00:00:00"),
    datetime.date(2026, 11, 28),
    datetime.date(1900, 1, 1),
    datetime.date(1900, 2, 28),
    datetime.date(1900, 3, 1),
    datetime.date(1850, 6, 1),
    datetime.date(9999, 12, 31),
    datetime.time(0, 0),
    datetime.time(23, 59, 59, 999000),
    datetime.timedelta(0),
    datetime.timedelta(days=3, seconds=5),
    datetime.timedelta(days=-1, milliseconds=1),
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_cell_keeps_its_type(value: Any) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a", "b"])
    book.worksheets[0].append([1, value])
    if type(value) is datetime.datetime:
        book.worksheets[0]["B2"].number_format = "yyyy-mm-dd hh:mm:ss"
    [row] = read(saved(book))
    assert row == {"a": 1, "b": value}
    assert type(row["b"]) is type(value)


@pytest.mark.parametrize(
    "value", [datetime.date(1904, 1, 1), datetime.date(1904, 2, 29), datetime.date(2026, 11, 28), datetime.time(6, 30)]
)
def test_a_date_of_the_1904_system_is_the_same_day(value: Any) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.worksheets[0].append(["a"])
    book.worksheets[0].append([value])
    assert read(saved(book)) == [{"a": value}]


def test_percent_and_currency_are_numbers() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["a", "b", "c"])
    sheet.append([0.25, 12.5, 3])
    for cell, code in (("A2", "0.00%"), ("B2", "[$€-407]#,##0.00"), ("C2", '0" days"')):
        sheet[cell].number_format = code
    assert read(saved(book)) == [{"a": 0.25, "b": 12.5, "c": 3}]


def test_rich_text_is_its_text_and_a_link_what_it_shows() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["a", "b"])
    sheet.append([CellRichText("plain ", TextBlock(InlineFont(b=True), "bold"), " end"), "shown"])
    sheet["B2"].hyperlink = "https://example.com"
    assert read(saved(book)) == [{"a": "plain bold end", "b": "shown"}]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c r="A2" t="inlineStr"><is><t>in line</t></is></c>', "in line"),
        ('<c r="A2" t="inlineStr"><is><r><t>in </t></r><r><rPr><b/></rPr><t>runs</t></r></is></c>', "in runs"),
        ('<c r="A2" t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>', "東京"),
        ('<c r="A2" t="str"><f>A1&amp;"b"</f><v>ab</v></c>', "ab"),
        ('<c r="A2"><f>1+1</f><v>2</v></c>', 2),
        ('<c r="A2"><f t="shared" ref="A2:A9" si="0">1+1</f><v>2</v></c>', 2),
        ('<c r="A2"><f t="array" ref="A2:A3">B2:B3</f><v>2.5</v></c>', 2.5),
        ('<c r="A2" t="b"><f>TRUE</f><v>1</v></c>', True),
        ('<c r="A2" t="d"><v>2026-11-28</v></c>', datetime.date(2026, 11, 28)),
        ('<c r="A2" t="d"><v>2026-11-28T06:30:00</v></c>', datetime.datetime.fromisoformat("2026-11-28T06:30")),
        ('<c r="A2" t="d"><v>06:30:00</v></c>', datetime.time(6, 30)),
        ('<c r="A2" t="str"><v>a_x000D_&#10;b_x005F_x000D_</v></c>', "a\r\nb_x000D_"),
        ("<c><v>1</v></c>", 1),
    ],
)
def test_a_cell_is_read_as_excel_stores_it(cell: str, value: Any) -> None:
    [row] = read(with_cells(f'<row r="2">{cell}</row>'))
    assert row == {"a": value}
    assert type(row["a"]) is type(value)


SHARED = (
    "<t>one_x000D_&#10;two</t>",
    "<t>_x005F_x000D_ x005F_</t>",
    "<t/>",
    '<r><t xml:space="preserve">in </t></r><r><rPr><b/></rPr><t>runs</t></r>',
    '<t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh>',
    "<t>_xD83D__xDE00_</t>",
)


def test_shared_texts_are_texts() -> None:
    cells = "".join(f'<row r="{n + 2}"><c r="A{n + 2}" t="s"><v>{n}</v></c></row>' for n in range(len(SHARED)))
    rows = read(with_shared_texts(with_cells(cells), *SHARED))
    assert [row["a"] for row in rows] == ["one\r\ntwo", "_x000D_ x005F_", "in runs", "東京", "😀"]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ('<c r="A3" t="e"><v>#DIV/0!</v></c>', "Sheet1!A3: #DIV/0!, an error. Correct it in the workbook."),
        ('<c r="A3" t="e"><f>NA()</f><v>#N/A</v></c>', "Sheet1!A3: #N/A, an error. Correct it in the workbook."),
        ('<c r="A3"><f>1+1</f></c>', "Sheet1!A3: a formula without a calculated value. Open the workbook in Excel"),
        ('<c r="A3"><f>1+1</f><v></v></c>', "Sheet1!A3: a formula without a calculated value. "),
        ('<c r="A3"><f t="shared" si="0"/></c>', "Sheet1!A3: a formula without a calculated value. "),
        ('<c r="A3" t="s"><v>99</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3" t="s"><v>-1</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3" t="b"><v>yes</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3"><v>1e999</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3"><v>NaN</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3"><v>1_000</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="A3" t="new"><v>1</v></c>', "Sheet1!A3: its stored value cannot be read. "),
        ('<c r="C3"><v>1</v></c>', "Sheet1!C3: a cell outside the named columns. Name its column in row 1, or say"),
    ],
)
def test_a_bad_cell_makes_its_row_bad_by_its_address(cell: str, problem: str) -> None:
    rows = f'<row r="2"><c r="A2"><v>1</v></c></row><row r="3">{cell}</row><row r="5"><c r="A5"><v>2</v></c></row>'
    first, bad, last = problems(read(with_cells(rows), first_row_number=10))
    assert (first, last) == ({"a": 1}, {"a": 2})
    assert bad[0] == 11
    assert bad[1].startswith(problem)


def test_a_formula_with_an_empty_text_is_an_empty_cell() -> None:
    cells = '<row r="2"><c r="A2" t="str"><f>""</f><v></v></c></row><row r="3"><c r="A3"><v>1</v></c></row>'
    assert read(with_cells(cells)) == [{"a": 1}]


def test_the_stored_values_of_formulas_count_only_if_they_were_calculated() -> None:
    """XlsxWriter stores 0 for each formula, and asks for a calculation when Excel opens the workbook."""
    data = patched(workbook({"S": [["a"], [1], ["=A2+1"]]}), {SHEET: (b"<v />", b"<v>0</v>")})
    good, bad = problems(read(data))
    assert good == {"a": 1}
    assert bad[0] == 1
    assert bad[1].startswith("S!A3: a formula whose stored value may be a placeholder: ")


def test_cells_that_an_array_formula_fills_are_not_empty() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["a", "b"], [1], [2], [3], [4]):
        sheet.append(row)
    sheet["B3"] = ArrayFormula("B3:B4", "=A3:A4*2")
    one, two, three, four = problems(read(saved(book)))
    assert (one, four) == ({"a": 1, "b": None}, {"a": 4, "b": None})
    assert two[1].startswith("Sheet!B3: a formula without a calculated value")
    assert three[0] == 2
    assert three[1].startswith("row 4: Sheet!B3:B4: filled by a formula that was not calculated")


def test_empty_cells_are_none_and_empty_rows_are_no_rows() -> None:
    rows = [["a", "b", None, None], [None, None], [1, None], [], [None, ""], ["", 2, None], [None, " "]]
    assert read(workbook({"S": rows})) == [{"a": 1, "b": None}, {"a": None, "b": 2}, {"a": None, "b": " "}]


def test_null_values_are_texts_of_whole_cells() -> None:
    rows = [["NULL", "b"], ["NULL", "n/a "], ["n/a", 0], ["NULL", "NULL"]]
    assert read(workbook({"S": rows}), null_values=("NULL", "n/a", "0")) == [
        {"NULL": None, "b": "n/a "},
        {"NULL": None, "b": 0},
        {"NULL": None, "b": None},
    ]


def test_rows_above_the_names_are_ignored() -> None:
    book = openpyxl.Workbook()
    for row in (["Report", "=1+1"], [], ["a", "b"], [1, 2]):
        book.worksheets[0].append(row)
    book.worksheets[0].merge_cells("A1:B2")
    assert read(saved(book), header_row="3") == [{"a": 1, "b": 2}]


def test_names_are_kept_exactly_and_numbers_are_names_by_their_text() -> None:
    names = [" a ", "A", "a", "line\nbreak", 2024, 1.5, True, datetime.date(2026, 11, 28)]
    [row] = read(workbook({"S": [names, range(8)]}))
    assert row == dict(
        zip([" a ", "A", "a", "line\nbreak", "2024", "1.5", "TRUE", "2026-11-28"], range(8), strict=True)
    )


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [["a", 1, "b", "1"], [1]],
            {},
            "has two columns named '1': 'My sheet'!B1 and 'My sheet'!D1. Rename one of them.",
        ),
        ([["a", "=A1"], [1]], {}, "has no column name in 'My sheet'!B1: a formula without a calculated value. Open"),
        (
            [[], ["a"], [1]],
            {},
            "has no column names in row 1 of sheet 'My sheet'. Give the number of the row that holds them, as in files",
        ),
        ([["a"], [1]], {"header_row": 5}, "has no column names in row 5 of sheet 'My sheet'. "),
    ],
)
def test_names_that_cannot_be_told_are_refused(rows: list[Any], options: dict[str, Any], message: str) -> None:
    assert refusal(workbook({"My sheet": rows}), **options).startswith(message)


def test_a_column_without_a_name_is_refused_only_in_rows_that_fill_it() -> None:
    rows = [["a", None, "c"], [1, None, 3], [1, 2, 3], [4, None, 6]]
    good, bad, last = problems(read(workbook({"My sheet": rows})))
    assert (good, last) == ({"a": 1, "c": 3}, {"a": 4, "c": 6})
    assert bad[0] == 1
    assert bad[1].startswith("'My sheet'!B3: a cell outside the named columns.")


def merged(*ranges: str) -> bytes:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a", "b", "c"])
    for number in range(2, 9):
        book.worksheets[0].append([number] * 3)
    for each in ranges:
        book.worksheets[0].merge_cells(each)
    return saved(book)


def test_each_row_with_merged_cells_is_bad() -> None:
    rows = problems(read(merged("B6:C6", "A3:A4", "F2:G8", "A8:C8", "B4:B5")))
    assert [row[0] for row in rows if isinstance(row, tuple)] == [1, 2, 3, 4, 6]
    assert [row[1].partition(": merged cells, ")[0] for row in rows if isinstance(row, tuple)] == [
        "row 3: Sheet!A3:A4",
        "row 4: Sheet!A3:A4",
        "row 5: Sheet!B4:B5",
        "row 6: Sheet!B6:C6",
        "row 8: Sheet!A8:C8",
    ]
    assert [row for row in rows if isinstance(row, dict)] == [{"a": n, "b": n, "c": n} for n in (2, 7)]


@pytest.mark.parametrize("at", ["A1:B1", "B1:B2", "F1:G1"])
def test_merged_cells_among_the_names_are_refused(at: str) -> None:
    assert refusal(merged(at)).startswith(f"has merged cells among the column names of row 1: Sheet!{at}. Unmerge")


BOOK = workbook({"Notes": [], "First": [["a"], [1]], "2": [["a"], [2]], "Third": [["a"], [3]]})


@pytest.mark.parametrize(("sheet", "value"), [("First", 1), ("2", 2), (2, 1), (4, 3), ("4", 3), ("Third", 3)], ids=repr)
def test_a_sheet_is_named_or_counted_from_1(sheet: str | int, value: int) -> None:
    assert read(BOOK, sheet=sheet) == [{"a": value}]


def test_a_sheet_that_is_named_may_be_empty() -> None:
    assert read(BOOK, sheet="Notes") == []


@pytest.mark.parametrize("sheet", ["first", "0", 5, "5", "²"])
def test_a_sheet_that_is_missing_is_refused_with_the_names(sheet: str | int) -> None:
    assert refusal(BOOK, sheet=sheet) == (
        f"has no sheet {sheet!r}. Its sheets: 'Notes', 'First', '2', 'Third'. Correct sheet=."
    )


def test_several_sheets_with_content_are_refused_with_their_names() -> None:
    assert refusal(BOOK) == (
        "has 3 sheets with content: 'First', '2', 'Third'. Name the one to read, as in files(…, sheet='First')."
    )


def test_the_only_sheet_with_content_is_read() -> None:
    assert read(workbook({"One": [], "Two": [[None, ""]], "Three": [["a"], [1]]})) == [{"a": 1}]
    assert read(workbook({"One": [], "Two": []})) == []
    assert read(workbook({"One": [["a", "b"]]})) == []


def test_what_is_hidden_is_read_as_what_is_shown() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["a", "b"], [1, 2], [3, 4]):
        sheet.append(row)
    sheet.row_dimensions[2].hidden = True
    sheet.column_dimensions["B"].hidden = True
    assert read(saved(book)) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    book.create_sheet("More").append(["a"])
    sheet.sheet_state = "veryHidden"
    assert refusal(saved(book)).startswith("has 2 sheets with content: 'Sheet' (hidden), 'More'. ")
    assert read(saved(book), sheet="Sheet") == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_a_chart_is_no_sheet() -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["a"])
    book.worksheets[0].append([1])
    book.create_chartsheet("Chart", 0).add_chart(BarChart())
    assert read(saved(book)) == [{"a": 1}]
    assert read(saved(book), sheet=1) == [{"a": 1}]
    assert "Its sheets: 'Sheet'." in refusal(saved(book), sheet="Chart")


def test_row_numbers_go_on_over_empty_and_bad_rows() -> None:
    rows = [["a"], [1], [], [None, "outside"], [], [2], [None, "outside"]]
    read_rows = read(workbook({"S": rows}), first_row_number=7)
    assert [row.row_number for row in read_rows if isinstance(row, InvalidRowError)] == [8, 10]
    assert [row for row in read_rows if isinstance(row, dict)] == [{"a": 1}, {"a": 2}]


def milliseconds(moment: Any) -> Any:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def as_stored(number: float) -> float:
    """Return a float with the digits that openpyxl writes; a whole one is an int, as in Excel's own files."""
    digits = f"{number:.16g}"
    return float(digits) if set(digits) & set(".e") else int(digits)


TEXTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="_=\ufffe\uffff"), min_size=1, max_size=30
)
CELLS = st.one_of(
    st.none(),
    TEXTS,
    st.integers(-(10**15), 10**15),
    st.floats(-1e300, 1e300).map(as_stored),
    st.booleans(),
    st.dates(datetime.date(1900, 3, 1)),
    st.datetimes(datetime.datetime.fromisoformat("1900-03-01")).map(milliseconds),
    st.times().map(milliseconds),
    st.integers(-(10**11), 10**11).map(lambda number: datetime.timedelta(milliseconds=number)),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=st.integers(1, 5).flatmap(
        lambda width: st.tuples(
            st.lists(TEXTS, min_size=width, max_size=width, unique=True),
            st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8),
        )
    ),
    gap=st.integers(0, 3),
)
def test_no_row_is_lost_doubled_moved_or_changed(table: tuple[list[str], list[list[Any]]], gap: int) -> None:
    names, rows = table
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in [*([[]] * gap), names, *rows]:
        sheet.append(row)
    for cell in (cell for cells in sheet.iter_rows() for cell in cells if type(cell.value) is datetime.datetime):
        cell.number_format = "yyyy-mm-dd hh:mm:ss.000"
    expected = [dict(zip(names, row, strict=True)) for row in rows if any(cell is not None for cell in row)]
    found = read(saved(book), header_row=gap + 1)
    assert found == expected
    assert [[type(cell) for cell in row.values()] for row in found] == [
        [type(cell) for cell in row.values()] for row in expected
    ]


def test_a_long_sheet_is_read_in_bounded_memory(tmp_path: Path) -> None:
    for rows in (1_000, 100_000):
        data = workbook({"S": [["id", "text"]]})
        cells = "".join(
            f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}" t="inlineStr"><is><t>text {n}</t></is></c></row>'
            for n in range(2, rows + 2)
        )
        (tmp_path / f"{rows}.xlsx").write_bytes(
            patched(data, {SHEET: (b"</sheetData>", f"{cells}</sheetData>".encode())})
        )
    script = f"""
import resource
from anthropic_batches_provider.batches.rows import read_row_file
for rows in (1_000, 100_000):
    with open({str(tmp_path)!r} + f"/{{rows}}.xlsx", "rb") as stream:
        total = sum(row["id"] for row in read_row_file(stream, name="long.xlsx"))
    print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    (_, before), (total, after) = [map(int, line.split()) for line in ran.stdout.splitlines()]
    assert total == sum(range(2, 100_002))
    assert after - before < 16_000  # KiB


def test_a_file_may_come_in_drops() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(size if size is None or size < 0 or size > 7 else min(size, 1))

    from anthropic_batches_provider.batches.rows import read_row_file

    stream = Drops(workbook({"S": [["a"], [1]]}))
    assert list(read_row_file(stream, name=NAME, options=FileOptions())) == [{"a": 1}]
