"""What a table holds comes out: no row lost, doubled, moved or changed, whichever way Arrow's types come in.

The expectation is made from the numbers that a table stores. The package and pyarrow's own conversion have no part in
it.
"""

from __future__ import annotations

import base64
import datetime
import importlib
import io
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment
from pyarrow import ipc, parquet

from anthropic_batches_provider.batches.invalid_rows import InvalidRow
from anthropic_batches_provider.batches.requests import PromptTemplate, Question
from anthropic_batches_provider.batches.rows import RowColumns, prepare_rows, read_items, read_row_file
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

polars: Any
try:  # where the object stores are tested
    polars = importlib.import_module("polars")
except ImportError:
    polars = None

QUICK = settings(deadline=None, database=None, derandomize=True, print_blob=True, max_examples=150)
THOROUGH = settings(QUICK, derandomize=False, max_examples=5_000)
EPOCH = datetime.datetime.fromisoformat("1970-01-01")
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
ZONES = (None, "UTC", "Europe/Berlin")
FIRST, END = -62_135_596_800, 253_402_300_800  # the seconds of the years 1 and 10000
REFUSED = object()


@dataclass(frozen=True)
class Kind:
    """A type: the numbers or values that a table stores, its JSON in the output and its text in a prompt.

    :param is_number: whether the type is stored as a number.
    """

    type: Any
    stored: st.SearchStrategy[Any]
    kept: Callable[[Any], Any]
    printed: Callable[[Any], Any] = str
    is_number: bool = False

    def array(self, values: list[Any]) -> pyarrow.Array:
        if not self.is_number:
            return pyarrow.array(values, self.type)
        return pyarrow.array(values, pyarrow.int32() if self.type.bit_width == 32 else pyarrow.int64()).view(self.type)


def fraction(nanoseconds: int) -> str:
    if nanoseconds % 1000:
        return f".{nanoseconds:09d}"
    return f".{nanoseconds // 1000:06d}" if nanoseconds else ""


def moments(unit: str, zone: str | None) -> Kind:
    per_second = 10**9 // UNITS[unit]
    limits = (-(2**63), 2**63 - 1) if unit == "ns" else (FIRST * per_second, END * per_second - 1)

    def text(number: int, separator: str) -> Any:
        seconds, nanoseconds = divmod(number * UNITS[unit], 10**9)
        moment = EPOCH + datetime.timedelta(seconds=seconds)
        if zone is None:
            return moment.isoformat(separator) + fraction(nanoseconds)
        try:
            moment = moment.replace(tzinfo=datetime.UTC).astimezone(ZoneInfo(zone))
        except OverflowError:
            return REFUSED
        offset = moment.isoformat()[19:]
        if separator == "T":
            offset = REFUSED if len(offset) > 6 else offset.replace("+00:00", "Z")  # type: ignore[assignment]
        if offset is REFUSED:
            return REFUSED
        return moment.replace(tzinfo=None).isoformat(separator) + fraction(nanoseconds) + offset

    kind = pyarrow.timestamp(unit, zone)
    return Kind(kind, st.integers(*limits), lambda n: text(n, "T"), lambda n: text(n, " "), is_number=True)


def times(unit: str) -> Kind:
    def text(number: int) -> Any:
        seconds, nanoseconds = divmod(number * UNITS[unit], 10**9)
        if not 0 <= seconds < 86_400:
            return REFUSED
        return (EPOCH + datetime.timedelta(seconds=seconds)).time().isoformat() + fraction(nanoseconds)

    kind = pyarrow.time32(unit) if unit in ("s", "ms") else pyarrow.time64(unit)
    day = 86_400 * 10**9 // UNITS[unit]
    return Kind(kind, st.integers(-1, day), text, text, is_number=True)


def spans(unit: str) -> Kind:
    def span(number: int) -> Any:
        return REFUSED if number * UNITS[unit] % 1000 else number * UNITS[unit] // 1000

    def text(number: int) -> Any:
        found = span(number)
        return found if found is REFUSED else str(datetime.timedelta(microseconds=found))

    limit = min(2**63 - 1, 10**13 * 10**9 // UNITS[unit])
    numbers = st.integers(-limit, limit)
    numbers |= st.integers(-limit // 1000 + 1, limit // 1000).map(lambda number: number * 1000)
    return Kind(pyarrow.duration(unit), numbers, span, text, is_number=True)


def microseconds(text: str) -> int:
    match = re.fullmatch(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?", text)
    assert match is not None, text
    days, hours, minutes, seconds = (int(match[number] or 0) for number in (2, 3, 4, 5))
    total = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 10**6 + int((match[6] or "").ljust(6, "0"))
    return -total if match[1] else total


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DECIMALS = st.integers(-(10**37), 10**37).map(lambda number: Decimal(f"{number}E-9"))
PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9)), max_size=3)
LISTS = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=3)
NS = moments("ns", None)


def map_of(pairs: list[tuple[str, Any]]) -> Any:
    return REFUSED if len(dict(pairs)) < len(pairs) else dict(pairs)


def moments_in(numbers: list[int | None]) -> list[Any]:
    return [None if number is None else NS.kept(number) for number in numbers]


KINDS: dict[str, Kind] = {
    **{str(each.type): each for each in (moments(unit, zone) for unit in UNITS for zone in ZONES)},
    **{str(each.type): each for each in map(times, UNITS)},
    **{str(each.type): each for each in map(spans, UNITS)},
    "int64": Kind(pyarrow.int64(), st.integers(-(2**63), 2**63 - 1), int),
    "uint64": Kind(pyarrow.uint64(), st.integers(0, 2**64 - 1), int),
    "double": Kind(pyarrow.float64(), st.floats(allow_nan=False, allow_infinity=False), float, repr),
    "float": Kind(pyarrow.float32(), st.floats(allow_nan=False, allow_infinity=False, width=32), float, repr),
    "bool": Kind(pyarrow.bool_(), st.booleans(), bool),
    "string": Kind(pyarrow.string(), TEXTS, str),
    "large_string": Kind(pyarrow.large_string(), TEXTS, str),
    "dictionary": Kind(pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), TEXTS, str),
    "decimal128": Kind(pyarrow.decimal128(38, 9), DECIMALS, str),
    "decimal256": Kind(pyarrow.decimal256(76, 9), DECIMALS, str),
    "date32": Kind(
        pyarrow.date32(), st.integers(-719_162, 2_932_896),
        lambda days: (EPOCH + datetime.timedelta(days)).date().isoformat(),
        lambda days: (EPOCH + datetime.timedelta(days)).date().isoformat(), is_number=True,
    ),
    "binary": Kind(pyarrow.binary(), st.binary(max_size=9), lambda raw: base64.b64encode(raw).decode(), lambda _: None),
    "uuid": Kind(pyarrow.uuid(), st.uuids().map(lambda value: value.bytes), lambda raw: str(uuid.UUID(bytes=raw)),
                 lambda raw: str(uuid.UUID(bytes=raw))),
    "list": Kind(pyarrow.list_(pyarrow.timestamp("ns")), LISTS, moments_in, lambda _: None),
    "struct": Kind(
        pyarrow.struct([("a b", pyarrow.list_(pyarrow.timestamp("ns")))]), LISTS.map(lambda items: {"a b": items}),
        lambda value: {"a b": moments_in(value["a b"])}, lambda _: None,
    ),
    "map": Kind(pyarrow.map_(pyarrow.string(), pyarrow.int8()), PAIRS, map_of, lambda _: None),
}  # fmt: skip


def as_parquet(table: Any, size: int) -> list[Any]:
    return read(written_parquet(table, size), "t.parquet")


def written_parquet(table: Any, size: int, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=size, **options)
    return file.getvalue()


def written_arrow(table: Any, size: int, make: Any = ipc.new_file) -> bytes:
    file = io.BytesIO()
    with make(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return file.getvalue()


def read(content: bytes, name: str) -> list[Any]:
    return list(read_row_file(io.BytesIO(content), name=name))


def frames(*tables: Any) -> list[Any]:
    return list(read_items(tables, ready_requests=False, schema=SourceSchema()))


WAYS: dict[str, Callable[[Any, int], list[Any]]] = {
    "Parquet": as_parquet,
    "Arrow file": lambda table, size: read(written_arrow(table, size), "t.arrow"),
    "Arrow stream": lambda table, size: read(written_arrow(table, size, ipc.new_stream), "t.arrows"),
    "table": lambda table, size: frames(table),
    "reader": lambda table, size: frames(table.to_reader(max_chunksize=size)),
    "batches": lambda table, size: frames(*table.to_batches(max_chunksize=size)),
}
OF_POLARS = {
    "int64", "uint64", "double", "float", "bool", "string", "decimal128", "date32", "binary", "list", "struct",
    *(name for name in KINDS if name.startswith(("timestamp[us", "timestamp[ns", "duration[us", "duration[ns"))),
}  # fmt: skip
"""The types that a frame of polars has, too."""
if polars is not None:
    WAYS["frame of polars"] = lambda table, size: frames(polars.from_arrow(table))

PROMPT = Question(
    prompt=PromptTemplate("<{{ row.v | default('none') }}>", SandboxedEnvironment(), {}), model="m", max_tokens=9
)
ASKING = Question(prompt=PromptTemplate("Hello{% set _ = row %}", SandboxedEnvironment(), {}), model="m", max_tokens=9)


def check(kind: Kind, values: list[Any], size: int, way: str) -> None:
    table = pyarrow.table({"n": pyarrow.array(range(len(values)), pyarrow.int64()), "v": kind.array(values)})
    rows = WAYS[way](table, size)
    assert len(rows) == len(values)
    is_printed = kind.printed(values[0]) is not None if values and values[0] is not None else False
    asked = PROMPT if is_printed else ASKING
    columns = RowColumns(key="n", keep="v")
    prepared = prepare_rows(rows, columns=columns, encode=asked.encode_params, spool_folder=Path("/nowhere"))
    for number, (row, value) in enumerate(zip(prepared, values, strict=True)):
        kept = None if value is None else kind.kept(value)
        if kept is REFUSED:
            assert isinstance(row, InvalidRow)
            assert re.search("column '?v'?", row.reason)
            continue
        assert not isinstance(row, InvalidRow), row
        found = json.loads(row.columns)
        assert found["n"] == number
        if pyarrow.types.is_duration(kind.type) and kept is not None:
            assert microseconds(found["v"]) == kept
        else:
            assert (type(found["v"]), found["v"]) == (type(kept), kept)
        if is_printed:
            text = json.loads(row.params)["messages"][0]["content"]
            assert text == f"<{'none' if value is None else kind.printed(value)}>"


def ways(name: str) -> list[str]:
    return [way for way in WAYS if way != "frame of polars" or name in OF_POLARS]


CASES = st.sampled_from(sorted(KINDS)).flatmap(
    lambda name: st.tuples(
        st.just(name), st.lists(st.none() | KINDS[name].stored, max_size=8), st.sampled_from(ways(name))
    )
)


@QUICK
@given(case=CASES, size=st.integers(1, 9))
def test_what_a_table_holds_comes_out(case: tuple[str, list[Any], str], size: int) -> None:
    check(KINDS[case[0]], case[1], size, case[2])


@pytest.mark.long
@THOROUGH
@given(case=CASES, size=st.integers(1, 9))
def test_so_do_five_thousand_tables(case: tuple[str, list[Any], str], size: int) -> None:
    check(KINDS[case[0]], case[1], size, case[2])


# ------------------------------------------------------------------------------------------------------- damaged files

TABLE = pyarrow.Table.from_pylist([{"n": n, "text": f"word {n}" * 3, "share": n / 7} for n in range(300)])
ROWS = TABLE.to_pylist()
CHECKED = written_parquet(TABLE, 150, write_page_checksum=True)
PAGES_END = len(CHECKED) - 8 - int.from_bytes(CHECKED[-8:-4], "little")
FILES = {
    "t.parquet": CHECKED,
    "u.parquet": written_parquet(TABLE, 150),
    "t.arrow": written_arrow(TABLE, 150),
    "t.arrows": written_arrow(TABLE, 150, ipc.new_stream),
}


@QUICK
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_a_file_that_is_cut_short_is_never_taken_for_a_whole_one(data: st.DataObject, name: str) -> None:
    content = FILES[name]
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises((ConfigurationError, InvalidRowError), match=r"^[tu]\.\w+ (seems to be cut|is empty|is no)"):
        read(content[:cut], name)


def rows_or_problem(content: bytes, name: str) -> list[Any] | str:
    try:
        return read(content, name)
    except (ConfigurationError, InvalidRowError) as error:
        return str(error)


@QUICK
@given(place=st.integers(0, PAGES_END - 1), change=st.integers(1, 255))
def test_a_changed_byte_of_a_page_with_a_checksum_is_found(place: int, change: int) -> None:
    content = bytearray(CHECKED)
    content[place] ^= change
    found = rows_or_problem(bytes(content), "t.parquet")
    assert found == ROWS or (isinstance(found, str) and found.startswith("t.parquet"))


@QUICK
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_changed_bytes_never_end_the_process_or_lose_the_name_of_the_file(data: st.DataObject, name: str) -> None:
    content = bytearray(FILES[name])
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    found = rows_or_problem(bytes(content), name)
    if isinstance(found, str):
        assert found.startswith(name)
    else:
        assert all(isinstance(row, (dict, InvalidRowError)) for row in found)
