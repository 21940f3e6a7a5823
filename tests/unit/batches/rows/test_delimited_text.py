"""CSV and TSV: cells are text as written, and no row is lost, doubled or moved without a word."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import pytest

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import RowColumns, delimited_text, read_row_file
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError


def read(data: bytes | str, name: str = "rows.csv", first_row_number: int = 0, **options: Any) -> list[Any]:
    """Return the rows; the text of its error in place of a row that is none."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    rows = read_row_file(stream, name=name, first_row_number=first_row_number, options=FileOptions(**options))
    return [str(row) if isinstance(row, InvalidRowError) else row for row in rows]


def refusal(data: bytes | str, name: str = "rows.csv", **options: Any) -> str:
    """Return the message of the error of the file, without its name."""
    with pytest.raises(ConfigurationError) as caught:
        read(data, name, **options)
    assert not isinstance(caught.value, InvalidRowError)
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert "Nothing was sent." in message
    return message.removeprefix(f"{name} ")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", []),
        ("\n \r\n", []),
        ("id,text", []),
        ("id,text\n", []),
        ("id,text\n1,x\n", [{"id": "1", "text": "x"}]),
        ("id,text\r\n1,x\r\n2,y", [{"id": "1", "text": "x"}, {"id": "2", "text": "y"}]),
        ("\n\nid,text\n\n1,x\n   \n\r\n2,y\n\n", [{"id": "1", "text": "x"}, {"id": "2", "text": "y"}]),
        ("zip,day,n\n01234,2026-01-01,NA\n", [{"zip": "01234", "day": "2026-01-01", "n": "NA"}]),
        ('id,text\n,""\n', [{"id": "", "text": ""}]),
        ('id,text\n1,"a\r\nb, ""c""\n"\n', [{"id": "1", "text": 'a\r\nb, "c"\n'}]),
        ("id,text\n1, x \n", [{"id": "1", "text": " x "}]),
        ('id,text\n1,5" pipe\n', [{"id": "1", "text": '5" pipe'}]),
        ('id,text\n1,5 "pipe" 6\n', [{"id": "1", "text": '5 "pipe" 6'}]),
        ('id,text\n1," ""x"", ""y"""\n', [{"id": "1", "text": ' "x", "y"'}]),
        ('id,text\n1,"a\n ""b"",\t""\n"\n', [{"id": "1", "text": 'a\n "b",\t"\n'}]),
        ('" ""id"", ""x""",text\n1,x\n', [{' "id", "x"': "1", "text": "x"}]),
        ("id,text\n1,\u2028a\u0085\n", [{"id": "1", "text": "\u2028a\u0085"}]),
        ("\ufeffid,größe\n1,\ufeffÄ\n", [{"id": "1", "größe": "\ufeffÄ"}]),
        (",text\n0,x\n", [{"": "0", "text": "x"}]),
        ("text\nx\n  \n\ny\n", [{"text": "x"}, {"text": "  "}, {"text": "y"}]),
        ("text\ntext\n", [{"text": "text"}]),
        ("a,b\n,\n", [{"a": "", "b": ""}]),
    ],
)
@pytest.mark.parametrize("zipped", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_every_cell_comes_back_as_text(text: str, rows: list[dict[str, str]], zipped: Callable[[bytes], bytes]) -> None:
    assert read(zipped(text.encode())) == rows


def test_tabs_separate_the_cells_of_tsv_and_any_character_those_of_a_table_whose_dag_says_so() -> None:
    assert read("id\ttext\n1\ta,b\n", "rows.tsv") == [{"id": "1", "text": "a,b"}]
    assert read("id\ttext\n1\ta,b\n", "rows.tab") == [{"id": "1", "text": "a,b"}]
    assert read("id\ttext\n1\ta,b\n", "rows.txt", format="tsv") == [{"id": "1", "text": "a,b"}]
    assert read("id;text\n1;a,b\n", delimiter=";") == [{"id": "1", "text": "a,b"}]
    assert read("id\u00a6text\n1\u00a6a,b\n", delimiter="\u00a6") == [{"id": "1", "text": "a,b"}]
    assert read("id,text\n1,a\tb\n", "rows.tsv", delimiter=",") == [{"id": "1", "text": "a\tb"}]


def test_a_tab_that_separates_cells_is_no_blank_before_a_quotation_mark() -> None:
    found = read('id\ttext\n1\t"a"\n2\t "b"\n"3"\t"c"\n', "rows.tsv")
    assert [found[0], *found[2:]] == [{"id": "1", "text": "a"}, {"id": "3", "text": "c"}]
    assert found[1].startswith("rows.tsv, line 3: a blank before the quotation mark of a cell.")
    assert read('id text\n1 "a"\n', delimiter=" ") == [{"id": "1", "text": "a"}]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;", "\nsep=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_line_in_which_excel_names_the_delimiter_is_no_header(line: str, end: str) -> None:
    assert read(f"{line}{end}id;text{end}1;x{end}", delimiter=";") == [{"id": "1", "text": "x"}]
    problem = "says in line 2" if line.startswith("\n") else "says in line 1"
    assert refusal(f"{line}{end}id;text{end}").startswith(
        f"{problem} that ';' separates its cells, but it is read with ','. Give `files(uri, delimiter=';')`."
    )


def test_a_line_that_names_the_delimiter_is_taken_for_what_it_says() -> None:
    assert read("sep=,\nid,text\n1,x\n") == [{"id": "1", "text": "x"}]
    assert read("sep=\t\nid\ttext\n1\tx\n", "rows.tsv") == [{"id": "1", "text": "x"}]
    assert refusal("sep=\t\nid\ttext\n").startswith("says in line 1 that '\\t' separates its cells, but it is read")
    assert read("sep=,", delimiter=",") == []
    assert read("sep=,\nsep=,x\n1,2\n") == [{"sep=": "1", "x": "2"}]
    assert read("sep=,a\n1,2\n") == [{"sep=": "1", "a": "2"}]


def test_only_texts_that_the_dag_names_stand_for_a_missing_value() -> None:
    text = 'id,text\n1,NULL\n2,null\n3,""\n4,\\N\n'
    assert [row["text"] for row in read(text)] == ["NULL", "null", "", "\\N"]
    assert [row["text"] for row in read(text, null_values=("NULL", ""))] == [None, "null", None, "\\N"]
    assert read("text\ntext\n", null_values=("text",)) == [{"text": None}]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2", "1 cell, but the header names 2 columns. Write an empty cell for a missing value."),
        ("2,b,c", "3 cells, but the header names 2 columns. Put a cell that contains ',' into quotation marks."),
        ('2,"a "b" c"', "a quotation mark inside a cell that is in quotation marks. Double a quotation mark that"),
        ('2,"a" ', "a quotation mark inside a cell that is in quotation marks."),
        ('2, "a"', "a blank before the quotation mark of a cell. Remove the blank; if blank and quotation mark belong"),
        ('2,\t "a"', "a blank before the quotation mark of a cell."),
        (' "2",a', "a blank before the quotation mark of a cell."),
        ('2, "a, b"', "a blank before the quotation mark of a cell."),
        ('2, "a" b', "a blank before the quotation mark of a cell."),
        ('"2", ""', "a blank before the quotation mark of a cell."),
        ("2,a\rb", "a carriage return inside the line. If all lines end so, write line feeds"),
        ("id,text", "repeats the header, as when files are joined by `cat`."),
    ],
)
def test_a_line_that_is_no_row_is_named_and_the_others_go_on(line: str, problem: str) -> None:
    before, invalid, after = read(f'id,text\n\n1,"x\ny"\n{line}\n3,z\n')
    assert (before, after) == ({"id": "1", "text": "x\ny"}, {"id": "3", "text": "z"})
    assert invalid.startswith(f"rows.csv, line 5: {problem}")
    assert " The line begins: " in invalid


def test_bad_rows_have_the_number_of_their_row_in_the_whole_input() -> None:
    rows = list(read_row_file(io.BytesIO(b"a,b\n1,2\n3\n4,5\n6\n7,8\n"), name="rows.csv", first_row_number=10))
    assert [row.row_number if isinstance(row, InvalidRowError) else row["a"] for row in rows] == ["1", 11, "4", 13, "7"]


@pytest.mark.parametrize(
    ("data", "options", "problem"),
    [
        (b"ol\xe9", {}, "not UTF-8: byte 5 is 0xe9, which is é in Latin-1"),
        (b"ol\x81", {"encoding": "cp1252"}, "not cp1252: character 5 is 0x81. Correct encoding=, or the file."),
        (b"\xc3\xa9", {"encoding": "ascii"}, "not ascii: character 3 is 0xc3."),
        (b'"x\nol\xe9"', {}, "not UTF-8: byte 3 is 0xe9"),
        (b'"x\xe9\nb"', {}, "not UTF-8: byte 5 is 0xe9"),
        (b'"a "b" ol\xe9"', {}, "not UTF-8: byte 12 is 0xe9"),
    ],
)
def test_bytes_that_are_no_text_are_a_bad_row_and_the_others_go_on(
    data: bytes, options: dict[str, Any], problem: str
) -> None:
    before, invalid, after = read(b"id,text\n1,x\n2," + data + b"\n3,z\n", **options)
    assert (before, after) == ({"id": "1", "text": "x"}, {"id": "3", "text": "z"})
    assert invalid.startswith(f"rows.csv, line 3: {problem}")
    assert invalid.rpartition("begins: ")[2].startswith("2,")


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("cp1252", "cp1252"),
        ("latin-1", "ISO-8859-1"),
        ("utf-16", "utf-16"),
        ("utf-16-be", "UTF-16BE"),
        ("cp932", "ms932"),
    ],
)
def test_a_table_in_another_encoding_is_read_as_what_it_says(encoding: str, given: str) -> None:
    letters = "テスト\nb" if encoding == "cp932" else 'Ä"é\nb'
    table = io.StringIO()
    csv.writer(table).writerows([("id", "text"), ("1", letters), ("2", letters * 3)])
    data = table.getvalue().encode(encoding)
    expected = [{"id": "1", "text": letters}, {"id": "2", "text": letters * 3}]
    assert read(data, encoding=given) == expected
    assert read(gzip.compress(data), encoding=given) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('id,text\n1,x\n2,"y\n3,z\n', "has a quotation mark in line 3 that is not closed before the file ends"),
        ('id,text\n1,x\n"2\na","y\n3,z\n', "has a quotation mark in line 4 that is not closed before the file ends"),
        ('id,text\n1,x\n2,5" "\n3,"', "has a quotation mark in line 4 that is not closed before the file ends"),
        ('id,text\n1,x\n2,"5" pipe"\n3,z\n', "has quotation marks in line 3 that do not match"),
        ('id,text\n1,x\n2,"y\n3,"z"\n4,a\n', "has quotation marks in lines 3 to 4 that do not match"),
        ('id,text\n1,x\n2,"a"b,"c\n",\n', "has quotation marks in line 3 that do not match"),
        ('id,text\n1,x\n2,"abc\n3,def\n4,"ghi\n5,x\n', "has quotation marks in lines 3 to 5 that do not match"),
        ('id,text\n1,x\n2, "a\nb, x"\n', "has a cell in line 3 with a blank before its quotation mark, which is not"),
        ('id,text\n1,x\n "2\n3",y\n', "has a cell in line 3 with a blank before its quotation mark, which is not"),
        ('id,text\n1,x\n5",\t "a\nb"\n', "has a cell in line 3 with a blank before its quotation mark, which is not"),
        ('id,text\n1,x\n"2\n3", "a\nb"\n', "has a cell in lines 3 to 4 with a blank before its quotation mark"),
        ("id,text\n1,x\n2", "seems to be cut short: line 3, its last, has 1 cell, but the header names 2 columns."),
        ("id,text\n1,x\n\ufeffid,text\n", "has a byte order mark before line 3, as when files are joined by `cat`."),
        ("id,text\n1,x\n" + "\0" * 100, "has zero bytes in line 3. A torn write"),
    ],
)
def test_where_it_is_unclear_which_rows_follow_the_file_is_refused(text: str, problem: str) -> None:
    rows = read_row_file(io.BytesIO(text.encode()), name="rows.csv")
    assert next(rows) == {"id": "1", "text": "x"}
    assert refusal(text).startswith(problem)


def test_a_cell_that_is_never_closed_does_not_fill_the_memory() -> None:
    class Endless:
        def __init__(self) -> None:
            self.bytes = 0

        def read(self, size: int) -> bytes:
            self.bytes += size
            return b'id,text\n1,"' if self.bytes == size else b"2,%b\n" % (b"x" * 997) * (size // 1000)

    with pytest.raises(ConfigurationError, match="in line 2 that is not closed before the file ends, or within 32 MB"):
        list(read_row_file(cast("BinaryIO", endless := Endless()), name="rows.csv"))
    assert endless.bytes < 40_000_000


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("id,text,id", "the column 'id' twice, of which a row could keep only one."),
        ("id,,text,", "several columns without a name"),
        ("id;text", "one column, whose name contains ';'. Give `files(uri, delimiter=';')`; or `delimiter=','`"),
        ("id\ttext", "one column, whose name contains '\\t'. Give `files(uri, delimiter='\\t')`"),
        ("id|text;x|y", "one column, whose name contains '|'."),
        ("id,text\r1,x\r", "a carriage return inside the line. If all lines end so, write line feeds"),
        ('id,"a"b"c"', "a quotation mark inside a cell"),
        ('id, "text"', "a blank before the quotation mark of a cell. Remove the blank"),
        (b"id,gr\xf6\xdfe", "not UTF-8: byte 6 is 0xf6, which is ö in Latin-1"),
    ],
)
def test_a_header_that_cannot_be_used_is_named(header: str | bytes, problem: str) -> None:
    data = header if isinstance(header, bytes) else header.encode()
    message = refusal(b"\n" + data + b"\n1,x\n")
    assert message.startswith(f"has a header that cannot be used, in line 2: {problem}")


def test_a_header_of_one_column_may_hold_a_delimiter_if_the_dag_says_so() -> None:
    assert read("a;b\n1\n", delimiter=",") == [{"a;b": "1"}]
    assert read('"a;b",c\n1,2\n') == [{"a;b": "1", "c": "2"}]
    assert refusal("id,text\n", "rows.tsv").startswith("has a header that cannot be used, in line 1: one column, whose")


def test_a_header_whose_quotation_mark_is_not_closed_is_named() -> None:
    assert refusal('id,"text\n1,x\n').startswith("has a quotation mark in line 1 that is not closed")


@pytest.mark.parametrize(("name", "kind"), [("rows.csv", "CSV"), ("rows.tsv.gz", "TSV")])
def test_ready_requests_do_not_come_from_a_table_of_text(name: str, kind: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"is read as {kind}, whose cells are text, .* Give the table as rows="
    ):
        list(read_row_file(io.BytesIO(b"custom_id,params\n"), name=name, ready_requests=True))


def test_long_cells_come_back_whatever_limit_the_process_had() -> None:
    before = csv.field_size_limit(100)
    try:
        assert read("id,text\n1," + "x" * 3_000_000 + "\n") == [{"id": "1", "text": "x" * 3_000_000}]
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
def test_a_table_may_come_in_drops(size: int) -> None:
    class Drops(io.BytesIO):
        def read(self, wanted: int | None = -1) -> bytes:
            return super().read(min(size, wanted or 0))

    data = '\ufeffid,text\r\n1,"ä\r\nb"\r\n'.encode()
    assert list(read_row_file(cast("BinaryIO", Drops(data)), name="rows.csv")) == [{"id": "1", "text": "ä\r\nb"}]


@pytest.mark.heavy
def test_memory_does_not_grow_with_the_file() -> None:
    class Long:
        def __init__(self) -> None:
            self.left = 20_000_000

        def read(self, size: int) -> bytes:
            self.left -= size
            return b'1,"abc\ndef",%b\n' % (b"x" * 487) * (size // 500) if self.left > 0 else b""

    tracemalloc.start()
    try:
        count = sum(1 for _ in read_row_file(cast("BinaryIO", Long()), name="rows.csv"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 35_000
    assert peak < 5_000_000


def test_the_limit_of_a_record_is_that_of_its_lines_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_text, "MAX_RECORD_BYTES", 50)
    assert len(read('id,text\n1,"' + "x" * 500 + '"\n2,"abcdefghijk\nabcdefghijk"\n')) == 2
    assert refusal('id,text\n1,"' + "abcdefghijk\n" * 5 + '"\n').startswith("has a quotation mark in line 2 that is")


def test_a_wrong_delimiter_is_advised_where_it_shows() -> None:
    _, wide = read_row_file(io.BytesIO(b"a,b\n1,2\n3;4\n"), name="t.csv", options=FileOptions(delimiter=";"))
    assert str(wide).startswith("t.csv, line 3: 2 cells, but the header names 1 column. Put a cell that contains ';'")
    assert "If the columns are separated by another character, give delimiter=." in str(wide)


def test_a_column_that_looks_like_several_is_listed_in_quotation_marks() -> None:
    columns = RowColumns(key="a")
    with pytest.raises(InvalidRowError, match=r"Its columns are: 'a,b', ' c'\."):
        columns.key_of({"a,b": "1", " c": "2"}, 0)
