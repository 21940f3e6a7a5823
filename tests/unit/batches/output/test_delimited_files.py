"""CSV: what each kind of value becomes, and how a file that is not as it was written is recognized."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.delimited_files import open_csv, read_delimited
from anthropic_batches_provider.batches.results import decode_result, missing_result
from tests.worlds.delimited_rows import csv_of
from tests.worlds.ended_jobs import errored, succeeded

SCHEMA = b"""{"type": "object", "additionalProperties": false, "properties": {
    "label": {"type": "string"}, "sure": {"type": "boolean"}, "score": {"type": "number"}, "any": {}}}"""


def written(path: Path, layout: RowLayout, *rows: AnsweredRow) -> bytes:
    with open_csv(path, layout) as sink:
        for row in rows:
            sink.add(row)
    return path.read_bytes()


def own(**types: str) -> tuple[ColumnRecord, ...]:
    return tuple(ColumnRecord(name=name, type=kind) for name, kind in types.items())


@pytest.mark.parametrize(
    ("json", "kind", "cell"),
    [
        ("null", "string", ""),
        ('""', "string", '""'),
        ('"null"', "string", "null"),
        ('"a b"', "string", "a b"),
        ('" a"', "string", " a"),
        ('"a,b"', "string", '"a,b"'),
        ('"say \\"a\\""', "string", '"say ""a"""'),
        ('"a\\nb"', "string", '"a\nb"'),
        ('"a\\rb"', "string", '"a\rb"'),
        ('"=1+1"', "string", "=1+1"),
        ('"\\u0000"', "string", "\x00"),
        ('"\\ufeffa"', "string", '"\ufeffa"'),
        ('"\\\\."', "string", '"\\."'),
        ('"\\ud83d\\ude00"', "string", "\U0001f600"),
        ("12.10", "double", "12.10"),
        ("123456789012345678901234567890", "json", "123456789012345678901234567890"),
        ("1E400", "json", "1E400"),
        ("-0.0", "double", "-0.0"),
        ("true", "bool", "true"),
        ('"AAEC"', "binary", "AAEC"),
        ('"2026-01-02"', "date32[day]", "2026-01-02"),
        ('["a",1]', "list<item: string>", '"[""a"",1]"'),
        ('{"a":null}', "json", '"{""a"":null}"'),
        ('"1"', "json", '"""1"""'),
        ("1", "json", "1"),
        ("null", "json", ""),
    ],
)
def test_a_cell_is_the_text_of_its_value(json: str, kind: str, cell: str, tmp_path: Path) -> None:
    layout = RowLayout(own=own(id="int64", v=kind), choice=ColumnChoice.of([]))
    row = AnsweredRow(b'{"id":1,"v":' + json.encode() + b"}", None, missing_result("a"))
    assert written(tmp_path / "rows.csv", layout, row).decode() == f"id,v\n1,{cell}\n"


def test_bytes_that_are_no_text_stay_as_they_are(tmp_path: Path) -> None:
    layout = RowLayout(own=own(a="json", b="string"), choice=ColumnChoice.of([]))
    row = AnsweredRow(b'{"a":["\xff"],"b":"\xfe"}', None, missing_result("a"))
    assert written(tmp_path / "rows.csv", layout, row) == b'a,b\n"[""\xff""]",\xfe\n'


def test_answers_that_fit_a_schema_are_cells(tmp_path: Path) -> None:
    layout = RowLayout(
        own=own(id="string"),
        answer_schema=SCHEMA,
        choice=ColumnChoice.of(["parsed", "text", "usage_output_tokens", "error_type"]),
    )
    judge = judge_for(None, structured=True)
    answer = '{"label": "a, b", "sure": true, "score": 0.50, "any": "x"}'
    data = written(
        tmp_path / "rows.csv",
        layout,
        judge(b'{"id":"1"}', "b", decode_result(succeeded("a", answer))),
        judge(b'{"id":"2"}', "b", decode_result(errored("a"))),
        judge(b'{"id":"3"}', "b", decode_result(succeeded("a", ""))),
    )
    quoted = answer.replace('"', '""')
    assert data.decode().splitlines() == [
        "id,parsed_label,parsed_sure,parsed_score,parsed_any,text,usage_output_tokens,error_type",
        f'1,"a, b",true,0.50,"""x""","{quoted}",3,',
        "2,,,,,,,invalid_request_error",
        '3,,,,,"",3,',
    ]


def test_rows_of_different_columns_have_empty_cells_and_names_are_quoted(tmp_path: Path) -> None:
    layout = RowLayout(own=own(**{"id": "int64", "a,b": "string", 'c"': "string"}), choice=ColumnChoice.of([]))
    rows = [
        AnsweredRow(columns, None, missing_result("a")) for columns in (b'{"id":1,"c\\"":"x"}', b'{"a,b":"y","id":2}')
    ]
    data = written(tmp_path / "rows.csv", layout, *rows)
    assert data.decode() == 'id,"a,b","c"""\n1,,x\n2,y,\n'


def test_equal_rows_give_equal_files_of_many_blocks(tmp_path: Path) -> None:
    rows = [[number, "x" * (number % 7)] for number in range(1_000)]
    data = csv_of(["n", "x"], rows, ["int64", "string"])
    assert data == csv_of(["n", "x"], rows, ["int64", "string"])
    assert data.count(b"\n") == 1_001
    assert [row["n"] for row in read_delimited(io.BytesIO(data))] == [str(number) for number in range(1_000)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has no header"),
        (b"a,b\n1\n", "line 2 has 1 cells, but the header names 2 columns"),
        (b'a,b\n"1\n2",3\n4,5,6\n', "line 4 has 3 cells"),
        (b'a,b\n1,"2\n3,4\n', "a cell that begins in line 2 does not end"),
        (b'a,b\n1,x"2"\n', "the record in line 2 is broken"),
        (b'a,b\n1,"2"x\n', "the record in line 2 is broken"),
        (b"a,b\r\n1,2\n", "the record in line 1 is broken"),
        (b'a,b\n1,"2"\n"\xff",2\n', "line 3 is no UTF-8"),
        (b"a,b\n1,2", "the record in line 2 is broken"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_is_an_error(content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        list(read_delimited(io.BytesIO(content)))


def test_memory_holds_one_record(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n" + (b'1,"' + b'x""\n' * 500 + b'"\n') * 5_000)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            found: Any = sum(1 for _ in read_delimited(file))
        assert found == 5_000
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_memory_holds_no_more_long_records_than_one_mebibyte(tmp_path: Path) -> None:
    layout = RowLayout(own=own(v="string"), choice=ColumnChoice.of([]))
    row = AnsweredRow(b'{"v":"' + b"x" * 500_000 + b'"}', None, missing_result("a"))
    tracemalloc.start()
    try:
        with open_csv(tmp_path / "part.csv", layout) as sink:
            for _ in range(50):
                sink.add(row)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert (tmp_path / "part.csv").stat().st_size == 2 + 50 * 500_001
