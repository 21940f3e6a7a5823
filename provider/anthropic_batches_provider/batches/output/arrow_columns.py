"""The columns of a table in Arrow's types: from the JSON of a value, as the rows hold it, to Arrow's arrays.

Each type has the Python type that msgspec decodes its JSON to, and what makes of that a value which pyarrow takes for
the type. pyarrow is no judge of values: it cuts floats to integers and drops the unknown fields of a struct. So both
are settled before pyarrow sees a value.

Invariant: a value comes out as the one whose JSON came in, or it is null and counted.
"""

from __future__ import annotations

import datetime
import io
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from typing import Annotated, Any

import msgspec

from anthropic_batches_provider.batches.arrow_types import arrow_type_of
from anthropic_batches_provider.batches.output.misfits import Misfits
from anthropic_batches_provider.batches.output.table_columns import JSON, TableColumn
from anthropic_batches_provider.batches.output.table_values import MISFITS, nullable, text_of, value_of

_TEXT = "string"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)
_STEPS = {"s": datetime.timedelta(seconds=1), "ms": datetime.timedelta(milliseconds=1)}
_NANOSECONDS = re.compile(r"\.\d{6}(\d{3})")
_NO_VALUE = (TypeError, OverflowError, *MISFITS)
_INT64_DIGITS = 19
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of an Arrow type are made.

    :param python: the type that msgspec decodes the JSON of a value to.
    :param carrier: the Arrow type that pyarrow makes of the values first; the type itself, or one that can be cast to
        it and keeps what pyarrow would cut off.
    :param convert: makes of a decoded value one that pyarrow takes for the carrier; None if it takes it as it is.
    """

    python: Any
    carrier: Any
    convert: Callable[[Any], Any] | None = None


class ArrowColumn:
    """A column of a table in an Arrow type.

    :ivar type: the Arrow type.
    :ivar python: the Python type that msgspec decodes its values to; Raw for what becomes text, and int for a decimal
        of the result, which comes unscaled.
    """

    def __init__(self, column: TableColumn) -> None:
        self._name = column.name
        self.type, self._kind = _kind_of_column(column.type)
        self._is_unscaled = column.chosen is not None and bool(column.chosen.column.unscaled)
        self.python = int if self._is_unscaled else self._kind.python

    def array(self, values: Sequence[Any], misfits: Misfits) -> Any:
        """Return an array of values.

        :param values: as decoded; those of the result as an answered row has them.
        :param misfits: counts the values that the type cannot hold; they are null.
        """
        try:
            return self._array(values)
        except _NO_VALUE:
            return self._array([self._fitting(value, misfits) for value in values])

    def _array(self, values: Sequence[Any]) -> Any:
        import pyarrow

        if self._is_unscaled:
            return _decimals(values, self.type)
        if (convert := self._kind.convert) is not None:
            values = [None if value is None else convert(value) for value in values]
        array = pyarrow.array(values, self._kind.carrier)
        return array if self._kind.carrier == self.type else array.cast(self.type)

    def _fitting(self, value: Any, misfits: Misfits) -> Any:
        try:
            self._array([value])
        except _NO_VALUE:
            misfits[self._name] += 1
            return None
        return value


def _decimals(unscaled: Sequence[int | None], kind: Any) -> Any:
    """Return decimals of integers that count their last digit: the same bits, if there are enough of them."""
    import pyarrow

    array = pyarrow.array(unscaled, pyarrow.int64()).cast(pyarrow.decimal128(_INT64_DIGITS, 0))
    scaled = pyarrow.Array.from_buffers(pyarrow.decimal128(_INT64_DIGITS, kind.scale), len(array), array.buffers())
    return scaled.cast(kind)


def _kind_of_column(text: str) -> tuple[Any, _Kind]:
    import pyarrow

    if text != JSON:
        kind = arrow_type_of(text)
        if _can_be_stored(kind):
            stored = _stored_type(kind)
            return stored, _kind_of(stored)
    return pyarrow.string(), _Kind(msgspec.Raw, pyarrow.string(), _json_text if text == JSON else _text)


def _can_be_stored(kind: Any) -> bool:
    """Return whether Parquet has a type for these values; it has none for structs without fields and the like."""
    from pyarrow import types

    if types.is_decimal(kind):
        return bool(kind.scale >= 0)
    if types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > 0)
    if types.is_fixed_size_list(kind) and kind.list_size == 0:
        return False
    if types.is_struct(kind) and kind.num_fields == 0:
        return False
    return not types.is_nested(kind) or all(
        _can_be_stored(kind.field(number).type) for number in range(kind.num_fields)
    )


def _stored_type(kind: Any) -> Any:
    """Return the type itself, or one of the same values for what an older pyarrow cannot write, or not read again."""
    import pyarrow
    from pyarrow import types

    if types.is_decimal32(kind) or types.is_decimal64(kind):
        return kind if _survives(kind) else pyarrow.decimal128(kind.precision, kind.scale)
    if types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        return pyarrow.struct([(field.name, _stored_type(field.type)) for field in fields])
    if types.is_map(kind):
        return pyarrow.map_(_stored_type(kind.key_type), _stored_type(kind.item_type))
    if types.is_fixed_size_list(kind):
        item = _stored_type(kind.value_type)
        is_fixed = _survives(pyarrow.list_(pyarrow.int8(), 2))
        return pyarrow.list_(item, kind.list_size) if is_fixed else pyarrow.list_(item)
    if types.is_list(kind):
        return pyarrow.list_(_stored_type(kind.value_type))
    return pyarrow.large_list(_stored_type(kind.value_type)) if types.is_large_list(kind) else kind


@cache
def _survives(kind: Any) -> bool:
    """Return whether the installed pyarrow reads nulls of a type from a file as it wrote them."""
    import pyarrow
    from pyarrow import parquet

    table, file = pyarrow.table({"v": pyarrow.array([None, None], kind)}), io.BytesIO()
    try:
        parquet.write_table(table, file)
        return bool(parquet.read_table(file).equals(table))
    except (pyarrow.ArrowException, ValueError):
        return False


def _json_text(value: Any) -> str | None:
    """Return a value as JSON; what an answered row holds beside bytes of JSON is encoded."""
    return text_of(value if type(value) is msgspec.Raw else msgspec.json.encode(value))


def _text(value: Any) -> str | None:
    return text_of(value, column_type=_TEXT)


def _kind_of(kind: Any) -> _Kind:
    from pyarrow import types

    if types.is_nested(kind):
        return _nested(kind)
    if types.is_temporal(kind):
        return _temporal(kind)
    if types.is_decimal(kind):
        return _Kind(Decimal, kind)
    if types.is_fixed_size_binary(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return _Kind(bytes, kind)
    if types.is_floating(kind):
        return _Kind(float, kind)
    if types.is_integer(kind):
        return _Kind(int, kind)
    if types.is_boolean(kind):
        return _Kind(bool, kind)
    if types.is_null(kind):
        return _Kind(type(None), kind)
    if types.is_string(kind) or types.is_large_string(kind):
        return _Kind(str, kind)
    return _Kind(str, kind.storage_type, lambda text: uuid.UUID(text).bytes)


def _temporal(kind: Any) -> _Kind:
    """Return how moments, dates, times and durations are made: pyarrow takes nanoseconds only as numbers."""
    import pyarrow
    from pyarrow import types

    if types.is_date(kind):
        return _Kind(datetime.date, kind)
    if types.is_duration(kind):
        if kind.unit in _STEPS:
            return _Kind(datetime.timedelta, kind, partial(_steps, _STEPS[kind.unit]))
        return _Kind(datetime.timedelta, pyarrow.duration("us"))
    if types.is_time(kind):
        if kind.unit == "ns":
            return _Kind(str, kind, _nanoseconds_of_time)
        return _Kind(datetime.time, pyarrow.time64("us"))
    if kind.unit == "ns":
        return _Kind(str, kind, _naive_nanoseconds if kind.tz is None else _nanoseconds)
    python = Annotated[datetime.datetime, msgspec.Meta(tz=kind.tz is not None)]
    return _Kind(python, pyarrow.timestamp("us", kind.tz))


def _steps(step: datetime.timedelta, span: datetime.timedelta) -> int:
    """Return how many seconds or milliseconds a duration has: those of the longest ones exceed microseconds."""
    count, rest = divmod(span, step)
    if rest:
        raise ValueError("a part of the smallest step of the type")
    return count


def _nanoseconds(text: str) -> int:
    """Return the nanoseconds from 1970 to a moment in ISO 8601."""
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND * 1000 + _last_digits(text)


def _naive_nanoseconds(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError("a moment with a time zone, in a column of moments without one")
    return (moment.replace(tzinfo=datetime.UTC) - _EPOCH) // _MICROSECOND * 1000 + _last_digits(text)


def _nanoseconds_of_time(text: str) -> int:
    time = datetime.time.fromisoformat(text)
    seconds = (time.hour * 60 + time.minute) * 60 + time.second
    return (seconds * 1_000_000 + time.microsecond) * 1000 + _last_digits(text)


def _last_digits(text: str) -> int:
    """Return the nanoseconds that follow the microseconds, which Python's own types leave out."""
    found = _NANOSECONDS.search(text)
    return 0 if found is None else int(found[1])


def _nested(kind: Any) -> _Kind:
    from pyarrow import types

    if types.is_struct(kind):
        return _struct(kind)
    return _map(kind) if types.is_map(kind) else _list(kind)


def _list(kind: Any) -> _Kind:
    import pyarrow
    from pyarrow import types

    item = _kind_of(kind.value_type)
    if types.is_fixed_size_list(kind):
        carrier = pyarrow.list_(item.carrier, kind.list_size)
    else:
        carrier = pyarrow.large_list(item.carrier) if types.is_large_list(kind) else pyarrow.list_(item.carrier)
    convert = item.convert
    if convert is None:
        return _Kind(list[nullable(item.python)], carrier)  # type: ignore[misc]
    return _Kind(
        list[nullable(item.python)],  # type: ignore[misc]
        carrier,
        lambda values: [None if value is None else convert(value) for value in values],
    )


def _struct(kind: Any) -> _Kind:
    """Return how structs are made: as tuples, because any name may be that of a field."""
    import pyarrow

    fields = [kind.field(number) for number in range(kind.num_fields)]
    kinds = {field.name: _kind_of(field.type) for field in fields}

    def made(value: dict[str, msgspec.Raw]) -> tuple[Any, ...]:
        if not value.keys() <= kinds.keys():
            raise ValueError("a field that the struct does not have")
        return tuple(_cell(value.get(name), each) for name, each in kinds.items())

    return _Kind(dict[str, msgspec.Raw], pyarrow.struct([(name, each.carrier) for name, each in kinds.items()]), made)


def _cell(cell: msgspec.Raw | None, kind: _Kind) -> Any:
    value = None if cell is None else value_of(cell, kind.python)
    return value if value is None or kind.convert is None else kind.convert(value)


def _map(kind: Any) -> _Kind:
    """Return how maps are made, from JSON objects, whose names are the texts of the keys."""
    import pyarrow

    key, item = _kind_of(kind.key_type), _kind_of(kind.item_type)

    def made(value: dict[str, msgspec.Raw]) -> list[tuple[Any, Any]]:
        return [(_key(name, key), _cell(cell, item)) for name, cell in value.items()]

    return _Kind(dict[str, msgspec.Raw], pyarrow.map_(key.carrier, item.carrier), made)


def _key(name: str, kind: _Kind) -> Any:
    key = msgspec.convert(name, kind.python, strict=False)
    return key if kind.convert is None else kind.convert(key)
