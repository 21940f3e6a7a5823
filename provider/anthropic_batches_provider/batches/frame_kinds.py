"""Recognizes tables in memory by their classes, so that nothing is imported for it. Imported when a DAG is parsed."""

from __future__ import annotations

from collections.abc import Iterator

_ARROW_METHODS = ("__arrow_c_stream__", "__arrow_c_array__")
_WITHOUT_ROWS_HERE = frozenset({"pyspark"})  # its rows are on other machines


def is_frame(value: object) -> bool:
    """Return whether a value is a table in memory whose rows can be read: of pandas, or one that hands out Arrow data.

    Its class is asked, never the value: the columns of many tables are attributes, too.
    """
    kind = type(value)
    return is_pandas_frame(value) or (
        any(hasattr(kind, method) for method in _ARROW_METHODS) and _package(kind) not in _WITHOUT_ROWS_HERE
    )


def is_read_once(value: object) -> bool:
    """Return whether a value is an iterator or a reader of Arrow data, which seem to hold nothing when read again."""
    return isinstance(value, Iterator) or hasattr(type(value), "read_next_batch")


def reader_inside(source: object) -> object | None:
    """Return the first item of a list of tables that can be read only once; None if each can be read again.

    A list of rows is not searched: its first item shows that it is none of tables.
    """
    if not isinstance(source, (list, tuple)) or not source or not (is_read_once(source[0]) or is_frame(source[0])):
        return None
    return next(filter(is_read_once, source), None)


def is_pandas_frame(value: object) -> bool:
    """Return whether a value is a DataFrame of pandas, or of a class that is made from it."""
    return any(kind.__name__ == "DataFrame" and _package(kind) == "pandas" for kind in type(value).__mro__)


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
