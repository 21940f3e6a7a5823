"""Moments of Parquet's old type INT96, as Spark, Hive and Impala wrote them for many years: exact in any year.

pyarrow reads them either in nanoseconds, where a year such as 9999 silently becomes another one, or in microseconds,
where nanoseconds are lost. Both are read here: together they are exact.

One case stays open. Older versions of pyarrow (22, for example) wrote moments before 1970 in such a way that the second
reading gives one 584 years later. It is refused, as nothing distinguishes it from a moment that is so late.
"""

from __future__ import annotations

import datetime
from typing import Any

from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime
from anthropic_batches_provider.batches.rows.arrow.unreadable import Unreadable, first_unreadable

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - the type has no zone
_MICROSECOND = datetime.timedelta(microseconds=1)
_WRAPS = 1 << 64
_UNCERTAIN = Unreadable(
    "a moment of Parquet's old type INT96 that is before 1970 or after 2262, depending on what wrote the file. "
    "Write it again with another type, such as timestamps in microseconds"
)


def has_int96(schema: Any) -> bool:
    """Return whether a file's schema, as Parquet has it, holds a column of this type."""
    return any(schema.column(number).physical_type == "INT96" for number in range(len(schema)))


def columns_that_differ(one: Any, other: Any) -> list[str]:
    """Return the columns that have another type in another of Arrow's schemas of a file."""
    return [field.name for field, same in zip(one, other, strict=True) if field.type != same.type]


def exact_moments(in_microseconds: Any, in_nanoseconds: Any) -> Any:
    """Return a value of such a column from its two readings; at any depth, in a list or a dict.

    :param in_microseconds: right up to the microsecond.
    :param in_nanoseconds: right modulo 2**64 nanoseconds.
    """
    if isinstance(in_microseconds, datetime.datetime):
        nanoseconds = _nanoseconds(in_nanoseconds)
        difference = nanoseconds - 1000 * ((in_microseconds - _EPOCH) // _MICROSECOND)
        nanosecond = difference % _WRAPS
        if nanoseconds < 0 and difference + _WRAPS == nanosecond:
            return _UNCERTAIN
        return NanosecondDatetime.of(in_microseconds, nanosecond) if nanosecond else in_microseconds
    if isinstance(in_microseconds, dict):
        found = {name: exact_moments(value, in_nanoseconds[name]) for name, value in in_microseconds.items()}
        return first_unreadable(found.values()) or found
    if isinstance(in_microseconds, list):
        items = [exact_moments(one, other) for one, other in zip(in_microseconds, in_nanoseconds, strict=True)]
        return first_unreadable(items) or items
    return in_microseconds


def _nanoseconds(moment: datetime.datetime) -> int:
    return 1000 * ((moment - _EPOCH) // _MICROSECOND) + getattr(moment, "nanosecond", 0)
