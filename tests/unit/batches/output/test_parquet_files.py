"""Files of Parquet: one schema for all, row groups of a bounded size, and equal bytes for equal rows."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow
import pytest
from pyarrow import parquet

from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output import parquet_files
from anthropic_batches_provider.batches.output.answered_row import NO_COLUMNS, AnsweredRow
from anthropic_batches_provider.batches.output.column_choice import ColumnChoice
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.parquet_files import open_parquet
from anthropic_batches_provider.batches.results import Result, decode_result, missing_result
from anthropic_batches_provider.batches.rows import read_row_file
from tests.worlds.ended_jobs import succeeded

NAMES = ("a", "A", "", "a.b", 'with "quotes"', "größe", "line\nfeed", "model.x")
OWN = tuple(ColumnRecord(name=name, type="int64") for name in NAMES)
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "label": {"type": "string"},
            "n": {"type": "integer"},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}},
        },
    }
).encode()


def written(path: Path, layout: RowLayout, rows: Iterable[AnsweredRow]) -> Any:
    with open_parquet(path, layout) as file:
        for row in rows:
            file.add(row)
    return parquet.ParquetFile(path, page_checksum_verification=True)


def row(number: int, text: str = "yes") -> AnsweredRow:
    columns = msgspec.json.encode(dict.fromkeys(NAMES, number))
    return judge_for(None, structured=True)(columns, "msgbatch_1", decode_result(succeeded(f"n-0-{number}", text)))


def test_a_file_without_rows_has_the_schema_of_the_others(tmp_path: Path) -> None:
    layout = RowLayout(own=OWN, answer_schema=SCHEMA)
    full = written(tmp_path / "full", layout, [row(1)])
    empty = written(tmp_path / "empty", layout, [])
    nulls = written(tmp_path / "nulls", layout, [AnsweredRow(b"{}", None, missing_result("n"))])
    assert empty.metadata.num_rows == 0
    assert empty.schema_arrow == full.schema_arrow == nulls.schema_arrow
    assert nulls.read().drop(["custom_id", "result_type"]).to_pylist()[0] == dict.fromkeys(
        name for name in full.schema_arrow.names if name not in ("custom_id", "result_type")
    )


def test_any_name_is_that_of_a_column(tmp_path: Path) -> None:
    table = written(tmp_path / "part", RowLayout(own=OWN), [row(1), row(2)]).read()
    assert table.column_names[: len(NAMES)] == list(NAMES)
    for name in NAMES:
        assert table.column(name).to_pylist() == [1, 2]


def test_answers_have_the_types_of_their_schema(tmp_path: Path) -> None:
    answers = ['{"label": "a", "n": 1, "parts": [{"x": 1}, {}]}', "null", "no JSON"]
    layout = RowLayout(answer_schema=SCHEMA)
    table = written(tmp_path / "part", layout, [row(number, text) for number, text in enumerate(answers)]).read()
    assert table.column("parsed_label").to_pylist() == ["a", None, None]
    assert table.column("parsed_n").to_pylist() == [1, None, None]
    parts = table.column("parsed_parts")
    assert parts.type == pyarrow.list_(pyarrow.struct([("x", pyarrow.float64())]))
    assert parts.to_pylist() == [[{"x": 1.0}, {"x": None}], None, None]
    assert table.column("usage_input_tokens").to_pylist() == [10, 10, 10]


def test_a_value_that_its_column_cannot_hold_is_said_once_for_the_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answers = ['{"n": 1e30}', '{"n": 2, "label": "b"}', f'{{"n": {10**30}}}', '{"n": 3, "z": 1}']
    answers.append('{"parts": [{"y": 1}]}')
    rows = [row(number, text) for number, text in enumerate(answers)]
    with caplog.at_level(logging.WARNING):
        file = written(tmp_path / "part", RowLayout(answer_schema=SCHEMA), rows)
    table = file.read()
    assert table.column("parsed_n").to_pylist() == [None, 2, None, 3, None]
    assert table.column("parsed_label").to_pylist() == [None, "b", None, None, None]
    assert table.column("parsed_parts").to_pylist() == [None] * 5
    assert table.column("text").to_pylist() == answers
    assert sorted(record.getMessage() for record in caplog.records) == [
        "1 answer has properties that the schema does not name, which no column holds; `text` has the answer.",
        "1 value does not fit the type of column 'parsed_parts', and is null in this part; `text` has the answer.",
        "2 values do not fit the type of column 'parsed_n', and are null in this part; `text` has the answer.",
    ]


def test_row_groups_are_bounded_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_files, "_BATCH_ROWS", 10)
    monkeypatch.setattr(parquet_files, "_GROUP_ROWS", 100)
    few = written(tmp_path / "few", RowLayout(), [row(number) for number in range(250)])
    assert [few.metadata.row_group(number).num_rows for number in range(few.num_row_groups)] == [100, 100, 50]
    monkeypatch.setattr(parquet_files, "_BATCH_BYTES", 1000)
    monkeypatch.setattr(parquet_files, "_GROUP_BYTES", 3000)
    large = written(tmp_path / "large", RowLayout(), [row(number, "x" * 1000) for number in range(7)])
    assert [large.metadata.row_group(number).num_rows for number in range(large.num_row_groups)] == [3, 3, 1]
    assert large.read().column("custom_id").to_pylist() == [f"n-0-{number}" for number in range(7)]


def test_equal_rows_give_equal_files_with_checksums(tmp_path: Path) -> None:
    rows = [row(number) for number in range(9)]
    one, two = (written(tmp_path / name, RowLayout(own=OWN), rows) for name in ("one", "two"))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert one.metadata.row_group(0).column(0).compression == "ZSTD"
    chunks = map(one.metadata.row_group(0).column, range(one.metadata.num_columns))
    encodings = {chunk.path_in_schema: chunk.encodings for chunk in chunks}
    assert "RLE_DICTIONARY" in encodings["model"]
    assert "RLE_DICTIONARY" not in encodings["custom_id"]
    assert two.schema_arrow.field("model").type == pyarrow.string()


def test_the_reader_of_rows_reads_what_was_written(tmp_path: Path) -> None:
    table = written(tmp_path / "part.parquet", RowLayout(own=OWN), [row(1), row(2)]).read()
    with (tmp_path / "part.parquet").open("rb") as stream:
        assert list(read_row_file(stream, name="part.parquet")) == table.to_pylist()


def fail(path: Path) -> None:
    with open_parquet(path, RowLayout()) as file:
        file.add(row(1))
        raise ZeroDivisionError


def test_an_error_of_the_rows_passes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "part")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk without room is played by /dev/full of Linux")
@pytest.mark.parametrize("rows", [1, 5000])
def test_a_full_disk_is_an_error_of_the_system(rows: int) -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        written(Path("/dev/full"), RowLayout(), map(row, range(rows)))
    assert raised.value.errno == errno.ENOSPC


def test_a_column_of_the_result_that_is_no_json_yet_is_text(tmp_path: Path) -> None:
    result = Result("n", "errored", error_type="overloaded_error", error_details={"request_id": "req_1"})
    table = written(tmp_path / "part", RowLayout(), [AnsweredRow(NO_COLUMNS, "b", result)]).read()
    assert table.column("error_details").to_pylist() == ['{"request_id":"req_1"}']


def test_costs_are_decimals_to_the_last_digit_and_what_is_too_large_is_null_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    costs = [0, 1, 1_250_000, None, 10**18 - 1, 10**18, 1 << 63]
    rows = [msgspec.structs.replace(row(number), cost=cost) for number, cost in enumerate(costs)]
    table = written(tmp_path / "part", RowLayout(choice=ColumnChoice.of({"text": "t", "cost_usd": "usd"})), rows).read()
    assert table.schema.field("usd").type == pyarrow.decimal128(18, 12)
    assert [None if usd is None else str(usd) for usd in table.column("usd").to_pylist()] == [
        "0E-12", "1E-12", "0.000001250000", None, "999999.999999999999", None, None,
    ]  # fmt: skip
    assert any("usd" in message and "2" in message for message in caplog.messages)
