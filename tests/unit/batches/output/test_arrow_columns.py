"""Values of every type become arrays; one that the type cannot hold is null and counted, and the others stay."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow
import pytest

from anthropic_batches_provider.batches.arrow_types import arrow_type_of
from anthropic_batches_provider.batches.output.arrow_columns import ArrowColumn
from anthropic_batches_provider.batches.output.object_fields import ObjectFields
from anthropic_batches_provider.batches.output.table_columns import TableColumn

MOMENT = 1_767_323_045_000_000_000  # 2026-01-02T03:04:05Z


def column_of(kind: str, *cells: bytes) -> tuple[Any, Counter[str | None]]:
    """Return the array of a column of this type, as a writer makes it from rows."""
    misfits: Counter[str | None] = Counter()
    column = ArrowColumn(TableColumn("v", kind))
    fields = ObjectFields({"v": column.python}, {"v": "v"}, misfits)
    array = column.array([fields.values(b'{"v":%b}' % cell)[0] for cell in cells], misfits)
    assert array.type == column.type
    array.validate(full=True)
    return array, misfits


def number_of(scalar: Any) -> Any:
    return scalar.value if pyarrow.types.is_temporal(scalar.type) else scalar.as_py()


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        ("bool", b"true", True),
        ("int8", b"-128", -128),
        ("uint64", b"18446744073709551615", 2**64 - 1),
        ("int64", b"1.0", 1),
        ("double", b"0.1", 0.1),
        ("double", b"5", 5.0),
        ("float", b"0.10000000149011612", 0.10000000149011612),
        ("halffloat", b"1.5", 1.5),
        ("string", b'"a\\u0000b"', "a\0b"),
        ("large_string", '"größe"'.encode(), "größe"),
        ("json", b'"a"', '"a"'),
        ("json", b'{"a": 1.50}', '{"a": 1.50}'),
        ("binary", b'"AAE="', b"\0\1"),
        ("fixed_size_binary[2]", b'"AAE="', b"\0\1"),
        ("decimal128(9, 2)", b'"12.1"', Decimal("12.10")),
        ("decimal256(76, 0)", b'"%s"' % (b"9" * 76), Decimal("9" * 76)),
        ("decimal32(4, 2)", b'"-12.10"', Decimal("-12.10")),
        ("date32[day]", b'"1970-01-03"', 2),
        ("date64[ms]", b'"1970-01-03"', 2 * 86_400_000),
        ("time32[s]", b'"00:00:07"', 7),
        ("time32[ms]", b'"00:00:00.007000"', 7),
        ("time64[us]", b'"00:00:00.000007"', 7),
        ("time64[ns]", b'"00:00:00.000000007"', 7),
        ("time64[ns]", b'"00:00:07"', 7_000_000_000),
        ("timestamp[s]", b'"2026-01-02T03:04:05"', MOMENT // 10**9),
        ("timestamp[ms, tz=UTC]", b'"2026-01-02T03:04:05.007000Z"', MOMENT // 10**6 + 7),
        ("timestamp[us, tz=Europe/Berlin]", b'"2026-01-02T04:04:05+01:00"', MOMENT // 1000),
        ("timestamp[ns]", b'"2026-01-02T03:04:05.000000007"', MOMENT + 7),
        ("timestamp[ns, tz=+05:30]", b'"2026-01-02T08:34:05.000000007+05:30"', MOMENT + 7),
        ("timestamp[ns]", b'"1960-01-01T00:00:00.000000001"', -315_619_199_999_999_999),
        ("duration[s]", b'"-P1DT1S"', -86_401),
        ("duration[s]", b'"P999999999DT86399S"', 86_399_999_999_999),
        ("duration[ms]", b'"-P999999999D"', -86_399_999_913_600_000),
        ("duration[ns]", b'"PT0.000003S"', 3000),
        ("list<item: timestamp[ns]>", b'["1970-01-01T00:00:00.000000007", null]',
         [pyarrow.scalar(7, pyarrow.timestamp("ns")).value, None]),
        ("list<item: int64>", b"[1.0, null, 2e2]", [1, None, 200]),
        ("fixed_size_list<item: halffloat>[2]", b"[1.5, null]", [1.5, None]),
        ("struct<a: int8, \"b c\": list<item: string>>", b'{"b c": ["x"]}', {"a": None, "b c": ["x"]}),
        ("map<int8, time64[us]>", b'{"1": null, "-2": null}', [(1, None), (-2, None)]),
        ("extension<arrow.uuid>", b'"00000000-0000-0000-0000-000000000007"', bytes(15) + b"\7"),
        ("struct<>", b"{}", "{}"),
        ("decimal128(4, -3)", b'"1E+3"', "1E+3"),
        ("fixed_size_binary[0]", b'""', ""),
        ("list<item: struct<>>", b"[{}]", "[{}]"),
        ("fixed_size_list<item: int8>[0]", b"[]", "[]"),
    ],
)  # fmt: skip
def test_a_value_becomes_one_of_its_type(kind: str, cell: bytes, expected: Any) -> None:
    array, misfits = column_of(kind, cell, b"null")
    value, null = array
    if isinstance(value.type, pyarrow.BaseExtensionType):
        assert value.value.as_py() == expected
    elif kind.startswith("list<item: timestamp"):
        assert [each.value for each in value.values] == expected
    else:
        assert number_of(value) == expected
    assert not null.is_valid
    assert not misfits


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("int8", b"128"),
        ("uint64", b"18446744073709551616"),
        ("int64", b"9223372036854775808"),
        ("int64", b"1" * 31),
        ("int64", b"1.5"),
        ("double", b"1e400"),
        ("decimal128(4, 2)", b'"1.234"'),
        ("decimal128(4, 2)", b'"123.4"'),
        ("fixed_size_binary[2]", b'"AA=="'),
        ("time32[s]", b'"00:00:07.5"'),
        ("timestamp[s]", b'"2026-01-02T03:04:05.5"'),
        ("timestamp[us]", b'"2026-01-02T03:04:05Z"'),
        ("timestamp[us, tz=UTC]", b'"2026-01-02T03:04:05"'),
        ("timestamp[ns]", b'"2026-01-02T03:04:05Z"'),
        ("timestamp[ns, tz=UTC]", b'"2026-01-02T03:04:05"'),
        ("timestamp[ns]", b'"3026-01-02T03:04:05"'),
        ("duration[ms]", b'"PT0.0005S"'),
        ("list<item: int8>", b"[1, 300]"),
        ("list<item: int64>", b"[1.5]"),
        ("struct<a: int8>", b'{"a": 1, "b": 2}'),
        ("struct<a: int8>", b'{"a": "x"}'),
        ("list<item: struct<a: int64>>", b'[{"a": 1}, {"a": 1.5}]'),
        ("map<int8, int8>", b'{"x": 1}'),
        ("extension<arrow.uuid>", b'"7"'),
        ("null", b"1"),
    ],
)
def test_a_value_that_the_type_cannot_hold_is_null_and_counted(kind: str, cell: bytes) -> None:
    good = b'"a"' if kind == "string" else b"null"
    array, misfits = column_of(kind, cell, good, cell)
    assert array.to_pylist() == [None, None, None]
    assert misfits == {"v": 2}


def test_a_list_of_another_length_is_never_cut_or_filled() -> None:
    array, misfits = column_of("fixed_size_list<item: int8>[2]", b"[1]", b"[1, 2]")
    if pyarrow.types.is_fixed_size_list(array.type):
        assert (array.to_pylist(), misfits) == ([None, [1, 2]], {"v": 1})
    else:  # an older pyarrow cannot write a null in such a list
        assert (array.to_pylist(), misfits) == ([[1], [1, 2]], {})


def test_the_good_values_beside_a_misfit_stay() -> None:
    array, misfits = column_of("int8", b"1", b"300", b"null", b"2")
    assert array.to_pylist() == [1, None, None, 2]
    assert misfits == {"v": 1}


def test_values_of_the_result_that_are_no_json_yet_become_text() -> None:
    column = ArrowColumn(TableColumn("v", "json"))
    values = [None, {"a": 1}, ({"b": "ö"},), msgspec.Raw(b'{"c": 1}'), msgspec.Raw(b"null")]
    assert column.array(values, Counter()).to_pylist() == [None, '{"a":1}', '[{"b":"ö"}]', '{"c": 1}', None]


def test_every_type_of_a_column_is_one_that_parquet_has() -> None:
    assert ArrowColumn(TableColumn("v", "struct<>")).type == pyarrow.string()
    kind = "map<string, list<item: extension<arrow.uuid>>>"
    assert ArrowColumn(TableColumn("v", kind)).type == arrow_type_of(kind)
