"""The text of a type says what the values are, and reads back as the type of Arrow that holds them."""

from __future__ import annotations

import pyarrow
import pytest

from anthropic_batches_provider.batches.arrow_types import arrow_type_of, declared_types, type_text

ODD = 'b c, d: x>"{}\n'
UNION = pyarrow.dense_union([pyarrow.field("x", pyarrow.int8())])
EXACT = [
    *(getattr(pyarrow, name)() for name in (
        "null", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
        "float64", "string", "large_string", "binary", "large_binary", "date32", "date64", "uuid",
    )),
    *(pyarrow.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    *(pyarrow.timestamp(unit, zone) for unit in ("s", "ns") for zone in ("UTC", "Europe/Berlin", "+05:30")),
    *(pyarrow.duration(unit) for unit in ("s", "ms", "us", "ns")),
    pyarrow.time32("s"), pyarrow.time32("ms"), pyarrow.time64("us"), pyarrow.time64("ns"),
    pyarrow.decimal128(10, 2), pyarrow.decimal128(5, -3), pyarrow.decimal256(76, 75), pyarrow.binary(16),
    pyarrow.list_(pyarrow.int8()), pyarrow.large_list(pyarrow.list_(pyarrow.string())),
    pyarrow.list_(pyarrow.date32(), 3),
    pyarrow.map_(pyarrow.string(), pyarrow.timestamp("us", "UTC")),
    pyarrow.map_(pyarrow.int8(), pyarrow.list_(pyarrow.decimal128(10, 2))),
    pyarrow.struct([]), pyarrow.struct([("a", pyarrow.int32()), ("größe", pyarrow.struct([(ODD, pyarrow.uuid())]))]),
    pyarrow.struct([("", pyarrow.binary(2))]),
    pyarrow.struct([("1", pyarrow.map_(pyarrow.string(), pyarrow.list_(pyarrow.float16(), 2)))]),
]  # fmt: skip


@pytest.mark.parametrize("kind", EXACT, ids=str)
def test_a_type_comes_back_from_its_text(kind: pyarrow.DataType) -> None:
    text = type_text(kind)
    assert text is not None
    assert arrow_type_of(text) == kind
    assert type_text(arrow_type_of(text)) == text


@pytest.mark.parametrize("kind", [kind for kind in EXACT if '"' not in str(type_text(kind))], ids=str)
def test_the_text_is_arrows_own(kind: pyarrow.DataType) -> None:
    assert type_text(kind) == str(kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), "string"),
        (pyarrow.run_end_encoded(pyarrow.int32(), pyarrow.date32()), "date32[day]"),
        (pyarrow.string_view(), "string"),
        (pyarrow.binary_view(), "binary"),
        (pyarrow.list_view(pyarrow.string_view()), "list<item: string>"),
        (pyarrow.large_list_view(pyarrow.int8()), "large_list<item: int8>"),
        (pyarrow.list_(pyarrow.field("element", pyarrow.int8(), nullable=False)), "list<item: int8>"),
        (pyarrow.map_(pyarrow.string(), pyarrow.field("x", pyarrow.int8()), keys_sorted=True), "map<string, int8>"),
        (pyarrow.struct([pyarrow.field("a", pyarrow.int8(), nullable=False)]), "struct<a: int8>"),
        (pyarrow.struct([(ODD, pyarrow.int8())]), 'struct<"b c, d: x>\\"{}\\n": int8>'),
        (pyarrow.bool8(), "bool"),
        (pyarrow.json_(), "string"),
        (pyarrow.fixed_shape_tensor(pyarrow.int32(), [2, 3]), "fixed_size_list<item: int32>[6]"),
        (pyarrow.opaque(pyarrow.int8(), "t", "v"), "int8"),
        (UNION, None),
        (pyarrow.list_(UNION), None),
        (pyarrow.month_day_nano_interval(), None),
        (pyarrow.struct([("a", pyarrow.month_day_nano_interval())]), None),
    ],
    ids=str,
)
def test_how_values_are_stored_is_left_out(kind: pyarrow.DataType, text: str | None) -> None:
    assert type_text(kind) == text


@pytest.mark.parametrize(
    "text",
    ["", "json", "int", "list<", "list<item: int8", "struct<a>", "struct<a: int8,>", "map<string>", "int8 int8",
     "timestamp[min]", "decimal128(1)", "extension<arrow.json>", "fixed_size_list<item: int8>"],
)  # fmt: skip
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no type of Arrow"):
        arrow_type_of(text)


def test_a_column_without_such_a_type_is_not_declared() -> None:
    schema = pyarrow.schema([("n", pyarrow.int64()), ("u", UNION), ("t", pyarrow.timestamp("us", "UTC"))])
    assert declared_types(schema) == {"n": "int64", "t": "timestamp[us, tz=UTC]"}
