"""The types of the user's columns that a seal records: what a source declares, else what all values have in common."""

from __future__ import annotations

import datetime
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.requests.exact_values import FileFloat
from anthropic_batches_provider.batches.rows import (
    ColumnTypes,
    RowColumns,
    column_types,
    prepare_requests,
    prepare_rows,
)
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.errors import InvalidRowError

BERLIN = datetime.timezone(datetime.timedelta(hours=1))
MOMENT = datetime.datetime.fromisoformat("2026-11-29T01:02:03")


class Nanoseconds(datetime.datetime):
    nanosecond = 7


class Color(Enum):
    RED = "red"


def types_of(rows: list[Any], spool: Path, **columns: Any) -> dict[str, str]:
    """Return the recorded types of rows, as operators record them."""
    kept = RowColumns(**columns)
    types = ColumnTypes(kept)
    for _ in prepare_rows(rows, columns=kept, encode=lambda *_: b"{}", spool_folder=spool, types=types):
        pass
    return {column.name: column.type for column in types.records()}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", ""], "string"),
        ([True, None], "bool"),
        ([1, -2, None], "int64"),
        ([-(1 << 63), (1 << 63) - 1], "int64"),
        ([-(1 << 63) - 1], "json"),
        ([1, 1 << 63], "uint64"),
        ([(1 << 64) - 1], "uint64"),
        ([1 << 64], "json"),
        ([-1, 1 << 63], "json"),
        ([1.5, 2], "double"),
        ([1.5, 1 << 53], "double"),
        ([1.5, (1 << 53) + 1], "json"),
        ([FileFloat("12.10"), 0.5], "double"),
        ([FileFloat("123456789012345678.91")], "json"),
        ([FileFloat("1e400")], "json"),
        ([FileFloat("1e9999999999999999999")], "json"),
        ([Decimal("12.10"), Decimal("-1234.5")], "decimal128(6, 2)"),
        ([Decimal("1E+3")], "decimal128(4, 0)"),
        ([Decimal("0.001")], "decimal128(3, 3)"),
        ([Decimal(0)], "decimal128(1, 0)"),
        ([Decimal("1" * 39)], "decimal256(39, 0)"),
        ([Decimal("1" * 77)], "string"),
        ([Decimal("1.5"), 1], "json"),
        ([datetime.date(2026, 11, 29)], "date32[day]"),
        ([MOMENT], "timestamp[us]"),
        ([MOMENT.replace(tzinfo=BERLIN), MOMENT.replace(tzinfo=datetime.UTC)], "timestamp[us, tz=UTC]"),
        ([MOMENT, Nanoseconds(2026, 1, 1)], "timestamp[ns]"),
        ([MOMENT, MOMENT.replace(tzinfo=BERLIN)], "string"),
        ([MOMENT, MOMENT.date()], "string"),
        ([datetime.time(1, 2)], "time64[us]"),
        ([datetime.time(1, 2, tzinfo=BERLIN)], "string"),
        ([datetime.timedelta(days=1)], "duration[us]"),
        ([b"\0", bytearray(b"1"), memoryview(b"2")], "binary"),
        ([b"\0", "text"], "string"),
        ([UUID(int=1)], "string"),
        ([Fraction(1, 2)], "double"),
        ([Fraction(1 << 64)], "double"),
        ([{"a": 1}], "json"),
        ([[1], (2,), {3}], "json"),
        ([Color.RED], "json"),
        (["1", 1], "json"),
        ([True, 1], "json"),
        ([None, None], "null"),
    ],
)
def test_a_column_has_the_type_that_holds_all_its_values(values: list[Any], expected: str, tmp_path: Path) -> None:
    for order in (values, values[::-1]):
        assert types_of([{"v": value} for value in order], tmp_path, keep=["v"])["v"] == expected


def test_columns_are_those_of_the_output_in_its_order(tmp_path: Path) -> None:
    rows = [{"c": 1, "a": "x", "b": 1.5}, {"b": None, "a": "y", "c": 2, "d": True}]
    expected = {"a": "string", "b": "double", "c": "int64"}
    named = types_of(rows, tmp_path, key="a", keep=["b", "c"])
    assert list(named.items()) == list(expected.items())
    every = types_of(rows, tmp_path, key="a", keep="*")
    assert list(every.items()) == [("a", "string"), ("c", "int64"), ("b", "double"), ("d", "bool")]
    assert types_of(rows, tmp_path, keep="b") == {"row_number": "int64", "b": "double"}


def test_an_invalid_row_counts_with_what_its_output_holds(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"id": 1, "v": float("nan"), "w": 1},
        {"id": 2, "w": "text"},
        InvalidRowError("a line that is no JSON", row_number=2),
        7,
        {"id": 5, "v": 1, "w": None},
    ]
    assert types_of(rows, tmp_path, key="id", keep=["v", "w"]) == {"id": "int64", "v": "int64", "w": "json"}
    assert types_of(rows, tmp_path, key="id", keep="*") == {"id": "int64", "v": "int64", "w": "json"}


def test_names_that_json_cannot_hold_or_holds_as_text(tmp_path: Path) -> None:
    rows: list[Any] = [{"a": 1}, {"a": 2, "\udce9": 1}, {"a": 3, 7: True}, {"a": 4, "7": False}]
    assert types_of(rows, tmp_path, keep="*") == {"row_number": "int64", "a": "int64", "7": "bool"}


def test_rows_of_ever_new_names_have_no_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_types, "MOST_COLUMNS", 5)
    assert len(types_of([{str(number): 1} for number in range(5)], tmp_path, keep="*")) == 6
    types = ColumnTypes(RowColumns(keep="*"))
    for number in range(50):
        types.observe({str(number): 1})
    assert types.records() == ()
    assert len(types._seen) == 6


def test_a_row_counts_as_it_was_read_whatever_a_builder_does_to_it(tmp_path: Path) -> None:
    columns = RowColumns(key="id")
    types = ColumnTypes(columns)

    def encode(row: Any, number: int) -> bytes:
        row["id"] = "changed"
        raise InvalidRowError("refused", row_number=number)

    (invalid,) = prepare_rows([{"id": 1}], columns=columns, encode=encode, spool_folder=tmp_path, types=types)
    assert isinstance(invalid, InvalidRow)
    assert [(column.name, column.type) for column in types.records()] == [("id", "int64")]


@pytest.mark.parametrize(
    ("ids", "expected"), [(["a", "b"], "string"), ([1, 2], "int64"), (["a", 1], "json"), (["a", None], "string")]
)
def test_the_key_of_ready_requests_is_their_custom_id(ids: list[Any], expected: str, tmp_path: Path) -> None:
    types = ColumnTypes(None, "key")
    params = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    requests = [{"custom_id": custom_id, "params": params} for custom_id in ids]
    for _ in prepare_requests(requests, spool_folder=tmp_path, types=types):
        pass
    assert [(column.name, column.type) for column in types.records()] == [("key", expected)]


def test_what_a_source_declares_goes_before_what_is_seen(tmp_path: Path) -> None:
    columns = RowColumns(key="id", keep=["at", "n"])
    types = ColumnTypes(columns)
    types.schema.declare({"id": "int32", "at": "timestamp[ms]", "n": "int32", "unused": "bool"})
    types.schema.declare({"id": "int32", "n": "int64"})
    types.observe({"id": 1, "at": None, "n": 3})
    recorded = [(column.name, column.type) for column in types.records()]
    assert recorded == [("id", "int32"), ("at", "timestamp[ms]"), ("n", "int64")]


def test_a_type_that_differs_between_files_is_not_declared() -> None:
    schema = SourceSchema()
    for kind in ("int32", "int64", "int32"):
        schema.declare({"a": kind, "b": "string"})
    assert schema.declared() == {"b": "string"}
