"""The types of a job's key and kept columns, so that an output that has types can have those of the source.

JSON has no dates, no decimals and no integers of a size: what the rows had must be recorded while they are read. A
source that knows its types declares them (:class:`.SourceSchema`); for all others, the values of all rows decide.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Set
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from anthropic_batches_provider.batches.ledger import ColumnRecord
from anthropic_batches_provider.batches.output.user_columns import ROW_NUMBER_COLUMN
from anthropic_batches_provider.batches.requests.encoding import NotJsonError, encode_values
from anthropic_batches_provider.batches.requests.exact_values import FileFloat, plain_value
from anthropic_batches_provider.batches.rows.columns import RowColumns
from anthropic_batches_provider.batches.rows.source_schema import SourceSchema

_MOST_INT64 = (1 << 63) - 1
_MOST_UINT64 = (1 << 64) - 1
_MOST_EXACT_INT = 1 << 53  # a float holds all integers up to here
_JSON_TEXT = "json"
MOST_COLUMNS = 10_000
"""Of rows with more names than this, as dicts by id have, no types are recorded: each name takes memory."""
_WRITTEN_AS_TEXT = frozenset({"string", "binary", "date32[day]", "duration[us]", "decimal"})
_WRITTEN_AS_TEXT_IN_KINDS = ("timestamp", "time64")


class ColumnTypes:
    """Observes the key and kept columns of the rows, and says which type each has.

    The types are Arrow's, as Arrow writes them (``int64``, ``timestamp[us, tz=UTC]``, ``decimal128(10, 2)``), and
    ``json`` for a column whose values have no common one, such as objects: its type is the JSON text.

    :param columns: which columns of a row are key or kept; None for ready requests, whose custom_id is the key.
    :param key_column: the name of the key of ready requests.
    """

    def __init__(self, columns: RowColumns | None, key_column: str = "") -> None:
        self.schema = SourceSchema()
        self._columns = columns
        self._key_column = key_column
        self._keys = () if columns is None or columns.key is None else columns.key_columns
        self._seen = {name: SeenValues() for name in self._keys}
        if columns is not None and columns.keep != "*":
            self._seen |= {name: SeenValues() for name in columns.kept_columns}

    def observe(self, row: Mapping[str, Any]) -> None:
        """Take the values of a row that can be sent."""
        seen = self._seen
        if self._columns is not None and self._columns.keep == "*":
            if len(seen) > MOST_COLUMNS:
                return
            for given, value in row.items():
                name = given if type(given) is str else _json_name(given) or ""
                values = seen.get(name) or seen.setdefault(name, SeenValues())
                if type(value) is str:
                    values.kinds.add("string")
                else:
                    values.add(value)
            return
        for name, values in seen.items():
            value = row[name]
            if type(value) is str:
                values.kinds.add("string")
            else:
                values.add(value)

    def values_of(self, name: str) -> SeenValues:
        """Return what takes the values of a key column or a kept column, for those who have no whole row."""
        return self._seen[name]

    def observe_invalid(self, row: Mapping[str, Any]) -> None:
        """Take the values of a row that cannot be sent: what it lacks, or is no JSON, is null in the output."""
        if self._columns is None:
            return
        known = {name: _json_value(value) for given, value in row.items() if (name := _json_name(given)) is not None}
        names = known if self._columns.keep == "*" else self._seen
        self.observe({name: known.get(name) for name in names})

    def observe_custom_id(self, custom_id: bytes) -> None:
        """Take the custom_id of a ready request, as JSON."""
        values = self._seen.setdefault(self._key_column, SeenValues())
        if custom_id.startswith(b'"'):
            values.kinds.add("string")
        else:
            values.add(None if custom_id == b"null" else int(custom_id))

    def records(self) -> tuple[ColumnRecord, ...]:
        """Return the columns of the output rows, in their order, each with its type."""
        if len(self._seen) > MOST_COLUMNS:
            return ()
        declared = self.schema.declared()
        return tuple(ColumnRecord(name=name, type=declared.get(name) or kind) for name, kind in self._observed())

    def _observed(self) -> Iterable[tuple[str, str]]:
        if self._columns is not None and self._columns.key is None:
            yield ROW_NUMBER_COLUMN, "int64"
        for name, values in self._seen.items():
            yield name, values.type()


class SeenValues:
    """What was seen of the values of a column.

    :ivar kinds: the types of its values.
    """

    __slots__ = ("kinds", "least", "most", "scale", "whole_digits")

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.least = self.most = 0
        self.scale = self.whole_digits = 0

    def add(self, value: Any) -> None:
        """Take a value that JSON can hold."""
        kind = type(value)
        if kind is int:
            self.kinds.add("int64")
            if value > self.most:
                self.most = value
            elif value < self.least:
                self.least = value
        elif kind is float or value is None or kind is bool:
            self.kinds.add(_PLAIN[kind])
        else:
            self.kinds.add(self._kind_of(value))

    def type(self) -> str:
        """Return the type that holds all values."""
        kinds = self.kinds - {"null"}
        if kinds == {"int64"}:
            return self._integers()
        if kinds == {"int64", "double"} and max(self.most, -self.least) <= _MOST_EXACT_INT:
            return "double"
        if kinds == {"decimal"}:
            return self._decimals()
        if len(kinds) <= 1:
            return next(iter(kinds), "null")
        if len({kind.replace("[us", "[ns") for kind in kinds}) == 1:  # of whole and of broken microseconds
            return next(kind for kind in kinds if "[ns" in kind)
        return "string" if all(map(_is_written_as_text, kinds)) else _JSON_TEXT

    def _integers(self) -> str:
        if self.most <= _MOST_INT64 and self.least >= -_MOST_INT64 - 1:
            return "int64"
        return "uint64" if self.least >= 0 and self.most <= _MOST_UINT64 else _JSON_TEXT

    def _decimals(self) -> str:
        digits = max(self.whole_digits + self.scale, 1)
        if digits > 76:
            return "string"
        return f"decimal{128 if digits <= 38 else 256}({digits}, {self.scale})"

    def _kind_of(self, value: Any) -> str:
        if isinstance(value, Decimal):
            return self._kind_of_decimal(value)
        if (kind_of := _KIND_OF_TYPE.get(type(value))) is not None:
            return kind_of(value)
        if isinstance(value, (Mapping, list, tuple, Set)):
            return _JSON_TEXT
        for kind, kind_of in _KINDS:
            if isinstance(value, kind):
                return kind_of(value)
        return self._kind_of_plain(value)

    def _kind_of_decimal(self, value: Decimal) -> str:
        _, digits, exponent = value.as_tuple()
        scale = -int(exponent)  # NaN and infinity, whose exponent is a letter, are no JSON
        self.scale = max(self.scale, scale)
        self.whole_digits = max(self.whole_digits, len(digits) - scale)
        return "decimal"

    def _kind_of_plain(self, value: Any) -> str:
        """Return the type of a number of numpy and the like, by the plain value that is written for it."""
        try:
            plain = plain_value(value)
        except TypeError:
            return _JSON_TEXT
        if type(plain) is int:
            self.add(plain)
        return _PLAIN.get(type(plain), _JSON_TEXT)


def _kind_of_moment(value: datetime.datetime) -> str:
    zone = "" if value.tzinfo is None else ", tz=UTC"
    return f"timestamp[{_unit(value)}{zone}]"


def _kind_of_time(value: datetime.time) -> str:
    return f"time64[{_unit(value)}]" if value.tzinfo is None else "string"


def _unit(value: datetime.datetime | datetime.time) -> str:
    return "ns" if getattr(value, "nanosecond", 0) else "us"


_KINDS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    ((str, UUID), lambda _: "string"),
    ((bytes, bytearray, memoryview), lambda _: "binary"),
    (FileFloat, lambda value: "double" if _is_exact(value) else _JSON_TEXT),
    (datetime.datetime, _kind_of_moment),
    (datetime.date, lambda _: "date32[day]"),
    (datetime.time, _kind_of_time),
    (datetime.timedelta, lambda _: "duration[us]"),
)
_KIND_OF_TYPE = {
    kind: kind_of for kinds, kind_of in _KINDS for kind in (kinds if isinstance(kinds, tuple) else (kinds,))
}
_PLAIN: dict[type, str] = {int: "int64", float: "double", type(None): "null", bool: "bool", str: "string"}


def _is_written_as_text(kind: str) -> bool:
    return kind in _WRITTEN_AS_TEXT or kind.startswith(_WRITTEN_AS_TEXT_IN_KINDS)


def _is_exact(value: FileFloat) -> bool:
    """Return whether a float is the number that its digits say, so that only their form differs."""
    number = float(value)
    try:
        return Decimal(repr(number)) == Decimal(value.digits)
    except ArithmeticError:  # an exponent of 19 digits
        return False


def _json_value(value: Any) -> Any:
    """Return a value that JSON can hold; None for another."""
    try:
        encode_values(value)
    except NotJsonError:
        return None
    return value


def _json_name(name: Any) -> str | None:
    """Return the name of a column in JSON; None if JSON cannot hold it."""
    try:
        return next(iter(msgspec.json.decode(encode_values({name: None}), type=dict[str, None])))
    except NotJsonError:
        return None
