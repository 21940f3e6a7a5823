"""Frames of pandas and polars as rows; these are installed where the object stores are tested (make test-stores)."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_batches_provider.batches.rows import RowColumns, SourceSchema, prepare_requests
from anthropic_batches_provider.batches.rows.arrow.frames import read_items
from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime, NanosecondTime
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

numpy: Any = pytest.importorskip("numpy", reason="numpy is not installed: make test-stores runs this")
pandas: Any = pytest.importorskip("pandas", reason="pandas is not installed: make test-stores runs this")
polars: Any = pytest.importorskip("polars", reason="polars is not installed: make test-stores runs this")

EPOCH = datetime.datetime.fromisoformat("1970-01-01")


def read(*tables: Any, schema: SourceSchema | None = None, ready_requests: bool = False) -> list[Any]:
    return list(read_items(tables, ready_requests=ready_requests, schema=schema or SourceSchema()))


def kept(row: Any) -> str:
    return RowColumns(keep="*").columns_of(row, 0).decode().removeprefix('{"row_number":0,')


# --------------------------------------------------------------------------------------------------------------- pandas


@pytest.mark.parametrize("index", [None, list(range(2500, 0, -1)), [0] * 2500])
def test_all_rows_come_in_order_whatever_the_index_is(index: list[int] | None) -> None:
    rows = [{"n": number, "text": f"word {number}"} for number in range(2500)]
    frame = pandas.DataFrame(rows, index=index)
    before = frame.copy()
    assert read(frame) == rows
    assert read(frame.iloc[:1], frame.iloc[1:1000], frame.iloc[1000:]) == rows
    pandas.testing.assert_frame_equal(frame, before)


def test_pandas_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pandas.DataFrame({"n": [1, 2], "at": pandas.to_datetime(["2026-01-01", None])})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert read(frame) == [{"n": 1, "at": pandas.Timestamp("2026-01-01")}, {"n": 2, "at": None}]


COLUMNS: dict[str, tuple[Any, list[str]]] = {
    "float": (pandas.Series([0.1, float("nan")]), ["0.1", "null"]),
    "int with holes": (pandas.Series([1, None], dtype="Int64"), ["1", "null"]),
    "large int": (pandas.Series([2**64 - 1], dtype="uint64"), ["18446744073709551615"]),
    "bool with holes": (pandas.Series([True, None], dtype="boolean"), ["true", "null"]),
    "text": (pandas.Series(["a", None]), ['"a"', "null"]),
    "text in objects": (pandas.Series(["a", None, float("nan")], dtype=object), ['"a"', "null", "null"]),
    "category": (pandas.Series(["a", None], dtype="category"), ['"a"', "null"]),
    "moment": (
        pandas.Series([pandas.Timestamp("2026-01-01T00:00:00.123456789"), pandas.NaT]).astype("datetime64[ns]"),
        ['"2026-01-01T00:00:00.123456789"', "null"],
    ),
    "moment with a zone": (
        pandas.Series(pandas.to_datetime(["2026-07-01", None])).dt.tz_localize("Europe/Berlin"),
        ['"2026-07-01T00:00:00+02:00"', "null"],
    ),
    "span": (pandas.Series(pandas.to_timedelta([1, None], unit="D")), ['"P1D"', "null"]),
    "decimals": (pandas.Series([Decimal("1.10"), Decimal("NaN"), None]), ['"1.10"', "null", "null"]),
    "nested": (pandas.Series([{"a": [1, None]}, [1], None]), ['{"a":[1,null]}', "[1]", "null"]),
    "numpy in objects": (pandas.Series([numpy.int64(7), numpy.datetime64("NaT")], dtype=object), ["7", "null"]),
    "sparse": (pandas.Series([0, 1], dtype=pandas.SparseDtype("int64")), ["0", "1"]),
}


@pytest.mark.parametrize(("column", "texts"), COLUMNS.values(), ids=COLUMNS)
def test_missing_values_are_none_and_others_exact(column: Any, texts: list[str]) -> None:
    rows = read(pandas.DataFrame({"v": column, "n": range(len(column))}))
    assert [kept(row) for row in rows] == [f'"v":{text},"n":{number}}}' for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    "values", [[float("inf")], [pandas.Timedelta(nanoseconds=1)], [pandas.Period("2026-01")], [[float("nan")]]]
)
def test_what_json_cannot_hold_is_refused_as_from_any_other_source(values: list[Any]) -> None:
    (row,) = read(pandas.DataFrame({"v": values}))
    with pytest.raises(InvalidRowError, match="column 'v'"):
        kept(row)


def test_a_year_that_python_does_not_have_is_refused_where_it_is_kept() -> None:
    near, far = read(pandas.DataFrame({"at": numpy.array([0, 2**40], dtype="datetime64[s]")}))
    assert kept(near) == '"at":"1970-01-01T00:00:00"}'
    with pytest.raises(InvalidRowError, match="column 'at'"):
        kept(far)


class Grudging(pandas.api.extensions.ExtensionDtype):  # type: ignore[misc]
    name = "grudging"
    type = int

    @classmethod
    def construct_array_type(cls) -> Any:
        return GrudgingArray


class GrudgingArray(pandas.api.extensions.ExtensionArray):  # type: ignore[misc]
    """A column of another package, which does not give its number 13."""

    dtype = Grudging()

    def __init__(self, numbers: Any) -> None:
        self.numbers = numpy.asarray(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, item: Any) -> Any:
        if not isinstance(item, (int, numpy.integer)):
            return GrudgingArray(self.numbers[item])
        if self.numbers[item] == 13:
            raise LookupError("no")
        return int(self.numbers[item])

    def copy(self) -> Any:
        return GrudgingArray(self.numbers)

    def isna(self) -> Any:
        return numpy.zeros(len(self), dtype=bool)


def test_a_value_that_pandas_cannot_read_is_named_and_others_go_on() -> None:
    first, bad, third = read(pandas.DataFrame({"n": [1, 2, 3], "v": GrudgingArray([12, 13, 14])}))
    assert (first, third) == ({"n": 1, "v": 12}, {"n": 3, "v": 14})
    assert isinstance(bad, InvalidRowError)
    assert str(bad).startswith("The DataFrame, row 1 (the first is 0): column 'v' holds a value that pandas cannot")
    assert bad.row_number == 1


def test_arrows_types_in_pandas_have_the_values_that_arrow_gives() -> None:
    import pyarrow

    def column(kind: Any, values: list[Any]) -> Any:
        return pandas.arrays.ArrowExtensionArray(pyarrow.chunked_array([pyarrow.array(values, kind)]))

    far = pandas.DataFrame({"at": column(pyarrow.timestamp("s"), [0, 2**55])})
    assert [str(row)[:60] for row in read(far)][1].startswith(
        "The DataFrame, row 1 (the first is 0): column 'at' holds"
    )
    pairs = pyarrow.map_(pyarrow.string(), pyarrow.int8())
    frame = pandas.DataFrame({
        "map": column(pairs, [[("a", 1)], None, [("a", 1), ("a", 2)]]),
        "at": column(pyarrow.timestamp("ns"), [1, None, 0]),
        "struct": column(pyarrow.struct([("x", pyarrow.time64("ns"))]), [{"x": 1}, None, None]),
    })  # fmt: skip
    schema = SourceSchema()
    first, second, bad = read(frame, schema=schema)
    assert first == {
        "map": {"a": 1},
        "at": NanosecondDatetime.of(EPOCH, 1),
        "struct": {"x": NanosecondTime.of(datetime.time(0), 1)},
    }
    assert second == {"map": None, "at": None, "struct": None}
    assert isinstance(bad, InvalidRowError)
    assert "column 'map' holds a map with the key 'a' twice" in str(bad)
    assert schema.declared()["struct"] == "struct<x: time64[ns]>"
    with pytest.raises(ConfigurationError, match="their params would have null"):
        read(frame, ready_requests=True)


def test_types_are_declared_as_arrow_writes_them() -> None:
    schema = SourceSchema()
    frame = pandas.DataFrame({
        "int": pandas.Series([1], dtype="int32"), "int with holes": pandas.Series([1], dtype="UInt8"),
        "float": pandas.Series([1.0]), "float32": pandas.Series([1.0], dtype="float32"),
        "bool": [True], "text": ["a"], "text of old": pandas.Series(["a"], dtype="string"),
        "moment": pandas.Series([pandas.Timestamp(0, tz="UTC")]).astype("datetime64[ns, UTC]"),
        "local": pandas.Series([pandas.Timestamp(0)]).astype("datetime64[us]"),
        "span": pandas.Series([pandas.Timedelta(0)]).astype("timedelta64[s]"),
        "object": pandas.Series([1], dtype=object), "category": pandas.Series(["a"], dtype="category"),
    })  # fmt: skip
    read(frame, schema=schema)
    assert schema.declared() == {
        "int": "int32", "int with holes": "uint8", "float": "double", "float32": "float", "bool": "bool",
        "text": "string", "text of old": "string", "moment": "timestamp[ns, tz=UTC]", "local": "timestamp[us]",
        "span": "duration[s]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["a", "a"], "The DataFrame has two columns of the same name: a"),
        ([0, 1], r"columns whose names are no text: 0, 1\. .*df\.columns = df\.columns\.astype\(str\)"),
        ([("a", 1), ("b", 2)], r"""names are no text: .*"_"\.join\(map\(str, names\)\)"""),
    ],
)
def test_names_that_no_row_can_have_are_refused(columns: list[Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(pandas.DataFrame([[1, 2]], columns=columns))


def test_a_frame_without_columns_or_without_rows() -> None:
    assert read(pandas.DataFrame(index=[1, 2])) == [{}, {}]
    assert read(pandas.DataFrame({"a": []})) == read(pandas.DataFrame()) == []


def test_ready_requests_of_dicts_are_taken_as_they_are(tmp_path: Path) -> None:
    params = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
    frame = pandas.DataFrame({"custom_id": ["a", "b"], "params": [params, {**params, "temperature": 0.5}]})
    prepared = list(prepare_requests(read(frame, ready_requests=True), spool_folder=tmp_path))
    assert [b"temperature" in row.params for row in prepared] == [False, True]  # type: ignore[union-attr]


# --------------------------------------------------------------------------------------------------------------- polars


def test_a_frame_of_polars_gives_its_rows() -> None:
    rows = [{"n": number, "text": f"word {number}"} for number in range(2500)]
    assert read(polars.DataFrame(rows)) == rows
    assert read(polars.DataFrame({"a": []})) == []


def test_all_types_of_polars_are_exact() -> None:
    frame = polars.DataFrame({
        "u64": polars.Series([2**64 - 1], dtype=polars.UInt64),
        "dec": polars.Series(["1.10"]).cast(polars.Decimal(10, 2)),
        "at": polars.Series([1], dtype=polars.Datetime("ns", "Europe/Berlin")), "day": [datetime.date(2026, 1, 1)],
        "time": polars.Series([1], dtype=polars.Time), "span": polars.Series([1], dtype=polars.Duration("ms")),
        "cat": polars.Series(["a"], dtype=polars.Categorical), "enum": polars.Series(["a"], dtype=polars.Enum(["a"])),
        "list": [[1, None]], "array": polars.Series([[1, 2]], dtype=polars.Array(polars.Int8, 2)),
        "struct": [{"x": None, "y": b"\xff"}], "nan": [float("nan")], "null": [None],
    })  # fmt: skip
    schema = SourceSchema()
    (row,) = read(frame, schema=schema)
    assert str(row.pop("at")) == "1970-01-01 01:00:00.000000001+01:00"
    assert repr(row.pop("nan")) == "nan"
    assert row == {
        "u64": 2**64 - 1, "dec": Decimal("1.10"), "day": datetime.date(2026, 1, 1),
        "time": NanosecondTime.of(datetime.time(0), 1), "span": datetime.timedelta(milliseconds=1), "cat": "a",
        "enum": "a", "list": [1, None], "array": [1, 2], "struct": {"x": None, "y": b"\xff"}, "null": None,
    }  # fmt: skip
    assert schema.declared()["struct"] == "struct<x: null, y: binary>"
    assert schema.declared()["at"] == "timestamp[ns, tz=Europe/Berlin]"


def test_objects_in_polars_are_refused_as_they_would_be_addresses() -> None:
    frame = polars.DataFrame({"n": [1], "thing": [object()]})
    with pytest.raises(ConfigurationError, match=r"Python objects in: thing\. .*`table\.iter_rows\(named=True\)`"):
        read(frame)
