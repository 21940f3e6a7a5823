"""Tables in memory as rows: pandas' DataFrames, and whatever hands out Arrow data, such as frames of polars.

A frame of pandas needs no pyarrow, and is known by the module of its class: nothing is imported to find out. It is read
in slices, and never changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from anthropic_batches_provider.batches.arrow_types import declared_types, type_text
from anthropic_batches_provider.batches.frame_kinds import is_frame, is_pandas_frame
from anthropic_batches_provider.batches.requests.exact_values import is_missing
from anthropic_batches_provider.batches.requests.wording import listed, reason
from anthropic_batches_provider.batches.rows.arrow.arrow_streams import import_pyarrow
from anthropic_batches_provider.batches.rows.arrow.arrow_values import (
    BATCH_ROWS,
    check_names,
    rows_of_batch,
    unreadable_row,
    values_of,
)
from anthropic_batches_provider.batches.rows.arrow.unreadable import Unreadable
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema
from anthropic_batches_provider.errors import ConfigurationError

_NUMPY_TYPES = {"float16": "halffloat", "float32": "float", "float64": "double", "boolean": "bool", "str": "string"}
_PLAIN_TYPES = re.compile(r"u?int(8|16|32|64)|bool|string")
_MOMENTS = re.compile(r"(datetime64|timedelta64)\[(s|ms|us|ns)(?:, (.+))?\]")


def read_frames(frames: Iterable[Any], *, ready_requests: bool, schema: SourceSchema) -> Iterator[Any]:
    """Yield the rows of tables in memory, one table after the other; an error in place of a row that cannot be read.

    :param frames: each as :func:`.is_frame` knows it.
    :param ready_requests: whether the rows are ready requests.
    :param schema: takes the types of the columns.
    :raises ConfigurationError: a table cannot be read as rows.
    """
    row_number = 0
    for frame in frames:
        if not is_frame(frame):
            raise ConfigurationError(
                f"After a table, the source of the rows yields a value of type {type(frame).__name__}. Yield tables, "
                "or yield dicts. Nothing was sent."
            )
        read = _read_pandas if is_pandas_frame(frame) else _read_arrow
        for row in read(frame, row_number, ready_requests=ready_requests, schema=schema):
            yield row
            row_number += 1


def read_items(items: Iterable[Any], *, ready_requests: bool, schema: SourceSchema) -> Iterator[Any]:
    """Yield the items of an iterable, or the rows of the tables in it; the first item shows which of the two it holds.

    The parameters and errors are those of :func:`read_frames`.
    """
    iterator = iter(items)
    for first in iterator:
        if is_frame(first):
            yield from read_frames(chain((first,), iterator), ready_requests=ready_requests, schema=schema)
        else:
            yield first
            yield from iterator


# --------------------------------------------------------------------------------------------------------------- pandas


def _read_pandas(frame: Any, first_row: int, *, ready_requests: bool, schema: SourceSchema) -> Iterator[Any]:
    _check_pandas_names(list(frame.columns))
    arrow_columns = [name for name, kind in frame.dtypes.items() if hasattr(kind, "pyarrow_dtype")]
    if ready_requests and arrow_columns:
        raise _no_ready_requests(frame)
    kinds = {name: _pandas_type(kind) for name, kind in frame.dtypes.items()}
    schema.declare({name: kind for name, kind in kinds.items() if kind is not None})
    for start in range(0, len(frame), BATCH_ROWS):
        piece = frame.iloc[start : start + BATCH_ROWS]
        rows = _pandas_rows(piece)
        _take_missing_values(piece, rows)
        _take_arrow_values(piece, arrow_columns, rows)
        for number, row in enumerate(rows, start):
            bad = next(((name, value) for name, value in row.items() if type(value) is Unreadable), None)
            if bad is None:
                yield row
            else:
                yield unreadable_row("The DataFrame", number, *bad, row_number=first_row + number)


def _pandas_rows(piece: Any) -> list[dict[str, Any]]:
    """Return the rows of a slice; :class:`.Unreadable` in place of a value that pandas cannot read."""
    if not len(piece.columns):
        return [{} for _ in range(len(piece))]
    try:
        return list(piece.to_dict("records"))
    except Exception:  # noqa: BLE001 - one of the values cannot be read: which one, is found below
        return [
            {name: _pandas_cell(piece, row, column) for column, name in enumerate(piece.columns)}
            for row in range(len(piece))
        ]


def _pandas_cell(piece: Any, row: int, column: int) -> Any:
    try:
        ((_, value),) = piece.iloc[row : row + 1, column : column + 1].to_dict("records")[0].items()
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is a matter of this row
        return Unreadable(f"a value that pandas cannot read ({reason(error)})")
    return value


def _take_missing_values(piece: Any, rows: list[dict[str, Any]]) -> None:
    """Put None for pandas' signs of a missing value: it has no other for most types."""
    missing = piece.isna()
    for name in piece.columns:
        if missing[name].any():
            for row in rows:
                if is_missing(row[name]):
                    row[name] = None


def _take_arrow_values(piece: Any, names: list[str], rows: list[dict[str, Any]]) -> None:
    """Put the values of Arrow's types as they are in Arrow: pandas makes lists of tuples of maps, for example."""
    for name in names:
        found = piece[name].array.__arrow_array__()
        values = chain.from_iterable(map(values_of, getattr(found, "chunks", (found,))))
        for row, value in zip(rows, values, strict=True):
            row[name] = value


def _pandas_type(kind: Any) -> str | None:
    """Return the type of a column as Arrow writes it; None if only its values show it."""
    if hasattr(kind, "pyarrow_dtype"):
        return type_text(kind.pyarrow_dtype)
    name = str(kind)
    if found := _MOMENTS.fullmatch(name):
        which, unit, zone = found.groups()
        if which == "timedelta64":
            return f"duration[{unit}]"
        return f"timestamp[{unit}]" if zone is None else f"timestamp[{unit}, tz={zone}]"
    name = _NUMPY_TYPES.get(name, _NUMPY_TYPES.get(name.lower(), name.lower()))
    return name if name in _NUMPY_TYPES.values() or _PLAIN_TYPES.fullmatch(name) else None


def _check_pandas_names(names: list[Any]) -> None:
    others = [name for name in names if not isinstance(name, str)]
    if others:
        way = "df.columns = df.columns.astype(str)"
        if any(isinstance(name, tuple) for name in others):
            way = 'df.columns = ["_".join(map(str, names)) for names in df.columns]'
        raise ConfigurationError(
            f"The DataFrame has columns whose names are no text: {listed(map(repr, others))}. Name them, for example "
            f"with `{way}`. Nothing was sent."
        )
    check_names(names, source="The DataFrame")


# ---------------------------------------------------------------------------------------------------------------- Arrow


def _read_arrow(table: Any, first_row: int, *, ready_requests: bool, schema: SourceSchema) -> Iterator[Any]:
    if ready_requests:
        raise _no_ready_requests(table)
    source = f"The {type(table).__name__}"
    _refuse_objects(table)
    reader = _reader_of(table)
    check_names(reader.schema.names, source=source)
    schema.declare(declared_types(reader.schema))
    found = 0
    for batch in reader:
        yield from rows_of_batch(batch, source=source, row_number=first_row + found, row_in_source=found)
        found += batch.num_rows


def _refuse_objects(table: Any) -> None:
    """Refuse a frame of polars with Python objects: in Arrow's data, they are addresses.

    :raises ConfigurationError: names the columns.
    """
    kinds = getattr(table, "schema", {}) if type(table).__module__.startswith("polars.") else {}
    objects = [name for name, kind in kinds.items() if "Object" in str(kind)]
    if objects:
        raise ConfigurationError(
            f"The DataFrame has Python objects in: {listed(objects)}. Turn them into text or numbers, or give "
            "`table.iter_rows(named=True)`. Nothing was sent."
        )


def _reader_of(table: Any) -> Any:
    """Return a reader of the batches of a table.

    :raises ConfigurationError: it is no table, but for example a single column, or it was read before.
    """
    pyarrow = import_pyarrow(f"A {type(table).__name__}")
    try:
        if hasattr(table, "__arrow_c_stream__"):
            return pyarrow.RecordBatchReader.from_stream(table)
        batch = pyarrow.record_batch(table)
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"Rows cannot be read from a {type(table).__name__} ({reason(error)}). Give a table with named columns; a "
            "reader can be read only once, so give a function that makes it. Nothing was sent."
        ) from error
    return pyarrow.RecordBatchReader.from_batches(batch.schema, [batch])


def _no_ready_requests(table: Any) -> ConfigurationError:
    return ConfigurationError(
        f"Ready requests cannot be read from a {type(table).__name__} with Arrow's types: their params would have null "
        "for each field that a request leaves out. Give dicts of custom_id and params. Nothing was sent."
    )
