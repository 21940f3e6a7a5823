"""The values of a row as the driver of a database takes them.

Invariant: a value arrives as the source or the model gave it. Only two things that PostgreSQL cannot store are
replaced, and counted: the character NUL, and half of a surrogate pair in JSON.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from anthropic_batches_provider.batches.output.table_columns import TableColumn
from anthropic_batches_provider.edge.sql_tables.column_types import POSTGRES, SQLITE, value_kind

log = logging.getLogger(__name__)

_NUL = "\x00"
_REPLACEMENT = "\ufffd"
# Escapes in JSON, so that the text \\u0000 (a backslash, then letters) is none; pairs of surrogates are left alone.
_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_MAY_BE_REPLACED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
# PostgreSQL's numeric, and so jsonb, has at most so many digits: https://www.postgresql.org/docs/18/datatype-numeric.html
_MOST_WHOLE_DIGITS, _MOST_FRACTION_DIGITS = 131_072, 16_383
_MOST_EXPONENT_DIGITS = 8
_MAY_BE_EXTREME = re.compile(r"\d[eE][+-]?\d{4}|\d{16384}")
_ISO_DURATION = re.compile(r"(-)?P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,6}))?S)?)?")
_MOST_INT64 = (1 << 63) - 1
_MOST_PLACES = 76  # after the point, of Arrow's decimals
_TEXTS = frozenset(("text", "uuid", "time", "timestamp", "moment"))


class RowAdapter:
    """Turns the values of a row into those that a driver takes.

    :param kind: see :attr:`.Database.kind`.
    :ivar replaced: the number of values in which characters were replaced, by the column's name.
    :ivar left_out: the number of JSON values with a number that no jsonb can hold, by the column's name: null.
    """

    def __init__(self, kind: str, columns: Sequence[TableColumn]) -> None:
        self.replaced: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._changes = [
            (number, change)
            for number, column in enumerate(columns)
            if (change := self._change_of(kind, column)) is not None
        ]

    def __call__(self, values: list[Any]) -> list[Any]:
        """Change the values of a row in place, and return them."""
        for number, change in self._changes:
            value = values[number]
            if value is not None:
                values[number] = change(value)
        return values

    def log_replaced(self) -> None:
        """Say which columns had characters that the database cannot store; once for each load."""
        if self.replaced:
            log.warning(
                "PostgreSQL stores neither the character NUL nor half of a surrogate pair: they became U+FFFD in %s",
                ", ".join(f"{count:,} values of {name!r}" for name, count in self.replaced.items()),
            )
        if self.left_out:
            log.warning(
                "PostgreSQL's jsonb cannot hold numbers with so many digits; the whole value is null: %s",
                ", ".join(f"{count:,} values of {name!r}" for name, count in self.left_out.items()),
            )

    def _change_of(self, kind: str, column: TableColumn) -> Callable[[Any], Any] | None:
        family: str = value_kind(column.type).family
        if kind == SQLITE:
            return _OF_SQLITE.get(family) or _plain
        if kind != POSTGRES:
            return None
        if family == "duration":
            return interval_text
        if family == "json":
            return partial(self._storable_json, column.name)
        if family in _TEXTS:
            return partial(self._storable, column.name)
        return None

    def _storable(self, name: str, value: Any) -> Any:
        if type(value) is not str or _NUL not in value:
            return value
        self.replaced[name] += 1
        return value.replace(_NUL, _REPLACEMENT)

    def _storable_json(self, name: str, value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        if _MAY_BE_EXTREME.search(text) and _holds_an_extreme_number(text):
            self.left_out[name] += 1
            return None
        if not _MAY_BE_REPLACED.search(text):
            return text
        storable = _ESCAPES.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
        if storable != text:
            self.replaced[name] += 1
        return storable


def _holds_an_extreme_number(text: str) -> bool:
    """Return whether JSON holds a number that PostgreSQL's numeric cannot hold; its texts do not count."""
    numbers: list[str] = []
    try:
        json.loads(text, parse_float=numbers.append, parse_int=numbers.append)
    except RecursionError:  # so deep that nothing here can look at it
        return True
    return any(map(_is_extreme, numbers))


def _is_extreme(number: str) -> bool:
    digits, _, exponent = number.lower().partition("e")
    whole, _, fraction = digits.lstrip("-").partition(".")
    if not (whole + fraction).strip("0"):
        return len(exponent.lstrip("+-")) > _MOST_EXPONENT_DIGITS
    if len(exponent.lstrip("+-")) > _MOST_EXPONENT_DIGITS:
        return True
    shift = int(exponent or "0")
    return len(whole) + shift > _MOST_WHOLE_DIGITS or len(fraction) - shift > _MOST_FRACTION_DIGITS


def row_adapter(kind: str, columns: Sequence[TableColumn]) -> RowAdapter:
    """Return a function that turns the values of a row into those that the driver takes.

    :param kind: see :attr:`.Database.kind`.
    """
    return RowAdapter(kind, columns)


def interval_text(value: Any) -> str:
    """Return a duration as PostgreSQL reads an interval; it does not read the sign of ISO 8601.

    :param value: a timedelta, or the text that JSON has for one.
    """
    length = value if isinstance(value, datetime.timedelta) else _timedelta(value)
    microseconds = length // datetime.timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    days, rest = divmod(abs(microseconds), 86_400_000_000)
    return f"{sign}{days} days {sign}{rest // 1_000_000}.{rest % 1_000_000:06d} seconds"


def _timedelta(text: str) -> datetime.timedelta:
    found = _ISO_DURATION.fullmatch(text)
    if found is None:
        raise ValueError("a duration that is no text of ISO 8601 with days, hours, minutes and seconds")
    sign, days, hours, minutes, seconds, fraction = found.groups(default="0")
    length = datetime.timedelta(
        days=int(days), hours=int(hours), minutes=int(minutes), seconds=int(seconds),
        microseconds=int(fraction.ljust(6, "0")),
    )  # fmt: skip
    return -length if sign == "-" else length


def _plain(value: Any) -> Any:
    """Return a value that SQLite's driver stores without an adapter of its own."""
    if value is None or isinstance(value, (str, bytes, float)):
        return value
    if isinstance(value, int):
        return int(value) if -_MOST_INT64 - 1 <= value <= _MOST_INT64 else str(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return _decimal_text(value)
    return str(value)


def _decimal_text(value: Decimal) -> str:
    """Return the digits of a decimal, without an exponent if Arrow has such decimals: 0.0000001, not 1E-7."""
    exponent = value.as_tuple().exponent
    return format(value, "f") if isinstance(exponent, int) and -_MOST_PLACES <= exponent <= 0 else str(value)


def _scalar(value: Any) -> Any:
    """Return a JSON scalar as itself, as SQLite has it in a column of mixed values; anything else as JSON text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if text[:1] in "{[":
        return text
    try:
        found = json.loads(text, parse_float=_exact_float)
    except ValueError:
        return text
    return _plain(found)


def _exact_float(digits: str) -> float | str:
    """Return a number that a float holds exactly, else its digits."""
    number = float(digits)
    return number if Decimal(repr(number)) == Decimal(digits) else digits


_OF_SQLITE: dict[str, Callable[[Any], Any]] = {"json": _scalar, "unsigned": str}
