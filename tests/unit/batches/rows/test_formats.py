"""The list of formats: a file's name chooses its reader, and one entry is enough for a new format."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pyarrow
import pytest
from pyarrow import parquet

from anthropic_batches_provider.batches.requests import ReadyLine
from anthropic_batches_provider.batches.rows import Reading, formats, prepare_requests, read_row_file
from anthropic_batches_provider.batches.rows.formats import JSON_LINES, RowFormat, find_format
from anthropic_batches_provider.batches.rows.plain_bytes import RowFile
from anthropic_batches_provider.edge.row_arguments import RowsArgument
from anthropic_batches_provider.errors import InvalidRowError
from tests.worlds.strict_rows import read_rows, valid_rows


def read_tab_separated(file: RowFile) -> Iterator[dict[str, Any]]:
    """Yield rows of text; the first line names the columns."""
    names: list[str] = []
    for row_number, line in enumerate(file.lines(), file.first_row_number - 1):
        cells = line.decode().rstrip("\r\n").split("\t")
        if not names:
            names = cells
        elif len(cells) != len(names):
            problem = f"{file.name}: {len(cells)} cells for {len(names)} columns"
            raise InvalidRowError(problem, row_number=row_number)
        else:
            yield dict(zip(names, cells, strict=True))


def read_counted(file: RowFile) -> Iterator[dict[str, Any]]:
    """Yield the numbers of a file whose last four bytes are their count, like a format with a footer."""
    file.stream.seek(-4, io.SEEK_END)
    (count,) = struct.unpack("<I", file.stream.read())
    file.stream.seek(0)
    for _ in range(count):
        yield {"n": file.stream.read(1).decode()}


@pytest.fixture(autouse=True)
def second_format(monkeypatch: pytest.MonkeyPatch) -> None:
    tab_separated = RowFormat(
        name="tab-separated", option="tab", suffixes=(".lines", ".tabs"), read_rows=read_tab_separated
    )
    monkeypatch.setattr(formats, "ROW_FORMATS", (*formats.ROW_FORMATS, tab_separated))


def read(uri: str, **options: Any) -> list[Any]:
    return list(read_rows(RowsArgument(uri).read(cast("Any", {}), Reading(**options))))


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("rows.jsonl", "JSON Lines"),
        ("rows.ndjson.gz", "JSON Lines"),
        ("rows.jsonl.zst", "JSON Lines"),
        ("rows.json", "JSON"),
        ("ROWS.CSV", "CSV"),
        ("rows.csv.zst", "CSV"),
        ("rows.tsv", "TSV"),
        ("rows.tab.gz", "TSV"),
        ("rows.csv.jsonl", "JSON Lines"),
        ("s3://conn@bucket/dt=1/ROWS.LINES", "tab-separated"),
        ("rows.tabs.gz", "tab-separated"),
        ("rows.lines.jsonl", "JSON Lines"),
        ("rows.lines.bak", "JSON Lines"),
        ("lines", "JSON Lines"),
        ("rows.gz", "JSON Lines"),
        ("rows", "JSON Lines"),
        ("", "JSON Lines"),
    ],
)
def test_the_suffix_names_the_format_and_any_other_is_json_lines(name: str, format_name: str) -> None:
    assert find_format(name).name == format_name


def test_no_suffix_stands_twice_in_the_list() -> None:
    suffixes = [suffix for each in formats.ROW_FORMATS for suffix in each.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / "a.jsonl").write_bytes(b'{"n": "1"}\n')
    (tmp_path / "b.lines").write_bytes(b"\xef\xbb\xbfn\ttext\r\n2\tb\r\n3\tc")
    (tmp_path / "c.lines.gz").write_bytes(gzip.compress(b"n\n4\n"))
    (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(b'{"n": "5"}\n'))
    return tmp_path


def test_files_of_several_formats_are_one_input(lake: Path) -> None:
    assert read(f"{lake}/*") == [{"n": "1"}, {"n": "2", "text": "b"}, {"n": "3", "text": "c"}, {"n": "4"}, {"n": "5"}]


@pytest.mark.parametrize(
    ("name", "content", "row_number", "message"),
    [
        ("e.lines", b"n\n6\n7\t7\n", 6, "e.lines: 2 cells for 1 columns"),
        ("e.lines", gzip.compress(b"n\n6\n", mtime=0)[:-1], 6, "e.lines, after line 2: the gzip data is cut short"),
        ("e.jsonl", b'{"n": "6"}\n7', 6, "e.jsonl, line 2: not a row"),
        ("b.lines.a.jsonl", b"7", 3, "b.lines.a.jsonl, line 1: not a row"),
    ],
)
def test_row_numbers_run_on_over_files_of_several_formats(
    lake: Path, name: str, content: bytes, row_number: int, message: str
) -> None:
    (lake / name).write_bytes(content)
    with pytest.raises(InvalidRowError) as caught:
        read(f"{lake}/*")
    assert caught.value.row_number == row_number
    assert str(caught.value).startswith(f"{lake}/{message}")


def test_a_line_without_an_end_asks_whether_the_file_has_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_batches_provider.batches.rows.plain_bytes.MAX_LINE_BYTES", 1000)
    with pytest.raises(
        InvalidRowError, match=r"rows\.lines, after line 1: .* Check that this is a tab-separated file\. It begins: xx"
    ):
        list(read_row_file(io.BytesIO(b"n\n" + b"x" * 2000), name="rows.lines"))


def test_ready_requests_come_as_dicts_where_a_format_has_no_faster_way(tmp_path: Path) -> None:
    def read_requests(file: RowFile) -> Iterator[dict[str, Any]]:
        for row in read_tab_separated(file):
            yield {"custom_id": row["id"], "params": json.loads(row["params"])}

    params = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
    (tmp_path / "a.jsonl").write_text(json.dumps({"custom_id": "a", "params": params}))
    (tmp_path / "b.lines").write_text(f"id\tparams\nb\t{json.dumps(params)}\n")
    with pytest.MonkeyPatch.context() as patch:
        of_requests = RowFormat(name="tab-separated", option="tab", suffixes=(".lines",), read_rows=read_requests)
        patch.setattr(formats, "ROW_FORMATS", (JSON_LINES, of_requests))
        requests = read(f"{tmp_path}/*", ready_requests=True)
        as_rows = read(f"{tmp_path}/*")
    assert [type(request) for request in requests] == [ReadyLine, dict]
    assert [type(row) for row in as_rows] == [dict, dict]
    prepared = list(valid_rows(prepare_requests(requests, spool_folder=tmp_path)))
    assert [row.columns for row in prepared] == [b'{"key":"a"}', b'{"key":"b"}']
    assert [json.loads(row.params) for row in prepared] == [params, params]


def test_a_format_may_seek_in_the_raw_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = RowFormat(name="counted", option="counted", suffixes=(".counted",), read_rows=read_counted)
    monkeypatch.setattr(formats, "ROW_FORMATS", (JSON_LINES, counted))
    (tmp_path / "a.counted").write_bytes(b"123" + struct.pack("<I", 3))
    assert read(f"{tmp_path}/a.counted") == [{"n": "1"}, {"n": "2"}, {"n": "3"}]


def test_a_file_that_is_read_says_which_row_comes_next() -> None:
    rows = read_row_file(io.BytesIO(b"n\n1\n2\n"), name="rows.lines", first_row_number=10)
    assert [next(rows), next(rows)] == [{"n": "1"}, {"n": "2"}]
    with pytest.raises(StopIteration) as end:
        next(rows)
    assert end.value.value == 12


@pytest.mark.parametrize(
    ("name", "declared"), [("b.parquet", {"n": "int32"}), ("b.jsonl", {}), ("empty.jsonl", {"n": "int32"})]
)
def test_types_are_declared_by_all_files_or_by_none(tmp_path: Path, name: str, declared: dict[str, str]) -> None:
    for each in ("a.parquet", "b.parquet"):
        parquet.write_table(pyarrow.table({"n": pyarrow.array([1], pyarrow.int32())}), tmp_path / each)
    (tmp_path / "b.jsonl").write_text('{"n": "one"}\n')
    (tmp_path / "empty.jsonl").touch()
    for order in (["a.parquet", name], [name, "a.parquet"]):
        reading = Reading()
        list(RowsArgument([f"{tmp_path}/{each}" for each in order]).read(cast("Any", {}), reading))
        assert reading.schema.declared() == declared
