"""Tables in memory that hand out Arrow data give their rows, one table after another; none is read in part."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow
import pytest

from anthropic_batches_provider.batches.rows import SourceSchema
from anthropic_batches_provider.batches.rows.arrow.frames import read_items
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

ROWS = [{"n": number, "text": f"word {number}"} for number in range(2500)]
TABLE = pyarrow.Table.from_pylist(ROWS)


def read(items: Iterable[Any], *, schema: SourceSchema | None = None, ready_requests: bool = False) -> list[Any]:
    return list(read_items(items, ready_requests=ready_requests, schema=schema or SourceSchema()))


class Stream:
    """An object of another library that hands out Arrow data, such as a relation of duckdb."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    """The same with one batch."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch

    def __arrow_c_array__(self, requested_schema: Any = None) -> Any:
        return self.batch.__arrow_c_array__(requested_schema)


def one_by_one() -> Iterator[Any]:
    yield from TABLE.to_batches(max_chunksize=300)


@pytest.mark.parametrize(
    "tables",
    [
        [TABLE],
        [TABLE.to_reader(max_chunksize=999)],
        TABLE.to_batches(),
        [Stream(TABLE)],
        [Batch(TABLE.combine_chunks().to_batches()[0])],
        one_by_one(),
        [TABLE.slice(0, 0), TABLE.slice(0, 1500), Stream(TABLE.slice(1500))],
    ],
)
def test_all_rows_come_in_order(tables: Iterable[Any]) -> None:
    assert read(tables) == ROWS


def test_items_that_are_no_tables_pass_as_they_are() -> None:
    for items in ([], [7, None], [{"a": 1}, TABLE], ROWS):
        assert read(iter(items)) == items


def test_a_table_is_read_only_when_its_turn_comes() -> None:
    def tables() -> Iterator[Any]:
        yield TABLE.slice(0, 1)
        raise ArithmeticError("the second cannot be made")

    rows = read_items(tables(), ready_requests=False, schema=SourceSchema())
    assert next(rows) == ROWS[0]
    with pytest.raises(ArithmeticError):
        next(rows)


def test_rows_are_numbered_over_all_tables() -> None:
    spans = pyarrow.table({"v": pyarrow.array([1000, 1], pyarrow.duration("ns"))})
    *_, bad = read([TABLE, spans])
    assert isinstance(bad, InvalidRowError)
    assert bad.row_number == 2501
    assert str(bad).startswith("The Table, row 1 (the first is 0): column 'v' holds a duration with nanoseconds")


def test_types_are_declared_for_each_table() -> None:
    schema = SourceSchema()
    other = pyarrow.table({"n": [1], "text": pyarrow.array(["a"], pyarrow.large_string())})
    read([TABLE, other], schema=schema)
    assert schema.declared() == {"n": "int64"}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([TABLE, {"n": 1}], "After a table, the source of the rows yields a value of type dict. Yield tables, or"),
        ([pyarrow.array([1])], "Rows cannot be read from a Int64Array .*Give a table with named columns"),
        ([pyarrow.chunked_array([[1]])], "Rows cannot be read from a ChunkedArray"),
        ([pyarrow.Table.from_arrays([[1], [2]], ["a", "a"])], "The Table has two columns of the same name: a."),
    ],
)
def test_what_is_no_table_of_rows_is_refused(items: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(items)


def test_ready_requests_are_refused_where_absent_fields_would_be_null() -> None:
    table = pyarrow.table({"custom_id": ["a"], "params": [{"model": "m"}]})
    with pytest.raises(ConfigurationError, match="their params would have null for each field"):
        read([table], ready_requests=True)
    requests = table.to_pylist()
    assert read(requests, ready_requests=True) == requests


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(TABLE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"A Stream cannot be read without pyarrow .*\[parquet\]'"):
        read([stream])
