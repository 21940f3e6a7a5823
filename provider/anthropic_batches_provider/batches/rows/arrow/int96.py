"""Moments of Parquet's old type INT96, as Spark, Hive and Impala wrote them for many years: exact in any year.

pyarrow reads them either in nanoseconds, where a year such as 9999 silently becomes another one, or in microseconds,
where nanoseconds are lost. Both are read here: together they are exact.
"""

from __future__ import annotations

import datetime
from typing import Any

from anthropic_batches_provider.batches.rows.arrow.nanoseconds import NanosecondDatetime

_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - the type has no zone
_MICROSECOND = datetime.timedelta(microseconds=1)
_WRAPS = 1 << 64


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
        microseconds = (in_microseconds - _EPOCH) // _MICROSECOND
        nanosecond = (_nanoseconds(in_nanoseconds) - 1000 * microseconds) % _WRAPS
        return NanosecondDatetime.of(in_microseconds, nanosecond) if nanosecond else in_microseconds
    if isinstance(in_microseconds, dict):
        return {name: exact_moments(value, in_nanoseconds[name]) for name, value in in_microseconds.items()}
    if isinstance(in_microseconds, list):
        return [exact_moments(one, other) for one, other in zip(in_microseconds, in_nanoseconds, strict=True)]
    return in_microseconds


def _nanoseconds(moment: datetime.datetime) -> int:
    return 1000 * ((moment - _EPOCH) // _MICROSECOND) + getattr(moment, "nanosecond", 0)
