"""From a table to Parquet, the user's own columns are the identity: in type and in value, for every type of Arrow.

The rows go end to end: through a reader, the sealed JSON with the recorded types, and the writer. Where the output has
another type than the source, that is said in ``WRITTEN_AS``; what no source takes is the subject of
:mod:`.test_tables_of_arrow`.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.judging import judge_for
from anthropic_batches_provider.batches.output.answer_columns import answer_fields, answer_type
from anthropic_batches_provider.batches.output.answered_row import AnsweredRow
from anthropic_batches_provider.batches.output.columns import RowLayout
from anthropic_batches_provider.batches.output.parquet_files import open_parquet
from anthropic_batches_provider.batches.requests import OutputSchema
from anthropic_batches_provider.batches.requests.api_schemas import api_schema
from anthropic_batches_provider.batches.results import Result
from anthropic_batches_provider.batches.rows import (
    ColumnTypes,
    RowColumns,
    prepare_rows,
    read_items,
    read_row_file,
)
from anthropic_batches_provider.batches.verdicts import FITS
from anthropic_batches_provider.errors import ConfigurationError
from tests.worlds.random_schemas import api_schemas
from tests.worlds.random_user_schemas import changed, made_answers, user_schemas

QUICK = settings(
    deadline=None, database=None, derandomize=True, print_blob=True, max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
THOROUGH = settings(QUICK, derandomize=False, max_examples=5_000)

HAS_ALL_TYPES = int(pyarrow.__version__.partition(".")[0]) >= 26
"""Older versions cannot write some types: others hold the values there; and they cannot read views from Arrow files."""

DAY = 86_400
FIRST, END = -719_162 * DAY, 2_932_897 * DAY  # the seconds of the years 1 and 10000
FIRST_WHOLE_OFFSET = -2_208_988_800  # 1900: before, local times differ from UTC by seconds, which no source takes
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NAMES = ("a", "A", "", "a.b", "größe", 'with "quotes"', "x, y: z>", "\n", "element", "1")
WRITTEN_AS: dict[str, Any] = {
    "timestamp[s": "Parquet has no seconds: they are stored as milliseconds, as pyarrow itself does",
    "time32[s]": "likewise",
    "date64[ms]": "likewise: it is a date32",
}


@dataclass(frozen=True)
class Kind:
    """A type of the source, what pyarrow makes its values of, and the type that the values have."""

    source: Any
    values: st.SearchStrategy[Any]
    made_as: Any
    written: Any

    def array(self, values: list[Any]) -> Any:
        array = pyarrow.array(values, self.made_as)
        return array if self.source == self.made_as else array.cast(self.source)


def same(kind: Any, values: st.SearchStrategy[Any], *, written: Any = None) -> Kind:
    return Kind(kind, values, kind, kind if written is None else written)


def integers(name: str) -> Kind:
    bits = int(name.lstrip("uint"))
    low, high = (0, 2**bits - 1) if name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return same(getattr(pyarrow, name)(), st.integers(low, high))


def moments(unit: str, zone: str | None) -> Kind:
    first = FIRST_WHOLE_OFFSET if zone not in (None, "UTC") else FIRST + DAY
    low, high = first * UNITS[unit], (END - DAY) * UNITS[unit]
    stored = pyarrow.timestamp("ms" if unit == "s" else unit, zone)
    return same(pyarrow.timestamp(unit, zone), st.integers(max(low, -(2**63)), min(high, 2**63 - 1)), written=stored)


def times(unit: str) -> Kind:
    kind = pyarrow.time32(unit) if unit in ("s", "ms") else pyarrow.time64(unit)
    return same(kind, st.integers(0, DAY * UNITS[unit] - 1), written=pyarrow.time32("ms") if unit == "s" else kind)


def spans(unit: str) -> Kind:
    longest = min(999_999_999 * DAY * UNITS[unit], 2**63 - 1)
    step = 1000 if unit == "ns" else 1
    numbers = st.integers(-longest // step + 1, longest // step).map(lambda number: number * step)
    return same(pyarrow.duration(unit), numbers)


def decimals(make: Callable[[int, int], Any], digits: int) -> st.SearchStrategy[Kind]:
    def kind(scale: int) -> Kind:
        most = 10**digits - 1
        return same(make(digits, scale), st.integers(-most, most).map(lambda number: Decimal(f"{number}E-{scale}")))

    return st.integers(0, digits).map(kind)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
BYTES = st.binary(max_size=5)
VIEWS = [
    same(pyarrow.string_view(), TEXTS, written=pyarrow.string()),
    same(pyarrow.binary_view(), BYTES, written=pyarrow.binary()),
] if HAS_ALL_TYPES else []  # fmt: skip
FLOATS = {"float16": 16, "float32": 32, "float64": 64}
LEAVES: st.SearchStrategy[Kind] = st.one_of(
    st.sampled_from(INTEGERS).map(integers),
    st.sampled_from(sorted(FLOATS)).map(
        lambda name: same(
            getattr(pyarrow, name)(), st.floats(allow_nan=False, allow_infinity=False, width=FLOATS[name])  # type: ignore[arg-type]
        )
    ),
    st.builds(moments, st.sampled_from(sorted(UNITS)), st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30"])),
    st.sampled_from(sorted(UNITS)).map(times),
    st.sampled_from(sorted(UNITS)).map(spans),
    decimals(pyarrow.decimal32, 9), decimals(pyarrow.decimal64, 18),
    decimals(pyarrow.decimal128, 38), decimals(pyarrow.decimal256, 76),
    st.sampled_from([
        same(pyarrow.bool_(), st.booleans()),
        same(pyarrow.string(), TEXTS), same(pyarrow.large_string(), TEXTS),
        same(pyarrow.binary(), BYTES), same(pyarrow.large_binary(), BYTES),
        same(pyarrow.binary(3), st.binary(min_size=3, max_size=3)),
        same(pyarrow.date32(), st.integers(FIRST // DAY, END // DAY - 1)),
        same(
            pyarrow.date64(), st.integers(FIRST // DAY, END // DAY - 1).map(lambda day: day * DAY * 1000),
            written=pyarrow.date32(),
        ),
        Kind(pyarrow.uuid(), st.binary(min_size=16, max_size=16), pyarrow.binary(16), pyarrow.uuid()),
        same(pyarrow.null(), st.none()),
        *VIEWS,
    ]),
)  # fmt: skip
KEYS = st.sampled_from([
    same(pyarrow.string(), TEXTS), same(pyarrow.int32(), st.integers(-9, 9)),
    same(pyarrow.date32(), st.integers(0, 9)), same(pyarrow.decimal128(4, 2), st.integers(0, 9).map(Decimal)),
    same(pyarrow.timestamp("ns", "UTC"), st.integers(0, 10**10)), same(pyarrow.time64("us"), st.integers(0, 9)),
    same(pyarrow.binary(), BYTES), same(pyarrow.float64(), st.floats(-9, 9)),
])  # fmt: skip


def lists(item: Kind) -> st.SearchStrategy[Kind]:
    values = st.lists(st.none() | item.values, max_size=3)

    def of(make: Callable[[Any], Any], written: Callable[[Any], Any]) -> Kind:
        return Kind(make(item.source), values, make(item.made_as), written(item.written))

    return st.sampled_from([
        of(pyarrow.list_, pyarrow.list_), of(pyarrow.large_list, pyarrow.large_list),
        Kind(
            pyarrow.list_(item.source, 2), st.lists(st.none() | item.values, min_size=2, max_size=2),
            pyarrow.list_(item.made_as, 2), pyarrow.list_(item.written, 2),
        ),
    ])  # fmt: skip


def structs(fields: list[tuple[str, Kind]]) -> Kind:
    values = st.tuples(*(st.none() | kind.values for _, kind in fields))
    made, source, written = (
        pyarrow.struct([(name, getattr(kind, which)) for name, kind in fields])
        for which in ("made_as", "source", "written")
    )
    return Kind(source, values, made, written)


def maps(key: Kind, item: Kind) -> Kind:
    values = st.lists(st.tuples(key.values, st.none() | item.values), max_size=3, unique_by=lambda pair: pair[0])
    made, source, written = (
        pyarrow.map_(getattr(key, which), getattr(item, which)) for which in ("made_as", "source", "written")
    )
    return Kind(source, values, made, written)


KINDS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.flatmap(lists),
        st.lists(st.tuples(st.sampled_from(NAMES), inner), min_size=1, max_size=3, unique_by=lambda field: field[0])
        .map(structs),
        st.builds(maps, KEYS, inner),
    ),
    max_leaves=4,
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """Draw a table, and the type that each of its columns has in the output."""
    rows = draw(st.integers(1, 6))
    columns, written = {}, {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        kind = draw(KINDS)
        nullable = st.none() | kind.values if draw(st.booleans()) else kind.values
        array = kind.array(draw(st.lists(nullable, min_size=rows, max_size=rows)))
        if draw(st.booleans()) and pyarrow.types.is_string(kind.source):
            array = array.dictionary_encode()
        columns[name] = array
        written[name] = pyarrow.string() if kind.written == pyarrow.null() else kind.written
    return pyarrow.table(columns), written


def parquet_of(table: Any) -> bytes:
    file = io.BytesIO()
    try:
        parquet.write_table(table, file, row_group_size=2)
        assume(parquet.read_table(file).num_rows == table.num_rows)
    except pyarrow.ArrowException:  # pyarrow itself cannot do it, or not yet
        reject()
    return file.getvalue()


def arrow_of(table: Any) -> bytes:
    file = io.BytesIO()
    with ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return file.getvalue()


def rows_of(table: Any, way: str, types: ColumnTypes) -> Iterator[Any]:
    if way == "frame":
        return iter(read_items([table], ready_requests=False, schema=types.schema))
    content = parquet_of(table) if way == "parquet" else arrow_of(table)
    return read_row_file(io.BytesIO(content), name=f"t.{way}", schema=types.schema)


def written_from(table: Any, way: str) -> Any:
    """Return the Parquet output of a job over a table, all of whose columns are kept."""
    columns = RowColumns(keep="*", column_prefix="answer_")
    types = ColumnTypes(columns)
    rows = rows_of(table, way, types)
    prepared = list(
        prepare_rows(rows, columns=columns, encode=lambda *_: b"{}", spool_folder=Path("/nowhere"), types=types)
    )
    layout = RowLayout(column_prefix="answer_", columns=("custom_id",), own=types.records())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        with open_parquet(path, layout) as file:
            for row in prepared:
                assert not isinstance(row, InvalidRow), row
                file.add(AnsweredRow(row.columns, "b", Result("c", "succeeded")))
        return parquet.read_table(path)


def check_identity(table: Any, types: dict[str, Any], way: str) -> None:
    found = written_from(table, way)
    assert found.column_names == ["row_number", *table.column_names, "answer_custom_id"]
    for name, kind in types.items():
        assert found.schema.field(name).type == kind or not HAS_ALL_TYPES
        expected = table.column(name)
        if pyarrow.types.is_null(expected.type) or pyarrow.types.is_dictionary(expected.type):
            expected = expected.cast(kind)
        assert listed(found.column(name)) == listed(expected)


def listed(column: Any) -> Any:
    """Return the values of a column as numbers and texts that no unit of time and no way of storing them changes."""
    return [scalar_value(scalar) for scalar in column]


def scalar_value(scalar: Any) -> Any:
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if isinstance(kind, pyarrow.BaseExtensionType):
        return scalar.value.as_py()
    if pyarrow.types.is_map(kind):
        keys, items = (scalar.values.field(number) for number in (0, 1))
        return [(scalar_value(key), scalar_value(item)) for key, item in zip(keys, items, strict=True)]
    if pyarrow.types.is_struct(kind):
        return [scalar_value(scalar[number]) for number in range(kind.num_fields)]
    if pyarrow.types.is_nested(kind):
        return [scalar_value(each) for each in scalar.values]
    if pyarrow.types.is_date64(kind):
        return scalar.value // DAY // 1000
    if pyarrow.types.is_date(kind):
        return scalar.value
    if pyarrow.types.is_temporal(kind):
        return scalar.value * (10**9 // UNITS[kind.unit])
    return (type(scalar.as_py()), scalar.as_py())


@QUICK
@given(drawn=tables(), way=st.sampled_from(["parquet", "arrow", "frame"]))
def test_own_columns_are_the_identity(drawn: tuple[Any, dict[str, Any]], way: str) -> None:
    check_identity(*drawn, way)


@pytest.mark.long
@pytest.mark.timeout(1800)
@THOROUGH
@given(drawn=tables(), way=st.sampled_from(["parquet", "arrow", "frame"]))
def test_so_are_those_of_five_thousand_tables(drawn: tuple[Any, dict[str, Any]], way: str) -> None:
    check_identity(*drawn, way)


# -------------------------------------------------------------------------------------------------------------- answers


def columns_of_answers(schema: dict[str, Any], answers: list[Any]) -> tuple[Any, list[bool], int]:
    """Return the Parquet output of a job with these answers, which of them fit, and how many misfits were counted."""
    output_schema = OutputSchema(schema)
    judge = judge_for(output_schema, structured=True)
    layout = RowLayout(answer_schema=json.dumps(schema).encode(), columns=("parsed", "text"))
    fits = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        with open_parquet(path, layout) as file:
            for answer in answers:
                row = judge(b"{}", "b", Result("c", "succeeded", text=json.dumps(answer), stop_reason="end_turn"))
                fits.append(row.verdict == FITS)
                file.add(row)
        return parquet.read_table(path), fits, file.misfits.total()


def expected_of(value: Any, kind: Any) -> Any:
    """Return a JSON value as Parquet gives back one of this type; a text of JSON is compared as the JSON."""
    if value is None:
        return None
    if pyarrow.types.is_struct(kind):
        return {field.name: expected_of(value.get(field.name), field.type) for field in kind}
    if pyarrow.types.is_list(kind):
        return [expected_of(item, kind.value_type) for item in value]
    if pyarrow.types.is_integer(kind):
        return int(value)
    return float(value) if pyarrow.types.is_floating(kind) else value


def read_back(value: Any, text: str) -> Any:
    return json.loads(value) if text == "json" and value is not None else value


def check_answers(schema: dict[str, Any], answers: list[Any]) -> None:
    table, fits, misfits = columns_of_answers(schema, answers)
    encoded = json.dumps(schema).encode()
    fields = answer_fields(encoded)
    assert misfits == 0
    assert table.column("text").to_pylist() == [json.dumps(answer) for answer in answers]
    for number, (answer, does_fit) in enumerate(zip(answers, fits, strict=True)):
        for name, text in fields.items():
            column = table.column(f"parsed_{name}")
            value = answer.get(name) if does_fit and answer is not None else None
            assert read_back(column[number].as_py(), text) == expected_of(value, column.type)
        if not fields:
            column, text = table.column("parsed"), answer_type(encoded)
            value = answer if does_fit else None
            assert read_back(column[number].as_py(), text) == expected_of(value, column.type)


@st.composite
def answered_schemas(draw: st.DrawFn) -> tuple[dict[str, Any], list[Any]]:
    """Draw a schema, and answers to it: those of the simulator, and others with a part replaced, left out or added."""
    schema = draw(api_schemas() | user_schemas(broken=True))
    if isinstance(form_or_nothing(schema), str):
        reject()
    answers = [answer for seed in range(draw(st.integers(1, 3))) for answer in made_answers(schema, seed)]
    answers += [draw(changed(answer)) for answer in answers]
    return schema, [*answers, None]


def form_or_nothing(schema: dict[str, Any]) -> Any:
    try:
        return api_schema(schema)
    except ConfigurationError as error:
        return str(error)


@QUICK
@given(drawn=answered_schemas())
def test_answers_come_back_from_their_columns(drawn: tuple[dict[str, Any], list[Any]]) -> None:
    check_answers(*drawn)


@pytest.mark.long
@pytest.mark.timeout(1800)
@THOROUGH
@given(drawn=answered_schemas())
def test_so_do_the_answers_to_five_thousand_schemas(drawn: tuple[dict[str, Any], list[Any]]) -> None:
    check_answers(*drawn)
