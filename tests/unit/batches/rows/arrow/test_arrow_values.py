"""Every type of Arrow becomes a value that is exact, or an error that names its row and column; others go on."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow
import pytest

from anthropic_batches_provider.batches.rows.arrow.arrow_values import check_names, rows_of_batch, values_of
from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime, NanosecondTime
from anthropic_batches_provider.batches.rows.arrow.unreadable import Unreadable
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

BERLIN = ZoneInfo("Europe/Berlin")
NS = pyarrow.timestamp("ns")
PAIRS = pyarrow.map_(pyarrow.string(), pyarrow.int8())
EPOCH = datetime.datetime.fromisoformat("1970-01-01")
DAY = datetime.timedelta(days=1)


def stored(kind: pyarrow.DataType, numbers: Sequence[int | None], width: int = 64) -> pyarrow.Array:
    return pyarrow.array(numbers, pyarrow.int32() if width == 32 else pyarrow.int64()).view(kind)


def extension(kind: Any, values: Sequence[Any]) -> pyarrow.Array:
    return pyarrow.ExtensionArray.from_storage(kind, pyarrow.array(values, kind.storage_type))


def utf8(*texts: bytes) -> pyarrow.Array:
    return pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())


def moment(text: str, nanosecond: int, zone: datetime.tzinfo | None = None) -> NanosecondDatetime:
    return NanosecondDatetime.of(datetime.datetime.fromisoformat(text).replace(tzinfo=zone), nanosecond)


class Text(pyarrow.ExtensionType):  # type: ignore[misc]
    """An extension type that only this process knows."""

    def __init__(self) -> None:
        super().__init__(pyarrow.map_(pyarrow.string(), NS), "tests.text")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Text:
        return cls()


VALUES: dict[str, tuple[pyarrow.Array, list[Any]]] = {
    "null": (pyarrow.nulls(2), [None, None]),
    "bool": (pyarrow.array([True, None]), [True, None]),
    "uint64": (pyarrow.array([2**64 - 1], pyarrow.uint64()), [2**64 - 1]),
    "int64": (pyarrow.array([-(2**63)]), [-(2**63)]),
    "float16": (pyarrow.array([1.5, None], pyarrow.float16()), [1.5, None]),
    "float32": (pyarrow.array([0.1], pyarrow.float32()), [0.10000000149011612]),
    "decimal32": (pyarrow.array([Decimal("1.10")], pyarrow.decimal32(5, 2)), [Decimal("1.10")]),
    "decimal128": (pyarrow.array([Decimal("12.10")], pyarrow.decimal128(38, 2)), [Decimal("12.10")]),
    "decimal256": (pyarrow.array([Decimal(10**75)], pyarrow.decimal256(76, 0)), [Decimal(10**75)]),
    "negative scale": (pyarrow.array([Decimal(12300)], pyarrow.decimal128(5, -2)), [Decimal("123E2")]),
    "string": (pyarrow.array(["明", "", None]), ["明", "", None]),
    "large_string": (pyarrow.array(["a"], pyarrow.large_string()), ["a"]),
    "string_view": (pyarrow.array(["a" * 20, None], pyarrow.string_view()), ["a" * 20, None]),
    "binary": (pyarrow.array([b"\xff", None]), [b"\xff", None]),
    "binary_view": (pyarrow.array([b"\xff" * 20], pyarrow.binary_view()), [b"\xff" * 20]),
    "fixed_size_binary": (pyarrow.array([b"ab"], pyarrow.binary(2)), [b"ab"]),
    "date32": (stored(pyarrow.date32(), [0, -719162, None], 32), [datetime.date(1970, 1, 1), datetime.date.min, None]),
    "date64": (stored(pyarrow.date64(), [-86_400_000, None]), [datetime.date(1969, 12, 31), None]),
    "time32": (stored(pyarrow.time32("ms"), [86_399_999], 32), [datetime.time(23, 59, 59, 999_000)]),
    "time64": (stored(pyarrow.time64("us"), [0, None]), [datetime.time(0), None]),
    "time64[ns]": (
        stored(pyarrow.time64("ns"), [1, 1000, None]),
        [NanosecondTime.of(datetime.time(0), 1), datetime.time(0, 0, 0, 1), None],
    ),
    "timestamp[s]": (stored(pyarrow.timestamp("s"), [-62_135_596_800]), [EPOCH.replace(year=1)]),
    "timestamp[us, tz]": (
        stored(pyarrow.timestamp("us", "Europe/Berlin"), [0]), [datetime.datetime(1970, 1, 1, 1, tzinfo=BERLIN)]
    ),
    "timestamp[ns]": (
        stored(NS, [1001, 1000, -1, None]),
        [moment("1970-01-01T00:00:00.000001", 1), EPOCH.replace(microsecond=1),
         moment("1969-12-31T23:59:59.999999", 999), None],
    ),
    "timestamp[ns], first and last": (
        stored(NS, [-(2**63), 2**63 - 1]),
        [moment("1677-09-21T00:12:43.145224", 192), moment("2262-04-11T23:47:16.854775", 807)],
    ),
    "timestamp[ns, tz], in the hour that comes twice": (
        stored(pyarrow.timestamp("ns", "Europe/Berlin"), [1_792_888_200_000_000_001, 1_792_891_800_000_000_001]),
[moment("2026-10-25T02:30:00", 1, BERLIN), moment("2026-10-25T02:30:00", 1, BERLIN).replace(fold=1)],
    ),
    "timestamp[ns, offset]": (
        stored(pyarrow.timestamp("ns", "-05:30"), [1]),
        [moment("1969-12-31T18:30:00", 1, datetime.timezone(-datetime.timedelta(hours=5, minutes=30)))],
    ),
    "duration[ns]": (stored(pyarrow.duration("ns"), [-1000, None]), [-datetime.timedelta(microseconds=1), None]),
    "duration[s]": (stored(pyarrow.duration("s"), [86_400]), [DAY]),
    "list": (pyarrow.array([[1], None, [], [None, 2]]), [[1], None, [], [None, 2]]),
    "list of ns": (
        pyarrow.array([[], None, [1001, None], [2000]], pyarrow.list_(pyarrow.duration("us"))).cast(
            pyarrow.list_(pyarrow.duration("ns"))
        ),
        [[], None, [1001 * datetime.timedelta(microseconds=1), None], [2 * datetime.timedelta(milliseconds=1)]],
    ),
    "large_list": (pyarrow.array([[0], None], pyarrow.large_list(NS)), [[EPOCH], None]),
    "fixed_size_list": (
        pyarrow.array([[0, None], None], pyarrow.list_(NS, 2)), [[EPOCH, None], None]
    ),
    "list_view": (
        pyarrow.ListViewArray.from_arrays([1, 0, 0], [1, 2, 0], stored(pyarrow.time64("us"), [0, 1])),
        [[datetime.time(0, 0, 0, 1)], [datetime.time(0), datetime.time(0, 0, 0, 1)], []],
    ),
    "struct": (pyarrow.array([{"a": 1}, None, {}], pyarrow.struct([("a", "int8")])), [{"a": 1}, None, {"a": None}]),
    "struct of ns": (
        pyarrow.array([{"a": [0]}, None, {"a": None}], pyarrow.struct([("a", pyarrow.list_(NS))])),
        [{"a": [EPOCH]}, None, {"a": None}],
    ),
    "struct without fields": (pyarrow.array([{}, None], pyarrow.struct([])), [{}, None]),
    "map": (
        pyarrow.array([[("b", 1), ("a", None)], None, []], PAIRS), [{"b": 1, "a": None}, None, {}],
    ),
    "map of maps in a list": (
        pyarrow.array([[[("a", [("b", 1)])]], []], pyarrow.list_(pyarrow.map_(pyarrow.string(), PAIRS))),
        [[{"a": {"b": 1}}], []],
    ),
    "dictionary": (pyarrow.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    "dictionary of ns": (
        stored(NS, [1, None, 1]).dictionary_encode(),
        [moment("1970-01-01T00:00:00", 1), None, moment("1970-01-01T00:00:00", 1)],
    ),
    "run_end_encoded": (pyarrow.RunEndEncodedArray.from_arrays([2, 3], ["a", None]), ["a", "a", None]),
    "run_end_encoded of ns": (
        pyarrow.RunEndEncodedArray.from_arrays([2, 3], stored(NS, [0, None])),
        [EPOCH, EPOCH, None],
    ),
    "uuid": (extension(pyarrow.uuid(), [bytes(16), None]), [UUID(int=0), None]),
    "json": (extension(pyarrow.json_(), ['{"a": 1}', None]), ['{"a": 1}', None]),
    "bool8": (extension(pyarrow.bool8(), [0, 2, None]), [False, True, None]),
    "tensor": (extension(pyarrow.fixed_shape_tensor(pyarrow.int8(), [2]), [[1, 2], None]), [[1, 2], None]),
    "own extension": (extension(Text(), [[("a", 0)], None]), [{"a": EPOCH}, None]),
    "union": (
        pyarrow.UnionArray.from_dense(
            pyarrow.array([0, 1], pyarrow.int8()), pyarrow.array([0, 0], pyarrow.int32()),
            [pyarrow.array([1]), pyarrow.array(["a"])],
        ),
        [1, "a"],
    ),
}  # fmt: skip


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, dict):
        return (
            type(found) is dict
            and list(found) == list(expected)
            and all(same(found[name], item) for name, item in expected.items())
        )
    if isinstance(expected, list):
        return type(found) is list and len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and found == expected


@pytest.mark.parametrize(("array", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_is_exact_wherever_it_is_in_its_array(array: pyarrow.Array, expected: list[Any]) -> None:
    array.validate(full=True)
    for start in range(len(array)):
        for length in range(1, len(array) - start + 1):
            found = values_of(array.slice(start, length))
            assert same(list(found), expected[start : start + length])


@pytest.mark.parametrize(("array", "expected"), VALUES.values(), ids=VALUES)
def test_values_inside_others_are_the_same(array: pyarrow.Array, expected: list[Any]) -> None:
    struct = pyarrow.StructArray.from_arrays([array, array], ["x", "y"])
    assert same(list(values_of(struct)), [{"x": value, "y": value} for value in expected])
    one = pyarrow.ListArray.from_arrays([0, 0, len(array)], array)
    assert same(list(values_of(one)), [[], expected])


def test_times_of_one_hour_that_comes_twice_keep_their_offsets() -> None:
    array, _ = VALUES["timestamp[ns, tz], in the hour that comes twice"]
    assert [str(value) for value in values_of(array)] == [
        "2026-10-25 02:30:00.000000001+02:00",
        "2026-10-25 02:30:00.000000001+01:00",
    ]


TWICE = pyarrow.StructArray.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"])
UNREADABLE: dict[str, tuple[pyarrow.Array, str]] = {
    "far second": (stored(pyarrow.timestamp("s"), [2**55]), "outside the years 1 to 9999"),
    "far microsecond": (stored(pyarrow.timestamp("us"), [2**62]), "outside the years 1 to 9999"),
    "far with a zone": (stored(pyarrow.timestamp("ms", "UTC"), [253_402_300_800_000]), "outside the years 1 to 9999"),
    "far date": (stored(pyarrow.date32(), [2**30], 32), "outside the years 1 to 9999"),
    "far date64": (stored(pyarrow.date64(), [86_400_000 * 2**30]), "outside the years 1 to 9999"),
    "date64 with a time": (stored(pyarrow.date64(), [1]), "a date with a time of day"),
    "24:00": (stored(pyarrow.time32("s"), [86_400], 32), "of 24:00 or later"),
    "below 00:00": (stored(pyarrow.time64("ns"), [-1]), "a time of day before 00:00"),
    "duration": (stored(pyarrow.duration("ns"), [1]), "a duration with nanoseconds"),
    "far duration": (stored(pyarrow.duration("s"), [2**60]), "of too many days"),
    "interval": (pyarrow.array([(1, 2, 3)], pyarrow.month_day_nano_interval()), "an interval of months"),
    "repeated key": (pyarrow.array([[("b", 1), ("b", 1)]], PAIRS), "a map with the key 'b' twice"),
    "keys of lists": (
        pyarrow.array([[([1], 1)]], pyarrow.map_(pyarrow.list_(pyarrow.int8()), pyarrow.int8())),
        "a map whose keys are lists",
    ),
    "map of durations": (
        pyarrow.array([[("a", 1)]], pyarrow.map_(pyarrow.string(), pyarrow.duration("ns"))), "with nanoseconds"
    ),
    "repeated field": (TWICE, "a struct with two fields of the same name: a, a"),
    "half a character": (utf8(b"\xc3"), "text that is not UTF-8"),
    "zone": (stored(pyarrow.timestamp("ns", "Mars/Olympus"), [1]), "does not know the time zone 'Mars/Olympus'"),
    "zone of whole seconds": (stored(pyarrow.timestamp("s", "Mars/Olympus"), [1]), "not know the time zone"),
    "union of ns": (
        pyarrow.UnionArray.from_dense(
            pyarrow.array([0], pyarrow.int8()), pyarrow.array([0], pyarrow.int32()), [stored(NS, [1])]
        ),
        "a union",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("array", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_named_wherever_it_is(array: pyarrow.Array, problem: str) -> None:
    struct = pyarrow.StructArray.from_arrays([array], ["x"])
    for place in (array, struct, pyarrow.ListArray.from_arrays([0, 1], array)):
        (found,) = values_of(place)
        assert type(found) is Unreadable
        assert problem in found.problem


@pytest.mark.parametrize(("array", "problem"), UNREADABLE.values(), ids=UNREADABLE)
def test_other_rows_go_on(array: pyarrow.Array, problem: str) -> None:
    column = array if "union" in str(array.type) else pyarrow.concat_arrays([array, pyarrow.nulls(1, array.type)])
    batch = pyarrow.record_batch({"n": list(range(len(column))), "x\n": column})
    bad, *good = rows_of_batch(batch, source="t.parquet", row_number=70, row_in_source=7)
    assert isinstance(bad, InvalidRowError)
    assert bad.row_number == 70
    assert str(bad).startswith("t.parquet, row 7 (the first is 0): column 'x\\\\n' holds ")
    assert problem in str(bad)
    assert str(bad).endswith(".")
    assert good == [{"n": 1, "x\n": None}] * (len(column) - 1)


def test_rows_are_numbered_over_all_slices() -> None:
    values = [0] * 2500
    values[2100] = 1
    batch = pyarrow.record_batch({"n": list(range(2500)), "d": stored(pyarrow.duration("ns"), values)})
    rows = list(rows_of_batch(batch, source="t", row_number=10, row_in_source=5))
    bad = rows.pop(2100)
    assert isinstance(bad, InvalidRowError)
    assert (bad.row_number, str(bad)[:10]) == (2110, "t, row 210")
    assert [row["n"] for row in rows if isinstance(row, dict)] == [n for n in range(2500) if n != 2100]


def test_rows_without_columns_are_counted() -> None:
    batch = pyarrow.record_batch({"n": [1, 2]}).select([])
    assert batch.num_rows == 2
    assert list(rows_of_batch(batch, source="t", row_number=0, row_in_source=0)) == [{}, {}]


def test_two_columns_of_one_name_are_refused() -> None:
    check_names(["a", "A", ""], source="t")
    with pytest.raises(ConfigurationError, match=r"^t has two columns of the same name: b, a\. Rename one"):
        check_names(["b", "a", "b", "a", "a", "c"], source="t")
