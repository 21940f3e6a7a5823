"""The JSON of cells becomes Python values by the columns' types; a value of another type is null, and counted."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.batches.output.table_values import TableValues, text_of, value_of
from anthropic_batches_provider.batches.undecodable import UNDECODABLE


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        ("string", b'"a\\n"', "a\n"), ("string", b"1.50", "1.50"), ("string", b"null", None),
        ("json", b'"a"', '"a"'), ("json", b'{"a": 1}', '{"a": 1}'), ("json", b"null", None),
        ("bool", b"true", True), ("int64", b"1", 1), ("uint64", b"18446744073709551615", 2**64 - 1),
        ("int64", b"1.0", 1), ("int64", b"1e3", 1000), ("double", b"1", 1.0), ("double", b"0.1", 0.1),
        ("decimal128(9, 2)", b'"12.10"', Decimal("12.10")), ("date32[day]", b'"2026-01-02"', datetime.date(2026, 1, 2)),
        ("int64", b"9223372036854775807", 2**63 - 1), ("int64", b"-9223372036854775808", -(2**63)),
        ("int64", b"9.223372036854775807e18", 2**63 - 1), ("fixed_size_binary[2]", b'"AAE="', b"\0\1"),
        ("binary", b'"AAE="', b"\0\1"), ("timestamp[us]", b'"2026-01-02T03:04:05"', "2026-01-02T03:04:05"),
    ],
)  # fmt: skip
def test_a_cell_becomes_the_value_that_its_json_says(kind: str, cell: bytes, expected: Any) -> None:
    values = TableValues([TableColumn("v", kind), TableColumn("w", "int64")])
    (found, other) = values.values([cell, b"7"])
    assert (type(found), found, other) == (type(expected), expected, 7)
    assert not values.misfits


@pytest.mark.parametrize(
    ("kind", "cell"),
    [("int64", b"1.5"), ("int64", b'"1"'), ("int64", b"true"), ("double", b"1e400"), ("bool", b"1"),
     ("int64", b"9223372036854775808"), ("int64", b"-9223372036854775809"), ("int64", b"1e30"),
     ("int64", b"1" * 5000), ("double", b"1e999999999"), ("date32[day]", b'"2026"'), ("binary", b'"?"')],
)  # fmt: skip
def test_a_value_of_another_type_is_null_and_counted(kind: str, cell: bytes) -> None:
    values = TableValues([TableColumn("v", kind), TableColumn("w", "string")])
    assert values.values([cell, b'"x"']) == [None, "x"]
    assert values.misfits == {"v": 1}


def test_whole_numbers_are_integers_in_every_form_and_at_every_depth() -> None:
    assert value_of(b"[1.0, 2, 3e2]", list[int]) == [1, 2, 300]
    assert value_of(b"9007199254740993.0", int) == 9007199254740993
    with pytest.raises(UNDECODABLE):
        value_of(b"1.00000000000000000001", int)


def test_text_is_of_a_string_its_content_and_of_anything_else_its_json() -> None:
    assert text_of(b'"a"', column_type="string") == "a"
    assert text_of(msgspec.Raw(b'["a"]'), column_type="string") == '["a"]'
    assert text_of(b'"a"') == '"a"'
