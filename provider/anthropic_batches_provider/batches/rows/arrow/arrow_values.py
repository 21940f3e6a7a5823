"""The rows of Arrow's record batches as dicts of Python's values: each exact, or an error for its row alone.

pyarrow itself reads a nanosecond, an interval, a map or a time of day of 24:00 in a way that depends on what else is
installed, or that loses something. Such columns are read from their numbers here; all others go through ``to_pylist``.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from anthropic_batches_provider.batches.requests.wording import listed, reason, shortened
from anthropic_batches_provider.batches.rows.arrow.int96 import exact_moments
from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime, NanosecondTime
from anthropic_batches_provider.batches.rows.arrow.unreadable import Unreadable, first_unreadable
from anthropic_batches_provider.errors import ConfigurationError, InvalidRowError

BATCH_ROWS = 1000
"""So many rows are turned into dicts at a time."""

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a moment without a zone is wanted
_EPOCH_DAY = _EPOCH.date()
_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_DAY_NANOSECONDS = 86_400 * _NANOSECONDS["s"]
_DAY_MILLISECONDS = 86_400_000
_READ_BY_PYARROW = frozenset({"arrow.uuid", "arrow.json", "arrow.bool8"})


_INTERVAL = Unreadable("an interval of months, days and nanoseconds, which has no exact length. Give days, or text")
_SHORT_DURATION = Unreadable("a duration with nanoseconds, which its text cannot hold. Give a number, or text")
_UNION = Unreadable("a union, some of whose types cannot be read exactly. Give columns of their own")
_NO_TIME = Unreadable("a time of day before 00:00, or of 24:00 or later. Give text")
_NO_DATE = Unreadable("a date with a time of day. Give a timestamp")
_FAR = Unreadable("a value outside the years 1 to 9999, or of too many days. Give null, a number, or text")


def check_names(names: list[str], *, source: str) -> None:
    """Refuse a table with two columns of one name: a row could hold only one of them.

    :param source: begins the message.
    :raises ConfigurationError: names the columns.
    """
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise ConfigurationError(
            f"{source} has two columns of the same name: {listed(repeated)}. Rename one of them. Nothing was sent."
        )


def rows_of_batch(
    batch: Any, *, source: str, row_number: int, row_in_source: int, second: Any = None
) -> Iterator[dict[str, Any] | InvalidRowError]:
    """Yield the rows of a record batch, and an error in place of a row that holds a value which cannot be read.

    :param batch: of pyarrow, with names that differ.
    :param source: begins the messages, such as a file's name.
    :param row_number: number of its first row in the whole input.
    :param row_in_source: number of its first row in its source, from 0.
    :param second: of a Parquet file with moments of type INT96, their other reading; see :mod:`.int96`.
    """
    for start in range(0, batch.num_rows, BATCH_ROWS):
        piece = batch.slice(start, BATCH_ROWS)
        names = piece.schema.names
        columns = [values_of(column) for column in piece.columns]
        if second is not None:
            _take_exact_moments(names, columns, second.slice(start, BATCH_ROWS))
        bad = _first_unreadable(names, columns)
        rows = zip(*columns, strict=True) if columns else [()] * piece.num_rows
        if not bad:
            for cells in rows:
                yield dict(zip(names, cells, strict=True))
        else:
            for number, cells in enumerate(rows):
                if number not in bad:
                    yield dict(zip(names, cells, strict=True))
                    continue
                column, value = bad[number]
                yield unreadable_row(
                    source, row_in_source + start + number, column, value, row_number=row_number + start + number
                )


def unreadable_row(source: str, row: int, column: str, value: Unreadable, *, row_number: int) -> InvalidRowError:
    """Return the error in place of a row that holds a value which cannot be read."""
    return InvalidRowError(
        f"{source}, row {row} (the first is 0): column {shortened(column)!r} holds {value.problem}.",
        row_number=row_number,
    )


def _take_exact_moments(names: list[str], columns: list[list[Any]], second: Any) -> None:
    for name, column in zip(second.schema.names, second.columns, strict=True):
        place = names.index(name)
        pairs = zip(columns[place], values_of(column), strict=True)
        columns[place] = _Doubtful(exact_moments(one, other) for one, other in pairs)


def _first_unreadable(names: list[str], columns: list[list[Any]]) -> dict[int, tuple[str, Unreadable]]:
    """Return the rows that hold an unreadable value, each with the name of the first such column."""
    bad: dict[int, tuple[str, Unreadable]] = {}
    for name, values in zip(names, columns, strict=True):
        if type(values) is not list:  # only lists of a type of their own may hold one
            for number, value in enumerate(values):
                if type(value) is Unreadable:
                    bad.setdefault(number, (name, value))
    return bad


class _Doubtful(list[Any]):
    """Values of which some may be unreadable."""


def values_of(array: Any) -> list[Any]:
    """Return the values of an Arrow array; :class:`Unreadable` in place of those that cannot be read exactly."""
    read = _reader(array.type)
    if read is None:
        try:
            return list(array.to_pylist())
        except Exception:  # noqa: BLE001 - one of the values cannot be read: which one, is found below
            read = _reader_of_nested(array.type) or _one_by_one
    try:
        return _Doubtful(read(array))
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is a matter of these rows
        problem = Unreadable(
            f"a value of Arrow's type {shortened(str(array.type))}, which cannot be read ({reason(error)})"
        )
        return _Doubtful(problem if valid else None for valid in array.is_valid().to_pylist())


_Reader = Callable[[Any], list[Any]]


def _reader(kind: Any) -> _Reader | None:
    """Return what reads the values of a type exactly; None if ``to_pylist`` does, or fails."""
    from pyarrow import BaseExtensionType, types

    if isinstance(kind, BaseExtensionType):
        return None if kind.extension_name in _READ_BY_PYARROW else lambda array: values_of(array.storage)
    if types.is_timestamp(kind):
        return _moments if kind.unit == "ns" or kind.tz is not None else None
    if types.is_duration(kind):
        return _durations if kind.unit == "ns" else None
    if types.is_time(kind):
        return _times
    if types.is_date64(kind):
        return _dates
    if types.is_interval(kind):
        return _all_unreadable(_INTERVAL)
    if types.is_map(kind):
        return _maps
    if types.is_dictionary(kind):
        return None if _reader(kind.value_type) is None else lambda array: values_of(array.dictionary_decode())
    if types.is_run_end_encoded(kind):
        return _runs
    children = (kind.field(number).type for number in range(kind.num_fields))
    if not any(map(_reader, children)):
        return None
    return _all_unreadable(_UNION) if types.is_union(kind) else _reader_of_nested(kind)


def _reader_of_nested(kind: Any) -> _Reader | None:
    """Return what reads the values of a type from those of its children; None if it has none, or is a union."""
    from pyarrow import types

    if types.is_struct(kind):
        return _structs
    return _lists if types.is_nested(kind) and not types.is_union(kind) else None


def _all_unreadable(problem: Unreadable) -> _Reader:
    return lambda array: [problem if valid else None for valid in array.is_valid().to_pylist()]


def _one_by_one(array: Any) -> list[Any]:
    _zone(array.type)
    return [_as_python(scalar) for scalar in array]


def _zone(kind: Any) -> datetime.tzinfo | None:
    """Return the zone of a type of moments; None for one without, and for any other type."""
    name = getattr(kind, "tz", None)
    if name is None or name == "UTC":
        return None if name is None else datetime.UTC
    import pyarrow

    try:
        zone: datetime.tzinfo = pyarrow.lib.string_to_tzinfo(name)
    except Exception as error:
        raise LookupError(f"this worker does not know the time zone {name!r}") from error
    return zone


def _as_python(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except OverflowError:
        return _FAR
    except UnicodeDecodeError as error:
        return Unreadable(f"text that is not UTF-8 (byte {error.start + 1} of it). Write UTF-8, or a binary column")
    except Exception as error:  # noqa: BLE001 - of whatever kind, it is a matter of this row
        return Unreadable(f"a value that cannot be read ({reason(error)})")


def _integers(array: Any) -> list[int | None]:
    import pyarrow

    return list(array.cast(pyarrow.int32() if array.type.bit_width == 32 else pyarrow.int64()).to_pylist())


def _moments(array: Any) -> list[Any]:
    """Read moments in nanoseconds, or with a zone: a fifth of the time that pyarrow takes for these."""
    zone = _zone(array.type)
    epoch = _EPOCH if zone is None else _EPOCH.replace(tzinfo=datetime.UTC)
    unit = _NANOSECONDS[array.type.unit]
    moves = zone not in (None, datetime.UTC)

    def moment(number: int) -> datetime.datetime | Unreadable:
        microseconds, nanosecond = divmod(number * unit, 1000)
        try:
            found = epoch + datetime.timedelta(microseconds=microseconds)
            if moves:
                found = found.astimezone(zone)
        except OverflowError:
            return _FAR
        return NanosecondDatetime.of(found, nanosecond) if nanosecond else found

    return [None if number is None else moment(number) for number in _integers(array)]


def _times(array: Any) -> list[Any]:
    unit = _NANOSECONDS[array.type.unit]

    def time(number: int) -> datetime.time | Unreadable:
        nanoseconds = number * unit
        if not 0 <= nanoseconds < _DAY_NANOSECONDS:
            return _NO_TIME
        microseconds, nanosecond = divmod(nanoseconds, 1000)
        found = (_EPOCH + datetime.timedelta(microseconds=microseconds)).time()
        return NanosecondTime.of(found, nanosecond) if nanosecond else found

    return [None if number is None else time(number) for number in _integers(array)]


def _durations(array: Any) -> list[Any]:
    def duration(number: int) -> datetime.timedelta | Unreadable:
        microseconds, nanoseconds = divmod(number, 1000)
        return _SHORT_DURATION if nanoseconds else datetime.timedelta(microseconds=microseconds)

    return [None if number is None else duration(number) for number in _integers(array)]


def _dates(array: Any) -> list[Any]:
    def date(number: int) -> datetime.date | Unreadable:
        days, rest = divmod(number, _DAY_MILLISECONDS)
        if rest:
            return _NO_DATE
        try:
            return _EPOCH_DAY + datetime.timedelta(days=days)
        except OverflowError:
            return _FAR

    return [None if number is None else date(number) for number in _integers(array)]


def _runs(array: Any) -> list[Any]:
    from pyarrow import compute

    return values_of(compute.run_end_decode(array))


def _structs(array: Any) -> list[Any]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    valid = array.is_valid().to_pylist()
    if len(set(names)) < len(names):
        twice = Unreadable(f"a struct with two fields of the same name: {listed(names)}. Rename one of them")
        return [twice if each else None for each in valid]
    columns = [values_of(child) for child in array.flatten()]
    rows = zip(*columns, strict=True) if columns else [()] * len(array)
    return [
        first_unreadable(cells) or dict(zip(names, cells, strict=True)) if each else None
        for cells, each in zip(rows, valid, strict=True)
    ]


def _lists(array: Any) -> list[Any]:
    values = values_of(array.flatten())
    found: list[Any] = []
    start = 0
    for length in array.value_lengths().to_pylist():
        items = values[start : start + (length or 0)]
        found.append(None if length is None else first_unreadable(items) or list(items))
        start += length or 0
    return found


def _maps(array: Any) -> list[Any]:
    offsets = array.offsets.to_pylist()
    first, length = offsets[0], offsets[-1] - offsets[0]
    keys = values_of(array.keys.slice(first, length))
    items = values_of(array.items.slice(first, length))
    places = (slice(start - first, end - first) for start, end in pairwise(offsets))
    return [
        _map(keys[place], items[place]) if valid else None
        for place, valid in zip(places, array.is_valid().to_pylist(), strict=True)
    ]


def _map(keys: list[Any], items: list[Any]) -> dict[Any, Any] | Unreadable:
    found: dict[Any, Any] = {}
    for key, item in zip(keys, items, strict=True):
        try:
            is_new = key not in found
        except TypeError:
            return Unreadable("a map whose keys are lists or structs. Give a list of structs")
        if not is_new:
            return Unreadable(f"a map with the key {shortened(str(key), 40)!r} twice. Give a list of structs")
        found[key] = item
    return first_unreadable((*keys, *items)) or found
