"""Files of another format are named, with the way in; whatever is JSON Lines is read as ever."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import zipfile
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_batches_provider.batches.file_options import FileOptions
from anthropic_batches_provider.batches.rows import read_row_file
from anthropic_batches_provider.batches.rows.wrong_formats import recognized, recognized_text
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError
from tests.worlds.strict_rows import read_rows

ROWS = b'{"id":1}\n{"id":2}\n'
NAME = "/data/rows.jsonl"


def read(data: bytes, name: str = NAME, **options: Any) -> list[Any]:
    return list(read_rows(read_row_file(io.BytesIO(data), name=name, **options)))


def refusal(data: bytes, name: str = NAME, **options: Any) -> str:
    """Return the message of the error of the file, without its name."""
    with pytest.raises(ConfigurationError) as caught:
        read(data, name, **options)
    assert not isinstance(caught.value, InvalidRowError)
    message = str(caught.value)
    assert message.startswith(f"{name} ")
    assert " Nothing was sent." in message
    return message.removeprefix(f"{name} ")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.jsonl", ROWS)
    return file.getvalue()


def archived() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("rows.jsonl")
        entry.size = len(ROWS)
        archive.addfile(entry, io.BytesIO(ROWS))
    return file.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table rows (id)")
    return connection.serialize()


BINARY: dict[str, tuple[bytes, str, str]] = {
    "Parquet": (b"PAR1\x15\x04\x15\xb0", "a Parquet file", 'files(uri, format="parquet")'),
    "encrypted Parquet": (b"PARE\x15\x04", "an encrypted Parquet file", "batch.to_pylist()"),
    "Arrow": (b"ARROW1\0\0\xff\xff\xff\xff\x10", "an Arrow or Feather file", 'files(uri, format="arrow")'),
    "Feather 1": (b"FEA1\0\0\0\0", "a Feather file of version 1", "write_feather"),
    "Arrow stream": (b"\xff\xff\xff\xff\x10\x01\0\0", "an Arrow stream", 'files(uri, format="arrow")'),
    "ORC": (b"ORC\x0a\x03\x00\x00", "an ORC file", 'format="orc"'),
    "Avro": (b"Obj\x01\x04\x14avro.codec", "an Avro file", "fastavro.reader"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x58abc", "compressed twice, with zstd inside", "Decompress it once"),
    "zstd, skippable": (b"\x50\x2a\x4d\x18\x04\0\0\0", "compressed twice, with zstd inside", "Decompress it once"),
    "bzip2": (bz2.compress(ROWS), "compressed with bzip2", "Decompress it"),
    "bzip2, empty": (bz2.compress(b""), "compressed with bzip2", "Decompress it"),
    "bzip2, as short as can be": (b"BZh91AY&SY", "compressed with bzip2", "Decompress it"),
    "xz": (lzma.compress(ROWS), "compressed with xz", "Decompress it"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7", "compressed with lz4", "Decompress it"),
    "gzip": (gzip.compress(ROWS), "compressed with gzip twice", "Decompress it once"),
    "zip": (zipped(), "a zip file (perhaps an Excel workbook)", "unzip it"),
    "zip, empty": (b"PK\x05\x06" + bytes(18), "a zip file (perhaps an Excel workbook)", 'files(uri, format="xlsx")'),
    "old Excel": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
        "an old Excel workbook",
        "Save it as an Excel workbook (.xlsx)",
    ),
    "SQLite": (database(), "an SQLite database", "`dict(row)`"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "documents="),
    "tar": (archived(), "a tar archive", "Unpack it"),
    "UTF-32": ("\ufeff{}\n".encode("utf-32-le"), "UTF-32 text", 'files(uri, encoding="utf-32")'),
    "UTF-32, big": ("\ufeff{}\n".encode("utf-32-be"), "UTF-32 text", 'files(uri, encoding="utf-32")'),
    "UTF-16": ('\ufeff{"id":1}\r\n'.encode("utf-16-le"), "UTF-16 text", 'files(uri, encoding="utf-16")'),
    "UTF-16, big": ('\ufeff{"id":1}\r\n'.encode("utf-16-be"), "UTF-16 text", 'files(uri, encoding="utf-16")'),
    "UTF-32LE, no mark": ("{}\n".encode("utf-32-le"), "UTF-32 text", 'files(uri, encoding="utf-32-le")'),
    "UTF-32BE, no mark": ("{}\n".encode("utf-32-be"), "UTF-32 text", 'files(uri, encoding="utf-32-be")'),
    "UTF-16LE, no mark": ("{}\n".encode("utf-16-le"), "UTF-16 text", 'files(uri, encoding="utf-16-le")'),
    "UTF-16BE, no mark": ("{}\n".encode("utf-16-be"), "UTF-16 text", 'files(uri, encoding="utf-16-be")'),
}


@pytest.mark.parametrize(("data", "named", "way"), BINARY.values(), ids=BINARY)
@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize("ready_requests", [False, True])
def test_a_binary_file_is_named_by_its_first_bytes(
    data: bytes, named: str, way: str, is_zipped: bool, ready_requests: bool
) -> None:
    stored = gzip.compress(data) if is_zipped or "twice" in named else data
    message = refusal(stored, ready_requests=ready_requests)
    assert message.startswith(f"seems to be {named}")
    assert way in message.partition(". ")[2]


@pytest.mark.parametrize("name", [name for name, (_, named, _) in BINARY.items() if "twice" not in named])
def test_a_binary_file_is_named_also_if_it_comes_in_drops(name: str) -> None:
    data, *_ = BINARY[name]

    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    with pytest.raises(ConfigurationError, match="seems to be"):
        list(read_row_file(cast("BinaryIO", Drops(data)), name=NAME))


def test_zero_bytes_are_named_wherever_they_are() -> None:
    assert refusal(bytes(600)).startswith("begins with zero bytes. A torn write")
    assert refusal(bytes(40) + ROWS).startswith("begins with zero bytes. A torn write")
    assert refusal(ROWS + bytes(40)).startswith("has zero bytes in line 3. A torn write")
    assert refusal(b'{"id":1}\n{"id"' + bytes(40)).startswith("has zero bytes in line 2. A torn write")


@pytest.mark.parametrize(
    ("data", "named", "way"),
    [
        (b"id,text\n1,x\n", "a CSV file", 'files(uri, format="csv")'),
        (b'\xef\xbb\xbf\n"id","text"\r\n"1","x"\r\n', "a CSV file", 'format="csv"'),
        (b"id,text\r1,x\r", "a CSV file", 'format="csv"'),
        ("id,größe\n".encode("latin-1"), "a CSV file", 'format="csv"'),
        (b"1,2\n", "a CSV file", 'format="csv"'),
        (b"id;text, long\n1;x;y\n", "a CSV file", 'format="csv"'),
        (b"id;text;more\n", "a CSV file with semicolons", 'format="csv", delimiter=";"'),
        (b"id\ttext\n1\tx\n", "a TSV file", 'format="tsv"'),
        (b"id|text\n", "a CSV file with `|`", 'delimiter="|"'),
        (b"<?xml version='1.0'?>\n<rows/>", "XML or HTML", "Check where it comes from"),
        (b"\n  <!DOCTYPE html>\n", "XML or HTML", "error page"),
        (b'{\n  "id": 1\n}\n', "JSON that is pretty-printed", "`jq -c .`"),
        (b'{\r\n  "id": 1\r\n}\r\n', "JSON that is pretty-printed", "`jq -c .`"),
        (b'{ "id": 1,\n  "text": "x" }\n', "JSON that is pretty-printed", "`jq -c .`"),
        (b'{"requests": [\n  {}]}', "the body of a create call", "`jq -c '.requests[]'`"),
        (b'{\n  "requests": [\n  ]\n}', "the body of a create call", "as `requests=`"),
        (b'{\n\n  "data": [\n  {}]}', "one JSON object over several lines", "`jq -c '.data[]'`"),
    ],
)
@pytest.mark.parametrize("ready_requests", [False, True])
def test_a_text_file_is_named_by_its_first_line(data: bytes, named: str, way: str, ready_requests: bool) -> None:
    message = refusal(data, ready_requests=ready_requests)
    assert message.startswith(f"seems to be {named}")
    assert way in message


def test_arrays_of_cells_are_named() -> None:
    message = refusal(b'["a",1]\n["b",2]\n')
    assert message.startswith("holds JSON arrays, ")
    assert "dict(zip(columns, cells))" in message
    assert message.endswith(' The line begins: ["a",1]')
    assert refusal(b'[["a",1],["b",2]]').startswith("holds JSON arrays, ")


@pytest.mark.parametrize("data", [b"text\nhello\n", b'"text"\n"hello"\n'])
def test_a_table_of_one_column_is_known_only_by_its_name(data: bytes) -> None:
    assert read(data, "rows.csv") == [{"text": "hello"}]
    with pytest.raises(InvalidRowError):
        read(data)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize(
    ("data", "named"),
    [
        (ROWS, 'seems to be JSON, not a table. For JSON Lines, give `files(uri, format="jsonl")`.'),
        (b'{ "id":1}\n', "seems to be JSON, not a table."),
        (b"\n{}\n", "seems to be JSON, not a table."),
        (b'[{"id":1}]', 'seems to be a JSON array, not a table. Give `files(uri, format="json")`.'),
        (b'[\n{"id":1}]', "seems to be a JSON array"),
        (b"\n<html>\n", "seems to be XML or HTML"),
        (b"<?xml version='1.0'?>", "seems to be XML or HTML"),
        (b"PAR1\x15\x04", 'seems to be a Parquet file, not {}. Give `files(uri, format="parquet")`.'),
        (zipped(), "seems to be a zip file (perhaps an Excel workbook), not {}. For a workbook, give"),
        ("id,text\n".encode("utf-16"), 'not UTF-8. Give `files(uri, encoding="utf-16")`.'),
    ],
)  # fmt: skip
def test_a_file_with_the_name_of_a_table_that_is_none_is_named(data: bytes, named: str, name: str) -> None:
    assert named.format({"rows.csv": "CSV", "rows.tsv": "TSV"}[name]) in refusal(data, name)


def test_json_lines_may_have_the_name_of_a_table_if_the_dag_says_so() -> None:
    assert read(ROWS, "rows.csv", options=FileOptions(format="jsonl")) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("header", ["[a],b", "{a},b", "<1,b", "a<b,c"])
def test_a_header_may_begin_with_a_bracket(header: str) -> None:
    assert read(f"{header}\n1,2\n".encode(), "rows.csv") == [dict(zip(header.split(","), "12", strict=True))]


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-16", "utf-16"), ("utf-16", "UTF-16LE"), ("utf-16-be", "utf-16-be"), ("utf-16-le", "utf-16-le"),
        ("utf-32", "utf-32"), ("utf-32-be", "utf_32_be"), ("cp1252", "Windows-1252"), ("utf-8-sig", "utf-8"),
    ],
)  # fmt: skip
def test_a_text_is_not_refused_if_the_dag_says_its_encoding(encoding: str, given: str) -> None:
    data = '{"id":"é"}\n'.encode(encoding)
    assert read(data, options=FileOptions(encoding=given)) == [{"id": "é"}]


@pytest.mark.parametrize(
    ("encoding", "given", "named"),
    [
        ("utf-16", "cp1252", "seems to be UTF-16 text, as PowerShell's `>` writes it, not cp1252. Give"),
        ("utf-16-be", "utf-16", 'seems to be UTF-16 text, not utf-16. Give `files(uri, encoding="utf-16-be")`.'),
        ("cp1252", "utf-16", "begins without a byte order mark, so it is not utf-16. If its encoding is utf-16-le or"),
        ("utf-8-sig", "cp1252", "begins with the byte order mark of UTF-8, so that it is not cp1252. Leave"),
    ],
)  # fmt: skip
def test_an_encoding_that_is_not_that_of_the_file_is_named(encoding: str, given: str, named: str) -> None:
    assert refusal('{"id":1}\n'.encode(encoding), options=FileOptions(encoding=given)).startswith(named)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":1},',
        b'{"text": "Hello,',
        b'{"text": "a {',
        b'{"id":NaN,"x":1}',
        b"{'id':1, 'x':2}",
        b"hello world",
        b'data: {"id":1,"x":2}',
        b'"id": 1, "x": 2',
        b'"a, b"',
        b"null",
        b'{"id":"\xe9"}',
        b'{"id":"a\0b"}',
        b'{"id":"\\ud83d"}',
    ],
)
def test_a_bad_first_line_that_shows_no_format_is_a_bad_row(line: bytes) -> None:
    for data in (line + b"\n" + ROWS, ROWS + line + b"\n"):
        with pytest.raises(InvalidRowError):
            read(data)


@pytest.mark.parametrize("line", [b"id,text", b"[1]", b'[{"id":1},', b"{", b"<p>"])
def test_a_later_line_shows_no_format(line: bytes) -> None:
    with pytest.raises(InvalidRowError, match=r"rows\.jsonl, line 3: ") as caught:
        read(ROWS + line + b"\n")
    assert caught.value.row_number == 2


def test_files_are_judged_one_by_one() -> None:
    assert refusal(b"\nid,text\n", first_row_number=7).startswith("seems to be a CSV file")


def test_a_byte_order_mark_between_two_files_is_named() -> None:
    message = refusal(b"\xef\xbb\xbf" + ROWS + b"\xef\xbb\xbf" + ROWS)
    assert message.startswith("has a byte order mark before line 3, as when files are joined by `cat`.")


@pytest.mark.parametrize("data", [b'{"id":1}\r{"id":2}\r', b'{"id":1}\r\r{"id":2}', b'{"id":1} \r {"id":2}\n'])
def test_carriage_returns_alone_are_named(data: bytes) -> None:
    message = refusal(data)
    assert message.startswith("has several objects in line 1, separated by carriage returns alone.")
    assert r"`tr '\r' '\n'`" in message


def test_utf_16_that_was_appended_is_named() -> None:
    for encoding in ("utf-16-le", "utf-16-be", "utf-16"):
        assert refusal(ROWS + ROWS.decode().encode(encoding)).startswith("turns into UTF-16 text in line 3.")


WHOLE = '{"custom_id":"ä","params":{"a":[1,{"b":"\\"é"}],"c":true}}'.encode()


@pytest.mark.parametrize("kept", range(1, len(WHOLE)))
@pytest.mark.parametrize("ready_requests", [False, True])
def test_a_last_line_that_is_cut_off_is_no_bad_row(kept: int, ready_requests: bool) -> None:
    message = refusal(WHOLE + b"\n" + WHOLE[:kept], ready_requests=ready_requests)
    assert message.startswith("seems to be cut short: line 2, its last, ends inside an object.")


def test_a_long_line_that_is_cut_off_is_judged_in_one_pass() -> None:
    text = b'\\"{' * 300_000
    assert refusal(ROWS + b'{"text":"' + text).startswith("seems to be cut short: line 3")
    with pytest.raises(InvalidRowError):
        read(b'{"text":"' + text + b"\n")


@pytest.mark.parametrize("line", [b'{"id":"\\ud83d"}', b'{"id":1}}', b"x", b'{"id":\xe9}'])
def test_a_last_line_without_an_end_may_be_a_bad_row(line: bytes) -> None:
    with pytest.raises(InvalidRowError):
        read(ROWS + line)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            '{"a":"é"}'.encode("latin-1"),
            "byte 7 is 0xe9, which is é in Latin-1 or Windows-1252. If it is that, give",
        ),
        (b'{"a":"ab\x81c"}', "byte 9 is 0x81. Give the encoding that it has, as `files(uri, encoding=…)`"),
        (b'{"a":"\xc3\xa9\xe9"}', "byte 9 is 0xe9, which is é"),
    ],
)
def test_latin_1_is_named_with_its_byte(line: bytes, named: str) -> None:
    for data in (line + b"\n", ROWS + line):
        with pytest.raises(InvalidRowError) as caught:
            read(data)
        assert f": not UTF-8: {named}" in str(caught.value)


def test_only_the_beginning_of_a_line_is_shown() -> None:
    message = refusal(b"id," + b"x" * 100_000 + b"\n")
    assert len(message.partition("The line begins: ")[2]) == 80


def test_rows_before_the_damage_come_first() -> None:
    rows = read_row_file(io.BytesIO(ROWS + b'{"id":'), name=NAME)
    assert [next(rows), next(rows)] == [{"id": 1}, {"id": 2}]
    with pytest.raises(ConfigurationError, match="cut short"):
        next(rows)


def test_a_file_of_another_format_is_refused_before_more_of_it_is_read() -> None:
    class Counted(io.BytesIO):
        def __init__(self, data: bytes) -> None:
            super().__init__(data)
            self.reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Counted(b"PAR1\x15" + bytes(3_000_000))
    with pytest.raises(ConfigurationError):
        next(read_row_file(cast("BinaryIO", file), name=NAME))
    assert file.reads == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(rows=st.lists(st.dictionaries(st.text(), VALUES, max_size=4), min_size=1, max_size=4), space=st.text(" \t\r\n"))
def test_no_file_of_json_lines_is_taken_for_another(rows: list[dict[str, Any]], space: str) -> None:
    data = (space + "\n".join(json.dumps(row) for row in rows)).encode()
    assert recognized(data) is None


@pytest.mark.parametrize("word", ["ustar", "PAR1", "ORC"])
def test_a_row_may_hold_the_words_of_other_formats(word: str) -> None:
    line = b'{"a":"' + b"x" * 251 + word.encode() + b'\\u0000"}\n'
    assert line.index(word.encode()) == 257
    assert len(read(line * 3)) == 3


def test_the_headers_of_tables_may_begin_like_other_formats() -> None:
    for header in (b"ORC,text\n", b"PAR1,PAR2\n", b"PARENT,text\n", b"FEA1,x\n"):
        assert refusal(header).startswith("seems to be a CSV file")


def test_text_that_shows_nothing_is_left_alone() -> None:
    assert recognized(b"") is None
    assert recognized_text(b"") is None
    assert recognized_text(b'{"id":1}\n') is None


@pytest.mark.parametrize("between", [b"", b" ", b",", b"\x1e", b", "])
@pytest.mark.parametrize("before", [b"", ROWS])
def test_objects_that_share_a_line_are_a_fault_of_the_file(before: bytes, between: bytes) -> None:
    with pytest.raises(ConfigurationError, match="has several objects in line"):
        read(before + b'{"id":1}' + between + b'{"id":2}\n{"id":3}\n')


@pytest.mark.parametrize("line", [b'{"id":1} x', b'{"id":1}]', b'{"id":1}}', b"5 {}"])
def test_anything_else_after_an_object_is_a_bad_row(line: bytes) -> None:
    with pytest.raises(InvalidRowError):
        read(ROWS + line + b"\n")
